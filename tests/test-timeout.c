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

static const evf_frame_ops unwinder_ops = EVF_FRAME_OPS(struct unwinder,
    unwinder_run);

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
    .name = "plain",
    .poll = plain_poll,
    .drop = plain_drop};

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

    evfi_stress = false; /* awaits are counted */
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
                                 evf_timeout(NULL, rows[i].inner, leaf(&l)))),
            -ETIMEDOUT);
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
        ck_assert_int_eq(poll_requested(timeout, &probe, -ECANCELED),
            EVF_PENDING);
        ck_assert_int_eq(unwinder.ended, -ECANCELED);
        ck_assert_int_eq(unwinder.seen, -ECANCELED);
        evf_future_drop(timeout);
        ck_assert_uint_eq(unwinder.finallies, 1);
        ck_assert_uint_eq(unwinder.farewell.drops, 1);
    }
}
END_TEST

START_TEST(deadline_reaches_through_a_timeout) /* F31 */
{
    struct probe probe;
    evf_future *timeout = evf_timeout(NULL, 10,
        evf_timeout(NULL, 50, unwind()));

    probe_init(&probe);
    evf_executor_pause_clock(executor);
    ck_assert_int_eq(poll_with(timeout, &probe, executor), EVF_PENDING);
    pass(10);
    ck_assert_int_eq(poll_with(timeout, &probe, executor), EVF_PENDING);
    ck_assert_int_eq(unwinder.seen, -ETIMEDOUT);
    ck_assert_uint_eq(unwinder.farewell.polls, 1);
    evf_future_drop(timeout);
    ck_assert_uint_eq(unwinder.finallies, 1);
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

    evfi_stress = false; /* awaits are counted */
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

    evfi_stress = false; /* awaits are counted */
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

TEST_MAIN("timeout", async_function_unwinds_and_cleans_up_after_the_deadline,
    async_function_may_make_a_result_of_it,
    nested_timeouts_end_at_the_earlier_deadline,
    request_from_outside_comes_before_the_deadlines,
    deadline_reaches_through_a_timeout,
    composite_without_passes_is_dropped_whole,
    timeouts_that_are_always_ready_yield,
    awaits_behind_the_deadline_count_against_the_same_budget)
