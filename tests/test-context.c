/* SPDX-License-Identifier: BSD-3-Clause */
#include "support.h"

#include <stdlib.h>
#include <string.h>

#include "core/context-internal.h"

static uint32_t
left(const evf_context *cx)
{
    return cx->budget->credit + cx->budget->reserve;
}

START_TEST(context_of_a_root_has_no_request_and_a_full_budget)
{
    struct probe probe;
    evf_context cx;

    probe_init(&probe);
    memset(&cx, 0x77, sizeof(cx));
    evf_context_init(&cx, &probe.waker, executor);
    ck_assert(evf_waker_will_wake(evf_context_waker(&cx), &probe.waker));
    ck_assert_ptr_eq(evf_context_executor(&cx), executor);
    ck_assert_int_eq(evf_context_cancelled(&cx), 0);
    ck_assert(!evfi_context_is_last(&cx));
    ck_assert_uint_eq(left(&cx), EVFI_BUDGET);
    ck_assert_uint_eq(EVFI_BUDGET, 128);
    evf_context_init(&cx, &probe.waker, NULL);
    ck_assert_ptr_null(evf_context_executor(&cx));
    ck_assert_uint_eq(probe.clones, 0);
}
END_TEST

START_TEST(root_under_a_request_has_no_credit_but_the_whole_budget)
{
    struct probe probe;
    evf_context cx;

    probe_init(&probe);
    evfi_context_init_root(&cx, &probe.waker, executor, -ECANCELED);
    ck_assert_int_eq(evf_context_cancelled(&cx), -ECANCELED);
    ck_assert_uint_eq(cx.budget->credit, 0);
    ck_assert_uint_eq(left(&cx), EVFI_BUDGET);
}
END_TEST

/* Awaits one more child, which is ready. */
static enum evf_poll
start_one(evf_context *cx)
{
    struct leaf l = {.ready = true, .result = 1};
    void (*dispose)(void *result);
    bool polled = false;
    intptr_t result;

    return evf_future_poll_child(leaf(&l), cx, &polled, &result, &dispose);
}

static void
start_all(evf_context *cx, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        ck_assert_int_eq(start_one(cx), EVF_READY);
}

/* F20 */
START_TEST(poll_starts_128_awaits_and_yields_at_the_next)
{
    struct probe probe;
    evf_context cx;

    probe_init(&probe);
    evf_context_init(&cx, &probe.waker, executor);
    start_all(&cx, 128);
    ck_assert_uint_eq(probe.wakes, 0);
    ck_assert_int_eq(start_one(&cx), EVF_PENDING);
    ck_assert_uint_eq(probe.wakes, 1);
    evf_context_init(&cx, &probe.waker, executor);
    start_all(&cx, 128);
}
END_TEST

/* F20, F32: failing awaits are awaits too. */
START_TEST(awaits_that_fail_at_once_spend_budget)
{
    void (*dispose)(void *result);
    struct probe probe;
    evf_context cx;
    intptr_t result;
    bool polled;

    probe_init(&probe);
    evf_context_init(&cx, &probe.waker, executor);
    for (unsigned i = 0; i < 128; i++) {
        polled = false;
        ck_assert_int_eq(evf_future_poll_child(evf_future_failed(-ENOENT), &cx,
                             &polled, &result, &dispose),
            EVF_READY);
        ck_assert_int_eq(result, -ENOENT);
    }
    polled = false;
    ck_assert_int_eq(evf_future_poll_child(NULL, &cx, &polled, &result,
                         &dispose),
        EVF_PENDING);
    ck_assert(!polled);
    ck_assert_uint_eq(probe.wakes, 1);
}
END_TEST

