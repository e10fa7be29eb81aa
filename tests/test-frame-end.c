/* SPDX-License-Identifier: BSD-3-Clause */
#include "support.h"

#include <string.h>

#include "job.h"

/*
 * How async functions end: EVF_FINALLY runs exactly once, after what is awaited
 * was dropped and before the storage is released, however the frame ends; and
 * what must not be done is seen.
 */

/* A leaf that marks its drop. */
struct marked {
    evf_future future;
    char mark;
    bool ready;
    intptr_t result;
};

static enum evf_poll
marked_poll(evf_future *self, evf_context *cx)
{
    struct marked *m = evf_container_of(self, struct marked, future);

    (void)cx;
    return m->ready ? evf_future_ready(self, m->result) : EVF_PENDING;
}

static void
marked_drop(evf_future *self)
{
    trace(evf_container_of(self, struct marked, future)->mark);
}

static const evf_future_ops marked_ops = {
    .size = sizeof(struct marked),
    .name = "marked",
    .poll = marked_poll,
    .drop = marked_drop,
};

static evf_future *
marked(struct marked *m, char c)
{
    evf_future_init(&m->future, &marked_ops);
    m->mark = c;
    return &m->future;
}

/* Its FINALLY marks 'F', and looks whether its memory is still there. */
static size_t blocks_in_finally;
static const evf_context *context_in_finally;

static enum evf_poll
traced_run(evf_future *self, evf_context *cx)
{
    struct job *j = evf_frame_of(self, struct job);

    EVF_BEGIN(self, cx);
    j->begun++;
    trace('B');
    EVF_TRY(j->got, handed(j));
    trace('R');
    EVF_RETURN(j->got);
    EVF_FINALLY;
    trace('F');
    blocks_in_finally = heap_blocks();
    context_in_finally = cx;
    finish(j);
    EVF_END;
}

JOB(traced);

static evf_future *
traced(evf_future *child)
{
    trace_take();
    return &job(NULL, &traced_ops, child)->frame.future;
}

/* F30 */
START_TEST(finally_runs_once_on_return_and_a_drop_does_not_repeat_it)
{
    struct marked m = {.ready = true, .result = 5};
    struct probe probe;
    size_t before = heap_blocks();
    evf_future *future = traced(marked(&m, 'c'));

    probe_init(&probe);
    ck_assert_int_eq(settle(future, &probe), EVF_READY);
    ck_assert_traced("BcRF");
    ck_assert_ptr_nonnull(context_in_finally);
    ck_assert_int_eq(evf_future_take(future), 5);
    evf_future_drop(future);
    ck_assert_traced("");
    ck_assert_uint_eq(heap_blocks(), before);
}
END_TEST

/* F30 */
START_TEST(finally_runs_once_on_an_error)
{
    struct marked m = {.ready = true, .result = -EPIPE};

    ck_assert_int_eq(complete(traced(marked(&m, 'c'))), -EPIPE);
    ck_assert_traced("BcF");
}
END_TEST

/* F30: what is awaited, then FINALLY, then the storage. */
START_TEST(drop_ends_the_child_then_finally_then_the_storage)
{
    struct marked m = {0};
    struct probe probe;
    size_t before = heap_blocks();
    evf_future *future = traced(marked(&m, 'c'));

    probe_init(&probe);
    ck_assert_int_eq(settle(future, &probe), EVF_PENDING);
    ck_assert_traced("B");
    evf_future_drop(future);
    ck_assert_traced("cF");
    ck_assert_uint_eq(blocks_in_finally, before + 1);
    ck_assert_uint_eq(heap_blocks(), before);
    ck_assert_ptr_null(context_in_finally);
}
END_TEST

/* F1, F30: the function's fields are zero then, but for its arguments. */
START_TEST(drop_before_the_first_poll_runs_finally_alone)
{
    struct marked m = {0};
    size_t before = heap_blocks();

    evf_future_drop(traced(marked(&m, 'c')));
    ck_assert_traced("Fc"); /* the argument, which finish() drops */
    ck_assert_uint_eq(blocks_in_finally, before + 1);
    ck_assert_uint_eq(heap_blocks(), before);
}
END_TEST

