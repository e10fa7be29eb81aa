/* SPDX-License-Identifier: BSD-3-Clause */
#include "support.h"

#include <string.h>

#include "core/context-internal.h"
#include "reactor/reactor-internal.h"

/* What timeout and shield have in common is tested on both. */
static evf_future *(*const both[])(evf_op *, uint64_t,
    evf_future *) = {evf_timeout, evf_shield};

#define FOR_BOTH(i) for (int i = 0; i < 2; i++)

static struct probe probe;
static struct leaf l;

static evf_future *
fresh_leaf(void)
{
    probe_init(&probe);
    memset(&l, 0, sizeof(l));
    return leaf(&l);
}

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

static intptr_t
take_and_drop(evf_future *future)
{
    intptr_t result = evf_future_take(future);

    evf_future_drop(future);
    return result;
}

START_TEST(result_in_time_passes_through) /* F33 */
{
    evf_executor_pause_clock(executor);
    FOR_BOTH(i)
    {
        struct thing thing = {0};
        evf_future *future = both[i](NULL, 10, fresh_leaf());

        l.dispose = thing_dispose;
        ck_assert_uint_eq(l.polls, 0); /* F1 */
        ck_assert_int_eq(poll_with(future, &probe, executor), EVF_PENDING);
        pass(9);
        leaf_finish(&l, (intptr_t)&thing);
        ck_assert_uint_eq(probe.wakes, 1);
        ck_assert_int_eq(poll_with(future, &probe, executor), EVF_READY);
        ck_assert_uint_eq(l.drops, 1);
        ck_assert(nothing_armed());
        ck_assert_int_eq(probe_live(&probe), 0);
        ck_assert_ptr_eq((void *)take_and_drop(future), &thing);
        ck_assert_uint_eq(thing.disposals, 0);
    }
}
END_TEST

START_TEST(untaken_result_is_freed_once) /* F33 */
{
    evf_op op[2] = {0};

    FOR_BOTH(i)
    {
        for (int polls = 0; polls <= 1; polls++) {
            struct thing thing = {0};
            evf_future *future = both[i](&op[0], 10,
                evf_ready(&op[1], (intptr_t)&thing, thing_dispose));

            if (polls == 1)
                ck_assert_int_eq(poll_with(future, &probe, executor),
                    EVF_READY);
            evf_future_drop(future);
            ck_assert_uint_eq(thing.disposals, 1);
            ck_assert_ptr_null(op[0].future.ops);
            ck_assert_ptr_null(op[1].future.ops);
        }
    }
}
END_TEST

START_TEST(ready_at_the_first_poll_arms_nothing)
{
    FOR_BOTH(i)
    {
        evf_future *future = both[i](NULL, 0, evf_ready(NULL, 7, NULL));

        probe_init(&probe);
        ck_assert_int_eq(poll_with(future, &probe, executor), EVF_READY);
        ck_assert(nothing_armed());
        ck_assert_uint_eq(probe.clones, 0);
        ck_assert_int_eq(take_and_drop(future), 7);
    }
}
END_TEST

START_TEST(operation_ends_at_the_deadline)
{
    static const uint64_t times[] = {0, 1, 10, 3600000};
    uint64_t start;

    evf_executor_pause_clock(executor);
    FOR_BOTH(i)
    {
        for (size_t t = 0; t < sizeof(times) / sizeof(*times); t++) {
            start = evf_executor_now(executor);
            ck_assert_int_eq(evf_block_on(executor,
                                 both[i](NULL, times[t], fresh_leaf())),
                -ETIMEDOUT);
            ck_assert_uint_eq(evf_executor_now(executor), start + times[t]);
            ck_assert_uint_eq(l.polls, 2); /* once more at the end */
            ck_assert_uint_eq(l.drops, 1);
        }
    }
    ck_assert(nothing_armed());
}
END_TEST

START_TEST(result_that_is_there_at_the_deadline_wins) /* F35 */
{
    evf_executor_pause_clock(executor);
    FOR_BOTH(i)
    {
        evf_future *future = both[i](NULL, 10, fresh_leaf());

        ck_assert_int_eq(poll_with(future, &probe, executor), EVF_PENDING);
        pass(10);
        ck_assert_uint_eq(probe.wakes, 1);
        leaf_finish(&l, 5);
        ck_assert_int_eq(poll_with(future, &probe, executor), EVF_READY);
        ck_assert_int_eq(take_and_drop(future), 5);
    }
}
END_TEST

