/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef EVFUTURE_LISTENER_H
#define EVFUTURE_LISTENER_H

#include <evfuture/socket.h>

EVF_C_BEGIN

/*
 * A listener owns a listening socket. Accepting survives what a busy server
 * meets: a peer that is gone again (ECONNABORTED) is skipped, and when file
 * descriptors are out (EMFILE, ENFILE, ENOBUFS, ENOMEM) it tries again 100 ms
 * later, without spinning meanwhile.
 */
typedef struct evf_listener evf_listener;

/*
 * Takes over a listening file descriptor, from socket activation for example.
 * Its flags are not touched; if it would block it is polled first, which is not
 * enough where other processes accept from it too: set O_NONBLOCK there.
 *
 * Returns: 0; the errors of evf_socket_new(); -EINVAL for a socket that does
 *   not listen, -ENOTSOCK for what is none. `*listener` is written on success
 *   only.
 * Ownership: takes `fd` on success; returns owned.
 * Context: loop thread.
 * Since: 0.1
 */
EVF_API int evf_listener_new(evf_listener **listener, evf_executor *executor,
    int fd);

/*
 * Listens on an address of any stream family: socket, SO_REUSEADDR, bind and
 * listen in one. An IPv6 address listens for IPv6 only. `backlog` 0 means
 * SOMAXCONN.
 *
 * Returns: 0; the errors of those calls; -EINVAL for no address. `*listener` is
 *   written on success only.
 * Ownership: `address` is borrowed; returns owned.
 * Context: loop thread.
 * Since: 0.1
 */
EVF_API int evf_listen(evf_listener **listener, evf_executor *executor,
    const struct sockaddr *address, unsigned length, int backlog);

/*
 * Ends the listener: whoever waits gets -EBADF, the socket is closed. The file
 * of a Unix socket stays. NULL is fine.
 *
 * Ownership: takes.
 * Context: loop thread; after the executor is gone.
 * Since: 0.1
 */
EVF_API void evf_listener_close(evf_listener *listener);

/*
 * The listening file descriptor, for getsockname(); -1 for NULL.
 *
 * Ownership: borrowed.
 * Context: loop thread.
 * Since: 0.1
 */
EVF_API int evf_listener_fd(const evf_listener *listener);

/*
 * Accepts one connection.
 *
 * Returns: the future: an evf_socket *. -EBADF when the listener is closed or
 *   NULL; -EINVAL once it is shut down; -ESHUTDOWN after the executor is gone;
 *   errors of accept(2) that are not survived. NULL (-ENOMEM) if there is no
 *   memory for the future itself, or the -EBUSY future.
 * Ownership: holds a reference on the listener; the socket is the caller's.
 * Cancellation: loses no connection: it stays in the backlog.
 * Context: loop thread.
 * Since: 0.1
 */
EVF_API evf_future *evf_accept(evf_op *op, evf_listener *listener);

EVF_C_END

#endif