/* F30, F31: a request ends the await; the function unwinds in its own code. */
START_TEST(finally_runs_once_under_a_request)
{
    struct marked m = {0};
    struct probe probe;
    evf_context cx;
    evf_future *future = traced(marked(&m, 'c'));

    probe_init(&probe);
    ck_assert_int_eq(settle(future, &probe), EVF_PENDING);
    evf_context_init(&cx, &probe.waker, executor);
    cx.request = -ECANCELED;
    cx.own = (struct evfi_budget){0, 1};
    ck_assert_int_eq(evf_future_poll(future, &cx), EVF_READY);
    ck_assert_traced("BcF");
    ck_assert_int_eq(evf_future_take(future), -ECANCELED);
    evf_future_drop(future);
    ck_assert_traced("");
}
END_TEST

/* F30: whoever is inside goes first. */
START_TEST(nested_frames_end_from_the_inside_out)
{
    struct marked m = {0};
    struct probe probe;
    evf_future *inner, *outer;

    probe_init(&probe);
    inner = traced(marked(&m, 'c'));
    outer = traced(inner);
    ck_assert_int_eq(settle(outer, &probe), EVF_PENDING);
    ck_assert_traced("BB");
    evf_future_drop(outer);
    ck_assert_traced("cFF");
}
END_TEST

/* Ends itself by what it must not do: `n` says which. */
enum {
    RETURN_PENDING = 1,
    RETURN_READY,
    RETURN_RESULT,
    DROP_SELF,
    POLL_SELF
};

static enum evf_poll
wrong_run(evf_future *self, evf_context *cx)
{
    struct job *j = evf_frame_of(self, struct job);

    EVF_BEGIN(self, cx);
    j->begun++;
    EVF_AWAIT(j->got, handed(j));
    j->went_on++;
    if (j->n == RETURN_PENDING)
        return EVF_PENDING;
    if (j->n == RETURN_READY)
        return EVF_READY;
    if (j->n == RETURN_RESULT)
        return evf_future_ready(self, 5);
    if (j->n == DROP_SELF)
        evf_future_drop(self);
    if (j->n == POLL_SELF)
        ck_assert_int_eq(evf_future_poll(self, cx), EVF_PENDING);
    EVF_RETURN(6);
    EVF_FINALLY;
    if (j->n == DROP_SELF)
        evf_future_drop(self);
    finish(j);
    EVF_END;
}

JOB(wrong);

static struct job *
wrong(struct job *storage, unsigned what)
{
    struct job *j = job(storage, &wrong_ops, evf_ready(NULL, 1, NULL));

    j->n = what;
    return j;
}

/* F14 */
START_TEST(plain_return_of_pending_is_misuse_at_the_next_poll)
{
    struct job storage = {0};
    struct job *j = wrong(&storage, RETURN_PENDING);
    struct probe probe;

    probe_init(&probe);
    ck_assert_int_eq(settle(&j->frame.future, &probe), EVF_PENDING);
    ck_assert_misuse(0);
    ck_assert_int_eq(poll_with(&j->frame.future, &probe, executor), EVF_READY);
    ck_assert_str_eq(misuse_message,
        "an async function returned without EVF_RETURN");
    ck_assert_misuse(1);
    ck_assert_uint_eq(j->went_on, 1);
    ck_assert_uint_eq(j->finals, 1);
    ck_assert_int_eq(evf_future_take(&j->frame.future), -EINVAL);
    evf_future_drop(&j->frame.future);
    ck_assert_misuse(0);
    ck_assert_uint_eq(j->finals, 1);
}
END_TEST

/* F14 */
START_TEST(plain_return_of_pending_is_misuse_at_a_drop)
{
    struct job storage = {0};
    struct job *j = wrong(&storage, RETURN_PENDING);
    struct probe probe;

    probe_init(&probe);
    ck_assert_int_eq(settle(&j->frame.future, &probe), EVF_PENDING);
    evf_future_drop(&j->frame.future);
    ck_assert_str_eq(misuse_message,
        "an async function returned without EVF_RETURN");
    ck_assert_misuse(1);
    ck_assert_uint_eq(j->finals, 1);
    ck_assert_ptr_null(j->frame.future.ops);
}
END_TEST

