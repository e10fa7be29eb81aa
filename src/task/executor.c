/* SPDX-License-Identifier: BSD-3-Clause */
#include <evfuture/executor.h>

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include <stdatomic.h>
#include <stdlib.h>
#include <event2/event.h>

#include "core/alloc-internal.h"
#include "core/context-internal.h"
#include "core/frame-internal.h"
#include "core/misuse-internal.h"
#include "task/executor-internal.h"
#include "task/group-internal.h"
#include "task/task-internal.h"

_Thread_local struct evfi_thread evfi_thread;

static void
reactor_wants_turn(evf_reactor *reactor)
{
    evfi_executor_schedule((evf_executor *)reactor);
}

static bool
executor_is_busy(evf_reactor *reactor)
{
    return ((evf_executor *)reactor)->head != NULL;
}

static const struct evfi_reactor_owner owner = {
    .turn = reactor_wants_turn,
    .busy = executor_is_busy,
};

static void
note_failure(evf_executor *executor, const evf_frame_ops *ops, uint32_t line,
    int error)
{
    struct evfi_failure *f;

    f = &executor->failures[executor->failed++ % EVFI_FAILURES];
    f->ops = ops;
    f->line = line;
    f->error = error;
    f->at = evfi_clock_coarse(&executor->reactor);
}

static void
on_nothing(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
}

evf_executor *
evf_executor_new(struct event_base *base)
{
    evf_executor *executor;

    if (base == NULL)
        return NULL;
    executor = evfi_new(sizeof(*executor));
    if (executor == NULL)
        return NULL;
#ifdef EVF_DEBUG
    if (getenv("EVF_STRESS") != NULL)
        evfi_stress = true;
#endif
    atomic_store_explicit(&evfi_failure_noted, note_failure,
        memory_order_relaxed);
    executor->refs = 1;
    evfi_list_init(&executor->tasks);
    evfi_list_init(&executor->groups);
    evfi_reactor_init(&executor->reactor, base, &owner);
    evfi_turn_init(executor);
    event_assign(&executor->keep, base, -1, EV_READ, on_nothing, NULL);
    return executor;
}

void
evfi_executor_unref(evf_executor *executor)
{
    if (--executor->refs == 0)
        evfi_release(executor);
}

/*
 * An event on no descriptor is counted by libevent, never fires, and costs no
 * system call. It is added at once, since the host may be about to dispatch,
 * and deleted at the end of a turn.
 */
void
evfi_executor_keep(evf_executor *executor)
{
    bool keep = executor->live > 0 || executor->holds > 0;

    if (keep == executor->kept || (executor->turning && !keep))
        return;
    executor->kept = keep;
    if (keep)
        event_add(&executor->keep, NULL);
    else
        event_del(&executor->keep);
}

/* Tasks whose handles are elsewhere may be ended by others' destructors. */
static void
end_all(evf_executor *executor)
{
    struct evfi_list *link;

    while ((link = evfi_list_first(&executor->tasks)) != NULL)
        evfi_task_shutdown(evf_container_of(link, evf_task, link));
    while ((link = evfi_list_first(&executor->groups)) != NULL)
        evfi_group_shutdown(evf_container_of(link, evf_group, link));
}

static void
empty_queue(evf_executor *executor)
{
    evf_task *task;

    while ((task = executor->head) != NULL) {
        executor->head = task->next;
        task->queued = false;
        evfi_task_unref(task);
    }
    executor->tail = &executor->head;
}

int
evf_executor_free(evf_executor *executor)
{
    if (executor == NULL)
        return 0;
    if (executor->closing || evfi_executor_is_running(executor)) {
        evfi_misuse("an executor was freed inside one of its polls or drops");
        return -EINVAL;
    }
    executor->closing = true;
    end_all(executor);
    evfi_reactor_done(&executor->reactor);
    empty_queue(executor);
    evfi_turn_done(executor);
    event_del(&executor->keep);
    event_debug_unassign(&executor->keep);
    evfi_executor_unref(executor);
    return 0;
}

evf_executor *
evf_executor_current(void)
{
    return evfi_thread.current;
}

struct event_base *
evf_executor_base(const evf_executor *executor)
{
    return executor->reactor.base;
}

evf_reactor *
evf_executor_reactor(evf_executor *executor)
{
    return &executor->reactor;
}

int
evf_executor_set_priority(evf_executor *executor, int priority)
{
    if (executor == NULL || priority < 0)
        return -EINVAL;
    executor->priority = priority;
    executor->priority_set = true;
    executor->priorities = 0; /* to be set anew */
    return 0;
}

int
evf_executor_hold(evf_executor *executor)
{
    if (executor == NULL)
        return -EINVAL;
    executor->holds++;
    evfi_executor_keep(executor);
    return 0;
}

int
evf_executor_release(evf_executor *executor)
{
    if (executor == NULL || executor->holds == 0) {
        evfi_misuse("an executor was released that nobody holds");
        return -EINVAL;
    }
    executor->holds--;
    evfi_executor_keep(executor);
    return 0;
}

uint64_t
evf_executor_now(const evf_executor *executor)
{
    return evfi_clock_now(&executor->reactor);
}

int
evf_executor_pause_clock(evf_executor *executor)
{
    if (executor == NULL)
        return -EINVAL;
    evfi_clock_pause(&executor->reactor);
    return 0;
}
