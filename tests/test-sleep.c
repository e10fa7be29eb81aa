/* SPDX-License-Identifier: BSD-3-Clause */
#include "support.h"

#include <string.h>
#include <time.h>

#include "core/context-internal.h"
#include "reactor/reactor-internal.h"

static bool
nothing_armed(void)
{
    return evfi_wheel_empty(&evf_executor_reactor(executor)->wheel);
}

/* Lets time pass, on a clock that stands still otherwise. */
static void
pass(uint64_t ms)
{
    ck_assert_int_eq(evf_block_on(executor, evf_sleep(NULL, ms)), 0);
}

static void
note(intptr_t result, void *arg)
{
    *(intptr_t *)arg = result;
}

START_TEST(sleep_takes_its_time_and_no_more)
{
    static const uint64_t times[] = {1, 63, 64, 65, 4095, 4096, 250000,
        UINT64_C(40) * 24 * 3600 * 1000, UINT64_C(1) << 40};
    uint64_t before;

    evf_executor_pause_clock(executor);
    for (size_t i = 0; i < sizeof(times) / sizeof(*times); i++) {
        before = evf_executor_now(executor);
        pass(times[i]);
        ck_assert_uint_eq(evf_executor_now(executor), before + times[i]);
    }
}
END_TEST

START_TEST(sleep_is_never_early_on_the_real_clock) /* L23 */
{
    struct timespec start, end;
    int64_t ns;

    for (int i = 0; i < 5; i++) {
        clock_gettime(CLOCK_MONOTONIC, &start);
        ck_assert_int_eq(evf_block_on(executor, evf_sleep(NULL, 2)), 0);
        clock_gettime(CLOCK_MONOTONIC, &end);
        ns = (end.tv_sec - start.tv_sec) * INT64_C(1000000000) +
            (end.tv_nsec - start.tv_nsec);
        ck_assert_int_ge(ns, 2000000);
    }
}
END_TEST

START_TEST(sleep_counts_from_its_first_poll) /* F1 */
{
    struct probe probe;
    evf_future *sleep = evf_sleep(NULL, 10);

    probe_init(&probe);
    evf_executor_pause_clock(executor);
    ck_assert(nothing_armed());
    pass(50);
    ck_assert_int_eq(poll_with(sleep, &probe, executor), EVF_PENDING);
    ck_assert(!nothing_armed());
    pass(9);
    ck_assert_uint_eq(probe.wakes, 0);
    pass(1);
    ck_assert_uint_eq(probe.wakes, 1);
    ck_assert_int_eq(poll_with(sleep, &probe, executor), EVF_READY);
    ck_assert_int_eq(evf_future_take(sleep), 0);
    evf_future_drop(sleep);
    ck_assert_int_eq(probe_live(&probe), 0);
}
END_TEST

static char order[16];

static void
note_order(intptr_t result, void *arg)
{
    ck_assert_int_eq(result, 0);
    strcat(order, arg);
}

START_TEST(sleeps_end_by_deadline_and_then_in_the_order_of_arming) /* F21 */
{
    static const struct {
        uint64_t ms;
        const char *name;
    } rows[] = {{30, "a"}, {10, "b"}, {20, "c"}, {10, "d"}, {30, "e"}, {0, "f"},
        {10, "g"}};
    evf_task *tasks[7];

    order[0] = '\0';
    evf_executor_pause_clock(executor);
    for (size_t i = 0; i < 7; i++)
        tasks[i] = evf_spawn_then(executor, evf_sleep(NULL, rows[i].ms),
            note_order, (void *)rows[i].name);
    run();
    ck_assert_str_eq(order, "fbdgcae");
    for (size_t i = 0; i < 7; i++)
        evf_task_free(tasks[i]);
}
END_TEST

START_TEST(sleep_of_nothing_waits_for_the_next_turn)
{
    struct probe probe;
    evf_future *sleep = evf_sleep(NULL, 0);
    uint64_t before;

    probe_init(&probe);
    evf_executor_pause_clock(executor);
    before = evf_executor_now(executor);
    ck_assert_int_eq(poll_with(sleep, &probe, executor), EVF_PENDING);
    pass(0);
    ck_assert_uint_eq(probe.wakes, 1);
    ck_assert_int_eq(poll_with(sleep, &probe, executor), EVF_READY);
    ck_assert_uint_eq(evf_executor_now(executor), before);
    evf_future_drop(sleep);
}
END_TEST

START_TEST(sleep_until_a_moment_that_is_past_now_or_to_come)
{
    uint64_t start, now;

    evf_executor_pause_clock(executor);
    start = evf_executor_now(executor);
    for (uint64_t ms = 0; ms < 3; ms++) {
        ck_assert_int_eq(evf_block_on(executor,
                             evf_sleep_until(NULL, start + 5 * ms)),
            0);
        ck_assert_uint_eq(evf_executor_now(executor), start + 5 * ms);
    }
    now = evf_executor_now(executor);
    ck_assert_int_eq(evf_block_on(executor, evf_sleep_until(NULL, 1)), 0);
    ck_assert_int_eq(evf_block_on(executor, evf_sleep_until(NULL, 0)), 0);
    ck_assert_uint_eq(evf_executor_now(executor), now);
}
END_TEST