/* F14: FINALLY runs when the frame is dropped, since the poll is over. */
START_TEST(plain_return_of_ready_is_misuse_and_finally_still_runs_once)
{
    struct job storage = {0};
    struct job *j = wrong(&storage, RETURN_READY);
    struct probe probe;

    probe_init(&probe);
    ck_assert_int_eq(settle(&j->frame.future, &probe), EVF_READY);
    ck_assert_misuse(1);
    ck_assert_int_eq(evf_future_take(&j->frame.future), -EINVAL);
    evf_future_drop(&j->frame.future);
    ck_assert_misuse(1);
    ck_assert_uint_eq(j->finals, 1);

    j = wrong(&storage, RETURN_RESULT);
    ck_assert_int_eq(complete(&j->frame.future), 5);
    ck_assert_misuse(1);
    ck_assert_uint_eq(j->finals, 1);
}
END_TEST

/* F14 */
START_TEST(drop_of_oneself_in_body_and_finally_is_misuse_without_effect)
{
    struct job storage = {0};
    struct job *j = wrong(&storage, DROP_SELF);

    ck_assert_int_eq(complete(&j->frame.future), 6);
    ck_assert_misuse(2);
    ck_assert_uint_eq(j->finals, 1);

    j = wrong(&storage, DROP_SELF);
    evf_future_drop(&j->frame.future);
    ck_assert_misuse(1);
    ck_assert_uint_eq(j->finals, 1);
}
END_TEST

/* F14 */
START_TEST(poll_of_oneself_is_misuse_without_effect)
{
    struct job storage = {0};
    struct job *j = wrong(&storage, POLL_SELF);

    ck_assert_int_eq(complete(&j->frame.future), 6);
    ck_assert_misuse(1);
    ck_assert_uint_eq(j->went_on, 1);
}
END_TEST

/* F14 */
START_TEST(second_drop_of_a_frame_in_the_callers_storage_is_misuse)
{
    struct job storage = {0};
    struct job *j = wrong(&storage, 0);

    ck_assert_int_eq(complete(&j->frame.future), 6);
    evf_future_drop(&j->frame.future);
    ck_assert_misuse(1);
    j = wrong(&storage, 0);
    evf_future_drop(&j->frame.future);
    evf_future_drop(&j->frame.future);
    ck_assert_misuse(1);
}
END_TEST

/* F14 */
START_TEST(poll_after_the_end_is_misuse_and_runs_nothing)
{
    struct job storage = {0};
    struct job *j = wrong(&storage, 0);
    struct probe probe;

    probe_init(&probe);
    ck_assert_int_eq(settle(&j->frame.future, &probe), EVF_READY);
    ck_assert_int_eq(settle(&j->frame.future, &probe), EVF_READY);
    ck_assert_misuse(1);
    /* Not by way of evf_future_poll(), which would stop it. */
    ck_assert_int_eq(wrong_run(&j->frame.future, NULL), EVF_READY);
    ck_assert_str_eq(misuse_message,
        "an async function was polled after its end");
    ck_assert_misuse(1);
    ck_assert_int_eq(evf_future_take(&j->frame.future), 6);
    ck_assert_uint_eq(j->begun, 1);
    ck_assert_uint_eq(j->finals, 1);
    evf_future_drop(&j->frame.future);
    ck_assert_uint_eq(j->finals, 1);
}
END_TEST

/* A switch that no compiler can warn of: its labels are 64 bits wide. */
static enum evf_poll
wide_switch_run(evf_future *self, evf_context *cx)
{
    struct job *j = evf_frame_of(self, struct job);

    EVF_BEGIN(self, cx);
    switch ((int64_t)j->n) {
    case 0:
        EVF_AWAIT(j->got, handed(j));
        break;
    default:
        break;
    }
    j->went_on++;
    EVF_RETURN(j->got);
    EVF_FINALLY;
    finish(j);
    EVF_END;
}

JOB(wide_switch);

