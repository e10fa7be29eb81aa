/* SPDX-License-Identifier: BSD-3-Clause */
#include "reactor/reactor-internal.h"

#include <time.h>

#include "reactor/clock-internal.h"

static uint64_t
read_clock(clockid_t id, bool *fraction)
{
    struct timespec now;

    clock_gettime(id, &now);
    *fraction = now.tv_nsec % 1000000 != 0;
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

uint64_t
evfi_clock_real(void)
{
    bool fraction;

    return read_clock(CLOCK_MONOTONIC, &fraction);
}

uint64_t
evfi_clock_now(const evf_reactor *reactor)
{
    return reactor->paused ? reactor->paused_now : evfi_clock_real();
}

uint64_t
evfi_clock_coarse(const evf_reactor *reactor)
{
    bool fraction;

    if (reactor->paused)
        return reactor->paused_now;
#ifdef CLOCK_MONOTONIC_COARSE
    return read_clock(CLOCK_MONOTONIC_COARSE, &fraction);
#else
    return read_clock(CLOCK_MONOTONIC, &fraction);
#endif
}

uint64_t
evfi_clock_deadline(const evf_reactor *reactor, uint64_t ms)
{
    bool fraction = false;
    uint64_t now = reactor->paused ? reactor->paused_now
                                   : read_clock(CLOCK_MONOTONIC, &fraction);

    now += fraction;
    return ms < UINT64_MAX - now ? now + ms : UINT64_MAX;
}

/* The wheel's, unless it is in the last span of time, as UINT64_MAX is: never. */
static bool
next_deadline(const evf_reactor *reactor, uint64_t *next)
{
    return evfi_wheel_next(&reactor->wheel, next) &&
        *next < ~(EVFI_WHEEL_SPAN - 1);
}

/*
 * Arms the tick for the wheel's next deadline. A stopped clock's tick comes in
 * the next pass, to see whether anything else can run.
 */
static void
arm_tick(evf_reactor *reactor)
{
    struct timeval delay = {0, 0};
    uint64_t next, now, ms;

    reactor->tick_stale = false;
    if (!next_deadline(reactor, &next))
        return;
    now = evfi_clock_now(reactor);
    if (!reactor->paused && next > now) {
        ms = next - now < EVFI_TICK_MAX ? next - now : EVFI_TICK_MAX;
        delay.tv_sec = (time_t)(ms / 1000);
        delay.tv_usec = (suseconds_t)(ms % 1000 * 1000);
    }
    if (event_add(&reactor->tick, &delay) == 0)
        reactor->tick_at = next;
    else
        reactor->tick_stale = true; /* out of memory: the next turn tries */
}

static void
on_tick(evutil_socket_t fd, short what, void *arg)
{
    evf_reactor *reactor = arg;
    uint64_t next;

    (void)fd;
    (void)what;
    reactor->tick_at = UINT64_MAX;
    reactor->tick_stale = true;
    if (reactor->paused) {
        if (!next_deadline(reactor, &next))
            return;
        if (reactor->owner->busy(reactor))
            return; /* the turn that is to come arms it again */
        if (event_base_get_num_events(reactor->base, EVENT_BASE_COUNT_ACTIVE) >
            0) {
            arm_tick(reactor);
            return;
        }
        if (next > reactor->paused_now)
            reactor->paused_now = next;
    }
    reactor->owner->turn(reactor);
}

void
evfi_clock_init(evf_reactor *reactor)
{
    evfi_internal_event_assign(&reactor->tick, reactor->base, -1, 0, on_tick,
        reactor);
    reactor->tick_at = UINT64_MAX;
    evfi_wheel_init(&reactor->wheel, evfi_clock_now(reactor));
}

void
evfi_clock_done(evf_reactor *reactor)
{
    event_del(&reactor->tick);
    event_debug_unassign(&reactor->tick);
    evfi_wheel_advance(&reactor->wheel, UINT64_MAX);
}

void
evfi_clock_pause(evf_reactor *reactor)
{
    reactor->paused_now = evfi_clock_now(reactor);
    reactor->paused = true;
    if (reactor->batch)
        reactor->tick_stale = true;
    else
        arm_tick(reactor);
}

void
evfi_reactor_arm(evf_reactor *reactor, struct evfi_timer *timer,
    uint64_t deadline)
{
    evfi_wheel_arm(&reactor->wheel, timer, deadline);
    if (deadline >= reactor->tick_at)
        return;
    if (reactor->batch)
        reactor->tick_stale = true;
    else
        arm_tick(reactor);
}

void
evfi_reactor_begin(evf_reactor *reactor)
{
    reactor->batch = true;
    /* A timer in the wheel has the tick armed, or stale. */
    if ((reactor->tick_at != UINT64_MAX || reactor->tick_stale) &&
        !evfi_wheel_empty(&reactor->wheel))
        evfi_wheel_advance(&reactor->wheel, evfi_clock_now(reactor));
}

void
evfi_reactor_end(evf_reactor *reactor)
{
    reactor->batch = false;
    if (reactor->tick_stale)
        arm_tick(reactor);
}
