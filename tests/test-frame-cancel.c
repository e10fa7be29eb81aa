/* SPDX-License-Identifier: BSD-3-Clause */
#include "support.h"

#include <string.h>

#include "core/context-internal.h"
#include "job.h"

/* What a request does to async functions: section by section of the rule. */

struct told {
    unsigned calls;
    intptr_t result;
};

static void
tell(intptr_t result, void *arg)
{
    struct told *told = arg;

    told->calls++;
    told->result = result;
}

static evf_task *
spawn_told(struct job *j, struct told *told)
{
    *told = (struct told){0, 1234};
    return evf_spawn_then(executor, &j->frame.future, tell, told);
}

/* Lets everything run that can. */
static void
run_all(void)
{
    run_passes(8);
}

/* The chain that cases need: it notes what it got, and hands errors on. */
static enum evf_poll
chain_run(evf_future *self, evf_context *cx)
{
    struct job *j = evf_frame_of(self, struct job);

    EVF_BEGIN(self, cx);
    j->begun++;
    EVF_AWAIT(j->got, handed(j));
    j->n = (unsigned)-evf_context_cancelled(cx);
    EVF_RETURN(j->got);
    EVF_FINALLY;
    finish(j);
    EVF_END;
}

JOB(chain);

/* F31 */
START_TEST(request_reaches_the_innermost_await_and_unwinds)
{
    struct job jobs[3] = {0};
    struct leaf l = {0};
    struct told told;
    evf_task *task;

    job(&jobs[0], &chain_ops, leaf(&l));
    job(&jobs[1], &chain_ops, &jobs[0].frame.future);
    job(&jobs[2], &chain_ops, &jobs[1].frame.future);
    task = spawn_told(&jobs[2], &told);
    run_all();
    ck_assert_uint_eq(l.polls, 1);
    evf_task_cancel(task);
    ck_assert_uint_eq(l.drops, 0); /* never inline */
    run();
    ck_assert_uint_eq(told.calls, 1);
    ck_assert_int_eq(told.result, -ECANCELED);
    ck_assert_uint_eq(l.polls, 2); /* the last try */
    ck_assert_uint_eq(l.drops, 1);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(jobs[i].got, -ECANCELED);
        ck_assert_uint_eq(jobs[i].n, ECANCELED);
        ck_assert_uint_eq(jobs[i].finals, 1);
    }
    ck_assert_int_eq(evf_task_free(task), 0);
}
END_TEST

/* F31 */
START_TEST(request_before_the_first_poll_drops_the_frame_unbegun)
{
    struct job storage = {0};
    struct leaf l = {0};
    struct job *j = job(&storage, &chain_ops, leaf(&l));
    struct told told;
    evf_task *task = spawn_told(j, &told);

    evf_task_cancel(task);
    run();
    ck_assert_int_eq(told.result, -ECANCELED);
    ck_assert_uint_eq(j->begun, 0);
    ck_assert_uint_eq(j->finals, 1);
    ck_assert_uint_eq(l.polls, 0);
    ck_assert_uint_eq(l.drops, 1);
    ck_assert_int_eq(evf_task_free(task), 0);
}
END_TEST

/* F31 */
START_TEST(request_after_the_end_is_no_op)
{
    struct job storage = {0};
    struct job *j = job(&storage, &chain_ops, evf_ready(NULL, 4, NULL));
    struct told told;
    evf_task *task = spawn_told(j, &told);

    run();
    ck_assert_int_eq(told.result, 4);
    evf_task_cancel(task);
    run();
    ck_assert_uint_eq(told.calls, 1);
    ck_assert_uint_eq(j->finals, 1);
    ck_assert_int_eq(evf_task_free(task), 0);
}
END_TEST

/* Cancels its own task, and awaits. */
static enum evf_poll
suicidal_run(evf_future *self, evf_context *cx)
{
    struct job *j = evf_frame_of(self, struct job);

    EVF_BEGIN(self, cx);
    evf_task_cancel(*(evf_task **)j->arg);
    evf_task_cancel(*(evf_task **)j->arg);
    EVF_AWAIT(j->got, handed(j));
    EVF_RETURN(j->got);
    EVF_FINALLY;
    finish(j);
    EVF_END;
}

