/* SPDX-License-Identifier: BSD-3-Clause */
#include "support.h"

#include <string.h>

#include "core/context-internal.h"

#define MANY 1000u

static struct leaf leaves[4];
static struct thing things[4];
static evf_future *futures[MANY];
static intptr_t results[MANY];
static struct probe probe;

/* A join of `n` fresh leaves, whose results would have to be freed. */
static evf_future *
join_leaves(evf_op *op, size_t n)
{
    memset(leaves, 0, sizeof(leaves));
    memset(things, 0, sizeof(things));
    memset(results, 0, sizeof(results));
    probe_init(&probe);
    for (size_t i = 0; i < n; i++) {
        leaves[i].dispose = thing_dispose;
        futures[i] = leaf(&leaves[i]);
    }
    return evf_join(op, n, futures, results);
}

static void
finish(size_t i)
{
    leaf_finish(&leaves[i], (intptr_t)&things[i]);
}

static enum evf_poll
poll_requested(evf_future *future, int request)
{
    evf_context cx;

    evfi_context_init_root(&cx, &probe.waker, executor, request);
    return evf_future_poll(future, &cx);
}

static unsigned
drops(size_t n)
{
    unsigned sum = 0;

    for (size_t i = 0; i < n; i++) {
        ck_assert_uint_le(leaves[i].drops, 1);
        sum += leaves[i].drops;
    }
    return sum;
}

static unsigned
disposals(void)
{
    unsigned sum = 0;

    for (size_t i = 0; i < 4; i++)
        sum += things[i].disposals;
    return sum;
}

