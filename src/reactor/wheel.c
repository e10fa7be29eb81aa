/* SPDX-License-Identifier: BSD-3-Clause */
#include "reactor/wheel-internal.h"

/*
 * Hierarchical timing wheels are due to G. Varghese and T. Lauck, "Hashed and
 * Hierarchical Timing Wheels", SOSP 1987.  As in Tokio's wheel, the level of a
 * timer is the place of the highest digit, to the base 64, in which its
 * deadline differs from now, and the slot is that digit of the deadline.
 * Three things follow, and the rest of this file leans on them:
 *
 * - All timers of a level are due before those of the next one, and within a
 *   level a lower slot is due before a higher one.  All occupied slots lie
 *   ahead of now's, so the lowest bit set is the first, without rotation.
 * - Timers with equal deadlines share a list, whenever they were armed, as
 *   long as a slot is spread over the lower levels when now enters it.  Every
 *   move keeps the order of a list, hence their order is that of arming.
 * - When now moves, only the list that it enters changes its place in part.
 *   Every list that it passes is due as a whole, whatever the distance.
 */

static struct evfi_timer *
timer_of(struct evfi_list *link)
{
    return evf_container_of(link, struct evfi_timer, link);
}

static uint64_t
bit_of(size_t list)
{
    return UINT64_C(1) << list % EVFI_WHEEL_SLOTS;
}

/* For different ticks only; any level past the last means overflow. */
static size_t
level_of(uint64_t tick, uint64_t now)
{
    unsigned highest = 63u - (unsigned)__builtin_clzll(tick ^ now);

    return highest / EVFI_WHEEL_BITS;
}

static size_t
list_of(uint64_t tick, size_t level)
{
    size_t slot = tick >> level * EVFI_WHEEL_BITS & (EVFI_WHEEL_SLOTS - 1);

    return level * EVFI_WHEEL_SLOTS + slot;
}

static bool
occupied(const struct evfi_wheel *wheel, size_t list)
{
    return wheel->occupied[list / EVFI_WHEEL_SLOTS] & bit_of(list);
}

/* Moves all members of one list behind those of another. */
static void
splice(struct evfi_wheel *wheel, size_t list, size_t to)
{
    wheel->occupied[list / EVFI_WHEEL_SLOTS] &= ~bit_of(list);
    wheel->occupied[to / EVFI_WHEEL_SLOTS] |= bit_of(to);
    evfi_list_splice(&wheel->lists[list], &wheel->lists[to]);
}

static void
append(struct evfi_wheel *wheel, size_t list, struct evfi_timer *timer)
{
    wheel->occupied[list / EVFI_WHEEL_SLOTS] |= bit_of(list);
    evfi_list_append(&wheel->lists[list], &timer->link);
}

/* Enters a timer beyond the last level. */
static void
append_overflow(struct evfi_wheel *wheel, struct evfi_timer *timer)
{
    uint64_t start = timer->deadline & ~(EVFI_WHEEL_SPAN - 1);

    if (!occupied(wheel, EVFI_WHEEL_OVERFLOW) || start < wheel->overflow_start)
        wheel->overflow_start = start;
    append(wheel, EVFI_WHEEL_OVERFLOW, timer);
}

/* Enters an unlinked timer into the list its deadline and now ask for. */
static void
place(struct evfi_wheel *wheel, struct evfi_timer *timer)
{
    uint64_t deadline = timer->deadline;
    size_t level;

    if (deadline <= wheel->now) {
        append(wheel, EVFI_WHEEL_DUE, timer);
        return;
    }
    level = level_of(deadline, wheel->now);
    if (level < EVFI_WHEEL_LEVELS)
        append(wheel, list_of(deadline, level), timer);
    else
        append_overflow(wheel, timer);
}

/*
 * Takes a linked timer out of its list.  A node that was alone has the head on
 * either side, and the head's place among the lists tells which bit to clear:
 * cheaper than to work the list out of the deadline again.
 */
static void
take(struct evfi_wheel *wheel, struct evfi_timer *timer)
{
    struct evfi_list *prev = timer->link.prev;
    struct evfi_list *next = timer->link.next;

    prev->next = next;
    next->prev = prev;
    timer->link.prev = NULL;
    timer->link.next = NULL;
    if (prev == next) {
        size_t list = (size_t)(prev - wheel->lists);

        wheel->occupied[list / EVFI_WHEEL_SLOTS] &= ~bit_of(list);
    }
}

void
evfi_wheel_init(struct evfi_wheel *wheel, uint64_t now)
{
    *wheel = (struct evfi_wheel){.now = now};
    for (size_t i = 0; i < EVFI_WHEEL_LISTS; i++)
        evfi_list_init(&wheel->lists[i]);
}

void
evfi_wheel_cancel(struct evfi_wheel *wheel, struct evfi_timer *timer)
{
    if (evfi_timer_armed(timer))
        take(wheel, timer);
}

void
evfi_wheel_arm(struct evfi_wheel *wheel, struct evfi_timer *timer,
    uint64_t deadline)
{
    evfi_wheel_cancel(wheel, timer);
    timer->deadline = deadline;
    place(wheel, timer);
}

