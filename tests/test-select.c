/* SPDX-License-Identifier: BSD-3-Clause */
#include "support.h"

#include <string.h>

#include "core/context-internal.h"

static struct leaf leaves[EVF_SELECT_MAX + 1];
static struct thing things[EVF_SELECT_MAX + 1];
static struct probe probe;
static unsigned which;

/* A select of `n` fresh leaves, whose results would have to be freed. */
static evf_future *
select_leaves(evf_op *op, size_t n)
{
    evf_future *futures[EVF_SELECT_MAX + 1];
    evf_future *select;

    memset(leaves, 0, sizeof(leaves));
    memset(things, 0, sizeof(things));
    probe_init(&probe);
    which = 99;
    for (size_t i = 0; i < n; i++) {
        leaves[i].dispose = thing_dispose;
        futures[i] = leaf(&leaves[i]);
    }
    select = evf_select(op, &which, n, futures);
    memset(futures, 0xff, sizeof(futures)); /* it has copied them */
    return select;
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

    for (size_t i = 0; i < EVF_SELECT_MAX + 1; i++)
        sum += things[i].disposals;
    return sum;
}

START_TEST(first_to_end_wins_in_every_size_and_place) /* F40 */
{
    for (size_t n = 1; n <= EVF_SELECT_MAX; n++) {
        for (size_t i = 0; i < n; i++) {
            evf_future *select = select_leaves(NULL, n);

            ck_assert_uint_eq(leaves[0].polls, 0); /* F1 */
            ck_assert_int_eq(poll_with(select, &probe, NULL), EVF_PENDING);
            ck_assert_uint_eq(drops(n), 0);
            finish(i);
            ck_assert_uint_eq(probe.wakes, 1);
            ck_assert_int_eq(poll_with(select, &probe, NULL), EVF_READY);
            ck_assert_uint_eq(which, i);
            ck_assert_uint_eq(drops(n), n);
            ck_assert_ptr_eq((void *)evf_future_take(select), &things[i]);
            evf_future_drop(select);
            ck_assert_uint_eq(disposals(), 0);
            ck_assert_int_eq(probe_live(&probe), 0);
        }
    }
}
END_TEST

START_TEST(ready_ones_win_in_the_order_of_the_array)
{
    for (unsigned ready = 1; ready < 1u << 3; ready++) {
        evf_future *select = select_leaves(NULL, 3);
        unsigned first = ready & 1 ? 0 : ready & 2 ? 1 : 2;

        for (unsigned i = 0; i < 3; i++)
            if (ready & 1u << i)
                finish(i);
        ck_assert_int_eq(poll_with(select, &probe, NULL), EVF_READY);
        ck_assert_uint_eq(which, first);
        for (unsigned i = 0; i < 3; i++)
            ck_assert_uint_eq(leaves[i].polls, i <= first);
        evf_future_drop(select);
        ck_assert_uint_eq(drops(3), 3);
        ck_assert_uint_eq(things[first].disposals, 1); /* F33 */
        ck_assert_uint_eq(disposals(), 1);
    }
}
END_TEST

/* A future whose drop looks whether the select's index was told already. */
static unsigned which_at_drop;

static int
look_when_dropped(void *request)
{
    (void)request;
    which_at_drop = which;
    return 1;
}

START_TEST(losers_are_dropped_before_the_winner_is_told) /* F26 */
{
    evf_completer *loser = evf_completer_new(NULL);
    evf_future *select;

    which = 99;
    probe_init(&probe);
    evf_completer_set_cancel(loser, look_when_dropped, NULL);
    select = evf_select(NULL, &which, 2,
        (evf_future *[]){evf_completer_future(loser),
            evf_ready(NULL, 4, NULL)});
    ck_assert_int_eq(poll_with(select, &probe, NULL), EVF_READY);
    ck_assert_uint_eq(which_at_drop, 2);
    ck_assert_uint_eq(which, 1);
    evf_future_drop(select);
}
END_TEST

START_TEST(failure_wins_as_well_and_index_may_be_ignored)
{
    evf_future *select = select_leaves(NULL, 2);

    ck_assert_int_eq(poll_with(select, &probe, NULL), EVF_PENDING);
    leaf_finish(&leaves[1], -EIO);
    ck_assert_int_eq(poll_with(select, &probe, NULL), EVF_READY);
    ck_assert_uint_eq(which, 1);
    ck_assert_int_eq(evf_future_take(select), -EIO);
    evf_future_drop(select);

    ck_assert_int_eq(evf_block_on(executor,
                         evf_select(NULL, NULL, 1,
                             (evf_future *[]){evf_ready(NULL, 8, NULL)})),
        8);
}
END_TEST