START_TEST(sleep_for_ever_is_not_over_at_once)
{
    struct probe probe;
    evf_future *sleep = evf_sleep(NULL, UINT64_MAX);

    probe_init(&probe);
    evf_executor_pause_clock(executor);
    ck_assert_int_eq(poll_with(sleep, &probe, executor), EVF_PENDING);
    pass(UINT64_C(1) << 50);
    ck_assert_uint_eq(probe.wakes, 0);
    ck_assert_int_eq(poll_with(sleep, &probe, executor), EVF_PENDING);
    evf_future_drop(sleep);
    ck_assert(nothing_armed());
}
END_TEST

START_TEST(spurious_polls_change_neither_deadline_nor_waker) /* F2 */
{
    struct probe probe;
    evf_future *sleep = evf_sleep(NULL, 10);

    probe_init(&probe);
    evf_executor_pause_clock(executor);
    for (int i = 0; i < 10; i++) {
        ck_assert_int_eq(poll_with(sleep, &probe, executor), EVF_PENDING);
        ck_assert_uint_eq(probe.clones, 1);
        pass(1);
        ck_assert_uint_eq(probe.wakes, i == 9);
    }
    ck_assert_int_eq(poll_with(sleep, &probe, executor), EVF_READY);
    evf_future_drop(sleep);
}
END_TEST

START_TEST(waker_of_the_latest_poll_wins) /* F8 */
{
    struct probe first, second;
    evf_future *sleep = evf_sleep(NULL, 10);

    probe_init(&first);
    probe_init(&second);
    evf_executor_pause_clock(executor);
    ck_assert_int_eq(poll_with(sleep, &first, executor), EVF_PENDING);
    ck_assert_int_eq(poll_with(sleep, &second, NULL), EVF_PENDING);
    ck_assert_int_eq(probe_live(&first), 0);
    pass(10);
    ck_assert_uint_eq(first.wakes, 0);
    ck_assert_uint_eq(second.wakes, 1);
    ck_assert_int_eq(probe_live(&second), 0);
    ck_assert_int_eq(poll_with(sleep, &first, NULL), EVF_READY);
    evf_future_drop(sleep);
}
END_TEST

START_TEST(dropped_sleep_leaves_nothing_behind) /* F13 F6 */
{
    struct probe probe;
    evf_op op = {0};
    evf_future *sleep;

    probe_init(&probe);
    evf_executor_pause_clock(executor);
    evf_future_drop(evf_sleep(&op, 10)); /* never polled */
    sleep = evf_sleep(&op, 10);
    ck_assert_int_eq(poll_with(sleep, &probe, executor), EVF_PENDING);
    evf_future_drop(sleep);
    ck_assert(nothing_armed());
    ck_assert_int_eq(probe_live(&probe), 0);
    pass(20);
    ck_assert_uint_eq(probe.wakes, 0);
    sleep = evf_sleep(&op, 10);
    ck_assert_int_eq(poll_with(sleep, &probe, executor), EVF_PENDING);
    pass(20); /* it has rung, and is not looked at any more */
    evf_future_drop(sleep);
    ck_assert_ptr_null(op.future.ops);
    ck_assert_int_eq(probe_live(&probe), 0);
}
END_TEST

START_TEST(foreign_executor_has_no_time) /* F40 */
{
    struct probe probe;
    evf_future *sleep = evf_sleep(NULL, 0);

    probe_init(&probe);
    ck_assert_int_eq(poll_with(sleep, &probe, NULL), EVF_READY);
    ck_assert_int_eq(evf_future_take(sleep), -ENOTSUP);
    evf_future_drop(sleep);
    ck_assert_uint_eq(probe.clones, 0);
}
END_TEST

START_TEST(constructor_failures) /* F28 F34 */
{
    struct probe probe;
    evf_op op = {0};
    evf_future *sleep = evf_sleep(&op, 10);

    probe_init(&probe);
    ck_assert_ptr_eq(evf_sleep(&op, 1), evf_future_failed(-EBUSY));
    ck_assert_ptr_eq(evf_sleep_until(&op, 1), evf_future_failed(-EBUSY));
    evf_executor_pause_clock(executor);
    ck_assert_int_eq(poll_with(sleep, &probe, executor), EVF_PENDING);
    ck_assert_ptr_eq(evf_sleep(&op, 1), evf_future_failed(-EBUSY));
    pass(9);
    ck_assert_uint_eq(probe.wakes, 0);
    pass(1);
    ck_assert_uint_eq(probe.wakes, 1);
    evf_future_drop(sleep);
    heap_fail_at(1);
    ck_assert_ptr_null(evf_sleep(NULL, 1));
    heap_fail_at(1);
    ck_assert_ptr_null(evf_sleep_until(NULL, 1));
}
END_TEST