START_TEST(join_waits_for_all_in_every_order) /* F40 */
{
    static const unsigned orders[][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
        {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};

    for (size_t o = 0; o < 6; o++) {
        evf_future *join = join_leaves(NULL, 3);

        ck_assert_uint_eq(leaves[0].polls, 0); /* F1 */
        for (unsigned i = 0; i < 3; i++) {
            ck_assert_int_eq(poll_with(join, &probe, NULL), EVF_PENDING);
            ck_assert_uint_eq(drops(3), i);
            finish(orders[o][i]);
            ck_assert_uint_eq(probe.wakes, i + 1);
        }
        ck_assert_int_eq(poll_with(join, &probe, NULL), EVF_READY);
        ck_assert_uint_eq(drops(3), 3);
        ck_assert_int_eq(evf_future_take(join), 0);
        evf_future_drop(join);
        for (unsigned i = 0; i < 3; i++)
            ck_assert_ptr_eq((void *)results[i], &things[i]);
        ck_assert_uint_eq(disposals(), 0);
        ck_assert_int_eq(probe_live(&probe), 0);
    }
}
END_TEST

START_TEST(join_of_none_is_ready)
{
    ck_assert_int_eq(evf_block_on(executor, evf_join(NULL, 0, NULL, NULL)), 0);
    ck_assert_int_eq(evf_block_on(executor,
                         evf_join(NULL, 0, futures, results)),
        0);
    evf_future_drop(evf_join(NULL, 0, NULL, NULL));
}
END_TEST

START_TEST(results_and_failures_stand_side_by_side) /* F47 */
{
    futures[0] = NULL;
    futures[1] = evf_future_failed(-EBUSY);
    futures[2] = evf_ready(NULL, -EIO, NULL);
    futures[3] = evf_ready(NULL, 4, NULL);
    ck_assert_int_eq(evf_block_on(executor,
                         evf_join(NULL, 4, futures, results)),
        0);
    ck_assert_int_eq(results[0], -ENOMEM);
    ck_assert_int_eq(results[1], -EBUSY);
    ck_assert_int_eq(results[2], -EIO);
    ck_assert_int_eq(results[3], 4);
}
END_TEST

START_TEST(ended_children_are_not_polled_again) /* F14 */
{
    evf_future *join = join_leaves(NULL, 3);

    ck_assert_int_eq(poll_with(join, &probe, NULL), EVF_PENDING);
    finish(1);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(poll_with(join, &probe, NULL), EVF_PENDING);
    ck_assert_uint_eq(leaves[1].polls, 2);
    ck_assert_uint_eq(leaves[0].polls, 4);
    evf_future_drop(join);
}
END_TEST

START_TEST(dropped_half_way_frees_what_it_holds) /* F13 F33 */
{
    evf_op op = {0};

    for (unsigned done = 0; done < 1u << 3; done++) {
        evf_future *join = join_leaves(&op, 4);

        ck_assert_int_eq(poll_with(join, &probe, NULL), EVF_PENDING);
        for (unsigned i = 0; i < 3; i++)
            if (done & 1u << i)
                finish(i);
        ck_assert_int_eq(poll_with(join, &probe, NULL), EVF_PENDING);
        evf_future_drop(join);
        ck_assert_uint_eq(drops(4), 4);
        for (unsigned i = 0; i < 4; i++) {
            ck_assert_uint_eq(things[i].disposals, done >> i & 1);
            ck_assert_int_eq(results[i], -ECANCELED);
        }
        ck_assert_ptr_null(op.future.ops);
        ck_assert_int_eq(probe_live(&probe), 0);
    }
}
END_TEST

START_TEST(dropped_before_its_first_poll)
{
    evf_future_drop(join_leaves(NULL, 3));
    ck_assert_uint_eq(drops(3), 3);
    ck_assert_uint_eq(leaves[0].polls, 0);
    for (unsigned i = 0; i < 3; i++)
        ck_assert_int_eq(results[i], -ECANCELED);
}
END_TEST

START_TEST(failures_are_not_freed_when_dropped_half_way) /* F33 */
{
    evf_future *join = join_leaves(NULL, 2);

    ck_assert_int_eq(poll_with(join, &probe, NULL), EVF_PENDING);
    leaf_finish(&leaves[0], -EIO);
    ck_assert_int_eq(poll_with(join, &probe, NULL), EVF_PENDING);
    ck_assert_int_eq(results[0], -EIO);
    evf_future_drop(join);
    ck_assert_uint_eq(disposals(), 0);
}
END_TEST

START_TEST(ready_join_leaves_the_arrays_alone) /* F33 */
{
    evf_future *join = join_leaves(NULL, 2);

    finish(0);
    finish(1);
    ck_assert_int_eq(poll_with(join, &probe, NULL), EVF_READY);
    results[0] = 1;
    memset(futures, 0xff, sizeof(futures));
    evf_future_drop(join); /* its result is 0, and nobody took it */
    ck_assert_int_eq(results[0], 1);
    ck_assert_ptr_eq((void *)results[1], &things[1]);
    ck_assert_uint_eq(disposals(), 0);
}
END_TEST

START_TEST(constructor_failures_drop_all) /* F28 F34 F47 */
{
    evf_op op[2] = {0};
    struct leaf first = {0};
    evf_future *one[1] = {leaf(&first)}, *join;
    intptr_t result;

    join = evf_join(&op[0], 1, one, &result);
    ck_assert_ptr_eq(join_leaves(&op[0], 3), evf_future_failed(-EBUSY));
    ck_assert_uint_eq(drops(3), 3);
    ck_assert_uint_eq(first.drops, 0);
    heap_fail_at(1);
    ck_assert_ptr_null(join_leaves(NULL, 3));
    ck_assert_uint_eq(drops(3), 3);
    ck_assert_int_eq(results[0], 0); /* left alone */
    memset(leaves, 0, sizeof(leaves));
    futures[0] = leaf(&leaves[0]);
    ck_assert_ptr_eq(evf_join(&op[1], 1, futures, NULL),
        evf_future_failed(-EINVAL));
    ck_assert_uint_eq(leaves[0].drops, 1);
    ck_assert_ptr_eq(evf_join(&op[1], 1, NULL, results),
        evf_future_failed(-EINVAL));
    ck_assert_ptr_null(op[1].future.ops);
    futures[0] = evf_ready(&op[1], 1, NULL);
    ck_assert_ptr_eq(evf_join(&op[1], 1, futures, results),
        evf_future_failed(-EBUSY));
    ck_assert_ptr_null(op[1].future.ops);
    evf_future_drop(join);
    ck_assert_uint_eq(first.drops, 1);
}
END_TEST

START_TEST(spurious_polls_and_another_waker) /* F2 F8 */
{
    struct probe other;
    evf_future *join = join_leaves(NULL, 2);

    probe_init(&other);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(poll_with(join, &probe, NULL), EVF_PENDING);
    ck_assert_uint_eq(probe.clones, 2);
    ck_assert_int_eq(poll_with(join, &other, NULL), EVF_PENDING);
    ck_assert_int_eq(probe_live(&probe), 0);
    finish(0);
    finish(1);
    ck_assert_uint_eq(probe.wakes, 0);
    ck_assert_uint_eq(other.wakes, 2);
    evf_future_drop(join);
    ck_assert_int_eq(probe_live(&other), 0);
}
END_TEST

START_TEST(request_reaches_every_child) /* F31 F35 */
{
    struct leaf slow = {0};
    evf_future *join;

    memset(leaves, 0, sizeof(leaves));
    probe_init(&probe);
    futures[0] = leaf(&leaves[0]);
    futures[1] = evf_shield(NULL, 100, leaf(&slow));
    futures[2] = leaf(&leaves[1]);
    join = evf_join(NULL, 3, futures, results);
    ck_assert_int_eq(poll_with(join, &probe, executor), EVF_PENDING);
    leaf_finish(&leaves[1], 2);
    ck_assert_int_eq(poll_requested(join, -ECANCELED), EVF_PENDING);
    ck_assert_int_eq(results[0], -ECANCELED);
    ck_assert_int_eq(results[2], 2); /* a real result wins */
    leaf_finish(&slow, 1);
    ck_assert_int_eq(poll_requested(join, -ECANCELED), EVF_READY);
    ck_assert_int_eq(results[1], 1);
    ck_assert_int_eq(evf_future_take(join), 0);
    evf_future_drop(join);
    ck_assert_uint_eq(slow.drops, 1);
}
END_TEST

START_TEST(request_passes_through) /* F31 */
{
    struct leaf slow = {0};
    evf_future *all;

    probe_init(&probe);
    futures[0] = evf_shield(NULL, 100, leaf(&slow));
    all = evf_timeout(NULL, 0, evf_join(NULL, 1, futures, results));
    ck_assert_int_eq(poll_with(all, &probe, executor), EVF_PENDING);
    ck_assert_int_eq(poll_requested(all, -ECANCELED), EVF_PENDING);
    ck_assert_uint_eq(slow.drops, 0);
    evf_future_drop(all);
    ck_assert_uint_eq(slow.drops, 1);
}
END_TEST

START_TEST(under_a_request_nothing_starts) /* F35 */
{
    evf_future *join = join_leaves(NULL, 2);

    finish(0);
    ck_assert_int_eq(poll_requested(join, -ETIMEDOUT), EVF_READY);
    ck_assert_int_eq(results[0], -ETIMEDOUT);
    ck_assert_int_eq(results[1], -ETIMEDOUT);
    ck_assert_uint_eq(leaves[0].polls, 0);
    ck_assert_uint_eq(drops(2), 2);
    evf_future_drop(join);
}
END_TEST

START_TEST(children_that_are_always_ready_are_made_to_yield) /* F20 */
{
    evf_future *join;
    unsigned polls = 0, done;

    probe_init(&probe);
    for (size_t i = 0; i < MANY; i++)
        futures[i] = evf_ready(NULL, (intptr_t)i, NULL);
    join = evf_join(NULL, MANY, futures, results);
    do {
        ck_assert_uint_eq(probe.wakes, polls); /* no more than it needs */
        for (done = 0; done < MANY; done++)
            if (evf_failed(results[done]))
                break;
        ck_assert_uint_eq(done, EVFI_BUDGET * polls);
        polls++;
    } while (poll_with(join, &probe, NULL) == EVF_PENDING);
    ck_assert_uint_eq(polls, (MANY + EVFI_BUDGET - 1) / EVFI_BUDGET);
    evf_future_drop(join);
    for (size_t i = 0; i < MANY; i++)
        ck_assert_int_eq(results[i], (intptr_t)i);
}
END_TEST

START_TEST(those_that_the_budget_kept_back_are_dropped_unpolled) /* F20 */
{
    evf_future *join = join_leaves(NULL, 4);
    evf_context cx;

    evf_context_init(&cx, &probe.waker, NULL);
    cx.own = (struct evfi_budget){2, 0};
    finish(0);
    ck_assert_int_eq(evf_future_poll(join, &cx), EVF_PENDING);
    ck_assert_uint_eq(leaves[1].polls, 1);
    ck_assert_uint_eq(leaves[2].polls, 0);
    evf_future_drop(join);
    ck_assert_uint_eq(drops(4), 4);
    ck_assert_uint_eq(disposals(), 1);
}
END_TEST

/* A child that ends with the code of one that has not ended. */
static enum evf_poll
confuse(void *arg, evf_context *cx, intptr_t *result)
{
    (void)cx;
    *result = *(intptr_t *)arg;
    return EVF_READY;
}

START_TEST(child_that_ends_with_the_code_of_a_pending_one)
{
    static intptr_t codes[] = {EVF_RESULT_PENDING, EVF_RESULT_POLLING,
        EVF_RESULT_TAKEN};

    for (int i = 0; i < 3; i++)
        futures[i] = evf_poll_fn(NULL, confuse, &codes[i]);
    ck_assert_int_eq(evf_block_on(executor,
                         evf_join(NULL, 3, futures, results)),
        0);
    ck_assert_int_eq(results[0], -EINVAL);
    ck_assert_int_eq(results[1], -EINVAL);
    ck_assert(evf_failed(results[2]));
    ck_assert_misuse(1); /* POLLING is no answer; future.c says so */
}
END_TEST

START_TEST(join_may_move_before_its_first_poll) /* F18 */
{
    evf_op here = {0}, there = {0};

    join_leaves(&here, 2);
    memcpy(&there, &here, sizeof(there));
    memset(&here, 0xff, sizeof(here));
    finish(0);
    finish(1);
    ck_assert_int_eq(poll_with(&there.future, &probe, NULL), EVF_READY);
    ck_assert_ptr_eq((void *)results[1], &things[1]);
    evf_future_drop(&there.future);
}
END_TEST

static unsigned seen;

static void
mark_visit(void *arg, evf_future *child, const char *note)
{
    (void)arg;
    (void)note;
    for (unsigned i = 0; i < 4; i++)
        if (child == &leaves[i].future)
            seen |= 1u << i;
}

START_TEST(visit_tells_those_that_have_not_ended) /* F41 */
{
    evf_future *join = join_leaves(NULL, 3);

    seen = 0;
    join->ops->visit(join, mark_visit, NULL);
    ck_assert_uint_eq(seen, 7);
    finish(1);
    ck_assert_int_eq(poll_with(join, &probe, NULL), EVF_PENDING);
    seen = 0;
    join->ops->visit(join, mark_visit, NULL);
    ck_assert_uint_eq(seen, 5);
    finish(0);
    finish(2);
    ck_assert_int_eq(poll_with(join, &probe, NULL), EVF_READY);
    seen = 0;
    join->ops->visit(join, mark_visit, NULL);
    ck_assert_uint_eq(seen, 0);
    evf_future_drop(join);
}
END_TEST

TEST_MAIN("join", join_waits_for_all_in_every_order, join_of_none_is_ready,
    results_and_failures_stand_side_by_side,
    ended_children_are_not_polled_again, dropped_half_way_frees_what_it_holds,
    dropped_before_its_first_poll, failures_are_not_freed_when_dropped_half_way,
    ready_join_leaves_the_arrays_alone, constructor_failures_drop_all,
    spurious_polls_and_another_waker, request_reaches_every_child,
    request_passes_through, under_a_request_nothing_starts,
    children_that_are_always_ready_are_made_to_yield,
    those_that_the_budget_kept_back_are_dropped_unpolled,
    child_that_ends_with_the_code_of_a_pending_one,
    join_may_move_before_its_first_poll, visit_tells_those_that_have_not_ended)