JOB(suicidal);

/* F31: it is in force from the next poll on, which it sees to. */
START_TEST(request_during_ones_own_poll_is_seen_by_the_next)
{
    struct job storage = {0};
    struct leaf l = {0};
    struct job *j = job(&storage, &suicidal_ops, leaf(&l));
    struct told told;
    evf_task *task = spawn_told(j, &told);

    j->arg = &task;
    run();
    ck_assert_int_eq(told.result, -ECANCELED);
    ck_assert_uint_eq(told.calls, 1);
    ck_assert_uint_eq(l.drops, 1);
    ck_assert_uint_eq(j->finals, 1);
    ck_assert_int_eq(evf_task_free(task), 0);
}
END_TEST

/* Awaits its child, then the future in `arg` whatever came of that. */
static enum evf_poll
two_run(evf_future *self, evf_context *cx)
{
    struct job *j = evf_frame_of(self, struct job);
    intptr_t n;

    EVF_BEGIN(self, cx);
    EVF_AWAIT(j->got, handed(j));
    j->went_on++;
    EVF_AWAIT(n, j->arg);
    j->went_on++;
    EVF_RETURN(n);
    EVF_FINALLY;
    finish(j);
    EVF_END;
}

JOB(two);

/* F35: the result was there, and it wins; what comes after does not start. */
START_TEST(result_beats_the_request_and_later_awaits_do_not_start)
{
    struct job storage = {0};
    struct leaf first = {0}, second = {.ready = true, .result = 9};
    struct job *j = job(&storage, &two_ops, leaf(&first));
    struct told told;
    evf_task *task = spawn_told(j, &told);

    j->arg = leaf(&second);
    run_all();
    evf_task_cancel(task);
    leaf_finish(&first, 5);
    run();
    ck_assert_int_eq(j->got, 5);
    ck_assert_uint_eq(j->went_on, 2);
    ck_assert_int_eq(told.result, -ECANCELED);
    ck_assert_uint_eq(second.polls, 0);
    ck_assert_uint_eq(second.drops, 1);
    ck_assert_int_eq(evf_task_free(task), 0);
}
END_TEST

/* F31: requests are level-triggered. */
START_TEST(every_later_await_fails_under_a_request)
{
    struct job storage = {0};
    struct leaf first = {0}, second = {0};
    struct job *j = job(&storage, &two_ops, leaf(&first));
    struct told told;
    evf_task *task = spawn_told(j, &told);

    j->arg = leaf(&second);
    run_all();
    evf_task_cancel(task);
    run();
    ck_assert_int_eq(j->got, -ECANCELED);
    ck_assert_int_eq(told.result, -ECANCELED);
    ck_assert_uint_eq(first.drops, 1);
    ck_assert_uint_eq(second.polls, 0);
    ck_assert_uint_eq(second.drops, 1);
    ck_assert_int_eq(evf_task_free(task), 0);
}
END_TEST

/* Cleans up in a shield: awaits the future in `arg` there for 500 ms. */
static enum evf_poll
polite_run(evf_future *self, evf_context *cx)
{
    struct job *j = evf_frame_of(self, struct job);
    intptr_t n;

    EVF_BEGIN(self, cx);
    EVF_AWAIT(j->got, handed(j));
    EVF_AWAIT(n, evf_shield(&j->op, 500, j->arg));
    j->n = (unsigned)-evf_context_cancelled(cx);
    EVF_RETURN(n);
    EVF_FINALLY;
    finish(j);
    EVF_END;
}

JOB(polite);

