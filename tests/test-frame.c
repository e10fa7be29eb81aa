/* SPDX-License-Identifier: BSD-3-Clause */
#include "support.h"

#include <stdlib.h>
#include <string.h>

#include "core/context-internal.h"
#include "foreign.h"
#include "job.h"

/* F1 */
START_TEST(function_does_not_begin_before_the_first_poll)
{
    struct job storage = {0};
    struct leaf l = {0};
    struct job *j = job(&storage, &increment_ops, leaf(&l));
    struct probe probe;

    probe_init(&probe);
    ck_assert_uint_eq(j->begun, 0);
    ck_assert_int_eq(settle(&j->frame.future, &probe), EVF_PENDING);
    ck_assert_uint_eq(j->begun, 1);
    ck_assert_uint_eq(l.polls, 1);
    evf_future_drop(&j->frame.future);
    ck_assert_uint_eq(l.drops, 1);
}
END_TEST

/* F17: what is awaited has been dropped when the function goes on. */
START_TEST(await_resumes_with_the_result_of_a_dropped_child)
{
    struct job storage = {0};
    struct leaf l = {0};
    struct job *j = job(&storage, &increment_ops, leaf(&l));
    struct probe probe;

    probe_init(&probe);
    ck_assert_int_eq(settle(&j->frame.future, &probe), EVF_PENDING);
    ck_assert_uint_eq(l.drops, 0);
    leaf_finish(&l, 40);
    ck_assert_int_eq(complete(&j->frame.future), 41);
    ck_assert_uint_eq(l.drops, 1);
    ck_assert_uint_eq(j->went_on, 1);
    ck_assert_uint_eq(j->finals, 1);
}
END_TEST

/* F2 */
START_TEST(spurious_polls_do_not_advance_the_function)
{
    struct job storage = {0};
    struct leaf l = {0};
    struct job *j = job(&storage, &increment_ops, leaf(&l));
    struct probe probe;

    probe_init(&probe);
    for (int i = 0; i < 10; i++)
        ck_assert_int_eq(poll_with(&j->frame.future, &probe, executor),
            EVF_PENDING);
    ck_assert_uint_eq(j->begun, 1);
    ck_assert_uint_eq(j->went_on, 0);
    leaf_finish(&l, 0);
    ck_assert_int_eq(complete(&j->frame.future), 1);
}
END_TEST

/* F8 */
START_TEST(latest_polls_waker_is_the_one_that_is_woken)
{
    struct job storage = {0};
    struct leaf l = {0};
    struct job *j = job(&storage, &increment_ops, leaf(&l));
    struct probe a, b;

    probe_init(&a);
    probe_init(&b);
    ck_assert_int_eq(settle(&j->frame.future, &a), EVF_PENDING);
    ck_assert_int_eq(settle(&j->frame.future, &b), EVF_PENDING);
    ck_assert_int_eq(probe_live(&a), 0);
    a.wakes = 0;
    b.wakes = 0;
    leaf_finish(&l, 1);
    ck_assert_uint_eq(a.wakes, 0);
    ck_assert_uint_eq(b.wakes, 1);
    ck_assert_int_eq(complete(&j->frame.future), 2);
}
END_TEST

/* What runs before EVF_BEGIN, and with which context. */
static const evf_context *contexts[4];

static enum evf_poll
derive_run(evf_future *self, evf_context *cx)
{
    struct job *j = evf_frame_of(self, struct job);

    contexts[j->resumes++] = cx;
    EVF_BEGIN(self, cx);
    EVF_AWAIT(j->got, handed(j));
    EVF_FINALLY;
    finish(j);
    EVF_END;
}

JOB(derive);

