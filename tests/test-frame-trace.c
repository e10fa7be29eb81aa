/* SPDX-License-Identifier: BSD-3-Clause */
#include "support.h"

#include <stdio.h>
#include <string.h>

#include "core/context-internal.h"
#include "core/frame-internal.h"
#include "job.h"

/*
 * What async functions do for whoever looks for a mistake: the backtrace, the
 * failures that EVF_TRY notes, and the mode in which every await suspends.
 */

/* What `visit` says: notes, and children by name. */
static char seen[512];

static void
note_visit(void *arg, evf_future *child, const char *note)
{
    size_t n = strlen(seen);

    (void)arg;
    if (note != NULL)
        snprintf(seen + n, sizeof(seen) - n, "[%s]", note);
    else if (evf_failed(child))
        snprintf(seen + n, sizeof(seen) - n, "<%d>", (int)(intptr_t)child);
    else
        snprintf(seen + n, sizeof(seen) - n, "<%s>", child->ops->name);
}

static const char *
visited(evf_future *future)
{
    seen[0] = '\0';
    future->ops->visit(future, note_visit, NULL);
    return seen;
}

static int await_line;

/* Waits on one line of this file; looks at itself while it runs. */
static enum evf_poll
waiting_run(evf_future *self, evf_context *cx)
{
    struct job *j = evf_frame_of(self, struct job);

    EVF_BEGIN(self, cx);
    ck_assert_str_eq(visited(self), "[waiting_run, running]");
    await_line = __LINE__ + 1;
    EVF_AWAIT(j->got, handed(j));
    ck_assert_str_eq(visited(self), "[waiting_run, running]");
    EVF_FINALLY;
    ck_assert_str_eq(visited(self), "[waiting_run, running]");
    finish(j);
    EVF_END;
}

JOB(waiting);

START_TEST(ops_record_type_function_file_and_size)
{
    ck_assert_str_eq(waiting_ops.future.name, "struct job");
    ck_assert_str_eq(waiting_ops.function, "waiting_run");
    ck_assert_ptr_nonnull(strstr(waiting_ops.file, "test-frame-trace.c"));
    ck_assert_uint_eq(waiting_ops.future.size, sizeof(struct job));
    ck_assert_uint_eq(waiting_ops.future.flags, EVF_PASSES_CANCEL);
    ck_assert(waiting_ops.dispose == NULL);
}
END_TEST

/* F41 */
START_TEST(visit_tells_function_line_and_child_at_each_point)
{
    struct job storage = {0};
    struct leaf l = {0};
    struct job *j = job(&storage, &waiting_ops, leaf(&l));
    struct probe probe;
    char expected[128];

    probe_init(&probe);
    ck_assert_str_eq(visited(&j->frame.future), "[waiting_run, not begun]");
    ck_assert_int_eq(settle(&j->frame.future, &probe), EVF_PENDING);
    snprintf(expected, sizeof(expected),
        "[waiting_run at test-frame-trace.c:%d]<leaf>", await_line);
    ck_assert_str_eq(visited(&j->frame.future), expected);
    leaf_finish(&l, 0);
    ck_assert_int_eq(complete(&j->frame.future), 0);
}
END_TEST

/* F41: what the budget has held back may be an error in a future's place. */
START_TEST(visit_of_an_await_that_was_held_back_shows_what_it_awaits)
{
    struct job storage = {0};
    struct job *j = job(&storage, &waiting_ops, evf_future_failed(-EBUSY));
    struct probe probe;
    evf_context cx;
    char expected[128];

    probe_init(&probe);
    evf_context_init(&cx, &probe.waker, executor);
    cx.own = (struct evfi_budget){0, 0};
    ck_assert_int_eq(evf_future_poll(&j->frame.future, &cx), EVF_PENDING);
    snprintf(expected, sizeof(expected),
        "[waiting_run at test-frame-trace.c:%d]<%d>", await_line, -EBUSY);
    ck_assert_str_eq(visited(&j->frame.future), expected);
    ck_assert_int_eq(complete(&j->frame.future), 0);
}
END_TEST

struct failure {
    evf_executor *executor;
    const evf_frame_ops *ops;
    uint32_t line;
    int error;
    unsigned n;
};

static struct failure failure;

static void
note_failure(evf_executor *where, const evf_frame_ops *ops, uint32_t line,
    int error)
{
    failure = (struct failure){where, ops, line, error, failure.n + 1};
}

static int try_line;

/* Tries what is in `arg`, and awaits its child before. */
static enum evf_poll
trying_run(evf_future *self, evf_context *cx)
{
    struct job *j = evf_frame_of(self, struct job);

    EVF_BEGIN(self, cx);
    EVF_AWAIT(j->got, handed(j));
    try_line = __LINE__ + 1;
    EVF_TRY(j->got, j->arg);
    EVF_FINALLY;
    finish(j);
    EVF_END;
}

JOB(trying);

static void
run_trying(evf_future *tried, evf_executor *on)
{
    struct job storage = {0};
    struct job *j = job(&storage, &trying_ops,
        evf_future_failed(-ECONNREFUSED));
    struct probe probe;
    unsigned polls = 0;

    probe_init(&probe);
    j->arg = tried;
    while (poll_with(&j->frame.future, &probe, on) == EVF_PENDING)
        ck_assert_uint_lt(polls++, 4);
    evf_future_drop(&j->frame.future);
}

