/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef EVFI_GROUP_INTERNAL_H
#define EVFI_GROUP_INTERNAL_H

#include <evfuture/group.h>

#include "core/list-internal.h"
#include "task/task-internal.h"

struct evf_group {
    evf_future future;
    uint32_t refs; /* the handle, the future, rooms, and calls on the stack */
    bool handed;   /* the future was taken */
    bool polled;   /* and polled: children may start */
    bool ended;    /* it is ready or was dropped */
    bool open;     /* not ready before close */
    bool closed;   /* no more children */
    bool busy;     /* being changed: its waker is told at the end of that */
    bool keep_going;
    size_t max_running;
    size_t running; /* children that were started and have not ended */
    size_t queued;  /* children that wait for a slot */
    size_t granted; /* rooms that were told to go on and have not yet */
    int failure;    /* the first one, which is the result */
    int request;    /* in force outside at the last poll */
    struct evfi_list children; /* started, by evf_task.link */
    struct evfi_list waiting;  /* not started, by evf_task.link */
    struct evfi_list rooms;    /* who waits for a slot, in order */
    evf_waker waker;           /* of who polled the future last, owned */
    evf_executor *executor;    /* on which the children run, or NULL */
    struct evfi_list link;     /* among the executor's groups */
    evf_task *container; /* who polled it last, else who took it; referenced */
    evf_task *ready, **ready_tail; /* woken, under a foreign executor */
};

/* A child was woken under a foreign executor. Takes a reference of it. */
void evfi_group_child_woken(evf_group *group, evf_task *child);

/* A child ended by itself. */
void evfi_group_child_ended(evf_group *group, evf_task *child, intptr_t result,
    void (*dispose)(void *result));

/* No more children: it has ended, was closed, or failed. */
bool evfi_group_is_shut(const evf_group *group);

void evfi_group_unref(evf_group *group);

/* The executor goes: the children end, and the future with -ESHUTDOWN. */
void evfi_group_shutdown(evf_group *group);

#endif
