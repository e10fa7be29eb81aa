/* SPDX-License-Identifier: BSD-3-Clause */
#include <evfuture/frame.h>

#include <stdio.h>
#include <string.h>

#include "core/alloc-internal.h"
#include "core/context-internal.h"
#include "core/frame-internal.h"
#include "core/future-internal.h"
#include "core/misuse-internal.h"
#include "core/waker-internal.h"

evfi_failure_fn *_Atomic evfi_failure_noted;

static const evf_frame_ops *
ops_of(const evf_frame *frame)
{
    return (const evf_frame_ops *)frame->future.ops;
}

/* At an await, whose child is the frame's to drop. */
static bool
is_suspended(uint32_t line)
{
    return line != EVFI_LINE_START && line < EVFI_LINE_ENDED;
}

void *
evf_frame_init(void *storage, const evf_frame_ops *ops)
{
    evf_frame *frame = storage;

    if (frame == NULL) {
        frame = evfi_allocate(ops->future.size);
        if (frame == NULL)
            return NULL;
    } else if (frame->future.ops != NULL) {
        evfi_misuse("a frame was initialised while it was in use");
        return NULL;
    }
    memset(frame, 0, ops->future.size);
    evf_future_init(&frame->future, &ops->future);
    frame->future.dispose = ops->dispose;
    frame->heap = storage == NULL;
    return frame;
}

/* Whether EVF_STRESS makes the frame suspend before this await's first poll. */
static bool
stressed(evf_frame *frame, evf_context *cx)
{
    if (!evfi_stress || frame->polled || cx->request != 0 ||
        evfi_context_is_last(cx))
        return false;
    frame->stressed = !frame->stressed;
    if (frame->stressed)
        evfi_waker_wake_by_ref(&cx->waker);
    return frame->stressed;
}

enum evf_poll
evfi_frame_await_slowly(evf_frame *frame, evf_context *cx, uint32_t line,
    intptr_t *value)
{
    void (*dispose)(void *result);
    enum evf_poll poll = EVF_PENDING;

    if (!stressed(frame, cx))
        poll = evf_future_poll_child(frame->child, cx, &frame->polled, value,
            &dispose);
    if (poll == EVF_PENDING)
        frame->line = line;
    return poll;
}

void
evfi_frame_tried(evf_frame *frame, evf_context *cx, uint32_t line,
    intptr_t error)
{
    evfi_failure_fn *noted = evfi_failure_noted;

    if (cx->executor != NULL && noted != NULL)
        noted(cx->executor, ops_of(frame), line, (int)error);
}

/*
 * The switch of EVF_BEGIN met a state for which it has no label. True if there
 * is nothing to be done but to return.
 */
bool
evfi_frame_lost(evf_frame *frame, uint32_t line, intptr_t *result)
{
    if (line == EVFI_LINE_ENDED) {
        frame->line = line;
        evfi_misuse("an async function was polled after its end");
        return true;
    }
    *result = -EINVAL;
    if (is_suspended(line))
        evf_future_drop(frame->child);
    evfi_misuse(line == EVFI_LINE_RUNNING
            ? "an async function returned without EVF_RETURN"
            : "an async function awaits inside a nested switch");
    return false;
}

void
evfi_frame_drop(evf_future *self)
{
    evf_frame *frame = (evf_frame *)self;
    const evf_frame_ops *ops = ops_of(frame);

    if (is_suspended(frame->line))
        evf_future_drop(frame->child);
    if (frame->line == EVFI_LINE_RUNNING)
        evfi_misuse("an async function returned without EVF_RETURN");
    if (frame->line != EVFI_LINE_ENDED) {
        frame->line = EVFI_LINE_FINALLY;
        ops->future.poll(self, NULL);
        self->result = EVF_RESULT_POLLING; /* as drops have it, for misuse */
    }
    self->ops = NULL;
    if (frame->heap)
        evfi_release(frame);
}

void
evfi_frame_visit(evf_future *self, evf_visit_fn *fn, void *arg)
{
    evf_frame *frame = (evf_frame *)self;
    const evf_frame_ops *ops = ops_of(frame);
    const char *slash = strrchr(ops->file, '/');
    const char *file = slash != NULL ? slash + 1 : ops->file;
    char where[256];

    if (frame->line == EVFI_LINE_START)
        snprintf(where, sizeof(where), "%s, not begun", ops->function);
    else if (frame->line >= EVFI_LINE_ENDED)
        snprintf(where, sizeof(where), "%s, running", ops->function);
    else
        snprintf(where, sizeof(where), "%s at %s:%u", ops->function, file,
            (unsigned)frame->line);
    fn(arg, NULL, where);
    if (is_suspended(frame->line) && frame->child != NULL)
        fn(arg, frame->child, NULL);
}
