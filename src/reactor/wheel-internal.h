/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef EVFI_WHEEL_INTERNAL_H
#define EVFI_WHEEL_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/list-internal.h"

/*
 * A hierarchical timing wheel: the set of armed timers, ordered well enough to
 * find the next one and no better, so that arming and cancelling cost the same
 * few instructions wherever the deadline lies.  It is a pure data structure:
 * it reads no clock, arms no event and allocates nothing.  Its user tells it
 * what time it is, and asks it when to come back:
 *
 *     timer.fired = wake_sleeper;
 *     evfi_wheel_arm(&wheel, &timer, now + 250);
 *     ...
 *     while (evfi_wheel_next(&wheel, &tick)) {
 *         wait_until(tick);
 *         evfi_wheel_advance(&wheel, tick);
 *     }
 *
 * A tick is a millisecond for our reactor, and just a number here.
 */

/* Six levels of 64 slots reach 2^36 ticks: more than two years of ms. */
#define EVFI_WHEEL_BITS   6u
#define EVFI_WHEEL_SLOTS  (1u << EVFI_WHEEL_BITS)
#define EVFI_WHEEL_LEVELS 6u
#define EVFI_WHEEL_SPAN   (UINT64_C(1) << EVFI_WHEEL_BITS * EVFI_WHEEL_LEVELS)

/*
 * The lists behind the slots: what lies beyond the last level, what fires at
 * the next advance, and what the running advance has still to fire.
 */
#define EVFI_WHEEL_OVERFLOW (EVFI_WHEEL_LEVELS * EVFI_WHEEL_SLOTS)
#define EVFI_WHEEL_DUE      (EVFI_WHEEL_OVERFLOW + 1u)
#define EVFI_WHEEL_FIRING   (EVFI_WHEEL_OVERFLOW + 2u)
#define EVFI_WHEEL_LISTS    (EVFI_WHEEL_OVERFLOW + 3u)

/*
 * Embedded in whoever waits, zeroed or with a zeroed link at first.  It stays
 * where it is while it is armed; its owner cancels it before it goes away.
 */
struct evfi_timer {
    struct evfi_list link; /* linked exactly while the timer is armed */
    uint64_t deadline;     /* in ticks; unchanged while it is armed */
    /* Called once per arming, with the timer unarmed again. */
    void (*fired)(struct evfi_timer *timer);
};

struct evfi_wheel {
    uint64_t now; /* the latest tick advanced to; never decreases */
    /* While there is overflow: no member leaves it before this tick. */
    uint64_t overflow_start;
    /*
     * Bit i % 64 of word i / 64 is set exactly while lists[i] has members.
     * There is one word for each level and one for the lists behind the slots.
     */
    uint64_t occupied[EVFI_WHEEL_LEVELS + 1];
    /* A timer's deadline and now determine its list: see place() in wheel.c. */
    struct evfi_list lists[EVFI_WHEEL_LISTS];
};

/* Makes an empty wheel whose time is the given tick. */
void evfi_wheel_init(struct evfi_wheel *wheel, uint64_t now);

/*
 * Arms a timer, or arms it anew.  A deadline at or before the wheel's time
 * is already due: the timer fires at the next advance, whatever its time.
 */
void evfi_wheel_arm(struct evfi_wheel *wheel, struct evfi_timer *timer,
    uint64_t deadline);

/* Disarms a timer, which then does not fire; harmless if it is not armed. */
void evfi_wheel_cancel(struct evfi_wheel *wheel, struct evfi_timer *timer);

/*
 * Tells the tick to advance to next: the earliest deadline if it is near, else
 * a tick before it at which the wheel has to look closer; at most one such
 * tick per level lies before a deadline.  It is later than the wheel's time
 * unless a timer is already due.  Returns false, and no tick, for an empty
 * wheel.
 */
bool evfi_wheel_next(const struct evfi_wheel *wheel, uint64_t *tick);

/*
 * Sets the wheel's time and fires what is due then, in the order of the
 * deadlines, equal deadlines in the order in which they were armed.  A time
 * before the wheel's own is taken for the wheel's own.  However far the jump,
 * the cost depends on the timers that fire or move, not on the ticks.
 *
 * A callback may arm and cancel any timer, its own included, and may free its
 * own; a timer cancelled by an earlier callback does not fire.  What a callback
 * arms fires at the next advance at the earliest, even if it is already due.
 * The wheel must outlive the call, and callbacks do not advance it.
 */
void evfi_wheel_advance(struct evfi_wheel *wheel, uint64_t now);

/* Tells whether no timer is armed. */
static inline bool
evfi_wheel_empty(const struct evfi_wheel *wheel)
{
    uint64_t any = 0;

    for (unsigned i = 0; i <= EVFI_WHEEL_LEVELS; i++)
        any |= wheel->occupied[i];
    return any == 0;
}

/* Tells whether the timer is still going to fire. */
static inline bool
evfi_timer_armed(const struct evfi_timer *timer)
{
    return evfi_list_linked(&timer->link);
}

#endif