START_TEST(
    code_before_begin_runs_at_each_resume_and_for_finally_without_context)
{
    struct job storage = {0};
    struct leaf l = {0};
    struct job *j = job(&storage, &derive_ops, leaf(&l));
    struct probe probe;

    evfi_stress = false;
    probe_init(&probe);
    for (unsigned i = 0; i < 2; i++) {
        ck_assert_int_eq(settle(&j->frame.future, &probe), EVF_PENDING);
        ck_assert_uint_eq(j->resumes, i + 1);
        ck_assert_ptr_nonnull(contexts[i]);
    }
    evf_future_drop(&j->frame.future);
    ck_assert_uint_eq(j->resumes, 3);
    ck_assert_ptr_null(contexts[2]);
}
END_TEST

/* Every way to end: `n` says which. */
static enum evf_poll
ways_run(evf_future *self, evf_context *cx)
{
    struct job *j = evf_frame_of(self, struct job);

    EVF_BEGIN(self, cx);
    if (j->n == 1)
        EVF_RETURN(-EPIPE);
    if (j->n == 2)
        EVF_RETURN("text");
    if (j->n == 3)
        break;
    while (j->n == 4)
        break;
    EVF_AWAIT(j->got, evf_ready(&j->op, 5, NULL));
    if (j->n == 5)
        EVF_RETURN(j->got);
    if (j->n == 6)
        break;
    j->went_on++;
    EVF_FINALLY;
    finish(j);
    EVF_END;
}

JOB(ways);

static intptr_t
end_by(unsigned way, unsigned went_on)
{
    struct job storage = {0};
    struct job *j = job(&storage, &ways_ops, NULL);
    intptr_t result;

    j->n = way;
    result = complete(&j->frame.future);
    ck_assert_uint_eq(j->finals, 1);
    ck_assert_uint_eq(j->went_on, went_on);
    return result;
}

START_TEST(return_gives_the_result_and_break_and_the_end_give_zero)
{
    ck_assert_int_eq(end_by(0, 1), 0);
    ck_assert_int_eq(end_by(1, 0), -EPIPE);
    ck_assert_str_eq((const char *)end_by(2, 0), "text");
    ck_assert_int_eq(end_by(3, 0), 0);
    ck_assert_int_eq(end_by(4, 1), 0);
    ck_assert_int_eq(end_by(5, 0), 5);
    ck_assert_int_eq(end_by(6, 0), 0);
}
END_TEST

/* Stores results in variables of several types, and fails at the last. */
static enum evf_poll
store_run(evf_future *self, evf_context *cx)
{
    struct job *j = evf_frame_of(self, struct job);
    const struct thing *thing;
    intptr_t n;

    EVF_BEGIN(self, cx);
    EVF_TRY(thing, evf_ready(&j->op, (intptr_t)j->thing, NULL));
    j->n = thing->disposals;
    EVF_AWAIT(n, evf_ready(&j->op, -7, NULL));
    j->got = n;
    EVF_TRY(j->text, evf_ready(&j->op, evf_result_of(strdup("kept")), free));
    EVF_AWAIT(n, evf_future_failed(-EBUSY));
    j->got = n == -EBUSY ? j->got : 0;
    EVF_AWAIT(n, NULL);
    j->got = n == -ENOMEM ? j->got : 0;
    EVF_TRY(j->text, evf_ready(&j->op, -EPIPE, NULL));
    j->went_on++;
    EVF_FINALLY;
    /* The failed one has left alone what is to be freed. */
    ck_assert_str_eq(j->text, "kept");
    finish(j);
    EVF_END;
}

JOB(store);

/* F47 */
START_TEST(await_stores_words_pointers_and_errors_and_try_returns_errors)
{
    struct job storage = {0};
    struct thing thing = {3};
    struct job *j = job(&storage, &store_ops, NULL);

    j->thing = &thing;
    ck_assert_int_eq(complete(&j->frame.future), -EPIPE);
    ck_assert_int_eq(j->got, -7);
    ck_assert_uint_eq(j->n, 3);
    ck_assert_uint_eq(j->went_on, 0);
    ck_assert_uint_eq(j->finals, 1);
}
END_TEST

