/* SPDX-License-Identifier: BSD-3-Clause */
#include "support.h"

#include <stdlib.h>
#include <string.h>

#include "core/future-internal.h"
#include "foreign.h"

START_TEST(failed_tells_errors_from_values_and_pointers)
{
    struct thing thing;
    intptr_t zero = 0;
    evf_future *none = NULL;

    ck_assert(evf_failed((intptr_t)-1));
    ck_assert(evf_failed((intptr_t)-ENOMEM));
    ck_assert(evf_failed((intptr_t)-4095));
    ck_assert(!evf_failed((intptr_t)-4096));
    ck_assert(!evf_failed(INTPTR_MIN));
    ck_assert(!evf_failed(INTPTR_MAX));
    ck_assert(!evf_failed(zero));
    ck_assert(!evf_failed(&thing));
    ck_assert(!evf_failed(none));
    ck_assert(evf_failed(evf_future_failed(-EBUSY)));
    ck_assert_int_eq(evf_result_of(NULL), -ENOMEM);
    ck_assert_int_eq(evf_result_of(&thing), (intptr_t)&thing);
}
END_TEST

START_TEST(result_codes_of_the_header_are_errors_and_differ)
{
    ck_assert(evf_failed(EVF_RESULT_PENDING));
    ck_assert(evf_failed(EVF_RESULT_POLLING));
    ck_assert(evf_failed(EVF_RESULT_TAKEN));
    ck_assert_int_ne(EVF_RESULT_PENDING, EVF_RESULT_POLLING);
    ck_assert_int_ne(EVF_RESULT_PENDING, EVF_RESULT_TAKEN);
    ck_assert_int_ne(EVF_RESULT_POLLING, EVF_RESULT_TAKEN);
}
END_TEST

START_TEST(real_futures_are_neither_null_nor_errors)
{
    struct leaf l = {0};

    ck_assert(evfi_future_is_real(&l.future));
    ck_assert(evfi_future_is_real((void *)1));
    ck_assert(evfi_future_is_real((void *)-4096));
    ck_assert(!evfi_future_is_real(NULL));
    ck_assert(!evfi_future_is_real(evf_future_failed(-1)));
    ck_assert(!evfi_future_is_real(evf_future_failed(-4095)));
    ck_assert_int_eq(evfi_future_error(NULL), -ENOMEM);
    ck_assert_int_eq(evfi_future_error(evf_future_failed(-EPERM)), -EPERM);
}
END_TEST

/* F47 */
START_TEST(null_and_failed_futures_may_be_polled_taken_and_dropped)
{
    struct probe probe;

    probe_init(&probe);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(poll_with(NULL, &probe, NULL), EVF_READY);
        ck_assert_int_eq(evf_future_take(NULL), -ENOMEM);
        evf_future_drop(NULL);
        ck_assert_int_eq(poll_with(evf_future_failed(-EPIPE), &probe, NULL),
            EVF_READY);
        ck_assert_int_eq(evf_future_take(evf_future_failed(-EPIPE)), -EPIPE);
        evf_future_drop(evf_future_failed(-EPIPE));
    }
    ck_assert_uint_eq(probe.wakes, 0);
}
END_TEST

START_TEST(header_code_tells_where_a_future_is_in_its_life)
{
    struct leaf l = {0};
    struct probe probe;
    evf_future *future = leaf(&l);

    probe_init(&probe);
    ck_assert_int_eq(evf_future_take(future), EVF_RESULT_PENDING);
    ck_assert_int_eq(poll_with(future, &probe, NULL), EVF_PENDING);
    ck_assert_int_eq(evf_future_take(future), EVF_RESULT_PENDING);
    leaf_finish(&l, 17);
    ck_assert_uint_eq(probe.wakes, 1);
    ck_assert_int_eq(poll_with(future, &probe, NULL), EVF_READY);
    ck_assert_int_eq(evf_future_take(future), 17);
    ck_assert_int_eq(evf_future_take(future), EVF_RESULT_TAKEN);
    evf_future_drop(future);
    ck_assert_uint_eq(l.drops, 1);
    ck_assert_int_eq(probe_live(&probe), 0);
}
END_TEST

