/* SPDX-License-Identifier: BSD-3-Clause */
#include "actor.h"

#include <string.h>

/* An async function around one await, which notes how that ended. */
struct waits {
    evf_frame frame;
    struct actor *actor;
    intptr_t saw;
    unsigned finallies;
};

static enum evf_poll
waits_run(evf_future *self, evf_context *cx)
{
    struct waits *w = evf_frame_of(self, struct waits);

    EVF_BEGIN(self, cx);
    EVF_AWAIT(w->saw, actor(w->actor));
    EVF_RETURN(w->saw);
    EVF_FINALLY;
    w->finallies++;
    trace('F');
    EVF_END;
}

static const evf_frame_ops waits_ops = EVF_FRAME_OPS(struct waits, waits_run);

static evf_future *
waits(struct waits *w, struct actor *a)
{
    memset(w, 0, sizeof(*w));
    evf_frame_init(w, &waits_ops);
    w->actor = a;
    return &w->frame.future;
}

START_TEST(cancel_before_the_first_poll_drops_the_future) /* F31 */
{
    struct actor a = {.name = 'A'};
    struct told told = {.name = 'T'};
    evf_task *task = evf_spawn_then(executor, actor(&a), tell, &told);

    evf_task_cancel(task);
    ck_assert_traced(""); /* it only asks */
    run_passes(3);
    ck_assert_traced("aT");
    ck_assert_int_eq(told.result, -ECANCELED);
    evf_task_free(task);
}
END_TEST

START_TEST(cancel_before_the_first_poll_never_enters_the_function) /* F30 */
{
    struct actor a = {.name = 'A'};
    struct waits w;
    struct told told = {0};
    evf_task *task = evf_spawn_then(executor, waits(&w, &a), tell, &told);

    evf_task_cancel(task);
    run_passes(3);
    ck_assert_traced("F");
    ck_assert_int_eq(told.result, -ECANCELED);
    ck_assert_uint_eq(w.finallies, 1);
    evf_task_free(task);
}
END_TEST

START_TEST(cancel_while_idle_fails_the_innermost_await) /* F31 */
{
    struct actor a = {.name = 'A'};
    struct waits w;
    struct told told = {.name = 'T'};
    evf_task *task = evf_spawn_then(executor, waits(&w, &a), tell, &told);

    run_passes(2);
    ck_assert_traced("A");
    evf_task_cancel(task);
    evf_task_cancel(task); /* once is enough */
    ck_assert_traced("");
    run_passes(3);
    ck_assert_traced("AaFT"); /* polled a last time: it might be there */
    ck_assert_int_eq(w.saw, -ECANCELED);
    ck_assert_int_eq(told.result, -ECANCELED);
    evf_task_free(task);
}
END_TEST

START_TEST(result_that_is_there_beats_the_request) /* F35 */
{
    struct thing thing = {0};
    struct actor a = {.dispose = thing_dispose};
    struct told told = {0};
    evf_task *task = evf_spawn_then(executor, actor(&a), tell, &told);

    run_passes(1);
    evf_task_cancel(task);
    a.ready = true;
    a.result = (intptr_t)&thing;
    run_passes(3);
    ck_assert_int_eq(told.result, (intptr_t)&thing);
    ck_assert_uint_eq(thing.disposals, 0);
    evf_task_free(task);
}
END_TEST

static void
cancels(struct actor *self)
{
    if (self->polls == 1)
        evf_task_cancel(*(evf_task **)self->arg);
}

START_TEST(cancel_during_its_own_poll_is_seen_by_the_next) /* F15 F31 F4 */
{
    struct actor a = {.name = 'A', .acts = cancels};
    struct waits w;
    struct told told = {0};
    evf_task *task = evf_spawn_then(executor, waits(&w, &a), tell, &told);

    a.arg = &task;
    run_passes(3);
    ck_assert_traced("AAaF");
    ck_assert_int_eq(told.result, -ECANCELED);
    evf_task_free(task);
}
END_TEST

START_TEST(cancel_after_completion_does_nothing) /* F31 */
{
    struct actor a = {.ready = true, .result = 5};
    struct told told = {0};
    evf_task *task = evf_spawn_then(executor, actor(&a), tell, &told);

    run_passes(3);
    evf_task_cancel(task);
    run_passes(2);
    ck_assert_uint_eq(told.calls, 1);
    ck_assert_int_eq(told.result, 5);
    ck_assert_uint_eq(a.polls, 1);
    evf_task_free(task);
}
END_TEST

START_TEST(cancel_and_free_is_only_a_free)
{
    struct actor a = {.name = 'A'};
    struct waits w;
    evf_task *task = evf_spawn(executor, waits(&w, &a));

    run_passes(2);
    evf_task_cancel(task);
    ck_assert_int_eq(evf_task_free(task), 0);
    ck_assert_traced("AaF");
    run_passes(3);
    ck_assert_traced("");
}
END_TEST

