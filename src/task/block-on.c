/* SPDX-License-Identifier: BSD-3-Clause */
#include <evfuture/executor.h>

#include <event2/event.h>

#include "core/future-internal.h"
#include "task/executor-internal.h"
#include "task/task-internal.h"

struct blocked {
    bool done;
    intptr_t result;
};

static void
on_done(intptr_t result, void *arg)
{
    struct blocked *blocked = arg;

    blocked->done = true;
    blocked->result = result;
}

intptr_t
evf_block_on(evf_executor *executor, evf_future *future)
{
    struct blocked blocked = {false, 0};
    struct event_base *base;
    evf_task *task;
    int err = 0;

    if (executor == NULL || executor->turning || executor->closing ||
        evfi_executor_is_running(executor)) {
        evf_future_drop(future);
        return executor == NULL ? -EINVAL : -EDEADLK;
    }
    base = executor->reactor.base;
    task = evf_spawn_then(executor, future, on_done, &blocked);
    if (task == NULL)
        return -ENOMEM;
    while (!blocked.done && err == 0) {
        if (event_base_loop(base, EVLOOP_ONCE) < 0)
            err = -EDEADLK;
        else if (event_base_got_break(base) || event_base_got_exit(base))
            err = -EINTR;
    }
    evf_task_free(task);
    return blocked.done ? blocked.result : err;
}
