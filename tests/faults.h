/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FAULTS_H
#define FAULTS_H

#include <unistd.h>

#include "io/operation-internal.h"
#include "sockets.h"

/*
 * System calls, and a few of libevent's and libc's, that fail when a test says
 * so, or transfer less than they could, and that are counted. The linker puts
 * the wrappers between (-Wl,--wrap=recv and so on).
 *
 *     break_next(CALL_RECV, 3, EINTR);        the next three
 *     ...
 *     ck_assert_uint_eq(calls(CALL_RECV), 4);
 */
enum call {
    CALL_ACCEPT4,
    CALL_BIND,
    CALL_CONNECT,
    CALL_EVENT_ADD, /* of events on a fd */
    CALL_EVENT_DEL,
    CALL_FCNTL,
    CALL_FSTAT,
    CALL_GETSOCKOPT,
    CALL_LISTEN,
    CALL_MEMMEM,
    CALL_POLL,
    CALL_READ,
    CALL_RECV,
    CALL_RECVMSG,
    CALL_SEND,
    CALL_SENDMSG,
    CALL_SETSOCKOPT,
    CALL_SOCKET,
    CALL_WRITEV,
    CALLS
};

/* A call that would block fails its case. */

/* No faults, and nothing counted: how each case begins. */
void faults_reset(void);

/* The next `times` calls fail with `error`; after `skip` that do not. */
void break_next(enum call call, unsigned times, int error);
void break_after(enum call call, unsigned skip, unsigned times, int error);

/* From here on a call transfers no more than this. */
void cap(enum call call, size_t bytes);

/* Calls since faults_reset(), failed ones included. */
unsigned calls(enum call call);

/* The bytes that CALL_MEMMEM was given to search. */
size_t bytes_searched(void);

/* The events that event_base_foreach_event() was told of. */
unsigned events_looked_at(void);

/* A socket with something to read, of which its entry knows. */
static inline evf_socket *
expecting(int *peer, const char *text)
{
    evf_socket *socket = adopt_pair(peer);

    say(*peer, text);
    socket->entry.hint |= EVF_READABLE;
    faults_reset();
    return socket;
}

static inline void
part(evf_socket *socket, int peer)
{
    evf_socket_close(socket);
    close(peer);
}

#endif
