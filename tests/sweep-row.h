/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SWEEP_ROW_H
#define SWEEP_ROW_H

#include <netinet/in.h>
#include <netdb.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "support.h"

/*
 * The sweep's table has a row, or several, for each function that returns a
 * future. A row says how to make one and how the world helps it to its end, in
 * steps; the sweep interrupts that at every point, in every way.
 */
struct sweep;

struct row {
    const char *name; /* the function */
    const char *variant;
    unsigned steps;      /* that bring it to its end; each of them wakes */
    bool at_most;        /* or fewer of them, as the kernel likes */
    bool no_op;          /* the function takes no storage */
    bool needs_executor; /* -ENOTSUP under a foreign one */
    bool ends_with_it;   /* pending, it fails when the executor is freed */
    bool stubborn;       /* a request does not end it */
    bool close_goes_on;  /* `close` does not end it */
    intptr_t expected;   /* its result, unless it is `gives` or `sockets` */
    bool gives;          /* it yields gift 0 */
    bool sockets;        /* it yields an evf_socket */

    /* Makes what the future needs. */
    void (*make)(struct sweep *s);
    /* Constructs it; what it takes is the sweep's until then. */
    evf_future *(*future)(struct sweep *s, evf_op *op);
    /* The n-th step. */
    void (*step)(struct sweep *s, unsigned n);
    /* Ends what the future is about: its socket, its channel. */
    void (*close)(struct sweep *s);
    /* Looks for what its documentation promises, once it was dropped. */
    void (*check)(struct sweep *s);
    /* Releases what `make` made; the executor may be gone. */
    void (*done)(struct sweep *s);
    /* The i-th of so many wrong uses, and what that yields. */
    unsigned refusals;
    evf_future *(*refused)(struct sweep *s, unsigned i, intptr_t *result);
};

/*
 * What results and items are here, and the futures that yield them. Each must be
 * disposed of just once, if it was given away.
 */
struct gift {
    evf_future future; /* that yields it, or `error` */
    evf_waker waker;
    bool made; /* the future was */
    bool ready;
    bool given;
    int error;
    unsigned drops;
    unsigned disposals;
};

/* The i-th gift: as a future; lets that be ready; as an item or a result. */
evf_future *gift_future(struct sweep *s, unsigned i);
void gift_let(struct sweep *s, unsigned i, int error);
void *gift_give(struct sweep *s, unsigned i);
void gift_dispose(void *gift);
/* Ends a gift that was taken as a result; an error needs no end. */
void gift_end(intptr_t result);

/* The tables, each ended by a row without a name. */
extern const struct row core_rows[];
extern const struct row task_rows[];
extern const struct row bridge_rows[];
extern const struct row socket_rows[];
extern const struct row stream_rows[];

/* One run of a row. The first part is the sweep's, the rest the row's. */
struct sweep {
    const struct row *row;
    unsigned stepped; /* steps that were made */
    bool ended;       /* by itself, with `result` */
    intptr_t result;
    bool closed; /* `close` was called */

    struct gift gift[3];
    evf_op op[3];
    struct probe probe; /* of what a row polls by hand */
    evf_future *futures[3];
    intptr_t results[3];
    unsigned which, calls;
    evf_waker waker;
    evf_interval interval;
    evf_task *task;
    evf_group *group;
    evf_completer *completer;
    evf_channel *channel;
    evf_socket *socket;
    evf_listener *listener;
    evf_reader *reader;
    int peer; /* -1: none */
    int fd;   /* -1: none */
    size_t stuffed, received;
    char buf[16];
    char *data;
    struct iovec iov[2];
    struct msghdr message;
    struct sockaddr_in address[2];
    struct addrinfo list[2];
};

/* Says which run has failed. */
void sweep_fail(const char *file, int line, const char *what);
#define EXPECT(condition)                                                      \
    do {                                                                       \
        if (!(condition))                                                      \
            sweep_fail(__FILE__, __LINE__, #condition);                        \
    } while (0)

/* Polls once with the row's probe, and drops it if it is ready: its result. */
intptr_t poll_now(struct sweep *s, evf_future *future);

#endif
