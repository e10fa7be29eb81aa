/* SPDX-License-Identifier: BSD-3-Clause */
#include "support.h"

#include <string.h>

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

static enum evf_poll
poll_requested(evf_future *future, struct probe *probe, int request)
{
    evf_context cx;

    evfi_context_init_root(&cx, &probe->waker, executor, request);
    return evf_future_poll(future, &cx);
}

static intptr_t
take_and_drop(evf_future *future)
{
    intptr_t result = evf_future_take(future);

    evf_future_drop(future);
    return result;
}

/*
 * An async function that awaits a leaf; then, in a shield if it has to, another
 * one; and tells what it saw.
 */
struct unwinder {
    evf_frame frame;
    struct leaf work, farewell;
    int seen; /* the request, when the work had ended */
    intptr_t ended;
    unsigned finallies;
    evf_op op;
};

static enum evf_poll
unwinder_run(evf_future *self, evf_context *cx)
{
    struct unwinder *u = evf_frame_of(self, struct unwinder);
    intptr_t n;

    EVF_BEGIN(self, cx);
    EVF_AWAIT(u->ended, leaf(&u->work));
    u->seen = evf_context_cancelled(cx);
    EVF_AWAIT(n, evf_shield(&u->op, 100, leaf(&u->farewell)));
    EVF_RETURN(n < 0 ? n : u->ended);
    EVF_FINALLY;
    u->finallies++;
    EVF_END;
}

static const evf_frame_ops unwinder_ops =
    EVF_FRAME_OPS(struct unwinder, unwinder_run);

static struct unwinder unwinder;

static evf_future *
unwind(void)
{
    memset(&unwinder, 0, sizeof(unwinder));
    evf_frame_init(&unwinder, &unwinder_ops);
    return &unwinder.frame.future;
}

/* A composite that knows nothing of requests. */
struct plain {
    evf_future future, *child;
    int seen;
    unsigned polls, drops;
};

static enum evf_poll
plain_poll(evf_future *self, evf_context *cx)
{
    struct plain *p = evf_container_of(self, struct plain, future);

    p->polls++;
    p->seen = evf_context_cancelled(cx);
    if (evf_future_poll(p->child, cx) == EVF_PENDING)
        return EVF_PENDING;
    return evf_future_ready(self, evf_future_take(p->child));
}

static void
plain_drop(evf_future *self)
{
    struct plain *p = evf_container_of(self, struct plain, future);

    p->drops++;
    evf_future_drop(p->child);
}

static const evf_future_ops plain_ops = {.size = sizeof(struct plain),
    .name = "plain", .poll = plain_poll, .drop = plain_drop};

START_TEST(result_in_time_passes_through) /* F33 */
{
    struct probe probe;
    struct thing thing = {0};
    struct leaf l = {.dispose = thing_dispose};
    evf_future *timeout = evf_timeout(NULL, 10, leaf(&l));

    probe_init(&probe);
    evf_executor_pause_clock(executor);
    ck_assert_uint_eq(l.polls, 0); /* F1 */
    ck_assert_int_eq(poll_with(timeout, &probe, executor), EVF_PENDING);
    pass(9);
    leaf_finish(&l, (intptr_t)&thing);
    ck_assert_uint_eq(probe.wakes, 1);
    ck_assert_int_eq(poll_with(timeout, &probe, executor), EVF_READY);
    ck_assert_uint_eq(l.drops, 1);
    ck_assert(nothing_armed());
    ck_assert_int_eq(probe_live(&probe), 0);
    ck_assert_ptr_eq((void *)evf_future_take(timeout), &thing);
    evf_future_drop(timeout);
    ck_assert_uint_eq(thing.disposals, 0);
}
END_TEST

START_TEST(untaken_result_is_freed_once) /* F33 */
{
    struct probe probe;
    struct thing thing = {0};
    evf_op op[2] = {0};
    evf_future *timeout;

    probe_init(&probe);
    for (int polls = 0; polls <= 1; polls++) {
        timeout = evf_timeout(&op[0], 10,
            evf_ready(&op[1], (intptr_t)&thing, thing_dispose));
        if (polls == 1)
            ck_assert_int_eq(
                poll_with(timeout, &probe, executor), EVF_READY);
        evf_future_drop(timeout);
        ck_assert_uint_eq(thing.disposals, (unsigned)polls + 1);
        ck_assert_ptr_null(op[0].future.ops);
        ck_assert_ptr_null(op[1].future.ops);
    }
}
END_TEST