bool
evfi_wheel_next(const struct evfi_wheel *wheel, uint64_t *tick)
{
    if (evfi_wheel_empty(wheel))
        return false;
    *tick = wheel->now;
    if (occupied(wheel, EVFI_WHEEL_DUE) || occupied(wheel, EVFI_WHEEL_FIRING))
        return true;
    for (unsigned level = 0; level < EVFI_WHEEL_LEVELS; level++) {
        unsigned shift = level * EVFI_WHEEL_BITS;
        uint64_t word = wheel->occupied[level];

        if (!word)
            continue;
        *tick &= UINT64_MAX << (shift + EVFI_WHEEL_BITS);
        *tick |= (uint64_t)__builtin_ctzll(word) << shift;
        return true;
    }
    *tick = wheel->overflow_start;
    return true;
}

/* Makes due, in their order, the slots of a level that the mask names. */
static void
pass_slots(struct evfi_wheel *wheel, size_t level, uint64_t mask)
{
    uint64_t word = wheel->occupied[level] & mask;

    for (; word; word &= word - 1) {
        size_t slot = (size_t)__builtin_ctzll(word);

        splice(wheel, level * EVFI_WHEEL_SLOTS + slot, EVFI_WHEEL_DUE);
    }
}

/* Enters every member of a list anew, after now has changed. */
static void
spread(struct evfi_wheel *wheel, size_t list)
{
    struct evfi_list moved, *node;

    wheel->occupied[list / EVFI_WHEEL_SLOTS] &= ~bit_of(list);
    evfi_list_init(&moved);
    evfi_list_splice(&wheel->lists[list], &moved);
    while ((node = evfi_list_first(&moved))) {
        evfi_list_remove(node);
        place(wheel, timer_of(node));
    }
}

/* Moves to a later tick, leaving every list as place() would have it then. */
static void
move_to(struct evfi_wheel *wheel, uint64_t now)
{
    size_t list, top = level_of(now, wheel->now);

    for (size_t level = 0; level < top && level < EVFI_WHEEL_LEVELS; level++)
        pass_slots(wheel, level, UINT64_MAX);
    wheel->now = now;
    if (top < EVFI_WHEEL_LEVELS) {
        list = list_of(now, top);
        pass_slots(wheel, top, bit_of(list) - 1);
        spread(wheel, list);
    } else if (now >= wheel->overflow_start) {
        spread(wheel, EVFI_WHEEL_OVERFLOW);
    }
}

/* Cuts a chain where a deadline first falls; returns what was cut off. */
static struct evfi_list *
cut_run(struct evfi_list *node)
{
    struct evfi_list *rest;

    while (node->next &&
        timer_of(node)->deadline <= timer_of(node->next)->deadline)
        node = node->next;
    rest = node->next;
    node->next = NULL;
    return rest;
}

/* Merges two ascending chains; of equal deadlines the earlier chain's lead. */
static struct evfi_list *
merge(struct evfi_list *earlier, struct evfi_list *later)
{
    struct evfi_list *first = NULL, **end = &first;

    while (earlier && later) {
        struct evfi_list **from = &earlier;

        if (timer_of(later)->deadline < timer_of(earlier)->deadline)
            from = &later;
        *end = *from;
        end = &(*end)->next;
        *from = *end;
    }
    *end = earlier ? earlier : later;
    return first;
}

/*
 * Sorts a list by deadline, equal ones staying in their order: a bottom-up
 * merge sort of its ascending runs.  Slots passed in a jump of the time hold
 * their timers in any order, and so does the list of overdue ones; in the
 * ordinary course of time there is a single run and nothing to merge.
 */
static void
sort(struct evfi_list *list)
{
    struct evfi_list *bins[64] = {NULL}, *rest = list->next, *last = list;
    size_t bin, used = 0;

    list->prev->next = NULL;
    while (rest) {
        struct evfi_list *run = rest;

        rest = cut_run(run);
        for (bin = 0; bins[bin]; bin++) {
            run = merge(bins[bin], run);
            bins[bin] = NULL;
        }
        bins[bin] = run;
        used = bin < used ? used : bin + 1;
    }
    for (bin = 0, rest = NULL; bin < used; bin++)
        rest = merge(bins[bin], rest);
    for (; rest; rest = rest->next) {
        last->next = rest;
        rest->prev = last;
        last = rest;
    }
    last->next = list;
    list->prev = last;
}

void
evfi_wheel_advance(struct evfi_wheel *wheel, uint64_t now)
{
    struct evfi_list *node, *firing = &wheel->lists[EVFI_WHEEL_FIRING];

    if (now > wheel->now)
        move_to(wheel, now);
    if (!occupied(wheel, EVFI_WHEEL_DUE))
        return;
    sort(&wheel->lists[EVFI_WHEEL_DUE]);
    splice(wheel, EVFI_WHEEL_DUE, EVFI_WHEEL_FIRING);
    while ((node = evfi_list_first(firing))) {
        struct evfi_timer *timer = timer_of(node);

        take(wheel, timer);
        timer->fired(timer);
    }
}
