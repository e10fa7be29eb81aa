/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The twins on libevent alone: the nearest thing that a program without
 * futures would do instead.
 */
#include "micro.h"

#include <stdbool.h>
#include <stdlib.h>

#include <event2/event.h>
#include <event2/event_struct.h>

static uint64_t left;

static void
on_spawned(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    event_free(arg);
    left--;
}

/* A callback for later, made and released each time. */
static void
run_spawn(struct event_base *base, uint64_t count, unsigned pending)
{
    (void)pending;
    left = count;
    micro_start();
    while (left > 0) {
        uint64_t batch = left < MICRO_BATCH ? left : MICRO_BATCH;

        for (uint64_t i = 0; i < batch; i++) {
            struct event *ev = evtimer_new(base, on_spawned,
                event_self_cbarg());

            if (ev == NULL)
                micro_fail("out of memory");
            event_active(ev, EV_TIMEOUT, 1);
        }
        event_base_dispatch(base);
    }
    micro_stop();
}

static void
on_yielded(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    if (--left > 0)
        event_active(arg, EV_TIMEOUT, 1);
}

/* An event that activates itself. */
static void
run_yield(struct event_base *base, uint64_t count, unsigned pending)
{
    struct event ev;

    (void)pending;
    left = count;
    evtimer_assign(&ev, base, on_yielded, &ev);
    micro_start();
    event_active(&ev, EV_TIMEOUT, 1);
    event_base_dispatch(base);
    micro_stop();
}

static struct event players[2];

static void
on_ball(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    if (--left > 0)
        event_active(arg, EV_TIMEOUT, 1);
}

/* Two events that activate each other; there and back is one. */
static void
run_ping_pong(struct event_base *base, uint64_t count, unsigned pending)
{
    (void)pending;
    left = 2 * count;
    evtimer_assign(&players[0], base, on_ball, &players[1]);
    evtimer_assign(&players[1], base, on_ball, &players[0]);
    micro_start();
    event_active(&players[0], EV_TIMEOUT, 1);
    event_base_dispatch(base);
    micro_stop();
}

struct timer_run {
    struct event_base *base;
    uint64_t count;
    const struct timeval *timeout;
};

static void
on_never(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
}

/* From inside a callback, where libevent caches the time. */
static void
on_timer_run(evutil_socket_t fd, short what, void *arg)
{
    const struct timer_run *r = arg;
    struct event ev;

    (void)fd;
    (void)what;
    evtimer_assign(&ev, r->base, on_never, NULL);
    micro_start();
    for (uint64_t i = 0; i < r->count; i++) {
        event_add(&ev, r->timeout);
        event_del(&ev);
    }
    micro_stop();
    event_base_loopbreak(r->base);
}

static struct timeval
timeval_of(uint32_t ms)
{
    struct timeval tv = {ms / 1000, (long)(ms % 1000) * 1000};

    return tv;
}

static void
run_timer(struct timer_run *r, unsigned pending, bool common)
{
    struct event *others = calloc(pending, sizeof(*others));
    struct event begin;

    if (others == NULL)
        micro_fail("out of memory");
    for (unsigned i = 0; i < pending; i++) {
        struct timeval tv = timeval_of(micro_deadline_ms(i));

        evtimer_assign(&others[i], r->base, on_never, NULL);
        event_add(&others[i], common ? r->timeout : &tv);
    }
    evtimer_assign(&begin, r->base, on_timer_run, r);
    event_active(&begin, EV_TIMEOUT, 1);
    event_base_dispatch(r->base);
    for (unsigned i = 0; i < pending; i++)
        event_del(&others[i]);
    free(others);
}

static void
run_timer_early(struct event_base *base, uint64_t count, unsigned pending)
{
    struct timeval tv = timeval_of(MICRO_EARLY_MS);
    struct timer_run r = {base, count, &tv};

    run_timer(&r, pending, false);
}

static void
run_timer_late(struct event_base *base, uint64_t count, unsigned pending)
{
    struct timeval tv = timeval_of(MICRO_LATE_MS);
    struct timer_run r = {base, count, &tv};

    run_timer(&r, pending, false);
}

/* Common timeouts: all timers have one length, so each new one is last. */
static void
run_timer_common(struct event_base *base, uint64_t count, unsigned pending)
{
    struct timeval tv = timeval_of(MICRO_LATE_MS);
    struct timer_run r = {base, count,
        event_base_init_common_timeout(base, &tv)};

    if (r.timeout == NULL)
        micro_fail("out of memory");
    run_timer(&r, pending, true);
}

static void
run_wait(struct event_base *base, uint64_t count, unsigned pending)
{
    struct micro_crowd crowd;
    struct event ev;

    micro_gather(&crowd, base, pending);
    event_assign(&ev, base, crowd.fd, EV_READ, on_never, NULL);
    micro_start();
    for (uint64_t i = 0; i < count; i++) {
        event_add(&ev, NULL);
        event_del(&ev);
    }
    micro_stop();
    micro_disperse(&crowd);
}

const struct micro_op micro_libevent_ops[] = {
    {"libevent-spawn", run_spawn, 0},
    {"libevent-yield", run_yield, 0},
    {"libevent-ping-pong", run_ping_pong, 0},
    {"libevent-wait-10", run_wait, 10},
    {"libevent-wait-1000", run_wait, 1000},
    {"libevent-timer-early-10", run_timer_early, 10},
    {"libevent-timer-early-1000", run_timer_early, 1000},
    {"libevent-timer-early-100000", run_timer_early, 100000},
    {"libevent-timer-late-10", run_timer_late, 10},
    {"libevent-timer-late-1000", run_timer_late, 1000},
    {"libevent-timer-late-100000", run_timer_late, 100000},
    {"libevent-timer-common-10", run_timer_common, 10},
    {"libevent-timer-common-1000", run_timer_common, 1000},
    {"libevent-timer-common-100000", run_timer_common, 100000},
    {NULL, NULL, 0},
};