START_TEST(ready_at_the_first_poll_arms_nothing)
{
    struct probe probe;
    evf_future *timeout = evf_timeout(NULL, 0, evf_ready(NULL, 7, NULL));

    probe_init(&probe);
    ck_assert_int_eq(poll_with(timeout, &probe, executor), EVF_READY);
    ck_assert(nothing_armed());
    ck_assert_uint_eq(probe.clones, 0);
    ck_assert_int_eq(take_and_drop(timeout), 7);
}
END_TEST

START_TEST(operation_ends_at_the_deadline)
{
    static const uint64_t times[] = {0, 1, 10, 3600000};
    struct leaf l;
    uint64_t start;

    evf_executor_pause_clock(executor);
    for (size_t i = 0; i < sizeof(times) / sizeof(*times); i++) {
        memset(&l, 0, sizeof(l));
        start = evf_executor_now(executor);
        ck_assert_int_eq(evf_block_on(executor,
            evf_timeout(NULL, times[i], leaf(&l))), -ETIMEDOUT);
        ck_assert_uint_eq(evf_executor_now(executor), start + times[i]);
        ck_assert_uint_eq(l.polls, 2); /* once more at the end */
        ck_assert_uint_eq(l.drops, 1);
    }
    ck_assert(nothing_armed());
}
END_TEST

START_TEST(result_that_is_there_at_the_deadline_wins) /* F35 */
{
    struct probe probe;
    struct leaf l = {0};
    evf_future *timeout = evf_timeout(NULL, 10, leaf(&l));

    probe_init(&probe);
    evf_executor_pause_clock(executor);
    ck_assert_int_eq(poll_with(timeout, &probe, executor), EVF_PENDING);
    pass(10);
    ck_assert_uint_eq(probe.wakes, 1);
    leaf_finish(&l, 5);
    ck_assert_int_eq(poll_with(timeout, &probe, executor), EVF_READY);
    ck_assert_int_eq(take_and_drop(timeout), 5);
}
END_TEST

START_TEST(time_counts_from_the_first_poll) /* F1 */
{
    struct probe probe;
    struct leaf l = {0};
    evf_future *timeout = evf_timeout(NULL, 10, leaf(&l));

    probe_init(&probe);
    evf_executor_pause_clock(executor);
    pass(100);
    ck_assert_int_eq(poll_with(timeout, &probe, executor), EVF_PENDING);
    pass(9);
    ck_assert_uint_eq(probe.wakes, 0);
    pass(1);
    ck_assert_uint_eq(probe.wakes, 1);
    evf_future_drop(timeout);
    ck_assert_uint_eq(l.drops, 1);
}
END_TEST

START_TEST(async_function_unwinds_and_cleans_up_after_the_deadline) /* F31 */
{
    struct probe probe;
    evf_future *timeout = evf_timeout(NULL, 10, unwind());

    probe_init(&probe);
    evf_executor_pause_clock(executor);
    ck_assert_int_eq(poll_with(timeout, &probe, executor), EVF_PENDING);
    pass(10);
    ck_assert_int_eq(poll_with(timeout, &probe, executor), EVF_PENDING);
    ck_assert_int_eq(unwinder.ended, -ETIMEDOUT);
    ck_assert_int_eq(unwinder.seen, -ETIMEDOUT);
    ck_assert_uint_eq(unwinder.work.drops, 1);
    ck_assert_uint_eq(unwinder.farewell.polls, 1);
    pass(50);
    leaf_finish(&unwinder.farewell, 0);
    ck_assert_int_eq(poll_with(timeout, &probe, executor), EVF_READY);
    ck_assert_uint_eq(unwinder.finallies, 1);
    ck_assert_int_eq(take_and_drop(timeout), -ETIMEDOUT);
    ck_assert(nothing_armed());
}
END_TEST