static enum evf_poll
try_run(evf_future *self, evf_context *cx)
{
    struct job *j = evf_frame_of(self, struct job);

    EVF_BEGIN(self, cx);
    EVF_TRY(j->got, handed(j));
    j->went_on++;
    EVF_FINALLY;
    finish(j);
    EVF_END;
}

JOB(try);

/* F47 */
START_TEST(try_of_null_and_failed_futures_returns_their_error)
{
    struct job storage = {0};
    struct job *j = job(&storage, &try_ops, NULL);

    j->got = 99;
    ck_assert_int_eq(complete(&j->frame.future), -ENOMEM);
    ck_assert_int_eq(j->got, 99);
    j = job(&storage, &try_ops, evf_future_failed(-EBUSY));
    ck_assert_int_eq(complete(&j->frame.future), -EBUSY);
    ck_assert_uint_eq(j->went_on, 0);
    /* No other word is a failure. */
    j = job(&storage, &try_ops, evf_ready(NULL, -4096, NULL));
    ck_assert_int_eq(complete(&j->frame.future), 0);
    ck_assert_int_eq(j->got, -4096);
}
END_TEST

/* Counts to `n` with one op, which each await uses anew. */
static enum evf_poll
count_run(evf_future *self, evf_context *cx)
{
    struct job *j = evf_frame_of(self, struct job);
    intptr_t n;

    j->resumes++;
    EVF_BEGIN(self, cx);
    while (j->begun < j->n) {
        EVF_TRY(n, evf_ready(&j->op, 2, NULL));
        j->got += n;
        j->begun++;
    }
    EVF_RETURN(j->got);
    EVF_FINALLY;
    finish(j);
    EVF_END;
}

JOB(count);

/* F20, F34: the budget divides a loop of ready awaits into polls of 128. */
START_TEST(loop_of_ready_awaits_yields_after_each_128)
{
    struct job storage = {0};
    struct job *j = job(&storage, &count_ops, NULL);
    struct probe probe;

    evfi_stress = false;
    probe_init(&probe);
    j->n = 1000;
    for (unsigned i = 1; i <= 7; i++) {
        ck_assert_int_eq(poll_with(&j->frame.future, &probe, executor),
            EVF_PENDING);
        ck_assert_uint_eq(j->begun, 128 * i);
        ck_assert_uint_eq(probe.wakes, i);
    }
    ck_assert_int_eq(complete(&j->frame.future), 2000);
    ck_assert_uint_eq(j->resumes, 8);
}
END_TEST

/* F20 */
START_TEST(task_of_ready_awaits_lets_another_task_run)
{
    struct job a = {0}, b = {0};
    evf_task *first, *second;

    evfi_stress = false;
    job(&a, &count_ops, NULL)->n = 1000;
    job(&b, &count_ops, NULL)->n = 100;
    first = evf_spawn(executor, &a.frame.future);
    second = evf_spawn(executor, &b.frame.future);
    run_passes(2);
    ck_assert_uint_eq(b.finals, 1);
    run();
    ck_assert_int_eq(a.got, 2000);
    ck_assert_int_eq(b.got, 200);
    ck_assert_uint_eq(b.resumes, 1);
    ck_assert_uint_eq(a.resumes, 8);
    evf_task_free(first);
    evf_task_free(second);
}
END_TEST

/* Awaits a child that it has made in an op which another one uses. */
static enum evf_poll
collide_run(evf_future *self, evf_context *cx)
{
    struct job *j = evf_frame_of(self, struct job);

    EVF_BEGIN(self, cx);
    j->child = evf_ready(&j->op, 6, NULL);
    EVF_AWAIT(j->got, evf_ready(&j->op, 7, NULL));
    j->n = j->got == -EBUSY;
    EVF_AWAIT(j->got, handed(j));
    EVF_FINALLY;
    finish(j);
    EVF_END;
}

JOB(collide);

/* F34 */
START_TEST(await_in_an_op_in_use_fails_and_harms_nobody)
{
    struct job storage = {0};
    struct job *j = job(&storage, &collide_ops, NULL);

    ck_assert_int_eq(complete(&j->frame.future), 0);
    ck_assert_uint_eq(j->n, 1);
    ck_assert_int_eq(j->got, 6);
}
END_TEST

