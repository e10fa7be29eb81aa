/* SPDX-License-Identifier: BSD-3-Clause */
#include <evfuture/reactor.h>

#include <string.h>

#include "reactor/entry-internal.h"

#define SIGNALS (EVF_READABLE | EVF_WRITABLE | EVF_CLOSED)

static bool
registered(const evf_interest *interest)
{
    return interest->entry != NULL && interest->occurred == 0 &&
        interest->error == 0;
}

/* Wakes, one at a time, all that a list holds: wakers are arbitrary code. */
static void
wake_all(struct evfi_list *list)
{
    struct evfi_list *link;
    evf_interest *interest;

    while ((link = evfi_list_first(list)) != NULL) {
        interest = evf_container_of(link, evf_interest, link);
        evfi_list_remove(link);
        interest->entry = NULL;
        evfi_waker_wake(&interest->waker);
    }
}

void
evfi_entry_cut_loose(struct evfi_entry *entry, int error)
{
    struct evfi_list woken, *link;

    evfi_list_init(&woken);
    evfi_list_splice(&entry->interests, &woken);
    evfi_list_for_each(link, &woken)
        evf_container_of(link, evf_interest, link)->error = error;
    memset(entry->waiting, 0, sizeof(entry->waiting));
    wake_all(&woken);
}

/* A socket's stays armed for whoever waits next, and need not be counted. */
static void
count(struct evfi_entry *entry, uint32_t signals, uint32_t by)
{
    if (entry->own)
        return;
    entry->waiting[0] += signals & EVF_READABLE ? by : 0;
    entry->waiting[1] += signals & EVF_WRITABLE ? by : 0;
    entry->waiting[2] += signals & EVF_CLOSED ? by : 0;
}

/* The signals that anybody waits for. */
static uint32_t
wanted(const struct evfi_entry *entry)
{
    return (entry->waiting[0] > 0 ? EVF_READABLE : 0) |
        (entry->waiting[1] > 0 ? EVF_WRITABLE : 0) |
        (entry->waiting[2] > 0 ? EVF_CLOSED : 0);
}

void
evfi_entry_rouse(struct evfi_entry *entry)
{
    entry->refs++;
    entry->hint |= EVF_READABLE | EVF_WRITABLE;
    if (!entry->own)
        evfi_entry_unmap(entry);
    evfi_entry_cut_loose(entry, -EAGAIN);
    evfi_entry_unref(entry);
}

/* An entry of the program's is armed for just those who are left. */
static void
rearm_host(struct evfi_entry *entry)
{
    uint32_t signals = wanted(entry);

    if (signals == 0)
        evfi_entry_unmap(entry);
    else if (evfi_entry_arm(entry, signals) < 0)
        evfi_entry_rouse(entry);
}

/* Takes an interest out of its list; the waker stays to be dropped. */
static void
unlink_interest(evf_interest *interest)
{
    struct evfi_entry *entry = interest->entry;
    bool counted = registered(interest);

    interest->entry = NULL;
    evfi_list_remove(&interest->link);
    if (!counted)
        return;
    count(entry, interest->event.signals, UINT32_MAX);
    if (!entry->own)
        rearm_host(entry);
}

void
evf_interest_remove(evf_interest *interest)
{
    if (interest == NULL || interest->entry == NULL)
        return;
    unlink_interest(interest);
    evfi_waker_drop(&interest->waker);
}

static bool
taken(const struct evfi_entry *entry, const evf_interest *but, uint64_t id)
{
    struct evfi_list *link;
    const evf_interest *other;

    evfi_list_for_each(link, &entry->interests) {
        other = evf_container_of(link, evf_interest, link);
        if (other != but && other->event.id == id)
            return true;
    }
    return false;
}

/*
 * An interest that is registered for another fd leaves that before anything is
 * looked up, because foreign code may run.
 */
static void
leave_other(evf_interest *interest, const evf_reactor *reactor, int fd)
{
    if (registered(interest) && interest->entry->reactor == reactor &&
        interest->entry->fd == fd)
        return;
    evf_interest_remove(interest);
}

/* Registered already on this entry, an interest keeps its place. */
static void
link_interest(struct evfi_entry *entry, evf_interest *interest, evf_event event)
{
    if (event.id == 0)
        event.id = ++entry->reactor->last_id;
    if (interest->entry == entry && registered(interest)) {
        count(entry, interest->event.signals, UINT32_MAX);
    } else {
        if (interest->entry != NULL)
            unlink_interest(interest);
        interest->entry = entry;
        evfi_list_append(&entry->interests, &interest->link);
    }
    interest->event = event;
    interest->occurred = 0;
    interest->error = 0;
    count(entry, event.signals, 1);
    entry->hint &= (uint8_t)~event.signals;
}

int
evfi_entry_check(evf_event event)
{
    uint32_t both = EVF_READABLE | EVF_WRITABLE;

    if ((event.signals & both) == 0 || (event.signals & ~SIGNALS) != 0)
        return -EINVAL;
    return 0;
}

