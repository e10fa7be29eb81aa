/* SPDX-License-Identifier: BSD-3-Clause */
#include <evfuture/task.h>

#include "core/alloc-internal.h"
#include "core/context-internal.h"
#include "core/future-internal.h"
#include "core/misuse-internal.h"
#include "task/group-internal.h"
#include "task/task-internal.h"

evf_task *
evfi_task_new(evf_executor *executor, evf_future *future,
    enum evfi_task_kind kind)
{
    evf_task *task = evfi_new(sizeof(*task));

    if (task == NULL)
        return NULL;
    task->counted.refs = 1;
    task->kind = (uint8_t)kind;
    task->executor = executor;
    task->future = future;
    return task;
}

void
evfi_task_release(evf_task *task)
{
    evfi_release(task);
}

/* Appends to the executor's queue; the reference is the caller's to give. */
static inline void
append(evf_task *task, evf_executor *executor)
{
    task->queued = true;
    task->next = NULL;
    *executor->tail = task;
    executor->tail = &task->next;
}

/*
 * The same, and sees to a turn. Under a foreign executor that is its waker's
 * business, which may poll at once, and end the task.
 */
static inline void
enqueue(evf_task *task)
{
    evf_executor *executor = task->executor;

    if (executor == NULL) {
        task->queued = true;
        evfi_group_child_woken(task->group, task);
        return;
    }
    append(task, executor);
    evfi_executor_schedule(executor);
}

static bool
wants_queueing(const evf_task *task)
{
    if (task->ended || task->queued)
        return false;
    return task->executor != NULL ||
        (task->kind == EVFI_TASK_CHILD && task->group != NULL);
}

void
evfi_task_wake(evf_task *task)
{
    if (!wants_queueing(task))
        return;
    task->counted.refs++;
    enqueue(task);
}

/* A waker's reference becomes the queue's. */
static void
wake(void *data)
{
    evf_task *task = data;

    if (!wants_queueing(task)) {
        evfi_task_unref(task);
        return;
    }
    enqueue(task);
}

static void
wake_by_ref(void *data)
{
    evfi_task_wake(data);
}

static void
drop(void *data)
{
    evfi_task_unref(data);
}

const evf_waker_ops evfi_task_waker_ops = {
    .clone = evfi_counted_clone,
    .wake = wake,
    .wake_by_ref = wake_by_ref,
    .drop = drop,
};

static evf_task *
spawn(evf_executor *executor, evf_future *future, enum evfi_task_kind kind)
{
    evf_task *task = NULL;

    if (executor != NULL && !executor->closing)
        task = evfi_task_new(executor, future, kind);
    if (task == NULL) {
        evf_future_drop(future);
        return NULL;
    }
    task->counted.refs += 2; /* the handle, the queue */
    task->polled_at = (uint32_t)evfi_clock_coarse(&executor->reactor);
    evfi_list_append(&executor->tasks, &task->link);
    executor->live++;
    evfi_executor_keep(executor);
    append(task, executor);
    evfi_executor_schedule_spawned(executor);
    return task;
}

evf_task *
evf_spawn(evf_executor *executor, evf_future *future)
{
    return spawn(executor, future, EVFI_TASK_HANDLED);
}

evf_task *
evf_spawn_then(evf_executor *executor, evf_future *future,
    void (*done)(intptr_t result, void *arg), void *arg)
{
    evf_task *task;

    if (done == NULL) {
        evfi_misuse("a task was spawned with no function to call");
        evf_future_drop(future);
        return NULL;
    }
    task = spawn(executor, future, EVFI_TASK_THEN);
    if (task != NULL) {
        task->then.done = done;
        task->then.arg = arg;
    }
    return task;
}

/* The handle is gone: an untaken result has no owner any more. */
static void
abandon(evf_task *task)
{
    void (*dispose)(void *result) = NULL;
    intptr_t result = 0;

    if (task->kind == EVFI_TASK_HANDLED && task->ended) {
        dispose = task->handle.dispose;
        result = task->result;
        task->handle.dispose = NULL;
    }
    task->kind = EVFI_TASK_FREE;
    evfi_dispose(dispose, result);
}

int
evf_task_free(evf_task *task)
{
    int deferred;

    if (task == NULL)
        return 0;
    abandon(task);
    deferred = evfi_task_end(task);
    evfi_task_unref(task);
    return deferred;
}

void
evf_task_detach(evf_task *task)
{
    if (task == NULL)
        return;
    /* A callback is still due: it was promised, handle or not. */
    if (task->kind != EVFI_TASK_THEN)
        abandon(task);
    evfi_task_unref(task);
}

void
evfi_task_request(evf_task *task, int error)
{
    if (task->ended || task->request != 0)
        return;
    task->request = error;
    evfi_task_wake(task);
}

void
evf_task_cancel(evf_task *task)
{
    if (task != NULL)
        evfi_task_request(task, -ECANCELED);
}

void
evf_task_set_daemon(evf_task *task, bool daemon)
{
    if (task == NULL || task->ended || task->daemon == daemon)
        return;
    task->daemon = daemon;
    if (daemon)
        task->executor->live--;
    else
        task->executor->live++;
    evfi_executor_keep(task->executor);
}
