/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef EVFI_ENTRY_INTERNAL_H
#define EVFI_ENTRY_INTERNAL_H

#include "reactor/reactor-internal.h"

/*
 * One file descriptor of a reactor: one libevent event, and those who wait.
 *
 * A socket of ours contains its entry, which is armed lazily and stays armed
 * from wait to wait. An entry for a descriptor of the program's exists, and is
 * armed, exactly while somebody waits, because its close would go unseen.
 */
struct evfi_entry {
    evf_reactor *reactor; /* NULL once closed, or the executor is gone */
    int fd;               /* -1 once closed, or the program's wait is over */
    uint32_t refs;        /* at 0 `release` is called */
    uint8_t armed;        /* the signals that `event` is added for */
    uint8_t hint;         /* the signals to expect: a wrong one costs a call */
    bool own;             /* part of a socket */
    uint8_t detail;       /* the socket's */
    uint32_t waiting[3];  /* interests in each signal */
    struct evfi_list interests; /* in the order of registration */
    void (*release)(struct evfi_entry *entry);
    struct event event;
};

/*
 * Opens the entry of a socket of ours, zeroed before, with one reference.
 * 0, -EBADF, -ENOTSUP, -EEXIST, -ENOMEM.
 */
int evfi_entry_open(struct evfi_entry *entry, evf_reactor *reactor, int fd,
    void (*release)(struct evfi_entry *entry));

/*
 * Ends it: no event on the fd, which is returned and still open; then whoever
 * waited is woken, with nothing occurred.
 */
int evfi_entry_close(struct evfi_entry *entry);

/* The same when the executor goes: the entry keeps its fd. */
void evfi_entry_detach(struct evfi_entry *entry);

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
 * evf_reactor_add_io_event_interest().
 */
int evfi_entry_wait(struct evfi_entry *entry, evf_interest *interest,
    evf_event event, const evf_waker *waker);

/* The entry of a fd of the program's: found, or made with one reference. */
int evfi_entry_find(struct evfi_entry **entry, evf_reactor *reactor, int fd);

#endif