START_TEST(polling_a_child_again_costs_no_budget)
{
    struct leaf l = {0};
    void (*dispose)(void *result);
    struct probe probe;
    evf_context cx;
    bool polled = false;
    intptr_t result;

    probe_init(&probe);
    leaf(&l);
    evf_context_init(&cx, &probe.waker, executor);
    for (unsigned i = 0; i < 1000; i++) {
        ck_assert_int_eq(evf_future_poll_child(&l.future, &cx, &polled, &result,
                             &dispose),
            EVF_PENDING);
        ck_assert(polled);
        ck_assert_uint_eq(left(&cx), 127);
    }
    evf_future_drop(&l.future);
}
END_TEST

START_TEST(with_waker_shares_all_but_the_waker) /* F31 */
{
    struct probe a, b;
    evf_context from, cx;

    probe_init(&a);
    probe_init(&b);
    evfi_context_init_root(&from, &a.waker, executor, -ETIMEDOUT);
    from.flags |= EVFI_LAST_POLL;
    memset(&cx, 0x77, sizeof(cx));
    evf_context_with_waker(&cx, &from, &b.waker);
    ck_assert(evf_waker_will_wake(evf_context_waker(&cx), &b.waker));
    ck_assert(evf_waker_will_wake(evf_context_waker(&from), &a.waker));
    ck_assert_ptr_eq(evf_context_executor(&cx), executor);
    ck_assert_int_eq(evf_context_cancelled(&cx), -ETIMEDOUT);
    ck_assert(evfi_context_is_last(&cx));
    ck_assert_uint_eq(a.clones + b.clones, 0);
}
END_TEST

START_TEST(with_waker_spends_from_the_budget_it_came_from)
{
    struct probe a, b;
    evf_context from, cx;

    probe_init(&a);
    probe_init(&b);
    evf_context_init(&from, &a.waker, executor);
    evf_context_with_waker(&cx, &from, &b.waker);
    start_all(&cx, 100);
    ck_assert_uint_eq(left(&from), 28);
    start_all(&from, 28);
    ck_assert_int_eq(start_one(&cx), EVF_PENDING);
    ck_assert_uint_eq(a.wakes, 0);
    ck_assert_uint_eq(b.wakes, 1);
}
END_TEST

/* A shield's context: no request inside, and the budget's credit is back. */
START_TEST(derived_context_without_the_request_has_credit_again)
{
    struct probe probe;
    evf_context from, cx;

    probe_init(&probe);
    evfi_context_init_root(&from, &probe.waker, executor, -ECANCELED);
    evfi_context_derive(&cx, &from, 0);
    ck_assert_int_eq(evf_context_cancelled(&cx), 0);
    ck_assert_int_eq(evf_context_cancelled(&from), -ECANCELED);
    ck_assert(evf_waker_will_wake(evf_context_waker(&cx), &probe.waker));
    ck_assert_ptr_eq(evf_context_executor(&cx), executor);
    if (!evfi_stress)
        ck_assert_uint_eq(cx.budget->credit, 128);
    start_all(&cx, 28);
    evfi_context_settle(&cx, &from);
    ck_assert_uint_eq(left(&from), 100);
    ck_assert_uint_eq(from.budget->credit, 0);
}
END_TEST

/* A deadline's context: a request inside, so that nothing may be credited. */
START_TEST(derived_context_with_a_request_has_no_credit)
{
    struct probe probe;
    evf_context from, cx;

    probe_init(&probe);
    evf_context_init(&from, &probe.waker, executor);
    start_all(&from, 8);
    evfi_context_derive(&cx, &from, -ETIMEDOUT);
    ck_assert_int_eq(evf_context_cancelled(&cx), -ETIMEDOUT);
    ck_assert_uint_eq(cx.budget->credit, 0);
    ck_assert_uint_eq(left(&cx), 120);
    start_all(&cx, 20);
    evfi_context_settle(&cx, &from);
    ck_assert_uint_eq(left(&from), 100);
    if (!evfi_stress)
        ck_assert_uint_eq(from.budget->credit, 100);
}
END_TEST