START_TEST(time_counts_from_the_first_poll) /* F1 */
{
    evf_executor_pause_clock(executor);
    FOR_BOTH(i)
    {
        evf_future *future = both[i](NULL, 10, fresh_leaf());

        pass(100);
        ck_assert_int_eq(poll_with(future, &probe, executor), EVF_PENDING);
        pass(9);
        ck_assert_uint_eq(probe.wakes, 0);
        pass(1);
        ck_assert_uint_eq(probe.wakes, 1);
        evf_future_drop(future);
        ck_assert_uint_eq(l.drops, 1);
    }
}
END_TEST

START_TEST(no_time_at_all_is_one_poll) /* F20 */
{
    evf_context cx;

    evf_executor_pause_clock(executor);
    FOR_BOTH(i)
    {
        evf_future *future = both[i](NULL, 0, fresh_leaf());

        leaf_finish(&l, 3);
        evf_context_init(&cx, &probe.waker, executor);
        cx.own = (struct evfi_budget){0, 0}; /* others have used it up */
        ck_assert_int_eq(evf_future_poll(future, &cx), EVF_PENDING);
        ck_assert_uint_eq(l.polls, 0);
        ck_assert_uint_eq(probe.wakes, 1);
        pass(5);
        ck_assert_int_eq(poll_with(future, &probe, executor), EVF_READY);
        ck_assert_int_eq(take_and_drop(future), 3);
    }
}
END_TEST

START_TEST(spurious_polls_and_another_waker) /* F2 F8 */
{
    struct probe other;

    evf_executor_pause_clock(executor);
    FOR_BOTH(i)
    {
        evf_future *future = both[i](NULL, 10, fresh_leaf());

        probe_init(&other);
        for (int n = 0; n < 3; n++)
            ck_assert_int_eq(poll_with(future, &probe, executor), EVF_PENDING);
        ck_assert_uint_eq(probe.clones, 2); /* the leaf's, and the alarm's */
        ck_assert_int_eq(poll_with(future, &other, executor), EVF_PENDING);
        ck_assert_int_eq(probe_live(&probe), 0);
        pass(10);
        ck_assert_uint_eq(probe.wakes, 0);
        ck_assert_uint_eq(other.wakes, 1);
        ck_assert_int_eq(poll_with(future, &other, executor), EVF_READY);
        evf_future_drop(future);
        ck_assert_int_eq(probe_live(&other), 0);
    }
}
END_TEST

START_TEST(dropped_anywhere_drops_its_future) /* F13 F6 */
{
    evf_op op = {0};

    evf_executor_pause_clock(executor);
    FOR_BOTH(i)
    {
        for (int polls = 0; polls <= 2; polls++) {
            evf_future *future = both[i](&op, 10, fresh_leaf());

            for (int n = 0; n < polls; n++)
                ck_assert_int_eq(poll_with(future, &probe, executor),
                    EVF_PENDING);
            evf_future_drop(future);
            ck_assert_uint_eq(l.drops, 1);
            ck_assert_ptr_null(op.future.ops);
            ck_assert(nothing_armed());
            ck_assert_int_eq(probe_live(&probe), 0);
            pass(20);
            ck_assert_uint_eq(probe.wakes, 0);
        }
    }
}
END_TEST

START_TEST(dropped_after_the_deadline_before_the_poll) /* F13 */
{
    evf_executor_pause_clock(executor);
    FOR_BOTH(i)
    {
        evf_future *future = both[i](NULL, 10, fresh_leaf());

        ck_assert_int_eq(poll_with(future, &probe, executor), EVF_PENDING);
        pass(10);
        evf_future_drop(future);
        ck_assert_uint_eq(l.drops, 1);
        ck_assert_int_eq(probe_live(&probe), 0);
    }
}
END_TEST

START_TEST(failed_futures_are_futures) /* F47 */
{
    FOR_BOTH(i)
    {
        ck_assert_int_eq(evf_block_on(executor, both[i](NULL, 10, NULL)),
            -ENOMEM);
        ck_assert_int_eq(evf_block_on(executor,
                             both[i](NULL, 10, evf_future_failed(-EBUSY))),
            -EBUSY);
        evf_future_drop(both[i](NULL, 10, NULL));
    }
}
END_TEST