/* F33: a result that nobody took is freed, once; any other is not. */
START_TEST(drop_disposes_of_an_untaken_result_only)
{
    struct thing thing = {0};
    struct leaf l = {.ready = true,
        .result = (intptr_t)&thing,
        .dispose = thing_dispose};
    struct probe probe;

    probe_init(&probe);
    ck_assert_int_eq(poll_with(leaf(&l), &probe, NULL), EVF_READY);
    evf_future_drop(&l.future);
    ck_assert_uint_eq(thing.disposals, 1);

    ck_assert_int_eq(poll_with(leaf(&l), &probe, NULL), EVF_READY);
    ck_assert_int_eq(evf_future_take(&l.future), (intptr_t)&thing);
    evf_future_drop(&l.future);
    ck_assert_uint_eq(thing.disposals, 1);

    leaf(&l)->dispose = thing_dispose; /* never polled: nothing is there yet */
    evf_future_drop(&l.future);
    ck_assert_uint_eq(thing.disposals, 1);
    ck_assert_uint_eq(l.drops, 3);
}
END_TEST

/* Where a case that fails must not follow an error as a pointer. */
static unsigned disposals;

static void
count_disposal(void *result)
{
    (void)result;
    disposals++;
}

/* F33 */
START_TEST(drop_does_not_dispose_of_an_error)
{
    struct leaf l = {.dispose = count_disposal};
    struct probe probe;

    disposals = 0;
    probe_init(&probe);
    leaf(&l)->dispose = count_disposal;
    evf_future_drop(&l.future);
    leaf(&l)->dispose = count_disposal;
    ck_assert_int_eq(poll_with(&l.future, &probe, NULL), EVF_PENDING);
    evf_future_drop(&l.future);

    leaf(&l);
    leaf_finish(&l, -EPIPE);
    ck_assert_int_eq(poll_with(&l.future, &probe, NULL), EVF_READY);
    evf_future_drop(&l.future);
    ck_assert_uint_eq(l.drops, 3);
    ck_assert_uint_eq(disposals, 0);
}
END_TEST

/* The result is freed when the future is gone, which may hold what it needs. */
static struct leaf *disposed_leaf;
static unsigned drops_at_disposal;

static void
note_drops(void *result)
{
    (void)result;
    drops_at_disposal = disposed_leaf->drops;
}

START_TEST(result_is_disposed_of_after_the_future_is_dropped)
{
    struct leaf l = {.ready = true, .result = 1, .dispose = note_drops};
    struct probe probe;

    probe_init(&probe);
    disposed_leaf = &l;
    ck_assert_int_eq(poll_with(leaf(&l), &probe, NULL), EVF_READY);
    evf_future_drop(&l.future);
    ck_assert_uint_eq(drops_at_disposal, 1);
}
END_TEST

/* F33, F1 */
START_TEST(ready_frees_its_result_at_whatever_point_it_is_dropped)
{
    struct thing thing = {0};
    struct probe probe;
    evf_op op = {0};
    evf_future *future;

    probe_init(&probe);
    evf_future_drop(evf_ready(&op, (intptr_t)&thing, thing_dispose));
    ck_assert_uint_eq(thing.disposals, 1);

    future = evf_ready(&op, (intptr_t)&thing, thing_dispose);
    ck_assert_int_eq(poll_with(future, &probe, NULL), EVF_READY);
    ck_assert_uint_eq(thing.disposals, 1);
    evf_future_drop(future);
    ck_assert_uint_eq(thing.disposals, 2);

    future = evf_ready(&op, (intptr_t)&thing, thing_dispose);
    ck_assert_int_eq(poll_with(future, &probe, NULL), EVF_READY);
    ck_assert_int_eq(evf_future_take(future), (intptr_t)&thing);
    evf_future_drop(future);
    ck_assert_uint_eq(thing.disposals, 2);
}
END_TEST

/* F28, F34, F47: the constructor takes the result, on failure too. */
START_TEST(ready_that_cannot_be_made_frees_its_result)
{
    struct thing thing = {0};
    evf_op op = {0};
    evf_future *first = evf_ready(&op, 1, NULL);

    ck_assert_ptr_eq(evf_ready(&op, (intptr_t)&thing, thing_dispose),
        evf_future_failed(-EBUSY));
    ck_assert_uint_eq(thing.disposals, 1);
    evf_future_drop(first);
    heap_fail_at(1);
    ck_assert_ptr_null(evf_ready(NULL, (intptr_t)&thing, thing_dispose));
    ck_assert_uint_eq(thing.disposals, 2);
}
END_TEST

