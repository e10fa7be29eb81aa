/* SPDX-License-Identifier: BSD-3-Clause */
#include "support.h"

#include <string.h>

#include "core/context-internal.h"

START_TEST(yield_wakes_itself_once_and_ends_at_the_next_poll) /* F4 F40 F2 */
{
    struct probe probe;
    evf_future *yield = evf_yield(NULL);

    probe_init(&probe);
    ck_assert_int_eq(poll_with(yield, &probe, NULL), EVF_PENDING);
    ck_assert_uint_eq(probe.wakes, 1);
    ck_assert_uint_eq(probe.clones, 0);
    ck_assert_int_eq(poll_with(yield, &probe, NULL), EVF_READY);
    ck_assert_uint_eq(probe.wakes, 1);
    ck_assert_int_eq(evf_future_take(yield), 0);
    evf_future_drop(yield);
}
END_TEST

static char order[64];

struct walker {
    evf_frame frame;
    char name;
    int steps;
    evf_op op;
};

static enum evf_poll
walk(evf_future *self, evf_context *cx)
{
    struct walker *w = evf_frame_of(self, struct walker);
    intptr_t n;

    EVF_BEGIN(self, cx);
    while (w->steps-- > 0) {
        strncat(order, &w->name, 1);
        EVF_TRY(n, evf_yield(&w->op));
        ck_assert_int_eq(n, 0);
    }
    EVF_FINALLY;
    EVF_END;
}

static const evf_frame_ops walker_ops = EVF_FRAME_OPS(struct walker, walk);

static evf_task *
walker(char name, int steps)
{
    struct walker *w = evf_frame_init(NULL, &walker_ops);

    w->name = name;
    w->steps = steps;
    return evf_spawn(executor, &w->frame.future);
}

START_TEST(yield_lets_every_other_ready_task_run_once) /* F21 F19 */
{
    order[0] = '\0';
    evf_task_detach(walker('a', 4));
    evf_task_detach(walker('b', 2));
    evf_task_detach(walker('c', 3));
    run_passes(50);
    ck_assert_str_eq(order, "abcabcaca");
}
END_TEST

START_TEST(yield_dropped_anywhere) /* F13 */
{
    struct probe probe;
    evf_op op = {0};
    evf_future *yield;

    probe_init(&probe);
    for (int polls = 0; polls <= 2; polls++) {
        yield = evf_yield(&op);
        for (int i = 0; i < polls; i++)
            poll_with(yield, &probe, executor);
        evf_future_drop(yield);
        ck_assert_ptr_null(op.future.ops);
    }
    ck_assert_uint_eq(probe.wakes, 2);
    ck_assert_uint_eq(probe.clones, 0);
}
END_TEST

START_TEST(constructor_failures) /* F28 F34 */
{
    evf_op op = {0};
    evf_future *yield = evf_yield(&op);

    ck_assert_ptr_eq(evf_yield(&op), evf_future_failed(-EBUSY));
    evf_future_drop(yield);
    heap_fail_at(1);
    ck_assert_ptr_null(evf_yield(NULL));
}
END_TEST

START_TEST(request_ends_a_yield_without_a_wake) /* F35 */
{
    struct probe probe;
    evf_context cx;
    void (*dispose)(void *);
    intptr_t result;
    bool polled = true; /* as if a composite were on its last poll */

    probe_init(&probe);
    evfi_context_init_root(&cx, &probe.waker, executor, -ECANCELED);
    ck_assert_int_eq(evf_future_poll_child(evf_yield(NULL), &cx, &polled,
                         &result, &dispose),
        EVF_READY);
    ck_assert_int_eq(result, -ECANCELED);
    ck_assert_uint_eq(probe.wakes, 0);
}
END_TEST

TEST_MAIN("yield", yield_wakes_itself_once_and_ends_at_the_next_poll,
    yield_lets_every_other_ready_task_run_once, yield_dropped_anywhere,
    constructor_failures, request_ends_a_yield_without_a_wake)
