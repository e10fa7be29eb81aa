/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef EVFI_ENTRY_INTERNAL_H
#define EVFI_ENTRY_INTERNAL_H

#include <sys/stat.h>

#include "core/waker-internal.h"
#include "reactor/reactor-internal.h"

/*
 * One file descriptor of a reactor: one libevent event, and those who wait.
 *
 * A socket of ours contains its entry, which is armed lazily and stays armed
 * from wait to wait. An entry for a descriptor of the program's exists, and is
 * armed, exactly while somebody waits, because its close would go unseen.
 *
 * An interest is registered while it is in `interests`: its `entry` is set, and
 * both `occurred` and `error` are 0. One that is about to be woken has left
 * the entry, which may be gone, for a list on the stack of whoever wakes.
 */
struct evfi_entry {
    evf_reactor *reactor; /* NULL once closed, or the executor is gone */
    int fd;               /* -1 once closed, or the program's wait is over */
    uint32_t refs;        /* at 0 `release` is called */
    uint8_t armed;        /* the signals that `event` is added for */
    /* The signals to expect, of a live entry. A wrong one costs a call; none is
     * set while an interest in it is registered. */
    uint8_t hint;
    uint8_t detail;      /* the socket's */
    bool own;            /* part of a socket */
    bool muted;          /* armed for nothing, whoever waits */
    uint32_t waiting[3]; /* interests in each signal; the program's fds only */
    struct evfi_list interests; /* in the order of registration */
    void (*release)(struct evfi_entry *entry);
    struct event event;
};

/*
 * The type of a file that can be waited for: 0; -EBADF if it is not open;
 * -ENOTSUP for a file or a directory, which are always ready.
 */
int evfi_fd_type(int fd, mode_t *type);

/*
 * Opens the entry of a socket of ours, zeroed before, with one reference, on a
 * descriptor that can be waited for. 0, -EEXIST, -ENOMEM, -ESHUTDOWN.
 */
int evfi_entry_open(struct evfi_entry *entry, evf_reactor *reactor, int fd,
    void (*release)(struct evfi_entry *entry));

/*
 * Ends it: no event on the fd, which is returned and still open; then whoever
 * waited is woken, with nothing occurred.
 */
int evfi_entry_close(struct evfi_entry *entry);

/* The same when the executor goes: a socket keeps its fd. */
void evfi_entry_detach(struct evfi_entry *entry);

/*
 * Has the entry of a socket armed for nothing, for a while, whoever waits; then
 * wakes them all, to try again, in their order.
 */
void evfi_entry_mute(struct evfi_entry *entry);
void evfi_entry_unmute(struct evfi_entry *entry);

void evfi_entry_unref(struct evfi_entry *entry);

/*
 * Why an entry that no longer waits for anything cannot: 0 if it can, -EBADF
 * once closed, -ESHUTDOWN once the executor is gone.
 */
static inline int
evfi_entry_error(const struct evfi_entry *entry)
{
    if (entry->reactor != NULL)
        return 0;
    return entry->fd < 0 ? -EBADF : -ESHUTDOWN;
}

/* 0, or -EINVAL for signals that cannot be waited for. */
int evfi_entry_check(evf_event event);

/*
 * Registers an interest, of checked signals, on a live entry; clears its
 * signals' hints, and arms. The errors of
 * evf_reactor_add_io_event_interest(), on which it is not registered.
 */
int evfi_entry_wait(struct evfi_entry *entry, evf_interest *interest,
    evf_event event, const evf_waker *waker);

/* The same with a waker that was cloned already, and is taken. */
int evfi_entry_wait_owned(struct evfi_entry *entry, evf_interest *interest,
    evf_event event, evf_waker waker);

/*
 * evfi_entry_wait() for one signal, under a drawn id, in the steady state of a
 * socket, where it comes to a few stores: there is nothing to be armed, and the
 * waker is one of ours. False if it is not so: nothing has been done.
 */
static inline bool
evfi_entry_await_quickly(struct evfi_entry *entry, evf_interest *interest,
    uint32_t signal, const evf_waker *waker)
{
    if (!(entry->armed & signal) || interest->entry != NULL ||
        waker->ops == NULL || waker->ops->clone != evfi_counted_clone)
        return false;
    interest->event = (evf_event){0, signal};
    interest->occurred = 0;
    interest->error = 0;
    interest->entry = entry;
    interest->waker = evfi_waker_clone(waker);
    evfi_list_append(&entry->interests, &interest->link);
    entry->hint &= (uint8_t)~signal;
    return true;
}

/*
 * An operation whose interest has not been woken yet is polled again: keeps its
 * place, and takes the latest waker.
 */
static inline int
evfi_entry_await_again(struct evfi_entry *entry, evf_interest *interest,
    const evf_waker *waker)
{
    if (evf_waker_will_wake(&interest->waker, waker))
        return 0;
    return evfi_entry_wait(entry, interest,
        (evf_event){0, interest->event.signals}, waker);
}

/* The entry of a fd of the program's: found, or made with one reference. */
int evfi_entry_find(struct evfi_entry **entry, evf_reactor *reactor, int fd);

/* --- between entry.c and interest.c --- */

/* Whether the map knows the entry. */
static inline bool
evfi_entry_live(const struct evfi_entry *entry)
{
    return entry->reactor != NULL && entry->fd >= 0;
}

/* Makes libevent's event be for `signals`, if it is not. 0 or -errno. */
int evfi_entry_arm(struct evfi_entry *entry, uint32_t signals);

/* The map forgets the entry, and no event is left on its fd. */
void evfi_entry_unmap(struct evfi_entry *entry);

/* The callback of `event`. The entry may be gone afterwards. */
void evfi_entry_on_ready(evutil_socket_t fd, short what, void *arg);

/* Wakes all who wait, with nothing occurred but `error`. */
void evfi_entry_cut_loose(struct evfi_entry *entry, int error);

/* Has all who wait try again: they are woken, and meet the error themselves. */
void evfi_entry_rouse(struct evfi_entry *entry);

#endif