START_TEST(async_function_may_make_a_result_of_it)
{
    struct probe probe;
    evf_future *timeout = evf_timeout(NULL, 10, unwind());

    probe_init(&probe);
    evf_executor_pause_clock(executor);
    ck_assert_int_eq(poll_with(timeout, &probe, executor), EVF_PENDING);
    pass(10);
    leaf_finish(&unwinder.work, 77);
    leaf_finish(&unwinder.farewell, 0);
    ck_assert_int_eq(poll_with(timeout, &probe, executor), EVF_READY);
    ck_assert_int_eq(unwinder.seen, -ETIMEDOUT);
    ck_assert_int_eq(take_and_drop(timeout), 77);
}
END_TEST

START_TEST(nested_timeouts_end_at_the_earlier_deadline)
{
    /* The outer's time, the inner's, and when all of it ends. */
    static const struct {
        uint64_t outer, inner, at;
    } rows[] = {{10, 20, 10}, {20, 10, 10}, {10, 10, 10}, {0, 5, 0}, {5, 0, 0}};
    struct leaf l;
    uint64_t start;

    evf_executor_pause_clock(executor);
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        memset(&l, 0, sizeof(l));
        start = evf_executor_now(executor);
        ck_assert_int_eq(evf_block_on(executor,
            evf_timeout(NULL, rows[i].outer,
                evf_timeout(NULL, rows[i].inner, leaf(&l)))), -ETIMEDOUT);
        ck_assert_uint_eq(evf_executor_now(executor), start + rows[i].at);
        ck_assert_uint_eq(l.drops, 1);
    }
}
END_TEST

START_TEST(request_from_outside_comes_before_the_deadlines) /* F31 */
{
    struct probe probe;
    evf_future *timeout;

    probe_init(&probe);
    evf_executor_pause_clock(executor);
    for (int rung = 0; rung <= 1; rung++) {
        timeout = evf_timeout(NULL, 10, unwind());
        ck_assert_int_eq(poll_with(timeout, &probe, executor), EVF_PENDING);
        pass(rung ? 10 : 9);
        ck_assert_int_eq(
            poll_requested(timeout, &probe, -ECANCELED), EVF_PENDING);
        ck_assert_int_eq(unwinder.ended, -ECANCELED);
        ck_assert_int_eq(unwinder.seen, -ECANCELED);
        evf_future_drop(timeout);
        ck_assert_uint_eq(unwinder.finallies, 1);
        ck_assert_uint_eq(unwinder.farewell.drops, 1);
    }
}
END_TEST

START_TEST(composite_without_passes_is_dropped_whole) /* F36 */
{
    struct probe probe;
    struct leaf l = {0};
    struct plain p = {.child = leaf(&l)};
    evf_future *timeout;

    probe_init(&probe);
    evf_future_init(&p.future, &plain_ops);
    timeout = evf_timeout(NULL, 10, &p.future);
    evf_executor_pause_clock(executor);
    ck_assert_int_eq(poll_with(timeout, &probe, executor), EVF_PENDING);
    pass(10);
    ck_assert_int_eq(poll_with(timeout, &probe, executor), EVF_READY);
    ck_assert_int_eq(p.seen, 0);
    ck_assert_uint_eq(p.polls, 2);
    ck_assert_uint_eq(p.drops, 1);
    ck_assert_uint_eq(l.drops, 1);
    ck_assert_int_eq(take_and_drop(timeout), -ETIMEDOUT);
}
END_TEST

START_TEST(timeout_of_nothing_polls_once)
{
    struct probe probe;
    struct leaf l = {.ready = true, .result = 3};
    evf_context cx;
    evf_future *timeout = evf_timeout(NULL, 0, leaf(&l));

    probe_init(&probe);
    evf_executor_pause_clock(executor);
    evf_context_init(&cx, &probe.waker, executor);
    cx.own = (struct evfi_budget){0, 0}; /* others have used it up: F20 */
    ck_assert_int_eq(evf_future_poll(timeout, &cx), EVF_PENDING);
    ck_assert_uint_eq(l.polls, 0);
    ck_assert_uint_eq(probe.wakes, 1);
    pass(5);
    ck_assert_int_eq(poll_with(timeout, &probe, executor), EVF_READY);
    ck_assert_int_eq(take_and_drop(timeout), 3);
}
END_TEST

/* Awaits timeouts that are ready at once, for ever. */
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
        EVF_AWAIT(n, evf_timeout(&s->op, 10, evf_future_failed(-EIO)));
        s->rounds++;
        ck_assert_int_lt(n, 0);
    }
    EVF_FINALLY;
    EVF_END;
}

