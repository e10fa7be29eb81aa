/* SPDX-License-Identifier: BSD-3-Clause */
#include "support.h"

#include <string.h>

#include "core/context-internal.h"
#include "reactor/reactor-internal.h"

/* Lets time pass, on a clock that stands still otherwise. */
static void
pass(uint64_t ms)
{
    ck_assert_int_eq(evf_block_on(executor, evf_sleep(NULL, ms)), 0);
}

static intptr_t
tick(evf_interval *interval)
{
    return evf_block_on(executor, evf_interval_tick(NULL, interval));
}

/*
 * A consumer that is late: before each tick it lets `late` ms pass. Then the
 * tick must come at `at`, in ms from the first poll, and tell `periods`.
 */
struct step {
    uint64_t late, at;
    intptr_t periods;
};

static void
walk(enum evf_interval_policy policy, const struct step *steps, size_t n)
{
    evf_interval interval;
    uint64_t start;

    ck_assert_int_eq(evf_interval_init(&interval, 10, policy), 0);
    start = evf_executor_now(executor);
    for (size_t i = 0; i < n; i++) {
        if (steps[i].late > 0)
            pass(steps[i].late);
        ck_assert_msg(tick(&interval) == steps[i].periods &&
                evf_executor_now(executor) - start == steps[i].at,
            "policy %d, step %zu: at %d", (int)policy, i,
            (int)(evf_executor_now(executor) - start));
    }
}

START_TEST(ticks_of_each_policy)
{
    /* In time; within a period; at the very next tick; three periods late. */
    static const struct step burst[] = {{0, 10, 1}, {0, 20, 1}, {9, 30, 1},
        {10, 40, 1}, {35, 75, 1}, {0, 75, 1}, {0, 75, 1}, {0, 80, 1},
        {25, 105, 1}, {0, 105, 1}, {0, 110, 1}};
    static const struct step delay[] = {{0, 10, 1}, {0, 20, 1}, {9, 30, 1},
        {10, 40, 1}, {35, 75, 3}, {0, 85, 1}, {19, 104, 1}, {0, 114, 1},
        {20, 134, 2}, {0, 144, 1}};
    static const struct step skip[] = {{0, 10, 1}, {0, 20, 1}, {9, 30, 1},
        {10, 40, 1}, {35, 75, 3}, {0, 80, 1}, {19, 99, 1}, {0, 100, 1},
        {20, 120, 2}, {0, 130, 1}};

    evf_executor_pause_clock(executor);
    walk(EVF_INTERVAL_BURST, burst, sizeof(burst) / sizeof(*burst));
    walk(EVF_INTERVAL_DELAY, delay, sizeof(delay) / sizeof(*delay));
    walk(EVF_INTERVAL_SKIP, skip, sizeof(skip) / sizeof(*skip));
}
END_TEST

START_TEST(first_tick_is_a_period_after_the_first_poll) /* F1 */
{
    evf_interval interval;
    evf_future *future;
    uint64_t start;

    evf_executor_pause_clock(executor);
    evf_interval_init(&interval, 100, EVF_INTERVAL_SKIP);
    pass(1000);
    future = evf_interval_tick(NULL, &interval);
    pass(1000);
    start = evf_executor_now(executor);
    ck_assert_int_eq(evf_block_on(executor, future), 1);
    ck_assert_uint_eq(evf_executor_now(executor), start + 100);
}
END_TEST

START_TEST(init_refuses_what_is_no_interval)
{
    static const enum evf_interval_policy none = (enum evf_interval_policy)3;
    evf_interval interval;

    memset(&interval, 0x5a, sizeof(interval));
    ck_assert_int_eq(evf_interval_init(NULL, 1, EVF_INTERVAL_SKIP), -EINVAL);
    ck_assert_int_eq(evf_interval_init(&interval, 0, EVF_INTERVAL_SKIP),
        -EINVAL);
    ck_assert_ptr_eq(evf_interval_tick(NULL, &interval),
        evf_future_failed(-EINVAL));
    ck_assert_int_eq(evf_interval_init(&interval, 1, none), -EINVAL);
    ck_assert_ptr_eq(evf_interval_tick(NULL, &interval),
        evf_future_failed(-EINVAL));
    ck_assert_int_eq(evf_interval_init(&interval, 1, EVF_INTERVAL_BURST), 0);
}
END_TEST

START_TEST(tick_refuses_an_interval_that_was_not_set_up) /* F47 */
{
    evf_interval interval = {0};
    evf_op op = {0};

    ck_assert_ptr_eq(evf_interval_tick(&op, NULL), evf_future_failed(-EINVAL));
    ck_assert_ptr_eq(evf_interval_tick(&op, &interval),
        evf_future_failed(-EINVAL));
    ck_assert_ptr_null(op.future.ops);
}
END_TEST