START_TEST(failed_futures_are_futures) /* F47 */
{
    struct leaf l = {0};

    ck_assert_int_eq(evf_block_on(executor,
                         evf_select(NULL, &which, 2,
                             (evf_future *[]){leaf(&l), NULL})),
        -ENOMEM);
    ck_assert_uint_eq(which, 1);
    ck_assert_uint_eq(l.drops, 1);
    ck_assert_int_eq(evf_block_on(executor,
                         evf_select(NULL, &which, 2,
                             (evf_future *[]){evf_future_failed(-EBUSY),
                                 NULL})),
        -EBUSY);
    ck_assert_uint_eq(which, 0);
    evf_future_drop(evf_select(NULL, NULL, 2,
        (evf_future *[]){evf_future_failed(-EBUSY), NULL}));
}
END_TEST

START_TEST(numbers_that_are_refused_drop_all) /* F47 */
{
    evf_op op = {0};

    ck_assert_ptr_eq(select_leaves(&op, 0), evf_future_failed(-EINVAL));
    ck_assert_uint_eq(drops(EVF_SELECT_MAX + 1), 0);
    ck_assert_ptr_eq(select_leaves(&op, EVF_SELECT_MAX + 1),
        evf_future_failed(-EINVAL));
    ck_assert_uint_eq(drops(EVF_SELECT_MAX + 1), EVF_SELECT_MAX + 1);
    ck_assert_ptr_eq(evf_select(&op, &which, 2, NULL),
        evf_future_failed(-EINVAL));
    ck_assert_ptr_eq(evf_select(&op, &which, 9, NULL),
        evf_future_failed(-EINVAL));
    ck_assert_uint_eq(which, 9);
    ck_assert_ptr_null(op.future.ops);
}
END_TEST

START_TEST(failing_constructor_drops_all) /* F28 F34 */
{
    evf_op op[2] = {0};
    evf_future *select;
    struct leaf first = {0};

    select = evf_select(&op[0], NULL, 1, (evf_future *[]){leaf(&first)});
    ck_assert_ptr_eq(select_leaves(&op[0], 3), evf_future_failed(-EBUSY));
    ck_assert_uint_eq(drops(3), 3);
    ck_assert_uint_eq(first.drops, 0);
    heap_fail_at(1);
    ck_assert_ptr_null(select_leaves(NULL, 3));
    ck_assert_uint_eq(drops(3), 3);
    ck_assert_ptr_eq(evf_select(&op[1], NULL, 1,
                         (evf_future *[]){evf_ready(&op[1], 1, NULL)}),
        evf_future_failed(-EBUSY));
    ck_assert_ptr_null(op[1].future.ops);
    evf_future_drop(select);
    ck_assert_uint_eq(first.drops, 1);
}
END_TEST

START_TEST(dropped_anywhere_drops_all) /* F13 F33 */
{
    evf_op op = {0};

    for (int polls = 0; polls <= 2; polls++) {
        for (int ready = 0; ready <= 1; ready++) {
            evf_future *select = select_leaves(&op, 4);

            for (int i = 0; i < polls; i++)
                ck_assert_int_eq(poll_with(select, &probe, executor),
                    EVF_PENDING);
            if (ready)
                finish(2);
            evf_future_drop(select);
            ck_assert_uint_eq(drops(4), 4);
            ck_assert_uint_eq(disposals(), 0);
            ck_assert_uint_eq(which, 4);
            ck_assert_ptr_null(op.future.ops);
            ck_assert_int_eq(probe_live(&probe), 0);
        }
    }
}
END_TEST

START_TEST(spurious_polls_and_another_waker) /* F2 F8 */
{
    struct probe other;
    evf_future *select = select_leaves(NULL, 3);

    probe_init(&other);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(poll_with(select, &probe, executor), EVF_PENDING);
    ck_assert_uint_eq(probe.clones, 3);
    ck_assert_int_eq(poll_with(select, &other, NULL), EVF_PENDING);
    ck_assert_int_eq(probe_live(&probe), 0);
    finish(0);
    ck_assert_uint_eq(probe.wakes, 0);
    ck_assert_uint_eq(other.wakes, 1);
    ck_assert_int_eq(poll_with(select, &other, NULL), EVF_READY);
    evf_future_drop(select);
    ck_assert_int_eq(probe_live(&other), 0);
}
END_TEST

