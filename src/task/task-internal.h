/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef EVFI_TASK_INTERNAL_H
#define EVFI_TASK_INTERNAL_H

#include <evfuture/group.h>
#include <evfuture/task.h>

#include "core/list-internal.h"
#include "core/context-internal.h"
#include "core/future-internal.h"
#include "core/waker-internal.h"
#include "task/executor-internal.h"

/* What a task is, and so what happens when it ends. */
enum evfi_task_kind {
    EVFI_TASK_HANDLED, /* the result is kept for whoever holds the handle */
    EVFI_TASK_THEN,    /* a callback gets it */
    EVFI_TASK_JOINED,  /* a future has the handle */
    EVFI_TASK_FREE,    /* nobody asks */
    EVFI_TASK_CHILD    /* a group does */
};

/*
 * A task, or a group's child: what a waker of ours points to.
 *
 * References: one until the future has ended, one of the handle's, one while it
 * is in a queue, one of each waker.
 */
struct evf_task {
    struct evfi_counted counted; /* first: evfi_counted_clone() knows it */
    uint8_t kind;
    bool queued;
    bool ended;   /* the future is gone, or is being dropped */
    bool running; /* the future is being polled or dropped */
    bool doomed;  /* is to end when what is running inside it returns */
    bool daemon;
    bool polled;    /* the future's, for the await rule */
    int request;    /* a cancel request, or 0 */
    evf_task *next; /* in the executor's FIFO, or the group's ready list */
    evf_executor *executor; /* NULL after the end, and under a foreign one */
    struct evfi_list link;  /* among the executor's roots or the siblings */
    evf_future *future;     /* NULL after the end */
    uint32_t polled_at;     /* ms of the clock, when it was last polled */
    uint32_t doom;          /* its number among the thread's */
    union {
        intptr_t result;       /* once it has ended */
        evf_task *next_doomed; /* in evfi_thread.doomed, while it has not */
    };
    union {
        struct {
            void (*done)(intptr_t result, void *arg);
            void *arg;
        } then;
        struct {
            evf_waker waker;     /* whoever awaits the join, owned */
            evf_task *container; /* who polled the join last, referenced */
            void (*dispose)(void *result);
        } handle;         /* `dispose` also before it is joined */
        evf_group *group; /* NULL once the group has let it go */
    };
};

extern const evf_waker_ops evfi_task_waker_ops;

/* A task of one reference, or NULL. */
evf_task *evfi_task_new(evf_executor *executor, evf_future *future,
    enum evfi_task_kind kind);

/* Frees its memory. */
void evfi_task_release(evf_task *task);

static inline void
evfi_task_unref(evf_task *task)
{
    if (--task->counted.refs == 0)
        evfi_task_release(task);
}

/* Queues it for a poll, once. */
void evfi_task_wake(evf_task *task);

/* Puts a cancel request in force; the outermost, which came first, stays. */
void evfi_task_request(evf_task *task, int error);

/* Between these two the task is running. */
static inline void
evfi_task_enter(evf_task *task, struct evfi_running *running)
{
    running->task = task;
    running->previous = evfi_thread.running;
    evfi_thread.running = running;
    task->running = true;
}

static inline void
evfi_task_leave(const struct evfi_running *running)
{
    running->task->running = false;
    evfi_thread.running = running->previous;
}

/*
 * Polls it under the await rule, as whoever runs it, with a context that is for
 * roots. When its future ended, that has been dropped, and the result is in
 * `*result` and `*dispose`.
 */
static inline enum evf_poll
evfi_task_poll(evf_task *task, evf_context *cx, intptr_t *result,
    void (**dispose)(void *result))
{
    struct evfi_running running;
    enum evf_poll poll;

    cx->waker.data = task;
    cx->request = task->request;
    evfi_context_set_budget(cx, EVFI_BUDGET);
    evfi_task_enter(task, &running);
    poll = evfi_future_poll_child(task->future, cx, &task->polled, result,
        dispose);
    if (poll == EVF_READY)
        task->future = NULL;
    evfi_task_leave(&running);
    return poll;
}

/* The context that a series of such polls is given. */
static inline void
evfi_task_context(evf_context *cx, evf_executor *on)
{
    evfi_context_init_root(cx, &(evf_waker){&evfi_task_waker_ops, NULL}, on, 0);
}

/*
 * Drops its future at once and returns 0; or, if it contains what is running,
 * sees to that being done when that returns, and returns 1; also if something
 * in the future that was dropped does. Nobody is told.
 */
int evfi_task_end(evf_task *task);

/* The innermost task that is running, or NULL. */
static inline evf_task *
evfi_task_running(void)
{
    return evfi_thread.running != NULL ? evfi_thread.running->task : NULL;
}

/* Whether what is running is the task, or inside of it. */
bool evfi_task_is_running(const evf_task *task);

/* Makes `*slot` a reference to `task`, which may be NULL. */
void evfi_task_set_container(evf_task **slot, evf_task *task);

/* A poll or drop has returned: ends what was doomed meanwhile. */
void evfi_task_end_doomed(void);

/* The future ended by itself and is dropped: whoever asks gets the result. */
void evfi_task_deliver(evf_task *task, intptr_t result,
    void (*dispose)(void *result));

/* The executor goes: drops the future, and tells whoever asks -ESHUTDOWN. */
void evfi_task_shutdown(evf_task *task);

#endif
