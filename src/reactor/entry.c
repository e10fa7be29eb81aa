/* SPDX-License-Identifier: BSD-3-Clause */
#include "reactor/entry-internal.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "core/alloc-internal.h"
#include "reactor/internal-event.h"

/*
 * What may not be armed is found out here, because back ends differ: epoll
 * refuses a regular file with a warning, with changelist it is accepted and
 * never fires.
 */
int
evfi_fd_type(int fd, mode_t *type)
{
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0)
        return -EBADF;
    *type = st.st_mode & S_IFMT;
    if (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode) || S_ISBLK(st.st_mode))
        return -ENOTSUP;
    return 0;
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

struct neighbour {
    evutil_socket_t fd;
    short edge;
};

/* Libevent walks its events in the order of their fds, then signals, timers. */
static int
look_for_edge(const struct event_base *base, const struct event *event,
    void *arg)
{
    struct neighbour *neighbour = arg;
    evutil_socket_t fd = event_get_fd(event);
    short events = event_get_events(event);

    (void)base;
    if ((events & (EV_READ | EV_WRITE | EV_CLOSED)) == 0)
        return 1;
    if (fd == neighbour->fd)
        neighbour->edge = events & EV_ET;
    return fd >= neighbour->fd;
}

/*
 * EV_ET, if the program has an edge-triggered event on its fd. Libevent keeps
 * one trigger for each fd, that of whoever came last, and in debug mode refuses
 * another: so ours has to be the program's.
 */
static short
edge_of_neighbour(const struct evfi_entry *entry)
{
    struct event_base *base = entry->reactor->base;
    struct neighbour neighbour = {.fd = entry->fd};

    if (!entry->own && (event_base_get_features(base) & EV_FEATURE_ET))
        event_base_foreach_event(base, look_for_edge, &neighbour);
    return neighbour.edge;
}

/* Where poll(2) cannot tell a close, libevent has no event for it either. */
#ifndef POLLRDHUP
#define POLLRDHUP 0
#endif

/* What is so already is no edge any more. */
static void
activate_if_ready(struct evfi_entry *entry, short events)
{
    struct pollfd pollfd = {.fd = entry->fd};
    short ready = 0;
    int n;

    if (events & EV_READ)
        pollfd.events |= POLLIN;
    if (events & EV_WRITE)
        pollfd.events |= POLLOUT;
    if (events & EV_CLOSED)
        pollfd.events |= POLLRDHUP;
    do
        n = poll(&pollfd, 1, 0);
    while (n < 0 && errno == EINTR);
    if (n <= 0)
        return;
    if (pollfd.revents & ~(POLLOUT | POLLRDHUP))
        ready |= events & EV_READ;
    if (pollfd.revents & ~(POLLIN | POLLRDHUP))
        ready |= events & EV_WRITE;
    if (pollfd.revents & POLLRDHUP)
        ready |= events & EV_CLOSED;
    event_active(&entry->event, ready, 1);
}

int
evfi_entry_arm(struct evfi_entry *entry, uint32_t signals)
{
    short events;

    if (entry->muted)
        signals = 0;
    if (signals == entry->armed)
        return 0;
    if (entry->armed != 0)
        event_del(&entry->event);
    entry->armed = 0;
    if (signals == 0)
        return 0;
    events = events_of(entry->reactor, signals) | edge_of_neighbour(entry);
    evfi_internal_event_assign(&entry->event, entry->reactor->base, entry->fd,
        events, evfi_entry_on_ready, entry);
    errno = 0;
    if (event_add(&entry->event, NULL) < 0)
        return errno != 0 ? -errno : -EINVAL;
    entry->armed = (uint8_t)signals;
    if (events & EV_ET)
        activate_if_ready(entry, events);
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

static int
open_entry(struct evfi_entry *entry, evf_reactor *reactor, int fd,
    void (*release)(struct evfi_entry *entry))
{
    int err = map(reactor, fd, entry);

    if (err < 0)
        return err;
    evfi_list_init(&entry->interests);
    entry->reactor = reactor;
    entry->fd = fd;
    entry->refs = 1;
    entry->release = release;
    return 0;
}

int
evfi_entry_open(struct evfi_entry *entry, evf_reactor *reactor, int fd,
    void (*release)(struct evfi_entry *entry))
{
    if (reactor->closing)
        return -ESHUTDOWN;
    if (mapped(reactor, fd) != NULL)
        return -EEXIST;
    entry->own = true;
    entry->hint = EVF_WRITABLE;
    return open_entry(entry, reactor, fd, release);
}

static void
host_release(struct evfi_entry *entry)
{
    evfi_release(entry);
}

/*
 * An entry of the program's is kept for the next wait, which need not ask for
 * memory, unless somebody still looks at it.
 */
static void
retire(struct evfi_entry *entry, evf_reactor *reactor)
{
    entry->fd = -1;
    if (entry->refs == 1 && reactor->spare == NULL && !reactor->closing)
        reactor->spare = entry;
    else
        evfi_entry_unref(entry);
}

void
evfi_entry_unmap(struct evfi_entry *entry)
{
    evf_reactor *reactor = entry->reactor;

    if (!evfi_entry_live(entry))
        return;
    evfi_entry_arm(entry, 0);
    event_debug_unassign(&entry->event);
    reactor->entries[entry->fd] = NULL;
    entry->reactor = NULL;
    entry->hint = 0;
    if (!entry->own)
        retire(entry, reactor);
}

int
evfi_entry_find(struct evfi_entry **found, evf_reactor *reactor, int fd)
{
    struct evfi_entry *entry = fd >= 0 ? mapped(reactor, fd) : NULL;
    mode_t type;
    int err;

    if (entry == NULL) {
        err = evfi_fd_type(fd, &type);
        if (err < 0)
            return err;
        entry = reactor->spare;
        reactor->spare = NULL;
        if (entry == NULL)
            entry = evfi_allocate(sizeof(*entry));
        if (entry == NULL)
            return -ENOMEM;
        memset(entry, 0, sizeof(*entry));
        err = open_entry(entry, reactor, fd, host_release);
        if (err < 0) {
            evfi_release(entry);
            return err;
        }
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

int
evfi_entry_close(struct evfi_entry *entry)
{
    int fd = entry->fd;

    entry->refs++;
    evfi_entry_unmap(entry);
    entry->reactor = NULL;
    entry->fd = -1;
    evfi_entry_cut_loose(entry, -EBADF);
    evfi_entry_unref(entry);
    return fd;
}

void
evfi_entry_detach(struct evfi_entry *entry)
{
    entry->refs++;
    evfi_entry_unmap(entry);
    evfi_entry_cut_loose(entry, -ESHUTDOWN);
    evfi_entry_unref(entry);
}

void
evfi_entry_mute(struct evfi_entry *entry)
{
    entry->muted = true;
    evfi_entry_arm(entry, 0);
}

void
evfi_entry_unmute(struct evfi_entry *entry)
{
    entry->muted = false;
    if (evfi_entry_live(entry))
        evfi_entry_rouse(entry);
}