/* F31, F35 */
START_TEST(shield_starts_under_a_request_and_hides_it)
{
    struct job storage = {0}, inner = {0};
    struct leaf l = {0}, goodbye = {0};
    struct job *j = job(&storage, &polite_ops, leaf(&l));
    struct told told;
    evf_task *task = spawn_told(j, &told);

    j->arg = &job(&inner, &chain_ops, leaf(&goodbye))->frame.future;
    run_all();
    evf_task_cancel(task);
    run_all();
    ck_assert_uint_eq(l.drops, 1);
    ck_assert_int_eq(j->got, -ECANCELED);
    ck_assert_uint_eq(goodbye.polls, 1);
    ck_assert_uint_eq(told.calls, 0);
    leaf_finish(&goodbye, 6);
    run();
    ck_assert_int_eq(inner.got, 6);
    ck_assert_uint_eq(inner.n, 0);
    ck_assert_uint_eq(j->n, ECANCELED); /* outside it is in force again */
    ck_assert_int_eq(told.result, 6);
    ck_assert_int_eq(evf_task_free(task), 0);
}
END_TEST

/* F31 */
START_TEST(shields_own_deadline_is_a_request_inside)
{
    struct job storage = {0}, inner = {0};
    struct leaf l = {0}, goodbye = {0};
    struct job *j = job(&storage, &polite_ops, leaf(&l));
    struct told told;
    evf_task *task = spawn_told(j, &told);

    evf_executor_pause_clock(executor);
    j->arg = &job(&inner, &chain_ops, leaf(&goodbye))->frame.future;
    run_all();
    evf_task_cancel(task);
    run();
    ck_assert_int_eq(inner.got, -ETIMEDOUT);
    ck_assert_uint_eq(inner.n, ETIMEDOUT);
    ck_assert_uint_eq(inner.finals, 1);
    ck_assert_int_eq(told.result, -ETIMEDOUT);
    ck_assert_uint_eq(goodbye.drops, 1);
    ck_assert_int_eq(evf_task_free(task), 0);
}
END_TEST

/* F31: a deadline asks what is inside of it, and nobody else. */
START_TEST(timeout_is_a_request_inside_and_none_outside)
{
    struct job outer = {0}, inner = {0};
    struct leaf l = {0}, second = {.ready = true, .result = 8};
    struct told told;
    evf_task *task;

    evf_executor_pause_clock(executor);
    job(&inner, &chain_ops, leaf(&l));
    job(&outer, &two_ops, evf_timeout(NULL, 50, &inner.frame.future));
    outer.arg = leaf(&second);
    task = spawn_told(&outer, &told);
    run();
    ck_assert_int_eq(inner.got, -ETIMEDOUT);
    ck_assert_uint_eq(inner.n, ETIMEDOUT);
    ck_assert_int_eq(outer.got, -ETIMEDOUT);
    ck_assert_uint_eq(second.polls, 1);
    ck_assert_int_eq(told.result, 8);
    ck_assert_int_eq(evf_task_free(task), 0);
}
END_TEST

/* Knows nothing of requests, and goes on for ever. */
static enum evf_poll
stubborn_run(evf_future *self, evf_context *cx)
{
    struct job *j = evf_frame_of(self, struct job);

    j->resumes++;
    EVF_BEGIN(self, cx);
    for (;;) {
        EVF_AWAIT(j->got, evf_yield(&j->op));
        j->begun++;
        j->went_on += evf_context_cancelled(cx) != 0;
    }
    EVF_FINALLY;
    finish(j);
    EVF_END;
}

JOB(stubborn);

static void
exit_loop(intptr_t result, void *arg)
{
    (void)result;
    *(bool *)arg = true;
    event_base_loopexit(base, NULL);
}

/* F32 */
START_TEST(loop_that_ignores_a_request_yields_and_starves_nobody)
{
    struct job storage = {0};
    struct job *j = job(&storage, &stubborn_ops, NULL);
    bool slept = false;
    struct told told;
    evf_task *task = spawn_told(j, &told), *sleeper;

    run_all();
    evf_task_cancel(task);
    sleeper = evf_spawn_then(executor, evf_sleep(NULL, 3), exit_loop, &slept);
    run();
    ck_assert(slept);
    ck_assert_int_eq(j->got, -ECANCELED);
    ck_assert_uint_ge(j->went_on, 128);
    ck_assert_uint_le(j->begun, j->resumes * 128);
    ck_assert_uint_eq(told.calls, 0);
    ck_assert_int_eq(evf_task_free(task), 0);
    ck_assert_uint_eq(j->finals, 1);
    ck_assert_int_eq(evf_task_free(sleeper), 0);
}
END_TEST

