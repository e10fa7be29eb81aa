/* SPDX-License-Identifier: BSD-3-Clause */
#include "reactor/entry-internal.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "core/alloc-internal.h"
#include "core/waker-internal.h"
#include "reactor/internal-event.h"

#define SIGNALS (EVF_READABLE | EVF_WRITABLE | EVF_CLOSED)

static void on_ready(evutil_socket_t fd, short what, void *arg);

/*
 * What may not be armed is found out here, because back ends differ: epoll
 * refuses a regular file with a warning, with changelist it is accepted and
 * never fires.
 */
static int
check_fd(int fd)
{
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0)
        return -EBADF;
    return S_ISREG(st.st_mode) || S_ISDIR(st.st_mode) ? -ENOTSUP : 0;
}

static short
events_of(const evf_reactor *reactor, uint32_t signals)
{
    short events = EV_PERSIST;

    if (signals & EVF_READABLE)
        events |= EV_READ;
    if (signals & EVF_WRITABLE)
        events |= EV_WRITE;
    if ((signals & EVF_CLOSED) &&
        (event_base_get_features(reactor->base) & EV_FEATURE_EARLY_CLOSE))
        events |= EV_CLOSED;
    return events;
}

/* Makes libevent's event be for `signals`, if it is not. */
static int
arm(struct evfi_entry *entry, uint32_t signals)
{
    if (signals == entry->armed)
        return 0;
    if (entry->armed != 0)
        event_del(&entry->event);
    entry->armed = 0;
    if (signals == 0)
        return 0;
    evfi_internal_event_assign(&entry->event, entry->reactor->base, entry->fd,
        events_of(entry->reactor, signals), on_ready, entry);
    errno = 0;
    if (event_add(&entry->event, NULL) < 0)
        return errno != 0 ? -errno : -EINVAL;
    entry->armed = (uint8_t)signals;
    return 0;
}

static int
map(evf_reactor *reactor, int fd, struct evfi_entry *entry)
{
    size_t size = reactor->size, index = (size_t)fd;
    struct evfi_entry **entries;

    if (index >= size) {
        for (size = size != 0 ? size : 64; size <= index;)
            size *= 2;
        entries = evfi_new(size * sizeof(struct evfi_entry *));
        if (entries == NULL)
            return -ENOMEM;
        if (reactor->size > 0)
            memcpy(entries, reactor->entries,
                reactor->size * sizeof(struct evfi_entry *));
        evfi_release(reactor->entries);
        reactor->entries = entries;
        reactor->size = size;
    }
    reactor->entries[fd] = entry;
    return 0;
}

static struct evfi_entry *
mapped(const evf_reactor *reactor, int fd)
{
    return (size_t)fd < reactor->size ? reactor->entries[fd] : NULL;
}

int
evfi_entry_open(struct evfi_entry *entry, evf_reactor *reactor, int fd,
    void (*release)(struct evfi_entry *entry))
{
    int err = check_fd(fd);

    if (err < 0)
        return err;
    if (mapped(reactor, fd) != NULL)
        return -EEXIST;
    err = map(reactor, fd, entry);
    if (err < 0)
        return err;
    evfi_list_init(&entry->interests);
    entry->reactor = reactor;
    entry->fd = fd;
    entry->refs = 1;
    entry->own = true;
    entry->hint = EVF_WRITABLE;
    entry->release = release;
    return 0;
}

/* Whether the map knows the entry. */
static bool
live(const struct evfi_entry *entry)
{
    return entry->reactor != NULL && entry->fd >= 0;
}

/* An entry of the program's is kept for the next wait, which need not ask. */
static void
host_release(struct evfi_entry *entry)
{
    evf_reactor *reactor = entry->reactor;

    if (reactor != NULL && !reactor->closing && reactor->spare == NULL)
        reactor->spare = entry;
    else
        evfi_release(entry);
}

/* The map forgets the entry, and no event is left on its fd. */
static void
unmap(struct evfi_entry *entry)
{
    if (!live(entry))
        return;
    arm(entry, 0);
    event_debug_unassign(&entry->event);
    entry->reactor->entries[entry->fd] = NULL;
    if (entry->own) {
        entry->reactor = NULL;
    } else {
        entry->fd = -1;
        evfi_entry_unref(entry);
    }
}

int
evfi_entry_find(struct evfi_entry **found, evf_reactor *reactor, int fd)
{
    struct evfi_entry *entry = fd >= 0 ? mapped(reactor, fd) : NULL;
    int err;

    if (entry == NULL) {
        err = check_fd(fd);
        if (err < 0)
            return err;
        entry = reactor->spare;
        reactor->spare = NULL;
        if (entry == NULL)
            entry = evfi_allocate(sizeof(*entry));
        if (entry == NULL)
            return -ENOMEM;
        memset(entry, 0, sizeof(*entry));
        err = map(reactor, fd, entry);
        if (err < 0) {
            evfi_release(entry);
            return err;
        }
        evfi_list_init(&entry->interests);
        entry->reactor = reactor;
        entry->fd = fd;
        entry->refs = 1;
        entry->release = host_release;
    }
    *found = entry;
    return 0;
}