/* F20: neither direction of derivation makes new budget, however it is used. */
START_TEST(derived_contexts_make_no_budget)
{
    static const int requests[] = {0, -ECANCELED};
    struct probe probe;
    evf_context from, cx;

    probe_init(&probe);
    for (int i = 0; i < 2; i++) {
        evfi_context_init_root(&from, &probe.waker, executor, requests[i]);
        for (unsigned n = 0; n < 32; n++) {
            evfi_context_derive(&cx, &from, requests[1 - i]);
            start_all(&cx, 4);
            evfi_context_settle(&cx, &from);
        }
        ck_assert_uint_eq(left(&from), 0);
        evfi_context_derive(&cx, &from, requests[1 - i]);
        ck_assert_int_eq(start_one(&cx), EVF_PENDING);
        evfi_context_settle(&cx, &from);
        ck_assert_uint_eq(left(&from), 0);
    }
}
END_TEST

/* F33: the result travels with what frees it; the child is gone by then. */
START_TEST(ready_childs_result_and_dispose_are_moved_out) /* F17 */
{
    struct thing thing = {0};
    struct leaf l = {.ready = true,
        .result = (intptr_t)&thing,
        .dispose = thing_dispose};
    void (*dispose)(void *result) = NULL;
    struct probe probe;
    evf_context cx;
    bool polled = false;
    intptr_t result = 0;

    probe_init(&probe);
    evf_context_init(&cx, &probe.waker, executor);
    ck_assert_int_eq(evf_future_poll_child(leaf(&l), &cx, &polled, &result,
                         &dispose),
        EVF_READY);
    ck_assert_int_eq(result, (intptr_t)&thing);
    ck_assert(dispose == thing_dispose);
    ck_assert_uint_eq(thing.disposals, 0);
    ck_assert_uint_eq(l.drops, 1);
}
END_TEST

/* F33: who calls `dispose` does not have to look whether the child failed. */
START_TEST(failed_childs_result_has_nothing_to_dispose_of)
{
    struct leaf l = {.ready = true, .result = -EPIPE, .dispose = thing_dispose};
    void (*dispose)(void *result) = thing_dispose;
    struct probe probe;
    evf_context cx;
    bool polled = false;
    intptr_t result = 0;

    probe_init(&probe);
    evf_context_init(&cx, &probe.waker, executor);
    ck_assert_int_eq(evf_future_poll_child(leaf(&l), &cx, &polled, &result,
                         &dispose),
        EVF_READY);
    ck_assert_int_eq(result, -EPIPE);
    ck_assert(dispose == NULL);
}
END_TEST

/* F14: a child that was ready before is not polled, but ends like any other. */
START_TEST(child_that_was_polled_to_its_end_is_misuse_and_is_taken_over)
{
    struct leaf l = {.ready = true, .result = 5};
    void (*dispose)(void *result);
    struct probe probe;
    evf_context cx;
    bool polled = false;
    intptr_t result = 0;

    probe_init(&probe);
    ck_assert_int_eq(poll_with(leaf(&l), &probe, executor), EVF_READY);
    evf_context_init(&cx, &probe.waker, executor);
    ck_assert_int_eq(evf_future_poll_child(&l.future, &cx, &polled, &result,
                         &dispose),
        EVF_READY);
    ck_assert_misuse(1);
    ck_assert_int_eq(result, 5);
    ck_assert_uint_eq(l.polls, 1);
    ck_assert_uint_eq(l.drops, 1);
}
END_TEST

/* A waker that drops what it was woken for. */
static void *
reaper_clone(void *data)
{
    return data;
}

static void
reaper_wake(void *data)
{
    evf_future **victim = data;

    evf_future_drop(*victim);
    *victim = NULL;
}

static void
reaper_drop(void *data)
{
    (void)data;
}

static const evf_waker_ops reaper_ops = {reaper_clone, reaper_wake, reaper_wake,
    reaper_drop};