START_TEST(sleep_may_move_before_its_first_poll) /* F18 */
{
    evf_op here = {0}, there = {0};

    evf_sleep(&here, 5);
    memcpy(&there, &here, sizeof(there));
    memset(&here, 0xff, sizeof(here));
    evf_executor_pause_clock(executor);
    ck_assert_int_eq(evf_block_on(executor, &there.future), 0);
    ck_assert_ptr_null(there.future.ops);
}
END_TEST

START_TEST(request_ends_a_sleep_unless_it_is_over) /* F31 F35 */
{
    struct probe probe;
    evf_context cx;
    void (*dispose)(void *);
    intptr_t result;

    probe_init(&probe);
    evf_executor_pause_clock(executor);
    for (uint64_t passed = 9; passed <= 10; passed++) {
        evf_future *sleep = evf_sleep(NULL, 10);
        bool polled = false;

        evf_context_init(&cx, &probe.waker, executor);
        ck_assert_int_eq(evf_future_poll_child(sleep, &cx, &polled, &result,
                             &dispose),
            EVF_PENDING);
        pass(passed);
        evfi_context_init_root(&cx, &probe.waker, executor, -ECANCELED);
        ck_assert_int_eq(evf_future_poll_child(sleep, &cx, &polled, &result,
                             &dispose),
            EVF_READY);
        ck_assert_int_eq(result, passed < 10 ? -ECANCELED : 0);
    }
    ck_assert(nothing_armed());
}
END_TEST

START_TEST(cancelled_task_does_not_sleep_on)
{
    intptr_t got = 1;
    evf_task *task;
    uint64_t start;

    evf_executor_pause_clock(executor);
    start = evf_executor_now(executor);
    task = evf_spawn_then(executor, evf_sleep(NULL, 1000), note, &got);
    pass(10);
    evf_task_cancel(task);
    run();
    ck_assert_int_eq(got, -ECANCELED);
    ck_assert_uint_eq(evf_executor_now(executor), start + 10);
    evf_task_free(task);
}
END_TEST

START_TEST(sleep_outlives_its_executor) /* F23 */
{
    struct probe probe;
    evf_future *sleep = evf_sleep(NULL, 10);

    probe_init(&probe);
    ck_assert_int_eq(poll_with(sleep, &probe, executor), EVF_PENDING);
    executor_done();
    ck_assert_uint_eq(probe.wakes, 1);
    ck_assert_int_eq(poll_with(sleep, &probe, NULL), EVF_READY);
    ck_assert_int_eq(evf_future_take(sleep), -ESHUTDOWN);
    evf_future_drop(sleep);
}
END_TEST

/* A foreign waker that polls inline, with the executor that it knows of. */
static evf_future *inline_sleep;
static unsigned inline_polls;

static void
poll_inline(void *data)
{
    evf_context cx;

    inline_polls++;
    evf_context_init(&cx, data, executor);
    ck_assert_int_eq(evf_future_poll(inline_sleep, &cx), EVF_READY);
}

static void *
clone_inline(void *data)
{
    return data;
}

static void
drop_inline(void *data)
{
    (void)data;
}

static const evf_waker_ops inline_ops = {clone_inline, poll_inline, poll_inline,
    drop_inline};

START_TEST(nothing_is_armed_while_the_executor_is_being_freed) /* F16 F12 */
{
    evf_waker waker = {&inline_ops, &waker};
    evf_future *sleep = evf_sleep(NULL, 10);
    evf_context cx;

    inline_polls = 0;
    inline_sleep = evf_sleep(NULL, 20);
    evf_context_init(&cx, &waker, executor);
    ck_assert_int_eq(evf_future_poll(sleep, &cx), EVF_PENDING);
    ck_assert_int_eq(evf_executor_free(executor), 0);
    executor = NULL;
    ck_assert_uint_eq(inline_polls, 1);
    ck_assert_uint_eq(events_on(base), 0); /* L29 */
    ck_assert_int_eq(evf_future_take(inline_sleep), -ESHUTDOWN);
    evf_future_drop(inline_sleep);
    evf_future_drop(sleep);
}
END_TEST

TEST_MAIN("sleep", sleep_takes_its_time_and_no_more,
    sleep_is_never_early_on_the_real_clock, sleep_counts_from_its_first_poll,
    sleeps_end_by_deadline_and_then_in_the_order_of_arming,
    sleep_of_nothing_waits_for_the_next_turn,
    sleep_until_a_moment_that_is_past_now_or_to_come,
    sleep_for_ever_is_not_over_at_once,
    spurious_polls_change_neither_deadline_nor_waker,
    waker_of_the_latest_poll_wins, dropped_sleep_leaves_nothing_behind,
    foreign_executor_has_no_time, constructor_failures,
    sleep_may_move_before_its_first_poll,
    request_ends_a_sleep_unless_it_is_over, cancelled_task_does_not_sleep_on,
    sleep_outlives_its_executor,
    nothing_is_armed_while_the_executor_is_being_freed)