void
evfi_entry_unref(struct evfi_entry *entry)
{
    if (--entry->refs == 0)
        entry->release(entry);
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

static void
cut_loose(struct evfi_entry *entry)
{
    struct evfi_list woken;

    evfi_list_init(&woken);
    evfi_list_splice(&entry->interests, &woken);
    memset(entry->waiting, 0, sizeof(entry->waiting));
    wake_all(&woken);
}

int
evfi_entry_close(struct evfi_entry *entry)
{
    int fd = entry->fd;

    unmap(entry);
    entry->fd = -1;
    entry->refs++;
    cut_loose(entry);
    evfi_entry_unref(entry);
    return fd;
}

void
evfi_entry_detach(struct evfi_entry *entry)
{
    entry->refs++;
    unmap(entry);
    entry->reactor = NULL;
    cut_loose(entry);
    evfi_entry_unref(entry);
}

static void
count(struct evfi_entry *entry, uint32_t signals, uint32_t by)
{
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

/*
 * Nobody is left waiting for what cannot be armed: they are woken, try, and
 * meet the error themselves.
 */
static void
refuse(struct evfi_entry *entry)
{
    entry->refs++;
    if (entry->own)
        entry->hint |= (uint8_t)wanted(entry);
    else
        unmap(entry);
    cut_loose(entry);
    evfi_entry_unref(entry);
}

/* An entry of the program's is armed for just those who are left. */
static void
rearm_host(struct evfi_entry *entry)
{
    uint32_t signals = wanted(entry);

    if (!live(entry) || entry->own)
        return;
    if (signals == 0)
        unmap(entry);
    else if (arm(entry, signals) < 0)
        refuse(entry);
}

/* Takes an interest out of its entry; the waker stays to be dropped. */
static void
unlink_interest(evf_interest *interest)
{
    struct evfi_entry *entry = interest->entry;

    interest->entry = NULL;
    evfi_list_remove(&interest->link);
    if (interest->occurred == 0 && live(entry)) {
        count(entry, interest->event.signals, UINT32_MAX);
        rearm_host(entry);
    }
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

/* Registered already on this entry, an interest keeps its place. */
static void
link_interest(struct evfi_entry *entry, evf_interest *interest, evf_event event)
{
    if (event.id == 0)
        event.id = ++entry->reactor->last_id;
    if (interest->entry == entry && interest->occurred == 0) {
        count(entry, interest->event.signals, UINT32_MAX);
    } else {
        if (interest->entry != NULL)
            unlink_interest(interest);
        interest->entry = entry;
        evfi_list_append(&entry->interests, &interest->link);
    }
    interest->event = event;
    interest->occurred = 0;
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

/*
 * Foreign wakers are cloned before and dropped after everything else, since
 * that runs code which may come back here.
 */
int
evfi_entry_wait(struct evfi_entry *entry, evf_interest *interest,
    evf_event event, const evf_waker *waker)
{
    evf_waker spare;
    uint32_t keep;
    int err;

    if (event.id != 0 && taken(entry, interest, event.id))
        return -EEXIST;
    entry->refs++;
    spare = evfi_waker_clone(waker);
    err = live(entry) ? 0 : -EBADF;
    if (err == 0) {
        evf_waker old = interest->entry != NULL ? interest->waker
                                                : (evf_waker){NULL, NULL};

        link_interest(entry, interest, event);
        interest->waker = spare;
        spare = old;
        keep = entry->own ? entry->armed : 0;
        err = arm(entry, keep | wanted(entry));
        if (err < 0) {
            evf_interest_remove(interest);
            if (live(entry))
                refuse(entry);
        }
    }
    evfi_waker_drop(&spare);
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
        count(entry, interest->event.signals, -1);
        served |= interest->event.signals;
        evfi_list_remove(link);
        evfi_list_append(fired, link);
    }
    return served;
}

static void
on_ready(evutil_socket_t fd, short what, void *arg)
{
    struct evfi_entry *entry = arg;
    uint32_t occurred = 0, served;
    struct evfi_list fired;

    (void)fd;
    if (what & EV_READ)
        occurred |= EVF_READABLE;
    if (what & EV_WRITE)
        occurred |= EVF_WRITABLE;
    if (what & EV_CLOSED)
        occurred |= EVF_CLOSED;
    evfi_list_init(&fired);
    entry->refs++;
    entry->hint |= (uint8_t)(occurred & (EVF_READABLE | EVF_WRITABLE));
    served = collect(entry, occurred, &fired);
    if (!entry->own)
        rearm_host(entry);
    else if (arm(entry, entry->armed & (~occurred | served)) < 0)
        refuse(entry);
    wake_all(&fired);
    evfi_entry_unref(entry);
}
