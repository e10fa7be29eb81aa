/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef EVFI_SOCKET_INTERNAL_H
#define EVFI_SOCKET_INTERNAL_H

#include <sys/socket.h>
#include <evfuture/socket.h>

#include "core/future-internal.h"
#include "reactor/entry-internal.h"

/* What an entry of ours says of its fd, in `detail`. */
#define EVFI_FD_SOCKET (1u << 0) /* takes MSG_DONTWAIT */
#define EVFI_FD_NONBLOCK                                                       \
    (1u << 1) /* read(2), write(2), accept(2) don't block */
#define EVFI_FD_DEVICE   (1u << 2) /* tried before each wait; see socket.c */
#define EVFI_FD_LISTENER (1u << 3)

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0
#define EVFI_SILENCE
#endif

/*
 * The entry's references are the socket's: one is the handle's until it is
 * closed, one each operation's, and one each evf_socket_ref()'s.
 */
struct evf_socket {
    struct evfi_entry entry;
};

/*
 * Whether there is a socket: neither NULL, nor an error that EVF_AWAIT stored
 * in the place of one.
 */
static inline bool
evfi_socket_is_real(const evf_socket *socket)
{
    return evfi_future_is_real(socket);
}

/* A socket that is not open yet, so that opening it need not ask for memory. */
evf_socket *evfi_socket_allocate(void);

/* Makes it one. The errors of evfi_entry_open(); it takes the fd if it can. */
int evfi_socket_open(evf_socket *socket, evf_reactor *reactor, int fd,
    uint8_t detail);

/* A new non-blocking socket(2): the fd or -errno. */
int evfi_socket_create(int family, int type, int protocol);

/* The flags of a fd that was just made and could not be made with them. */
int evfi_fd_set_flags(int fd);

/* EVFI_FD_NONBLOCK, if the fd is; its flags are only looked at. */
uint8_t evfi_fd_nonblock(int fd);

/*
 * poll(2) of one fd, without waiting: what it says of `events`, 0 for nothing,
 * or -errno.
 */
int evfi_fd_poll(int fd, short events);

#endif