START_TEST(ready_with_an_error_has_nothing_to_free)
{
    struct probe probe;
    evf_op op = {0};
    evf_future *future = evf_ready(&op, -EPIPE, count_disposal);

    disposals = 0;
    probe_init(&probe);
    evf_future_drop(future);
    future = evf_ready(&op, -EPIPE, count_disposal);
    ck_assert_int_eq(poll_with(future, &probe, NULL), EVF_READY);
    ck_assert_int_eq(evf_future_take(future), -EPIPE);
    evf_future_drop(future);
    ck_assert_ptr_eq(evf_ready(&op, 0, NULL), &op.future);
    ck_assert_ptr_eq(evf_ready(&op, -EPIPE, count_disposal),
        evf_future_failed(-EBUSY));
    evf_future_drop(&op.future);
    ck_assert_uint_eq(disposals, 0);
}
END_TEST

struct countdown {
    int left;
    unsigned calls;
    intptr_t result;
    evf_waker waker;
};

static enum evf_poll
count_down(void *arg, evf_context *cx, intptr_t *result)
{
    struct countdown *c = arg;

    c->calls++;
    ck_assert_int_eq(*result, 0);
    if (c->left-- > 0) {
        evf_waker_update(&c->waker, evf_context_waker(cx));
        return EVF_PENDING;
    }
    *result = c->result;
    return EVF_READY;
}

/* F1, F2 */
START_TEST(poll_fn_calls_its_function_at_each_poll_and_not_before)
{
    struct countdown c = {.left = 3, .result = -EPIPE};
    struct probe probe;
    evf_op op = {0};
    evf_future *future = evf_poll_fn(&op, count_down, &c);

    probe_init(&probe);
    ck_assert_uint_eq(c.calls, 0);
    for (unsigned i = 1; i <= 3; i++) {
        ck_assert_int_eq(poll_with(future, &probe, NULL), EVF_PENDING);
        ck_assert_uint_eq(c.calls, i);
    }
    ck_assert_int_eq(poll_with(future, &probe, NULL), EVF_READY);
    ck_assert_int_eq(evf_future_take(future), -EPIPE);
    evf_future_drop(future);
    ck_assert_uint_eq(c.calls, 4);
    evf_waker_drop(&c.waker);
    ck_assert_int_eq(probe_live(&probe), 0);
}
END_TEST

/* F28, F34, F47 */
START_TEST(poll_fn_that_cannot_be_made_never_calls)
{
    struct countdown c = {0};
    evf_op op = {0};
    evf_future *first = evf_ready(&op, 1, NULL);

    ck_assert_ptr_eq(evf_poll_fn(NULL, NULL, &c), evf_future_failed(-EINVAL));
    ck_assert_ptr_eq(evf_poll_fn(&op, count_down, &c),
        evf_future_failed(-EBUSY));
    evf_future_drop(first);
    ck_assert_ptr_eq(evf_poll_fn(&op, NULL, &c), evf_future_failed(-EINVAL));
    ck_assert_ptr_null(op.future.ops);
    heap_fail_at(1);
    ck_assert_ptr_null(evf_poll_fn(NULL, count_down, &c));
    ck_assert_uint_eq(c.calls, 0);
}
END_TEST

/* F18: before its first poll a future may be moved with its bytes. */
START_TEST(futures_may_move_before_their_first_poll)
{
    struct thing thing = {0};
    struct countdown c = {.result = 6};
    struct probe probe;
    evf_op from = {0}, *to = calloc(1, sizeof(*to));

    probe_init(&probe);
    ck_assert_ptr_nonnull(to);
    ck_assert_ptr_eq(evf_poll_fn(&from, count_down, &c), &from.future);
    memcpy(to, &from, sizeof(*to));
    memset(&from, 0xff, sizeof(from));
    ck_assert_int_eq(poll_with(&to->future, &probe, NULL), EVF_READY);
    ck_assert_int_eq(evf_future_take(&to->future), 6);
    evf_future_drop(&to->future);

    memset(&from, 0, sizeof(from));
    evf_ready(&from, (intptr_t)&thing, thing_dispose);
    memcpy(to, &from, sizeof(*to));
    memset(&from, 0xff, sizeof(from));
    evf_future_drop(&to->future);
    ck_assert_uint_eq(thing.disposals, 1);
    free(to);
}
END_TEST