static const evf_frame_ops spinner_ops = EVF_FRAME_OPS(struct spinner, spin);

START_TEST(timeouts_that_are_always_ready_yield) /* F20 F32 */
{
    struct probe probe;
    struct spinner s = {0};
    evf_future *timeout;

    probe_init(&probe);
    evf_executor_pause_clock(executor);
    evf_frame_init(&s, &spinner_ops);
    timeout = evf_timeout(NULL, 50, &s.frame.future);
    ck_assert_int_eq(poll_with(timeout, &probe, executor), EVF_PENDING);
    ck_assert_uint_gt(s.rounds, 10);
    ck_assert_uint_le(s.rounds, EVFI_BUDGET);
    ck_assert_uint_eq(probe.wakes, 1);
    pass(50); /* under the deadline's request it is the same */
    s.rounds = 0;
    ck_assert_int_eq(poll_with(timeout, &probe, executor), EVF_PENDING);
    ck_assert_uint_gt(s.rounds, 10);
    ck_assert_uint_le(s.rounds, EVFI_BUDGET);
    evf_future_drop(timeout);
}
END_TEST

START_TEST(awaits_behind_the_deadline_count_against_the_same_budget) /* F20 */
{
    struct probe probe;
    struct spinner s[2] = {0};
    evf_future *futures[2];
    intptr_t results[2];
    evf_future *join;

    probe_init(&probe);
    evf_executor_pause_clock(executor);
    for (int i = 0; i < 2; i++) {
        evf_frame_init(&s[i], &spinner_ops);
        futures[i] = evf_timeout(NULL, 10, &s[i].frame.future);
    }
    join = evf_join(NULL, 2, futures, results);
    ck_assert_int_eq(poll_with(join, &probe, executor), EVF_PENDING);
    ck_assert_uint_eq(s[1].rounds, 0);
    ck_assert_int_eq(poll_with(join, &probe, executor), EVF_PENDING);
    pass(10);
    memset(&s[0].rounds, 0, sizeof(s[0].rounds));
    ck_assert_int_eq(poll_with(join, &probe, executor), EVF_PENDING);
    ck_assert_uint_gt(s[0].rounds, 10);
    ck_assert_uint_eq(s[1].rounds, 0);
    evf_future_drop(join);
}
END_TEST

START_TEST(spurious_polls_and_another_waker) /* F2 F8 */
{
    struct probe first, second;
    struct leaf l = {0};
    evf_future *timeout = evf_timeout(NULL, 10, leaf(&l));

    probe_init(&first);
    probe_init(&second);
    evf_executor_pause_clock(executor);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(poll_with(timeout, &first, executor), EVF_PENDING);
    ck_assert_uint_eq(first.clones, 2); /* the leaf's, and the alarm's */
    ck_assert_int_eq(poll_with(timeout, &second, executor), EVF_PENDING);
    ck_assert_int_eq(probe_live(&first), 0);
    pass(10);
    ck_assert_uint_eq(first.wakes, 0);
    ck_assert_uint_eq(second.wakes, 1);
    ck_assert_int_eq(poll_with(timeout, &second, executor), EVF_READY);
    evf_future_drop(timeout);
    ck_assert_int_eq(probe_live(&second), 0);
}
END_TEST

START_TEST(dropped_pending_drops_its_future) /* F13 */
{
    struct probe probe;
    evf_op op = {0};

    probe_init(&probe);
    evf_executor_pause_clock(executor);
    for (int polls = 0; polls <= 2; polls++) {
        struct leaf l = {0};
        evf_future *timeout = evf_timeout(&op, 10, leaf(&l));

        for (int i = 0; i < polls; i++)
            ck_assert_int_eq(
                poll_with(timeout, &probe, executor), EVF_PENDING);
        evf_future_drop(timeout);
        ck_assert_uint_eq(l.drops, 1);
        ck_assert_ptr_null(op.future.ops);
        ck_assert(nothing_armed());
        ck_assert_int_eq(probe_live(&probe), 0);
    }
}
END_TEST

