/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef EVFUTURE_MESSAGE_H
#define EVFUTURE_MESSAGE_H

#include <evfuture/socket.h>

EVF_C_BEGIN

/*
 * sendmsg(2) and recvmsg(2) for whatever a plain read cannot do: datagrams and
 * their addresses, file descriptors passed over Unix sockets, urgent data.
 */
struct msghdr;

/*
 * Sends once. `flags` are those of sendmsg(2); MSG_DONTWAIT and MSG_NOSIGNAL
 * are always added.
 *
 * Returns: the future: the number of bytes; -ENOTSOCK for a pipe or terminal;
 *   -EAGAIN where waiting would be in vain (socket.h), such as when the
 *   receiver of a Unix datagram is named in the message and has a full queue:
 *   connect(2) to it; the errors of sendmsg(2). NULL (-ENOMEM), the -EBUSY
 *   future, or the -EINVAL future for a NULL message.
 * Ownership: `message`, and what it points to, is pinned until the future is
 *   dropped.
 * Cancellation: nothing was sent unless the future was ready.
 * Context: loop thread.
 * Since: 0.1
 */
EVF_API evf_future *evf_sendmsg(evf_op *op, evf_socket *socket,
    const struct msghdr *message, int flags);

/*
 * Receives once. `flags` are those of recvmsg(2); MSG_DONTWAIT is always added,
 * and MSG_CMSG_CLOEXEC where the system has it. With MSG_OOB, and Linux's
 * MSG_ERRQUEUE, it does not wait, since what they ask for does not make a socket
 * readable: -EINVAL or -EAGAIN.
 *
 * Returns: the future: the number of bytes, and what recvmsg(2) writes to
 *   `message`; -ENOTSOCK for a pipe or terminal; -EAGAIN where waiting would be
 *   in vain (socket.h), such as for MSG_PEEK beyond what there is; its errors.
 *   NULL (-ENOMEM), the -EBUSY future, or the -EINVAL future for a NULL
 *   message.
 * Ownership: `message`, and what it points to, is pinned until the future is
 *   dropped. File descriptors received are the caller's.
 * Cancellation: loses no message.
 * Context: loop thread.
 * Since: 0.1
 */
EVF_API evf_future *evf_recvmsg(evf_op *op, evf_socket *socket,
    struct msghdr *message, int flags);

EVF_C_END

#endif