START_TEST(tick_that_was_not_taken_stays) /* F13 */
{
    struct probe probe;
    evf_interval interval;
    evf_future *future;
    uint64_t start;

    probe_init(&probe);
    evf_executor_pause_clock(executor);
    start = evf_executor_now(executor);
    evf_interval_init(&interval, 10, EVF_INTERVAL_BURST);
    for (int i = 0; i < 3; i++) { /* dropped before, at, and after its time */
        future = evf_interval_tick(NULL, &interval);
        ck_assert_int_eq(poll_with(future, &probe, executor),
            i < 2 ? EVF_PENDING : EVF_READY);
        if (i == 2)
            ck_assert_int_eq(evf_future_take(future), 1);
        if (i < 2)
            pass(5);
        evf_future_drop(future);
        ck_assert_int_eq(probe_live(&probe), 0);
    }
    ck_assert_uint_eq(probe.wakes, 1);
    ck_assert_uint_eq(interval.next, start + 20);
    ck_assert(evfi_wheel_empty(&evf_executor_reactor(executor)->wheel));
}
END_TEST

START_TEST(timed_out_tick_comes_later)
{
    evf_interval interval;
    uint64_t start;

    evf_executor_pause_clock(executor);
    evf_interval_init(&interval, 10, EVF_INTERVAL_SKIP);
    start = evf_executor_now(executor);
    ck_assert_int_eq(evf_block_on(executor,
                         evf_timeout(NULL, 7,
                             evf_interval_tick(NULL, &interval))),
        -ETIMEDOUT);
    ck_assert_int_eq(tick(&interval), 1);
    ck_assert_uint_eq(evf_executor_now(executor), start + 10);
}
END_TEST

START_TEST(due_tick_beats_a_request) /* F35 */
{
    struct probe probe;
    evf_interval interval;
    evf_future *future;
    evf_context cx;
    void (*dispose)(void *);
    intptr_t result;
    bool polled;

    probe_init(&probe);
    evf_executor_pause_clock(executor);
    for (int ms = 9; ms <= 10; ms++) {
        evf_interval_init(&interval, 10, EVF_INTERVAL_SKIP);
        future = evf_interval_tick(NULL, &interval);
        polled = false;
        evf_context_init(&cx, &probe.waker, executor);
        ck_assert_int_eq(evf_future_poll_child(future, &cx, &polled, &result,
                             &dispose),
            EVF_PENDING);
        pass((uint64_t)ms);
        evfi_context_init_root(&cx, &probe.waker, executor, -ECANCELED);
        ck_assert_int_eq(evf_future_poll_child(future, &cx, &polled, &result,
                             &dispose),
            EVF_READY);
        ck_assert_int_eq(result, ms < 10 ? -ECANCELED : 1);
    }
}
END_TEST

START_TEST(spurious_polls_and_another_waker) /* F2 F8 */
{
    struct probe first, second;
    evf_interval interval;
    evf_future *future;

    probe_init(&first);
    probe_init(&second);
    evf_executor_pause_clock(executor);
    evf_interval_init(&interval, 10, EVF_INTERVAL_SKIP);
    future = evf_interval_tick(NULL, &interval);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(poll_with(future, &first, executor), EVF_PENDING);
    ck_assert_uint_eq(first.clones, 1);
    ck_assert_int_eq(poll_with(future, &second, executor), EVF_PENDING);
    ck_assert_int_eq(probe_live(&first), 0);
    pass(10);
    ck_assert_uint_eq(first.wakes, 0);
    ck_assert_uint_eq(second.wakes, 1);
    ck_assert_int_eq(poll_with(future, &first, executor), EVF_READY);
    evf_future_drop(future);
    ck_assert_int_eq(probe_live(&first), 0);
    ck_assert_int_eq(probe_live(&second), 0);
}
END_TEST

