/* SPDX-License-Identifier: BSD-3-Clause */
#include <evfuture/task.h>

#include "core/context-internal.h"
#include "core/future-internal.h"
#include "core/misuse-internal.h"
#include "core/op-internal.h"
#include "task/task-internal.h"

/* A task's handle as a future. */
struct task_join {
    struct evfi_op op;
    evf_task *task; /* the handle */
};

EVFI_OP_FITS(struct task_join);

static enum evf_poll
task_join_poll(evf_future *self, evf_context *cx)
{
    struct task_join *join = (struct task_join *)self;
    evf_task *task = join->task;

    if (!task->ended) {
        evfi_task_set_container(&task->handle.container, evfi_task_running());
        evfi_waker_update(&task->handle.waker, &cx->waker);
        if (cx->request != 0)
            evfi_task_request(task, cx->request);
    }
    if (!task->ended) /* taking the waker may run foreign code */
        return EVF_PENDING;
    self->dispose = task->handle.dispose;
    task->handle.dispose = NULL;
    return evf_future_ready(self, task->result);
}

static void
task_join_drop(evf_future *self)
{
    struct task_join *join = (struct task_join *)self;
    evf_task *task = join->task;
    evf_waker waker = task->handle.waker;

    task->handle.waker = (evf_waker){NULL, NULL};
    evfi_task_set_container(&task->handle.container, NULL);
    task->kind = EVFI_TASK_HANDLED;
    evfi_waker_drop(&waker);
    evf_task_free(task);
    /* Last, since what that runs may dump whoever has not let go of us yet. */
    evfi_op_release(&join->op);
}

static void
task_join_visit(evf_future *self, evf_visit_fn *fn, void *arg)
{
    struct task_join *join = (struct task_join *)self;

    if (join->task->future != NULL)
        fn(arg, join->task->future, NULL);
}

static const evf_future_ops task_join_ops = {
    .size = sizeof(struct task_join),
    .name = "join of a task",
    .flags = EVF_PASSES_CANCEL | EVF_STARTS,
    .poll = task_join_poll,
    .drop = task_join_drop,
    .visit = task_join_visit,
};

evf_future *
evf_task_join(evf_op *op, evf_task *task)
{
    struct task_join *join;

    if (task == NULL)
        return NULL;
    if (task->kind != EVFI_TASK_HANDLED) {
        evfi_misuse("a task was joined that has a callback");
        return evf_future_failed(-EINVAL);
    }
    join = evfi_op_claim(op, &task_join_ops);
    if (!evfi_future_is_real(join)) {
        evf_task_free(task);
        return (evf_future *)join;
    }
    join->task = task;
    task->kind = EVFI_TASK_JOINED;
    evfi_task_set_container(&task->handle.container,
        task->ended ? NULL : evfi_task_running());
    return &join->op.future;
}
