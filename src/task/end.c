/* SPDX-License-Identifier: BSD-3-Clause */
#include "task/task-internal.h"

#include "core/context-internal.h"
#include "core/future-internal.h"
#include "task/group-internal.h"

/*
 * How tasks run and end, and the one rule about ending from inside: a task
 * ends at once, except one whose future is being polled or dropped and those
 * that contain it. Those are doomed, and end when that returns, before
 * anything else is polled.
 */

/* Who last polled the join or the group that the task is awaited through. */
static evf_task *
container_of(const evf_task *task)
{
    if (task->kind == EVFI_TASK_JOINED)
        return task->handle.container;
    if (task->kind == EVFI_TASK_CHILD && task->group != NULL)
        return task->group->container;
    return NULL;
}

/* From each root that is running up to whatever contains it. */
bool
evfi_task_is_running(const evf_task *task)
{
    const struct evfi_running *running;
    const evf_task *outer;

    if (task->executor == NULL)
        return false;
    for (running = task->executor->running; running != NULL;
         running = running->previous)
        for (outer = running->task; outer != NULL; outer = container_of(outer))
            if (outer == task)
                return true;
    return false;
}

void
evfi_task_set_container(evf_task **slot, evf_task *task)
{
    evf_task *old = *slot;

    if (old == task)
        return;
    if (task != NULL)
        task->counted.refs++;
    *slot = task;
    if (old != NULL)
        evfi_task_unref(old);
}

/* Ends those whose time has come; the others are for an outer call to end. */
void
evfi_task_end_doomed(evf_executor *executor)
{
    evf_task *task, **place = &executor->doomed;

    while ((task = *place) != NULL) {
        if (!task->ended && evfi_task_is_running(task)) {
            place = &task->next_doomed;
            continue;
        }
        *place = task->next_doomed;
        task->doomed = false;
        task->result = 0;
        evfi_task_end(task);
        evfi_task_unref(task);
        place = &executor->doomed; /* ending one may have changed the list */
    }
}

/*
 * Under a foreign executor (NULL) nothing of ours can end a child while it is
 * polled: its group is on the stack too, and dropping that is misuse.
 */
static void
enter(evf_executor *executor, struct evfi_running *running, evf_task *task)
{
    if (executor == NULL)
        return;
    running->task = task;
    running->previous = executor->running;
    executor->running = running;
}

static void
leave(evf_executor *executor, const struct evfi_running *running)
{
    if (executor != NULL)
        executor->running = running->previous;
}

enum evf_poll
evfi_task_poll(evf_task *task, evf_executor *executor, intptr_t *result,
    void (**dispose)(void *result))
{
    evf_waker waker = {&evfi_task_waker_ops, task};
    evf_executor *outer = evfi_current;
    struct evfi_running running;
    enum evf_poll poll;
    evf_context cx;

    evfi_context_init_root(&cx, &waker, executor, task->request);
    enter(executor, &running, task);
    evfi_current = executor;
    poll = evf_future_poll_child(
        task->future, &cx, &task->polled, result, dispose);
    if (poll == EVF_READY)
        task->future = NULL;
    evfi_current = outer;
    leave(executor, &running);
    return poll;
}

/* The task is no root or child of anybody's any more. */
static void
forget(evf_task *task, evf_executor *executor)
{
    task->ended = true;
    evfi_list_remove(&task->link);
    if (task->kind == EVFI_TASK_CHILD)
        return; /* its owner is what counts */
    if (!task->daemon)
        executor->live--;
    if (!executor->turning)
        evfi_executor_keep(executor);
}

static int
doom(evf_task *task)
{
    if (task->doomed || task->ended)
        return 1;
    task->doomed = true;
    task->counted.refs++;
    task->next_doomed = task->executor->doomed;
    task->executor->doomed = task;
    return 1;
}

int
evfi_task_end(evf_task *task)
{
    evf_executor *executor = task->executor;
    struct evfi_running running;
    evf_future *future = task->future;

    if (evfi_task_is_running(task))
        return doom(task);
    if (task->ended)
        return 0;
    forget(task, executor);
    task->future = NULL;
    enter(executor, &running, task);
    evf_future_drop(future);
    leave(executor, &running);
    task->executor = NULL;
    if (executor != NULL)
        evfi_task_end_doomed(executor);
    evfi_task_unref(task);
    return 0;
}

/* Whoever asks for the result gets it. */
static void
deliver(evf_task *task, intptr_t result, void (*dispose)(void *result))
{
    switch (task->kind) {
    case EVFI_TASK_HANDLED:
    case EVFI_TASK_JOINED:
        task->result = result;
        task->handle.dispose = dispose;
        evfi_waker_wake(&task->handle.waker);
        break;
    case EVFI_TASK_THEN:
        task->kind = EVFI_TASK_FREE;
        task->then.done(result, task->then.arg);
        break;
    case EVFI_TASK_CHILD:
        if (task->group != NULL) {
            evfi_group_child_ended(task->group, task, result, dispose);
            break;
        }
        evfi_dispose(dispose, result);
        break;
    default:
        evfi_dispose(dispose, result);
        break;
    }
}

void
evfi_task_deliver(
    evf_task *task, intptr_t result, void (*dispose)(void *result))
{
    forget(task, task->executor);
    task->executor = NULL;
    deliver(task, result, dispose);
    evfi_task_unref(task);
}

void
evfi_task_shutdown(evf_task *task)
{
    enum evfi_task_kind kind = (enum evfi_task_kind)task->kind;

    task->counted.refs++;
    evfi_task_end(task);
    if ((enum evfi_task_kind)task->kind == kind)
        deliver(task, -ESHUTDOWN, NULL);
    evfi_task_unref(task);
}