/* A task that polls what is not its own once, and ends. */
static enum evf_poll
peek(void *arg, evf_context *cx, intptr_t *result)
{
    (void)result;
    ck_assert_int_eq(evf_future_poll(arg, cx), EVF_PENDING);
    return EVF_READY;
}

/* F8 */
START_TEST(future_polled_by_one_task_and_handed_to_another_wakes_that)
{
    struct leaf l = {0};
    evf_op op = {0};
    evf_task *a = evf_spawn(executor, evf_poll_fn(&op, peek, leaf(&l))), *b;

    run();
    ck_assert_int_eq(evf_task_free(a), 0);
    ck_assert_uint_eq(l.polls, 1);

    b = evf_spawn(executor, &l.future);
    run_passes(2);
    ck_assert_uint_eq(l.polls, 2);
    leaf_finish(&l, 3);
    run();
    ck_assert_uint_eq(l.polls, 3);
    ck_assert_uint_eq(l.drops, 1);
    ck_assert_int_eq(evf_task_free(b), 0);
}
END_TEST

/* F17 */
struct told {
    struct leaf *leaf;
    unsigned calls, drops;
    intptr_t result;
};

static void
tell(intptr_t result, void *arg)
{
    struct told *told = arg;

    told->calls++;
    told->drops = told->leaf->drops;
    told->result = result;
}

/* F17 */
START_TEST(future_is_dropped_before_its_result_is_told)
{
    struct leaf l = {.ready = true, .result = 12};
    struct told told = {&l, 0, 0, 0};
    evf_task *task = evf_spawn_then(executor, leaf(&l), tell, &told);

    run();
    ck_assert_uint_eq(told.calls, 1);
    ck_assert_uint_eq(told.drops, 1);
    ck_assert_int_eq(told.result, 12);
    ck_assert_int_eq(evf_task_free(task), 0);
}
END_TEST

/* F40 */
START_TEST(foreign_executor_polls_what_this_room_makes)
{
    struct foreign on = FOREIGN_INITIALIZER(on);
    struct foreign_task ready, counting, leafy, failed;
    struct countdown c = {.left = 1, .result = 2};
    struct leaf l = {0};

    foreign_spawn(&on, &ready, evf_ready(NULL, 1, NULL));
    foreign_spawn(&on, &counting, evf_poll_fn(NULL, count_down, &c));
    foreign_spawn(&on, &leafy, leaf(&l));
    foreign_spawn(&on, &failed, evf_future_failed(-EBUSY));
    foreign_run(&on);
    ck_assert(ready.ended && failed.ended);
    ck_assert_int_eq(ready.result, 1);
    ck_assert_int_eq(failed.result, -EBUSY);
    ck_assert(!counting.ended && !leafy.ended);

    foreign_run(&on); /* nobody woke them */
    ck_assert_uint_eq(counting.polls, 1);
    leaf_finish(&l, 3);
    evf_waker_wake_by_ref(&c.waker);
    evf_waker_wake_by_ref(&c.waker);
    foreign_run(&on);
    ck_assert(counting.ended && leafy.ended);
    ck_assert_int_eq(counting.result, 2);
    ck_assert_uint_eq(counting.polls, 2);
    ck_assert_int_eq(leafy.result, 3);

    evf_waker_wake(&c.waker); /* F6 */
    foreign_run(&on);
    ck_assert_uint_eq(counting.polls, 2);
    ck_assert_uint_eq(counting.wakers + leafy.wakers, 0);
}
END_TEST

TEST_MAIN("future", failed_tells_errors_from_values_and_pointers,
    result_codes_of_the_header_are_errors_and_differ,
    real_futures_are_neither_null_nor_errors,
    null_and_failed_futures_may_be_polled_taken_and_dropped,
    header_code_tells_where_a_future_is_in_its_life,
    drop_disposes_of_an_untaken_result_only, drop_does_not_dispose_of_an_error,
    result_is_disposed_of_after_the_future_is_dropped,
    ready_frees_its_result_at_whatever_point_it_is_dropped,
    ready_that_cannot_be_made_frees_its_result,
    ready_with_an_error_has_nothing_to_free,
    poll_fn_calls_its_function_at_each_poll_and_not_before,
    poll_fn_that_cannot_be_made_never_calls,
    futures_may_move_before_their_first_poll,
    future_polled_by_one_task_and_handed_to_another_wakes_that,
    future_is_dropped_before_its_result_is_told,
    foreign_executor_polls_what_this_room_makes)
