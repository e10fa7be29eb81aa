/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef EVFI_EXECUTOR_INTERNAL_H
#define EVFI_EXECUTOR_INTERNAL_H

#include <event2/event_struct.h>
#include <evfuture/executor.h>
#include <evfuture/frame.h>
#include <evfuture/task.h>

#include "core/list-internal.h"
#include "reactor/reactor-internal.h"

/* How many tasks a turn polls. */
#define EVFI_TURN 128u

/* What the evtimer `kick` is armed for. */
enum evfi_kick {
    EVFI_KICK_NONE,
    EVFI_KICK_SPAWN, /* a turn in the next pass */
    EVFI_KICK_REST   /* the rest of a turn, when nothing of the host's waits */
};

/*
 * A task whose future is being polled or dropped, on the stack of whoever does
 * it. There are several when a poll or an EVF_FINALLY ends another task.
 */
struct evfi_running {
    evf_task *task;
    struct evfi_running *previous;
};

/*
 * What a thread does. It is the thread's and not an executor's, because a task
 * of one executor may join a task of another, which then is inside of it.
 */
struct evfi_thread {
    evf_executor *current;        /* whose task is being polled, or NULL */
    struct evfi_running *running; /* innermost first */
    evf_task *doomed;             /* to end when what they contain returns */
    uint32_t dooms;               /* how many there have been */
};

/* One EVF_TRY that failed. */
struct evfi_failure {
    const evf_frame_ops *ops;
    uint32_t line;
    int error;
    uint64_t at; /* ms of the clock */
};

#define EVFI_FAILURES 16u

struct evf_executor {
    evf_reactor reactor; /* first: an executor's reactor is the executor */
    uint32_t refs;       /* its owner, and turns that are on the stack */
    bool closing : 1;
    bool turning : 1;   /* in a turn: what is queued needs no event */
    bool scheduled : 1; /* a turn will come: run is active or kick armed */
    bool rest_active;
    bool kept;         /* `keep` is added */
    bool priority_set; /* `priority` is the program's choice */
    enum evfi_kick kick_for;
    unsigned overtaken; /* passes in a row that `rest` has waited */
    int priority;
    int priorities;  /* the base's number, when `run` and `rest` were set */
    uint64_t streak; /* when turns that left something began; 0: not now */
    uint64_t now;    /* the turn's time in ms, coarse */
    size_t live;     /* roots that are no daemons */
    size_t holds;
    evf_task *head, **tail;  /* the FIFO; each member is referenced */
    struct evfi_list tasks;  /* roots, in the order of spawning */
    struct evfi_list groups; /* whose children run here */
    struct event run, rest, kick, keep;
    struct evfi_failure failures[EVFI_FAILURES];
    unsigned failed; /* how many there have been */
};

/* Initial-exec: one load where the general model calls a function. */
#if defined(__GNUC__)
__attribute__((tls_model("initial-exec")))
#endif
extern _Thread_local struct evfi_thread evfi_thread;

/* Activates `run`. */
void evfi_executor_activate(evf_executor *executor);

/* Sees to a turn, because something was queued or a deadline has passed. */
static inline void
evfi_executor_schedule(evf_executor *on)
{
    if (!on->turning && !on->scheduled && !on->closing)
        evfi_executor_activate(on);
}

/* The same for a spawn, when the host may still be setting its base up. */
void evfi_executor_schedule_spawned(evf_executor *executor);

/* Makes libevent's loop stay, or not, after `live` or `holds` changed. */
void evfi_executor_keep(evf_executor *executor);

void evfi_executor_unref(evf_executor *executor);

/* Sets up the four events; deletes them. */
void evfi_turn_init(evf_executor *executor);
void evfi_turn_done(evf_executor *executor);

/* Whether one of its tasks is running, or contains what is. */
bool evfi_executor_is_running(const evf_executor *executor);

#endif
