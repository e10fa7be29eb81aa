/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SOCKETS_H
#define SOCKETS_H

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "support.h"

/*
 * What the tests of sockets share: descriptors on the loopback, and operations
 * that are polled by hand.
 *
 *     struct hand h = {0};
 *     int peer;
 *     evf_socket *socket = adopt_pair(&peer);
 *
 *     grasp(&h, evf_read(&h.op, socket, buf, sizeof(buf)));
 *     ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
 *     say(peer, "x");
 *     ck_assert(hand_woken(&h));
 *     ck_assert_int_eq(hand_end(&h), 1);
 */

/* The socket of a descriptor, in the case's executor. */
evf_socket *adopt(int fd);

/*
 * Libevent's debug mode aborts for a descriptor that would block, whoever adds
 * it: cases of such descriptors have nothing to say there.
 */
bool blocking_fds_abort(void);

/* One end of a Unix stream pair; the other one is the test's. */
evf_socket *adopt_pair(int *peer);

/* A connected pair of TCP sockets, non-blocking; fds[1] is the accepting end. */
void tcp_pair(int fds[2]);

/* Has a TCP socket's close reset the connection. */
void reset_on_close(int fd);

/* A pipe with these flags, such as O_NONBLOCK, on top of O_CLOEXEC. */
void make_pipe(int fds[2], int flags);

/* A terminal: its end for the program, raw, and the other side. */
void make_terminal(int *terminal, int *other);

/* An address of the loopback that listens, at a port of the system's choice. */
int listening(struct sockaddr_in *address);

/* One at which nobody listens, nor will. The descriptor keeps it so. */
int refusing(struct sockaddr_in *address);

/* The fd that the next socket(2), or dup(2), gives. */
int next_fd(void);

/* A client of an address that listens: connected, the backlog has it. */
int dial(const struct sockaddr_in *address);

/* The library's, to the same. */
evf_future *connect_to(evf_op *op, const struct sockaddr_in *address);

/* A result that must be a socket. */
evf_socket *as_socket(intptr_t result);

/* A Unix address in the kernel's name space, which leaves no file behind. */
socklen_t abstract(struct sockaddr_un *address, const char *name);

/*
 * An address at which a connection stays in progress: the backlog is full, so
 * that the kernel drops what comes.
 */
struct crowded {
    struct sockaddr_in address;
    int listener, fillers[8];
};
void crowd(struct crowded *c);
void disperse(struct crowded *c);

/* Sends, or takes, just this string. */
void say(int fd, const char *text);
void hear(int fd, const char *text);

/* Bytes that are not all the same, to be freed; takes just those. */
char *pattern(size_t len);
void hear_bytes(int fd, const char *expected, size_t len);

/* Fills what the kernel buffers for a writer; takes all of it out again. */
size_t stuff(int fd);
size_t drain(int fd);

/* Registers with the executor's reactor, under a drawn id: 0 or an error. */
int add(int fd, evf_interest *interest, uint32_t signals,
    const evf_waker *waker);

/* Whether an fd would give something to read, now; waits until it would. */
bool readable(int fd);
void until_readable(int fd);

/* Passes through the loop, more than anything here needs. */
void pass(void);

/* One pass through the loop. */
void pass_once(void);

/* An operation that a test polls by hand, with a waker that counts. */
struct hand {
    evf_op op; /* to be given to the constructor */
    struct probe probe;
    evf_future *future;
    unsigned seen; /* wakes that hand_woken() has told of */
};

/* Takes the future, which must be one. */
void grasp(struct hand *hand, evf_future *future);

/* Polls, under the case's executor; under another one, or none. */
enum evf_poll hand_poll(struct hand *hand);
enum evf_poll hand_poll_on(struct hand *hand, evf_executor *on);

/* Polls as the await rule does when a cancel request is in force. */
enum evf_poll hand_poll_last(struct hand *hand);

/* Whether it was woken since it was last asked, after a pass. */
bool hand_woken(struct hand *hand);

/* Polls to the end, running the loop meanwhile, and drops: the result. */
intptr_t hand_end(struct hand *hand);

/* Drops; no waker is left behind. */
void let_go(struct hand *hand);

/* The result of awaiting a future, of which the loop may run as it likes. */
intptr_t finish_now(evf_future *future);

/*
 * A waker whose wake, at its first time, calls `act`: arbitrary code, in the
 * middle of what the library does.
 */
struct trap {
    evf_waker waker;
    void (*act)(void *arg);
    void (*on_clone)(void *arg); /* at its first clone; NULL at first */
    void *arg;
    unsigned wakes;
    int live; /* clones that are out */
};
void trap_init(struct trap *trap, void (*act)(void *arg), void *arg);

#endif