START_TEST(operations_give_in_to_a_request_and_do_not_win) /* F31 F35 */
{
    evf_future *select = select_leaves(NULL, 3);

    ck_assert_int_eq(poll_with(select, &probe, executor), EVF_PENDING);
    ck_assert_int_eq(poll_requested(select, -ECANCELED), EVF_READY);
    ck_assert_uint_eq(drops(3), 3);
    ck_assert_uint_eq(which, 3);
    ck_assert_int_eq(evf_future_take(select), -ECANCELED);
    evf_future_drop(select);
}
END_TEST

START_TEST(real_result_beats_the_request) /* F35 */
{
    for (size_t i = 0; i < 3; i++) {
        evf_future *select = select_leaves(NULL, 3);

        ck_assert_int_eq(poll_with(select, &probe, executor), EVF_PENDING);
        finish(i);
        ck_assert_int_eq(poll_requested(select, -ECANCELED), EVF_READY);
        ck_assert_uint_eq(which, i);
        ck_assert_uint_eq(drops(3), 3);
        ck_assert_ptr_eq((void *)evf_future_take(select), &things[i]);
        evf_future_drop(select);
        ck_assert_uint_eq(disposals(), 0);
    }
}
END_TEST

START_TEST(only_the_error_of_the_request_in_force_gives_in)
{
    static const struct {
        int request, error;
    } rows[] = {{-ECANCELED, -EIO}, {0, -ECANCELED}, {-ETIMEDOUT, -ECANCELED}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        evf_future *select = select_leaves(NULL, 2);

        ck_assert_int_eq(poll_with(select, &probe, executor), EVF_PENDING);
        leaf_finish(&leaves[1], rows[i].error);
        ck_assert_int_eq(poll_requested(select, rows[i].request), EVF_READY);
        ck_assert_uint_eq(which, 1);
        ck_assert_int_eq(evf_future_take(select), rows[i].error);
        evf_future_drop(select);
    }
}
END_TEST

START_TEST(child_that_cleans_up_is_waited_for) /* F31 */
{
    struct leaf slow = {0};
    evf_future *select;

    for (intptr_t result = -ECANCELED; result <= 0; result += ECANCELED) {
        memset(&slow, 0, sizeof(slow));
        memset(leaves, 0, sizeof(leaves));
        probe_init(&probe);
        which = 99;
        select = evf_select(NULL, &which, 2,
            (evf_future *[]){leaf(&leaves[0]),
                evf_shield(NULL, 100, leaf(&slow))});
        ck_assert_int_eq(poll_with(select, &probe, executor), EVF_PENDING);
        ck_assert_int_eq(poll_requested(select, -ECANCELED), EVF_PENDING);
        ck_assert_uint_eq(leaves[0].drops, 1);
        ck_assert_int_eq(poll_requested(select, -ECANCELED), EVF_PENDING);
        ck_assert_uint_eq(leaves[0].drops, 1);
        ck_assert_uint_eq(misuses, 0); /* it was not polled again: F14 */
        leaf_finish(&slow, result);
        ck_assert_int_eq(poll_requested(select, -ECANCELED), EVF_READY);
        ck_assert_uint_eq(which, result == 0 ? 1 : 2);
        ck_assert_int_eq(evf_future_take(select), result);
        evf_future_drop(select);
        ck_assert_uint_eq(slow.drops, 1);
    }
}
END_TEST

START_TEST(request_passes_through) /* F31 */
{
    struct leaf slow = {0};
    evf_future *all;

    probe_init(&probe);
    all = evf_timeout(NULL, 0,
        evf_select(NULL, NULL, 1,
            (evf_future *[]){evf_shield(NULL, 100, leaf(&slow))}));
    ck_assert_int_eq(poll_with(all, &probe, executor), EVF_PENDING);
    ck_assert_int_eq(poll_requested(all, -ECANCELED), EVF_PENDING);
    ck_assert_uint_eq(slow.drops, 0);
    evf_future_drop(all);
    ck_assert_uint_eq(slow.drops, 1);
}
END_TEST

START_TEST(under_a_request_nothing_starts_but_shields) /* F35 */
{
    struct leaf slow = {.ready = true, .result = 6};
    evf_future *select;

    memset(leaves, 0, sizeof(leaves));
    probe_init(&probe);
    leaves[0].ready = true;
    select = evf_select(NULL, &which, 2,
        (evf_future *[]){leaf(&leaves[0]), evf_shield(NULL, 100, leaf(&slow))});
    ck_assert_int_eq(poll_requested(select, -ECANCELED), EVF_READY);
    ck_assert_uint_eq(leaves[0].polls, 0);
    ck_assert_uint_eq(leaves[0].drops, 1);
    ck_assert_uint_eq(which, 1);
    ck_assert_int_eq(evf_future_take(select), 6);
    evf_future_drop(select);
}
END_TEST

