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

/* Its future is gone. What it has made may run on, but nothing of it does. */
static bool
is_over(const evf_task *task)
{
    return task->ended && !task->running;
}

/* Who last polled the join or the group that the task is awaited through. */
static evf_task *
container_of(const evf_task *task)
{
    if (is_over(task))
        return NULL;
    if (task->kind == EVFI_TASK_JOINED)
        return task->handle.container;
    if (task->kind == EVFI_TASK_CHILD && task->group != NULL)
        return task->group->container;
    return NULL;
}

/*
 * A walk over all that is running, and from each up to whatever contains it. It
 * leaves the way where that meets another one that is running, so that dropping
 * a chain of joins is not cubic, and (Brent's way) where it meets itself: two
 * tasks that join each other wait forever, but stop nobody else.
 */
struct walk {
    const struct evfi_running *next;
    const evf_task *at, *mark;
    unsigned steps;
};

static void
walk_begin(struct walk *walk)
{
    walk->next = evfi_thread.running;
    walk->at = NULL;
}

static const evf_task *
walk_on(struct walk *walk)
{
    const evf_task *outer = walk->at != NULL ? container_of(walk->at) : NULL;

    if (outer != NULL && !outer->running && outer != walk->mark) {
        walk->at = outer;
        walk->steps++;
        if ((walk->steps & (walk->steps - 1)) == 0)
            walk->mark = outer;
        return outer;
    }
    if (walk->next == NULL)
        return NULL;
    walk->at = walk->next->task;
    walk->next = walk->next->previous;
    walk->mark = walk->at;
    walk->steps = 0;
    return walk->at;
}

bool
evfi_task_is_running(const evf_task *task)
{
    const evf_task *outer;
    struct walk walk;

    if (task->running)
        return true;
    walk_begin(&walk);
    while ((outer = walk_on(&walk)) != NULL)
        if (outer == task)
            return true;
    return false;
}

bool
evfi_executor_is_running(const evf_executor *executor)
{
    const evf_task *outer;
    struct walk walk;

    walk_begin(&walk);
    while ((outer = walk_on(&walk)) != NULL)
        if (outer->executor == executor)
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
evfi_task_end_doomed(void)
{
    evf_task *task, **place = &evfi_thread.doomed;

    while ((task = *place) != NULL) {
        if (!task->ended && evfi_task_is_running(task)) {
            place = &task->next_doomed;
            continue;
        }
        *place = task->next_doomed;
        task->doomed = false;
        evfi_task_end(task);
        evfi_task_unref(task);
        place = &evfi_thread.doomed; /* which that may have changed */
    }
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
    task->doom = ++evfi_thread.dooms;
    task->counted.refs++;
    task->next_doomed = evfi_thread.doomed;
    evfi_thread.doomed = task;
    return 1;
}

/* Whether a task waits for its end that was doomed after the number `dooms`. */
static int
is_left(uint32_t dooms)
{
    const evf_task *task = evfi_thread.doomed;

    while (task != NULL && (int32_t)(task->doom - dooms) <= 0)
        task = task->next_doomed;
    return task != NULL;
}

/*
 * Its drop may meet what is running in a join that was never polled, of which
 * nobody knew that it is contained.
 */
int
evfi_task_end(evf_task *task)
{
    evf_executor *executor = task->executor;
    struct evfi_running running;
    evf_future *future = task->future;
    uint32_t dooms = evfi_thread.dooms;

    if (is_over(task))
        return 0;
    if (evfi_task_is_running(task))
        return doom(task);
    forget(task, executor);
    task->future = NULL;
    if (!task->doomed)
        task->result = -ESHUTDOWN; /* for who asks before it is told */
    evfi_task_enter(task, &running);
    evf_future_drop(future);
    evfi_task_leave(&running);
    task->executor = NULL;
    evfi_task_end_doomed();
    evfi_task_unref(task);
    return is_left(dooms);
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
evfi_task_deliver(evf_task *task, intptr_t result,
    void (*dispose)(void *result))
{
    forget(task, task->executor);
    task->executor = NULL;
    deliver(task, result, dispose);
    evfi_task_unref(task);
}

void
evfi_task_shutdown(evf_task *task)
{
    task->counted.refs++;
    evfi_task_end(task);
    deliver(task, -ESHUTDOWN, NULL);
    evfi_task_unref(task);
}