START_TEST(two_that_await_one_interval_get_a_tick_each)
{
    struct probe probe;
    evf_interval interval;
    evf_future *futures[2];

    probe_init(&probe);
    evf_executor_pause_clock(executor);
    evf_interval_init(&interval, 10, EVF_INTERVAL_SKIP);
    for (int i = 0; i < 2; i++) {
        futures[i] = evf_interval_tick(NULL, &interval);
        ck_assert_int_eq(poll_with(futures[i], &probe, executor), EVF_PENDING);
    }
    pass(10);
    ck_assert_uint_eq(probe.wakes, 2);
    ck_assert_int_eq(poll_with(futures[0], &probe, executor), EVF_READY);
    ck_assert_int_eq(poll_with(futures[1], &probe, executor), EVF_PENDING);
    pass(9);
    ck_assert_uint_eq(probe.wakes, 2);
    pass(1);
    ck_assert_uint_eq(probe.wakes, 3);
    ck_assert_int_eq(poll_with(futures[1], &probe, executor), EVF_READY);
    evf_future_drop(futures[0]);
    evf_future_drop(futures[1]);
}
END_TEST

START_TEST(constructor_failures) /* F28 F34 */
{
    evf_interval interval, other;
    evf_op op = {0};
    evf_future *future;

    evf_executor_pause_clock(executor);
    evf_interval_init(&interval, 10, EVF_INTERVAL_SKIP);
    evf_interval_init(&other, 5, EVF_INTERVAL_SKIP);
    future = evf_interval_tick(&op, &interval);
    ck_assert_ptr_eq(evf_interval_tick(&op, &other), evf_future_failed(-EBUSY));
    ck_assert_uint_eq(other.next, 0);
    ck_assert_int_eq(evf_block_on(executor, future), 1);
    heap_fail_at(1);
    ck_assert_ptr_null(evf_interval_tick(NULL, &interval));
}
END_TEST

START_TEST(foreign_executor_has_no_time) /* F40 */
{
    struct probe probe;
    evf_interval interval;
    evf_future *future;

    probe_init(&probe);
    evf_interval_init(&interval, 10, EVF_INTERVAL_SKIP);
    future = evf_interval_tick(NULL, &interval);
    ck_assert_int_eq(poll_with(future, &probe, NULL), EVF_READY);
    ck_assert_int_eq(evf_future_take(future), -ENOTSUP);
    evf_future_drop(future);
    ck_assert_uint_eq(interval.next, 0);
}
END_TEST

START_TEST(tick_outlives_its_executor) /* F23 */
{
    struct probe probe;
    struct event_base *other_base = event_base_new();
    evf_executor *other = evf_executor_new(other_base);
    evf_interval interval;
    evf_future *future;

    probe_init(&probe);
    evf_interval_init(&interval, 10, EVF_INTERVAL_SKIP);
    future = evf_interval_tick(NULL, &interval);
    ck_assert_int_eq(poll_with(future, &probe, other), EVF_PENDING);
    evf_executor_free(other);
    event_base_free(other_base);
    ck_assert_uint_eq(probe.wakes, 1);
    ck_assert_int_eq(poll_with(future, &probe, executor), EVF_READY);
    ck_assert_int_eq(evf_future_take(future), -ESHUTDOWN);
    evf_future_drop(future);
}
END_TEST

START_TEST(numbers_at_the_end_of_their_range)
{
    evf_interval interval, other;

    evf_executor_pause_clock(executor);
    evf_interval_init(&interval, UINT64_MAX, EVF_INTERVAL_SKIP);
    ck_assert_int_eq(evf_block_on(executor,
                         evf_timeout(NULL, 1000,
                             evf_interval_tick(NULL, &interval))),
        -ETIMEDOUT);
    ck_assert_uint_eq(interval.next, UINT64_MAX);

    evf_interval_init(&interval, 1, EVF_INTERVAL_SKIP);
    ck_assert_int_eq(tick(&interval), 1);
    evf_interval_init(&other, UINT64_C(1) << 63, EVF_INTERVAL_DELAY);
    ck_assert_int_eq(tick(&other), 1);
    ck_assert_uint_eq(other.next, UINT64_MAX);
    ck_assert_int_eq(tick(&interval), INTPTR_MAX);
    ck_assert_uint_eq(interval.next, evf_executor_now(executor) + 1);
    evf_interval_init(&other, UINT64_C(1) << 62, EVF_INTERVAL_SKIP);
    ck_assert_int_eq(tick(&other), 1);
    ck_assert_uint_eq(other.next, UINT64_MAX);
}
END_TEST

TEST_MAIN("interval", ticks_of_each_policy,
    first_tick_is_a_period_after_the_first_poll,
    init_refuses_what_is_no_interval,
    tick_refuses_an_interval_that_was_not_set_up, tick_that_was_not_taken_stays,
    timed_out_tick_comes_later, due_tick_beats_a_request,
    spurious_polls_and_another_waker,
    two_that_await_one_interval_get_a_tick_each, constructor_failures,
    foreign_executor_has_no_time, tick_outlives_its_executor,
    numbers_at_the_end_of_their_range)