/* F41 */
START_TEST(failing_try_notes_executor_function_line_and_error)
{
    evfi_failure_fn *before = evfi_failure_noted;

    evfi_failure_noted = note_failure;
    failure.n = 0;
    run_trying(evf_future_failed(-ECONNRESET), executor);
    ck_assert_uint_eq(failure.n, 1);
    ck_assert_ptr_eq(failure.executor, executor);
    ck_assert_ptr_eq(failure.ops, &trying_ops);
    ck_assert_uint_eq(failure.line, (unsigned)try_line);
    ck_assert_int_eq(failure.error, -ECONNRESET);

    /* Neither success, nor an error that an await has taken. */
    run_trying(evf_ready(NULL, 1, NULL), executor);
    ck_assert_uint_eq(failure.n, 1);
    evfi_failure_noted = before;
}
END_TEST

START_TEST(failing_try_is_noted_nowhere_without_an_executor) /* F40 */
{
    evfi_failure_fn *before = evfi_failure_noted;

    evfi_failure_noted = note_failure;
    failure.n = 0;
    run_trying(evf_future_failed(-ECONNRESET), NULL);
    ck_assert_uint_eq(failure.n, 0);
    evfi_failure_noted = NULL;
    run_trying(evf_future_failed(-ECONNRESET), executor);
    evfi_failure_noted = before;
}
END_TEST

/* Five awaits, two of which fail. */
static enum evf_poll
five_run(evf_future *self, evf_context *cx)
{
    struct job *j = evf_frame_of(self, struct job);
    intptr_t n;

    j->resumes++;
    EVF_BEGIN(self, cx);
    for (j->n = 0; j->n < 3; j->n++) {
        EVF_TRY(n, evf_ready(&j->op, 10, NULL));
        j->got += n;
    }
    EVF_AWAIT(n, NULL);
    j->got -= n == -ENOMEM;
    EVF_AWAIT(n, evf_future_failed(-EBUSY));
    j->got -= n == -EBUSY;
    EVF_RETURN(j->got);
    EVF_FINALLY;
    finish(j);
    EVF_END;
}

JOB(five);

static unsigned
resumes_of_five(bool stress)
{
    struct job storage = {0};
    struct job *j = job(&storage, &five_ops, NULL);
    bool before = evfi_stress;

    evfi_stress = stress;
    ck_assert_int_eq(complete(&j->frame.future), 28);
    evfi_stress = before;
    return j->resumes;
}

START_TEST(stress_suspends_each_await_once_and_changes_no_result) /* F2 */
{
    ck_assert_uint_eq(resumes_of_five(false), 1);
    ck_assert_uint_eq(resumes_of_five(true), 6);
}
END_TEST

/* F3: it wakes itself for that, and only for that. */
START_TEST(stress_suspends_before_the_first_poll_of_the_child)
{
    struct job storage = {0};
    struct leaf l = {0};
    struct job *j = job(&storage, &increment_ops, leaf(&l));
    bool before = evfi_stress;
    struct probe probe;

    evfi_stress = true;
    probe_init(&probe);
    for (unsigned i = 0; i < 4; i++) {
        ck_assert_int_eq(poll_with(&j->frame.future, &probe, executor),
            EVF_PENDING);
        ck_assert_uint_eq(probe.wakes, 1);
        ck_assert_uint_eq(l.polls, i);
    }
    leaf_finish(&l, 1);
    ck_assert_int_eq(complete(&j->frame.future), 2);
    evfi_stress = before;
}
END_TEST

/* A request ends an await at once, whether stress has suspended it or not. */
START_TEST(stress_does_not_delay_a_request) /* F31 */
{
    struct job storage = {0};
    bool before = evfi_stress;
    struct probe probe;
    evf_context cx;

    evfi_stress = true;
    probe_init(&probe);
    for (int suspended = 0; suspended < 2; suspended++) {
        struct leaf l = {0};
        evf_future *future =
            &job(&storage, &increment_ops, leaf(&l))->frame.future;

        if (suspended)
            ck_assert_int_eq(poll_with(future, &probe, executor), EVF_PENDING);
        evf_context_init(&cx, &probe.waker, executor);
        cx.request = -ECANCELED;
        ck_assert_int_eq(evf_future_poll(future, &cx), EVF_READY);
        ck_assert_uint_eq(l.polls, 0);
        ck_assert_int_eq(evf_future_take(future), -ECANCELED + 1);
        evf_future_drop(future);
    }
    evfi_stress = before;
}
END_TEST

/* Nobody would poll again after an operation's last poll. */
START_TEST(stress_does_not_suspend_in_a_last_poll)
{
    struct job storage = {0};
    struct job *j = job(&storage, &increment_ops, evf_ready(NULL, 1, NULL));
    bool before = evfi_stress;
    struct probe probe;
    evf_context cx;

    evfi_stress = true;
    probe_init(&probe);
    evf_context_init(&cx, &probe.waker, executor);
    cx.flags |= EVFI_LAST_POLL;
    ck_assert_int_eq(evf_future_poll(&j->frame.future, &cx), EVF_READY);
    ck_assert_int_eq(evf_future_take(&j->frame.future), 2);
    evf_future_drop(&j->frame.future);
    ck_assert_uint_eq(probe.wakes, 0);
    evfi_stress = before;
}
END_TEST

TEST_MAIN("frame-trace", ops_record_type_function_file_and_size,
    visit_tells_function_line_and_child_at_each_point,
    visit_of_an_await_that_was_held_back_shows_what_it_awaits,
    failing_try_notes_executor_function_line_and_error,
    failing_try_is_noted_nowhere_without_an_executor,
    stress_suspends_each_await_once_and_changes_no_result,
    stress_suspends_before_the_first_poll_of_the_child,
    stress_does_not_delay_a_request, stress_does_not_suspend_in_a_last_poll)