/* F42 */
START_TEST(await_in_a_nested_switch_of_64_bits_is_misuse_at_run_time)
{
    struct job storage = {0};
    struct leaf l = {0};
    struct job *j = job(&storage, &wide_switch_ops, leaf(&l));
    struct probe probe;

    probe_init(&probe);
    ck_assert_int_eq(poll_with(&j->frame.future, &probe, executor),
        EVF_PENDING);
    ck_assert_misuse(0);
    ck_assert_int_eq(poll_with(&j->frame.future, &probe, executor), EVF_READY);
    ck_assert_str_eq(misuse_message,
        "an async function awaits inside a nested switch");
    ck_assert_misuse(1);
    ck_assert_uint_eq(l.drops, 1);
    ck_assert_uint_eq(j->went_on, 0);
    ck_assert_uint_eq(j->finals, 1);
    ck_assert_int_eq(evf_future_take(&j->frame.future), -EINVAL);
    evf_future_drop(&j->frame.future);
    ck_assert_uint_eq(j->finals, 1);
}
END_TEST

/* F42 */
START_TEST(drop_of_a_frame_inside_a_nested_switch_ends_it_as_any)
{
    struct job storage = {0};
    struct leaf l = {0};
    struct job *j = job(&storage, &wide_switch_ops, leaf(&l));
    struct probe probe;

    probe_init(&probe);
    ck_assert_int_eq(poll_with(&j->frame.future, &probe, executor),
        EVF_PENDING);
    evf_future_drop(&j->frame.future);
    ck_assert_uint_eq(l.drops, 1);
    ck_assert_uint_eq(j->finals, 1);
}
END_TEST

/* Whoever looks at a frame after its release finds nothing that makes sense. */
static void
scribbling_free(void *memory)
{
    memset(memory, 0xff, sizeof(struct job));
    free(memory);
}

/* F30 */
START_TEST(frame_is_not_touched_after_its_release)
{
    struct marked m[3] = {0};
    struct probe probe;
    evf_future *future;

    executor_done();
    probe_init(&probe);
    evf_set_allocator(malloc, scribbling_free);
    m[0].ready = true;
    future = traced(marked(&m[0], 'c'));
    ck_assert_int_eq(settle(future, &probe), EVF_READY);
    evf_future_drop(future);
    future = traced(traced(marked(&m[1], 'c')));
    ck_assert_int_eq(settle(future, &probe), EVF_PENDING);
    evf_future_drop(future);
    evf_future_drop(traced(marked(&m[2], 'c')));
    ck_assert_traced("Fc");
    evf_set_allocator(NULL, NULL);
}
END_TEST

/* F23, F30 */
START_TEST(executor_that_goes_drops_a_pending_frame_once)
{
    struct marked m = {0};
    evf_task *task = evf_spawn(executor, traced(marked(&m, 'c')));

    run_passes(4);
    ck_assert_traced("B");
    executor_done();
    ck_assert_int_eq(evf_task_free(task), 0);
    ck_assert_traced("cF");
}
END_TEST

TEST_MAIN("frame-end",
    finally_runs_once_on_return_and_a_drop_does_not_repeat_it,
    finally_runs_once_on_an_error,
    drop_ends_the_child_then_finally_then_the_storage,
    drop_before_the_first_poll_runs_finally_alone,
    finally_runs_once_under_a_request, nested_frames_end_from_the_inside_out,
    plain_return_of_pending_is_misuse_at_the_next_poll,
    plain_return_of_pending_is_misuse_at_a_drop,
    plain_return_of_ready_is_misuse_and_finally_still_runs_once,
    drop_of_oneself_in_body_and_finally_is_misuse_without_effect,
    poll_of_oneself_is_misuse_without_effect,
    second_drop_of_a_frame_in_the_callers_storage_is_misuse,
    poll_after_the_end_is_misuse_and_runs_nothing,
    await_in_a_nested_switch_of_64_bits_is_misuse_at_run_time,
    drop_of_a_frame_inside_a_nested_switch_ends_it_as_any,
    frame_is_not_touched_after_its_release,
    executor_that_goes_drops_a_pending_frame_once)