/* F12: the wake of a yield is the last thing that the rule does. */
START_TEST(yield_may_wake_a_waker_that_drops_the_child)
{
    void (*dispose)(void *result);
    evf_future *child = evf_ready(NULL, 1, NULL);
    evf_waker waker = {&reaper_ops, &child};
    evf_context cx;
    bool polled = false;
    intptr_t result;

    evf_context_init(&cx, &waker, executor);
    cx.own = (struct evfi_budget){0, 0};
    ck_assert_int_eq(evf_future_poll_child(child, &cx, &polled, &result,
                         &dispose),
        EVF_PENDING);
    ck_assert_ptr_null(child);
}
END_TEST

/* A user's composite: it polls one child with evf_future_poll(). */
struct composite {
    evf_future future;
    evf_future *child;
    unsigned polls, drops;
    int request;
    bool last;
};

static enum evf_poll
composite_poll(evf_future *self, evf_context *cx)
{
    struct composite *c = evf_container_of(self, struct composite, future);

    c->polls++;
    c->request = evf_context_cancelled(cx);
    c->last = evfi_context_is_last(cx);
    if (evf_future_poll(c->child, cx) == EVF_PENDING)
        return EVF_PENDING;
    return evf_future_ready(self, evf_future_take(c->child));
}

static void
composite_drop(evf_future *self)
{
    struct composite *c = evf_container_of(self, struct composite, future);

    c->drops++;
    evf_future_drop(c->child);
}

static const evf_future_ops composite_ops = {
    .size = sizeof(struct composite),
    .name = "composite",
    .poll = composite_poll,
    .drop = composite_drop,
};

static void
tell(intptr_t result, void *arg)
{
    *(intptr_t *)arg = result;
}

/* F36 */
START_TEST(composite_without_passes_sees_no_request_and_is_dropped_whole)
{
    struct composite c = {0};
    struct leaf l = {0};
    intptr_t told = 0;
    evf_task *task;

    evf_future_init(&c.future, &composite_ops);
    c.child = leaf(&l);
    task = evf_spawn_then(executor, &c.future, tell, &told);
    run_passes(2);
    ck_assert_uint_eq(l.polls, 1);
    evf_task_cancel(task);
    run_passes(4);
    ck_assert_uint_eq(c.polls, 2);
    ck_assert_int_eq(c.request, 0);
    ck_assert(c.last);
    ck_assert_uint_eq(l.polls, 2);
    ck_assert_int_eq(told, -ECANCELED);
    ck_assert_uint_eq(c.drops, 1);
    ck_assert_uint_eq(l.drops, 1);
    ck_assert_int_eq(evf_task_free(task), 0);
}
END_TEST

/* F35, F36 */
START_TEST(result_inside_a_composite_beats_the_request)
{
    struct composite c = {0};
    struct leaf l = {0};
    intptr_t told = 0;
    evf_task *task;

    evf_future_init(&c.future, &composite_ops);
    c.child = leaf(&l);
    task = evf_spawn_then(executor, &c.future, tell, &told);
    run_passes(2);
    evf_task_cancel(task);
    leaf_finish(&l, 31);
    run_passes(4);
    ck_assert_int_eq(told, 31);
    ck_assert_uint_eq(c.drops, 1);
    ck_assert_int_eq(evf_task_free(task), 0);
}
END_TEST

TEST_MAIN("context", context_of_a_root_has_no_request_and_a_full_budget,
    root_under_a_request_has_no_credit_but_the_whole_budget,
    poll_starts_128_awaits_and_yields_at_the_next,
    awaits_that_fail_at_once_spend_budget,
    polling_a_child_again_costs_no_budget, with_waker_shares_all_but_the_waker,
    with_waker_spends_from_the_budget_it_came_from,
    derived_context_without_the_request_has_credit_again,
    derived_context_with_a_request_has_no_credit,
    derived_contexts_make_no_budget,
    ready_childs_result_and_dispose_are_moved_out,
    failed_childs_result_has_nothing_to_dispose_of,
    child_that_was_polled_to_its_end_is_misuse_and_is_taken_over,
    yield_may_wake_a_waker_that_drops_the_child,
    composite_without_passes_sees_no_request_and_is_dropped_whole,
    result_inside_a_composite_beats_the_request)