#define DEPTH 1000u

/* DEPTH frames on the heap, each awaiting the next, the last one `innermost`. */
static evf_future *
nest(evf_future *innermost)
{
    for (unsigned i = 0; i < DEPTH; i++)
        innermost = &job(NULL, &increment_ops, innermost)->frame.future;
    return innermost;
}

START_TEST(thousand_nested_frames_return_one_after_the_other)
{
    struct leaf l = {0};
    struct probe probe;
    size_t before = heap_blocks();
    evf_future *outermost = nest(leaf(&l));

    probe_init(&probe);
    ck_assert_uint_eq(heap_blocks(), before + DEPTH);
    ck_assert_int_eq(settle(outermost, &probe), EVF_PENDING);
    ck_assert_uint_eq(l.polls, 1);
    if (!evfi_stress)
        ck_assert_uint_eq(probe.wakes, DEPTH / EVFI_BUDGET);
    leaf_finish(&l, 1);
    ck_assert_int_eq(complete(outermost), 1 + DEPTH);
    ck_assert_uint_eq(heap_blocks(), before);
}
END_TEST

START_TEST(thousand_nested_frames_are_dropped_from_wherever_they_are)
{
    struct leaf l = {0};
    struct probe probe;
    size_t before = heap_blocks();
    evf_future *outermost;

    probe_init(&probe);
    evf_future_drop(nest(leaf(&l)));
    ck_assert_uint_eq(l.drops, 1);
    ck_assert_uint_eq(heap_blocks(), before);
    outermost = nest(leaf(&l));
    ck_assert_int_eq(settle(outermost, &probe), EVF_PENDING);
    evf_future_drop(outermost);
    ck_assert_uint_eq(l.drops, 2);
    ck_assert_uint_eq(heap_blocks(), before);
}
END_TEST

/* F40 */
START_TEST(foreign_executor_polls_frames)
{
    struct foreign on = FOREIGN_INITIALIZER(on);
    struct foreign_task tasks[3];
    struct leaf l = {0};

    foreign_spawn(&on, &tasks[0], increment(increment(leaf(&l))));
    foreign_spawn(&on, &tasks[1], increment(evf_future_failed(-EPERM)));
    foreign_spawn(&on, &tasks[2], &job(NULL, &count_ops, NULL)->frame.future);
    evf_frame_of(tasks[2].future, struct job)->n = 300;
    foreign_run(&on);
    ck_assert(!tasks[0].ended && tasks[1].ended && tasks[2].ended);
    ck_assert_int_eq(tasks[1].result, -EPERM + 1);
    ck_assert_int_eq(tasks[2].result, 600);
    if (!evfi_stress)
        ck_assert_uint_eq(tasks[2].polls, 3);
    leaf_finish(&l, 5);
    foreign_run(&on);
    ck_assert(tasks[0].ended);
    ck_assert_int_eq(tasks[0].result, 7);
    ck_assert_uint_eq(tasks[0].wakers, 0);
}
END_TEST

TEST_MAIN("frame", function_does_not_begin_before_the_first_poll,
    await_resumes_with_the_result_of_a_dropped_child,
    spurious_polls_do_not_advance_the_function,
    latest_polls_waker_is_the_one_that_is_woken,
    code_before_begin_runs_at_each_resume_and_for_finally_without_context,
    return_gives_the_result_and_break_and_the_end_give_zero,
    await_stores_words_pointers_and_errors_and_try_returns_errors,
    try_of_null_and_failed_futures_returns_their_error,
    loop_of_ready_awaits_yields_after_each_128,
    task_of_ready_awaits_lets_another_task_run,
    await_in_an_op_in_use_fails_and_harms_nobody,
    thousand_nested_frames_return_one_after_the_other,
    thousand_nested_frames_are_dropped_from_wherever_they_are,
    foreign_executor_polls_frames)