/* Cleans up by awaiting in a shield, and goes on awaiting after the request. */
struct unwinds {
    evf_frame frame;
    evf_op op;
    struct actor *work, *bye, *more;
    intptr_t saw[3];
};

static enum evf_poll
unwinds_run(evf_future *self, evf_context *cx)
{
    struct unwinds *u = evf_frame_of(self, struct unwinds);

    EVF_BEGIN(self, cx);
    EVF_AWAIT(u->saw[0], actor(u->work));
    EVF_AWAIT(u->saw[1], evf_shield(&u->op, 1000, actor(u->bye)));
    EVF_AWAIT(u->saw[2], actor(u->more));
    EVF_RETURN(u->saw[0]);
    EVF_FINALLY;
    trace('F');
    EVF_END;
}

static const evf_frame_ops unwinds_ops = EVF_FRAME_OPS(struct unwinds,
    unwinds_run);

START_TEST(request_lets_cleanup_in_a_shield_await) /* F31 F35 */
{
    struct actor work = {.name = 'A'}, bye = {.name = 'B'};
    struct actor more = {.name = 'C'};
    struct told told = {.name = 'T'};
    struct unwinds *u = evf_frame_init(NULL, &unwinds_ops);
    evf_task *task;

    u->work = &work;
    u->bye = &bye;
    u->more = &more;
    task = evf_spawn_then(executor, &u->frame.future, tell, &told);
    run_passes(3);
    ck_assert_traced("A");
    evf_task_cancel(task);
    run_passes(3);
    ck_assert_traced("AaB");
    actor_finish(&bye, 0);
    run_passes(3);
    ck_assert_traced("BbcFT"); /* C never began */
    ck_assert_int_eq(told.result, -ECANCELED);
    evf_task_free(task);
}
END_TEST

/* Ignores every failure. */
struct stubborn {
    evf_frame frame;
    unsigned loops;
};

static enum evf_poll
stubborn_run(evf_future *self, evf_context *cx)
{
    struct stubborn *s = evf_frame_of(self, struct stubborn);
    intptr_t n;

    EVF_BEGIN(self, cx);
    while (s->loops < 1000) {
        EVF_AWAIT(n, evf_future_failed(-EIO));
        (void)n;
        s->loops++;
    }
    EVF_FINALLY;
    EVF_END;
}

static const evf_frame_ops stubborn_ops = EVF_FRAME_OPS(struct stubborn,
    stubborn_run);

START_TEST(loop_that_ignores_failures_yields) /* F32 F20 */
{
    struct stubborn s = {0};
    struct actor a = {.again = true};
    evf_task *task, *other;

    evf_frame_init(&s, &stubborn_ops);
    task = evf_spawn(executor, &s.frame.future);
    other = evf_spawn(executor, actor(&a));
    for (int passes = 0; s.loops < 1000; passes++) {
        unsigned before = s.loops, polls = a.polls;

        ck_assert_int_lt(passes, 1000);
        ck_assert_int_eq(event_base_loop(base, EVLOOP_ONCE), 0);
        ck_assert_uint_le(s.loops - before, 128 * (a.polls - polls + 1));
        if (before > 0)
            evf_task_cancel(task); /* changes nothing of that */
    }
    ck_assert_uint_ge(a.polls, 7);
    evf_task_free(task);
    evf_task_free(other);
}
END_TEST

START_TEST(cancelling_everything_in_a_pass_loses_nothing) /* F31 */
{
    enum {
        N = 300
    };
    static struct actor a[N];
    static struct told told[N];
    static evf_task *tasks[N];

    for (int i = 0; i < N; i++)
        tasks[i] = evf_spawn_then(executor, actor(&a[i]), tell, &told[i]);
    settle();
    for (int i = 0; i < N; i++)
        evf_task_cancel(tasks[i]);
    run();
    for (int i = 0; i < N; i++) {
        ck_assert_uint_eq(a[i].polls, 2);
        ck_assert_uint_eq(a[i].drops, 1);
        ck_assert_uint_eq(told[i].calls, 1);
        ck_assert_int_eq(told[i].result, -ECANCELED);
        evf_task_free(tasks[i]);
    }
}
END_TEST

TEST_MAIN("task-cancel", cancel_before_the_first_poll_drops_the_future,
    cancel_before_the_first_poll_never_enters_the_function,
    cancel_while_idle_fails_the_innermost_await,
    result_that_is_there_beats_the_request,
    cancel_during_its_own_poll_is_seen_by_the_next,
    cancel_after_completion_does_nothing, cancel_and_free_is_only_a_free,
    request_lets_cleanup_in_a_shield_await, loop_that_ignores_failures_yields,
    cancelling_everything_in_a_pass_loses_nothing)