/* Tries `n` addresses, of which only the last one answers. */
static enum evf_poll
dial_run(evf_future *self, evf_context *cx)
{
    struct job *j = evf_frame_of(self, struct job);

    j->resumes++;
    EVF_BEGIN(self, cx);
    for (j->begun = 1; j->begun < j->n; j->begun++) {
        EVF_AWAIT(j->got, evf_future_failed(-ECONNREFUSED));
        if (j->got == -ECONNREFUSED)
            j->went_on++;
    }
    EVF_TRY(j->got, evf_ready(&j->op, 3, NULL));
    EVF_RETURN(j->got);
    EVF_FINALLY;
    finish(j);
    EVF_END;
}

JOB(dial);

/* F32 */
START_TEST(loop_over_failing_awaits_without_a_request_is_not_disturbed)
{
    struct job storage = {0};
    struct job *j = job(&storage, &dial_ops, NULL);
    struct told told;
    evf_task *task = spawn_told(j, &told);

    evfi_stress = false;
    j->n = 1000;
    run();
    ck_assert_int_eq(told.result, 3);
    ck_assert_uint_eq(j->went_on, 999);
    ck_assert_uint_eq(j->resumes, 8);
    ck_assert_int_eq(evf_task_free(task), 0);
}
END_TEST

/* A user's composite of a frame: PASSES is not set. */
struct wrapper {
    evf_future future;
    evf_future *child;
    unsigned drops;
};

static enum evf_poll
wrapper_poll(evf_future *self, evf_context *cx)
{
    struct wrapper *w = evf_container_of(self, struct wrapper, future);

    if (evf_future_poll(w->child, cx) == EVF_PENDING)
        return EVF_PENDING;
    return evf_future_ready(self, evf_future_take(w->child));
}

static void
wrapper_drop(evf_future *self)
{
    struct wrapper *w = evf_container_of(self, struct wrapper, future);

    w->drops++;
    evf_future_drop(w->child);
}

static const evf_future_ops wrapper_ops = {
    .size = sizeof(struct wrapper),
    .name = "wrapper",
    .poll = wrapper_poll,
    .drop = wrapper_drop,
};

/* F36: the frame inside is dropped where it stands, and not unwound. */
START_TEST(frame_inside_a_composite_sees_no_request_and_is_dropped_whole)
{
    struct job outer = {0}, inner = {0};
    struct leaf l = {0};
    struct wrapper w = {0};
    struct told told;
    evf_task *task;

    evf_future_init(&w.future, &wrapper_ops);
    w.child = &job(&inner, &chain_ops, leaf(&l))->frame.future;
    task = spawn_told(job(&outer, &chain_ops, &w.future), &told);
    run_all();
    inner.got = 55;
    evf_task_cancel(task);
    run();
    ck_assert_uint_eq(w.drops, 1);
    ck_assert_int_eq(inner.got, 55);
    ck_assert_uint_eq(inner.finals, 1);
    ck_assert_uint_eq(l.drops, 1);
    ck_assert_int_eq(outer.got, -ECANCELED);
    ck_assert_int_eq(told.result, -ECANCELED);
    ck_assert_int_eq(evf_task_free(task), 0);
}
END_TEST

TEST_MAIN("frame-cancel", request_reaches_the_innermost_await_and_unwinds,
    request_before_the_first_poll_drops_the_frame_unbegun,
    request_after_the_end_is_no_op,
    request_during_ones_own_poll_is_seen_by_the_next,
    result_beats_the_request_and_later_awaits_do_not_start,
    every_later_await_fails_under_a_request,
    shield_starts_under_a_request_and_hides_it,
    shields_own_deadline_is_a_request_inside,
    timeout_is_a_request_inside_and_none_outside,
    loop_that_ignores_a_request_yields_and_starves_nobody,
    loop_over_failing_awaits_without_a_request_is_not_disturbed,
    frame_inside_a_composite_sees_no_request_and_is_dropped_whole)
