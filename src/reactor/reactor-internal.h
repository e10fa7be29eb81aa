/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef EVFI_REACTOR_INTERNAL_H
#define EVFI_REACTOR_INTERNAL_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <evfuture/reactor.h>

#include "core/list-internal.h"
#include "reactor/wheel-internal.h"

/*
 * What the reactor asks of the executor that it is part of, since it knows no
 * tasks: to come soon and advance the wheel, and whether it has anything to
 * run.
 */
struct evfi_reactor_owner {
    void (*turn)(evf_reactor *reactor);
    bool (*busy)(evf_reactor *reactor);
};

struct evf_reactor {
    struct event_base *base;
    const struct evfi_reactor_owner *owner;
    struct evfi_entry **entries; /* by fd; libevent's own map is as large */
    size_t size;                 /* of entries */
    struct evfi_entry *spare;    /* one for the next wait, so it need not ask */
    uint64_t last_id;            /* drawn ids; above those a caller would use */
    bool closing;                /* timers that fire now ring for the end */
    bool batch;      /* a turn is running: its end sees to the tick */
    bool tick_stale; /* the tick is later than the wheel's next deadline */
    bool paused;     /* time is `paused_now`, and jumps */
    uint64_t paused_now;
    uint64_t tick_at;  /* what `tick` is armed for; UINT64_MAX if it is not */
    struct event tick; /* internal evtimer */
    struct evfi_wheel wheel;
};

/* Attaches to a base. Nothing is added to it yet. */
void evfi_reactor_init(evf_reactor *reactor, struct event_base *base,
    const struct evfi_reactor_owner *owner);

/*
 * Deletes every event, wakes whoever waits, and cuts the entries of sockets
 * loose, which their owners will close.
 */
void evfi_reactor_done(evf_reactor *reactor);

/* Begins a turn: fires what is due. Ends one: sees to the tick. */
void evfi_reactor_begin(evf_reactor *reactor);
void evfi_reactor_end(evf_reactor *reactor);

/* Milliseconds of the clock, rounded down. */
uint64_t evfi_clock_now(const evf_reactor *reactor);

/* The same of the real clock, which goes on: for what the host waits for. */
uint64_t evfi_clock_real(void);

/* evfi_clock_now(), cheap and up to an interrupt late: for the dump's ages. */
uint64_t evfi_clock_coarse(const evf_reactor *reactor);

/* The first millisecond that is at least `ms` after this moment. */
uint64_t evfi_clock_deadline(const evf_reactor *reactor, uint64_t ms);

/* Arms a timer of the wheel, and the tick if need be. */
void evfi_reactor_arm(evf_reactor *reactor, struct evfi_timer *timer,
    uint64_t deadline);

/* Stops the clock; see evf_executor_pause_clock(). */
void evfi_clock_pause(evf_reactor *reactor);

#endif