START_TEST(failed_futures_are_futures) /* F47 */
{
    ck_assert_int_eq(
        evf_block_on(executor, evf_timeout(NULL, 10, NULL)), -ENOMEM);
    ck_assert_int_eq(evf_block_on(executor,
        evf_timeout(NULL, 10, evf_future_failed(-EBUSY))), -EBUSY);
    evf_future_drop(evf_timeout(NULL, 10, NULL));
}
END_TEST

START_TEST(failing_constructor_drops_the_future) /* F28 F34 F47 */
{
    struct leaf l[3] = {0};
    evf_op op[2] = {0};
    evf_future *timeout;

    heap_fail_at(1);
    ck_assert_ptr_null(evf_timeout(NULL, 10, leaf(&l[0])));
    ck_assert_uint_eq(l[0].drops, 1);
    timeout = evf_timeout(&op[0], 10, leaf(&l[1]));
    ck_assert_ptr_eq(
        evf_timeout(&op[0], 10, leaf(&l[2])), evf_future_failed(-EBUSY));
    ck_assert_uint_eq(l[2].drops, 1);
    ck_assert_uint_eq(l[1].drops, 0);
    evf_future_drop(timeout);
    ck_assert_uint_eq(l[1].drops, 1);
    /* Its own future's storage. */
    ck_assert_ptr_eq(evf_timeout(&op[1], 10, evf_ready(&op[1], 1, NULL)),
        evf_future_failed(-EBUSY));
    ck_assert_ptr_null(op[1].future.ops);
}
END_TEST

START_TEST(foreign_executor_has_no_time) /* F40 */
{
    struct probe probe;
    struct leaf l = {.ready = true};
    evf_future *timeout = evf_timeout(NULL, 10, leaf(&l));

    probe_init(&probe);
    ck_assert_int_eq(poll_with(timeout, &probe, NULL), EVF_READY);
    ck_assert_uint_eq(l.polls, 0);
    ck_assert_uint_eq(l.drops, 1);
    ck_assert_int_eq(take_and_drop(timeout), -ENOTSUP);
}
END_TEST

START_TEST(end_of_the_executor_is_a_deadline) /* F23 */
{
    struct probe probe;
    struct leaf l = {0};
    evf_future *timeout = evf_timeout(NULL, 10, leaf(&l));

    probe_init(&probe);
    ck_assert_int_eq(poll_with(timeout, &probe, executor), EVF_PENDING);
    executor_done();
    ck_assert_uint_eq(probe.wakes, 1);
    ck_assert_int_eq(poll_with(timeout, &probe, NULL), EVF_READY);
    ck_assert_uint_eq(l.drops, 1);
    ck_assert_int_eq(take_and_drop(timeout), -ESHUTDOWN);
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
    struct leaf l = {0};
    struct probe probe;
    evf_future *timeout =
        evf_timeout(NULL, UINT64_MAX, evf_timeout(NULL, 5, leaf(&l)));
    char seen[128] = "";

    timeout->ops->visit(timeout, note_visit, seen);
    ck_assert_str_eq(seen, "18446744073709551615 ms;timeout;");
    probe_init(&probe);
    leaf_finish(&l, 1);
    poll_with(timeout, &probe, executor);
    seen[0] = '\0';
    timeout->ops->visit(timeout, note_visit, seen);
    ck_assert_str_eq(seen, "18446744073709551615 ms;");
    evf_future_drop(timeout);
}
END_TEST

TEST_MAIN("timeout", result_in_time_passes_through,
    untaken_result_is_freed_once, ready_at_the_first_poll_arms_nothing,
    operation_ends_at_the_deadline, result_that_is_there_at_the_deadline_wins,
    time_counts_from_the_first_poll,
    async_function_unwinds_and_cleans_up_after_the_deadline,
    async_function_may_make_a_result_of_it,
    nested_timeouts_end_at_the_earlier_deadline,
    request_from_outside_comes_before_the_deadlines,
    composite_without_passes_is_dropped_whole, timeout_of_nothing_polls_once,
    timeouts_that_are_always_ready_yield,
    awaits_behind_the_deadline_count_against_the_same_budget,
    spurious_polls_and_another_waker, dropped_pending_drops_its_future,
    failed_futures_are_futures, failing_constructor_drops_the_future,
    foreign_executor_has_no_time, end_of_the_executor_is_a_deadline,
    visit_tells_time_and_future)
