/* SPDX-License-Identifier: BSD-3-Clause */
#include "foreign.h"

static void *
waker_clone(void *data)
{
    ((struct foreign_task *)data)->wakers++;
    return data;
}

static void
waker_drop(void *data)
{
    ((struct foreign_task *)data)->wakers--;
}

static void
waker_wake_by_ref(void *data)
{
    struct foreign_task *task = data;

    if (!task->ended && !task->queued)
        TAILQ_INSERT_TAIL(task->on, task, link);
    task->queued = !task->ended;
}

static void
waker_wake(void *data)
{
    waker_wake_by_ref(data);
    waker_drop(data);
}

static const evf_waker_ops waker_ops = {waker_clone, waker_wake,
    waker_wake_by_ref, waker_drop};

void
foreign_spawn(struct foreign *on, struct foreign_task *task, evf_future *future)
{
    *task = (struct foreign_task){.on = on, .future = future};
    waker_wake_by_ref(task);
}

void
foreign_run(struct foreign *on)
{
    struct foreign_task *task;

    while ((task = TAILQ_FIRST(on)) != NULL) {
        evf_context cx;

        TAILQ_REMOVE(on, task, link);
        task->queued = false;
        task->polls++;
        evf_context_init(&cx, &(evf_waker){&waker_ops, task}, NULL);
        if (evf_future_poll(task->future, &cx) == EVF_READY) {
            task->result = evf_future_take(task->future);
            foreign_end(task);
        }
    }
}

void
foreign_end(struct foreign_task *task)
{
    if (task->ended)
        return;
    task->ended = true;
    if (task->queued)
        TAILQ_REMOVE(task->on, task, link);
    evf_future_drop(task->future);
}