START_TEST(failing_constructor_drops_the_future) /* F28 F34 F47 */
{
    struct leaf first;
    evf_op op[2] = {0};
    evf_future *future;

    FOR_BOTH(i)
    {
        heap_fail_at(1);
        ck_assert_ptr_null(both[i](NULL, 10, fresh_leaf()));
        ck_assert_uint_eq(l.drops, 1);
        memset(&first, 0, sizeof(first));
        future = both[i](&op[0], 10, leaf(&first));
        ck_assert_ptr_eq(both[i](&op[0], 10, fresh_leaf()),
            evf_future_failed(-EBUSY));
        ck_assert_uint_eq(l.drops, 1);
        ck_assert_uint_eq(first.drops, 0);
        evf_future_drop(future);
        ck_assert_uint_eq(first.drops, 1);
        /* Its own future's storage. */
        ck_assert_ptr_eq(both[i](&op[1], 10, evf_ready(&op[1], 1, NULL)),
            evf_future_failed(-EBUSY));
        ck_assert_ptr_null(op[1].future.ops);
    }
}
END_TEST

START_TEST(may_move_before_the_first_poll) /* F18 */
{
    evf_op here = {0}, there = {0};

    evf_executor_pause_clock(executor);
    FOR_BOTH(i)
    {
        both[i](&here, 10, fresh_leaf());
        memcpy(&there, &here, sizeof(there));
        memset(&here, 0xff, sizeof(here));
        ck_assert_int_eq(evf_block_on(executor, &there.future), -ETIMEDOUT);
        ck_assert_ptr_null(there.future.ops);
        memset(&here, 0, sizeof(here));
    }
}
END_TEST

START_TEST(foreign_executor_has_no_time) /* F40 */
{
    FOR_BOTH(i)
    {
        evf_future *future = both[i](NULL, 10, fresh_leaf());

        ck_assert_int_eq(poll_with(future, &probe, NULL), EVF_READY);
        ck_assert_uint_eq(l.polls, 0);
        ck_assert_uint_eq(l.drops, 1);
        ck_assert_int_eq(take_and_drop(future), -ENOTSUP);
    }
}
END_TEST

START_TEST(end_of_the_executor_is_a_deadline) /* F23 */
{
    FOR_BOTH(i)
    {
        struct event_base *other_base = event_base_new();
        evf_executor *other = evf_executor_new(other_base);
        evf_future *future = both[i](NULL, 10, fresh_leaf());

        ck_assert_int_eq(poll_with(future, &probe, other), EVF_PENDING);
        ck_assert_int_eq(evf_executor_free(other), 0);
        event_base_free(other_base);
        ck_assert_uint_eq(probe.wakes, 1);
        ck_assert_int_eq(poll_with(future, &probe, NULL), EVF_READY);
        ck_assert_uint_eq(l.drops, 1);
        ck_assert_int_eq(take_and_drop(future), -ESHUTDOWN);
    }
}
END_TEST

static void
note_visit(void *arg, evf_future *child, const char *note)
{
    strcat(arg, note != NULL ? note : child->ops->name);
    strcat(arg, ";");
}

START_TEST(visit_tells_time_and_future) /* F41 */
{
    FOR_BOTH(i)
    {
        evf_future *future = both[i](NULL, UINT64_MAX, fresh_leaf());
        char seen[128] = "";

        future->ops->visit(future, note_visit, seen);
        ck_assert_str_eq(seen, "18446744073709551615 ms;leaf;");
        leaf_finish(&l, 1);
        ck_assert_int_eq(poll_with(future, &probe, executor), EVF_READY);
        seen[0] = '\0';
        future->ops->visit(future, note_visit, seen);
        ck_assert_str_eq(seen, "18446744073709551615 ms;");
        evf_future_drop(future);
    }
}
END_TEST

TEST_MAIN("deadline", result_in_time_passes_through,
    untaken_result_is_freed_once, ready_at_the_first_poll_arms_nothing,
    operation_ends_at_the_deadline, result_that_is_there_at_the_deadline_wins,
    time_counts_from_the_first_poll, no_time_at_all_is_one_poll,
    spurious_polls_and_another_waker, dropped_anywhere_drops_its_future,
    dropped_after_the_deadline_before_the_poll, failed_futures_are_futures,
    failing_constructor_drops_the_future, may_move_before_the_first_poll,
    foreign_executor_has_no_time, end_of_the_executor_is_a_deadline,
    visit_tells_time_and_future)