/* Foreign wakers are dropped after everything else: it may come back here. */
int
evfi_entry_wait_owned(struct evfi_entry *entry, evf_interest *interest,
    evf_event event, evf_waker waker)
{
    evf_waker old;
    int err = 0;

    if (event.id != 0 && taken(entry, interest, event.id))
        err = -EEXIST;
    if (err < 0) {
        evfi_waker_drop(&waker);
        evf_interest_remove(interest);
        return err;
    }
    old = interest->entry != NULL ? interest->waker : (evf_waker){NULL, NULL};
    entry->refs++;
    link_interest(entry, interest, event);
    interest->waker = waker;
    err = evfi_entry_arm(entry,
        entry->own ? entry->armed | event.signals : wanted(entry));
    if (err < 0) {
        evf_interest_remove(interest);
        if (evfi_entry_live(entry))
            evfi_entry_rouse(entry);
    }
    evfi_entry_unref(entry);
    evfi_waker_drop(&old);
    return err;
}

/* Cloning may close the socket, whose entry the caller need not hold. */
int
evfi_entry_wait(struct evfi_entry *entry, evf_interest *interest,
    evf_event event, const evf_waker *waker)
{
    evf_waker clone;
    int err;

    entry->refs++;
    leave_other(interest, entry->reactor, entry->fd);
    clone = evfi_waker_clone(waker);
    err = evfi_entry_error(entry);
    if (err == 0) {
        err = evfi_entry_wait_owned(entry, interest, event, clone);
    } else {
        evf_interest_remove(interest);
        evfi_waker_drop(&clone);
    }
    evfi_entry_unref(entry);
    return err;
}

/* Moves those whom `occurred` concerns to `fired`; returns what they wanted. */
static uint32_t
collect(struct evfi_entry *entry, uint32_t occurred, struct evfi_list *fired)
{
    struct evfi_list *link = entry->interests.next, *next;
    uint32_t served = 0;

    for (; link != &entry->interests; link = next) {
        evf_interest *interest = evf_container_of(link, evf_interest, link);

        next = link->next;
        if ((interest->event.signals & occurred) == 0)
            continue;
        interest->occurred = interest->event.signals & occurred;
        count(entry, interest->event.signals, UINT32_MAX);
        served |= interest->event.signals;
        evfi_list_remove(link);
        evfi_list_append(fired, link);
    }
    return served;
}

static uint32_t
signals_of(short what)
{
    return (what & EV_READ ? EVF_READABLE : 0) |
        (what & EV_WRITE ? EVF_WRITABLE : 0) |
        (what & EV_CLOSED ? EVF_CLOSED : 0);
}

/* The steady state of a socket: one waits, for nothing but what occurred. */
static bool
fired_for_one(struct evfi_entry *entry, uint32_t occurred)
{
    struct evfi_list *link = entry->interests.next;
    evf_interest *interest = evf_container_of(link, evf_interest, link);

    if (!entry->own || link == &entry->interests ||
        link->next != &entry->interests ||
        (occurred & ~interest->event.signals) != 0)
        return false;
    evfi_list_init(&entry->interests);
    *link = (struct evfi_list){NULL, NULL};
    interest->occurred = occurred;
    interest->entry = NULL;
    evfi_waker_wake(&interest->waker);
    return true;
}

/*
 * What has occurred with nobody waiting is disarmed, since it would occur again
 * and again. Waking comes last: it may end the entry and the executor.
 */
void
evfi_entry_on_ready(evutil_socket_t fd, short what, void *arg)
{
    struct evfi_entry *entry = arg;
    uint32_t occurred = signals_of(what), rest;
    struct evfi_list fired;

    (void)fd;
    entry->hint |= (uint8_t)(occurred & (EVF_READABLE | EVF_WRITABLE));
    if (fired_for_one(entry, occurred))
        return;
    evfi_list_init(&fired);
    rest = entry->armed & (~occurred | collect(entry, occurred, &fired));
    if (!entry->own)
        rearm_host(entry);
    else if (rest != entry->armed && evfi_entry_arm(entry, rest) < 0)
        evfi_entry_rouse(entry);
    wake_all(&fired);
}

int
evf_reactor_add_io_event_interest(evf_reactor *reactor, int fd,
    evf_interest *interest, evf_event event, const evf_waker *waker)
{
    struct evfi_entry *entry;
    evf_waker clone;
    int err;

    if (reactor == NULL || interest == NULL || waker == NULL)
        return -EINVAL;
    err = evfi_entry_check(event);
    if (err == 0 && reactor->closing)
        err = -ESHUTDOWN;
    if (err < 0) {
        evf_interest_remove(interest);
        return err;
    }
    leave_other(interest, reactor, fd);
    clone = evfi_waker_clone(waker);
    err = evfi_entry_find(&entry, reactor, fd);
    if (err == 0)
        return evfi_entry_wait_owned(entry, interest, event, clone);
    evf_interest_remove(interest);
    evfi_waker_drop(&clone);
    return err;
}