/* Selects among futures that are ready at once, for ever. */
struct spinner {
    evf_frame frame;
    unsigned rounds;
    evf_op op;
};

static enum evf_poll
spin(evf_future *self, evf_context *cx)
{
    struct spinner *s = evf_frame_of(self, struct spinner);
    intptr_t n;

    EVF_BEGIN(self, cx);
    for (;;) {
        EVF_TRY(n,
            evf_select(&s->op, NULL, 2,
                (evf_future *[]){evf_ready(NULL, 0, NULL),
                    evf_ready(NULL, 1, NULL)}));
        ck_assert_int_eq(n, 0);
        s->rounds++;
    }
    EVF_FINALLY;
    EVF_END;
}

static const evf_frame_ops spinner_ops = EVF_FRAME_OPS(struct spinner, spin);

START_TEST(children_that_are_always_ready_are_made_to_yield) /* F20 */
{
    struct spinner s = {0};

    evfi_stress = false; /* awaits are counted */
    probe_init(&probe);
    evf_frame_init(&s, &spinner_ops);
    ck_assert_int_eq(poll_with(&s.frame.future, &probe, executor), EVF_PENDING);
    ck_assert_uint_gt(s.rounds, 10);
    ck_assert_uint_le(s.rounds, EVFI_BUDGET);
    ck_assert_uint_eq(probe.wakes, 1);
    ck_assert_int_eq(poll_with(&s.frame.future, &probe, executor), EVF_PENDING);
    ck_assert_uint_gt(s.rounds, EVFI_BUDGET / 2);
    evf_future_drop(&s.frame.future);
}
END_TEST

START_TEST(children_that_the_budget_kept_back_start_later) /* F20 */
{
    evf_future *select = select_leaves(NULL, 4);
    evf_context cx;

    evf_context_init(&cx, &probe.waker, NULL);
    cx.own = (struct evfi_budget){2, 0};
    ck_assert_int_eq(evf_future_poll(select, &cx), EVF_PENDING);
    ck_assert_uint_eq(leaves[1].polls, 1);
    ck_assert_uint_eq(leaves[2].polls, 0);
    ck_assert_uint_ge(probe.wakes, 1);
    ck_assert_int_eq(poll_with(select, &probe, NULL), EVF_PENDING);
    ck_assert_uint_eq(leaves[3].polls, 1);
    evf_future_drop(select);
    ck_assert_uint_eq(drops(4), 4);
}
END_TEST

START_TEST(select_may_move_before_its_first_poll) /* F18 */
{
    evf_op here = {0}, there = {0};

    select_leaves(&here, 2);
    memcpy(&there, &here, sizeof(there));
    memset(&here, 0xff, sizeof(here));
    finish(1);
    ck_assert_int_eq(poll_with(&there.future, &probe, NULL), EVF_READY);
    evf_future_drop(&there.future);
    ck_assert_uint_eq(things[1].disposals, 1);
}
END_TEST

static unsigned visited;

static void
count_visit(void *arg, evf_future *child, const char *note)
{
    (void)note;
    ck_assert_ptr_eq(child, &leaves[visited].future);
    *(unsigned *)arg = ++visited;
}

START_TEST(visit_tells_those_that_have_not_ended) /* F41 */
{
    evf_future *select = select_leaves(NULL, 3);
    unsigned seen = 0;

    visited = 0;
    select->ops->visit(select, count_visit, &seen);
    ck_assert_uint_eq(seen, 3);
    finish(1);
    ck_assert_int_eq(poll_with(select, &probe, NULL), EVF_READY);
    seen = visited = 0;
    select->ops->visit(select, count_visit, &seen);
    ck_assert_uint_eq(seen, 0);
    evf_future_drop(select);
}
END_TEST

TEST_MAIN("select", first_to_end_wins_in_every_size_and_place,
    ready_ones_win_in_the_order_of_the_array,
    losers_are_dropped_before_the_winner_is_told,
    failure_wins_as_well_and_index_may_be_ignored, failed_futures_are_futures,
    numbers_that_are_refused_drop_all, failing_constructor_drops_all,
    dropped_anywhere_drops_all, spurious_polls_and_another_waker,
    operations_give_in_to_a_request_and_do_not_win,
    real_result_beats_the_request,
    only_the_error_of_the_request_in_force_gives_in,
    child_that_cleans_up_is_waited_for, request_passes_through,
    under_a_request_nothing_starts_but_shields,
    children_that_are_always_ready_are_made_to_yield,
    children_that_the_budget_kept_back_start_later,
    select_may_move_before_its_first_poll,
    visit_tells_those_that_have_not_ended)
