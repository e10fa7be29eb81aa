/* SPDX-License-Identifier: BSD-3-Clause */
#include <evfuture/message.h>

#include <errno.h>
#include <sys/socket.h>

#include "io/operation-internal.h"

#ifndef MSG_CMSG_CLOEXEC
#define MSG_CMSG_CLOEXEC 0
#endif

/* What poll(2) does not wait for: such a call is made once, at once. */
#ifdef MSG_ERRQUEUE
#define UNAWAITED (MSG_OOB | MSG_ERRQUEUE)
#else
#define UNAWAITED MSG_OOB
#endif

static intptr_t
try_sendmsg(struct evfi_operation *operation)
{
    int flags = operation->u.message.flags | MSG_DONTWAIT | MSG_NOSIGNAL;
    ssize_t n;

    do
        n = sendmsg(operation->entry->fd, operation->u.message.message, flags);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

static enum evf_poll
sendmsg_poll(evf_future *self, evf_context *cx)
{
    return evfi_operation_poll((struct evfi_operation *)self, cx, EVF_WRITABLE,
        try_sendmsg);
}

/*
 * A message is as much as the socket holds, most likely: the next call waits,
 * unless this one has only looked.
 */
static intptr_t
try_recvmsg(struct evfi_operation *operation)
{
    int flags = operation->u.message.flags;
    ssize_t n;

    do
        n = recvmsg(operation->entry->fd, operation->u.message.message,
            flags | MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;
    if (!(flags & (MSG_PEEK | UNAWAITED)))
        operation->entry->hint &= (uint8_t)~EVF_READABLE;
    return n;
}

/* An end that no call has told is told as recvmsg(2) would: with nothing. */
static void
tell_end(struct msghdr *message)
{
    message->msg_namelen = 0;
    message->msg_controllen = 0;
    message->msg_flags = 0;
}

static enum evf_poll
recvmsg_poll(evf_future *self, evf_context *cx)
{
    struct evfi_operation *operation = (struct evfi_operation *)self;
    int err = evfi_entry_error(operation->entry);
    enum evf_poll poll;

    if (operation->u.message.flags & UNAWAITED)
        return evf_future_ready(self, err < 0 ? err : try_recvmsg(operation));
    poll = evfi_operation_poll(operation, cx, EVF_READABLE, try_recvmsg);
    if (poll == EVF_READY && operation->op.detail)
        tell_end(operation->u.message.message);
    return poll;
}

static const evf_future_ops sendmsg_ops = {
    .size = sizeof(struct evfi_operation),
    .name = "sendmsg",
    .poll = sendmsg_poll,
    .drop = evfi_operation_drop,
    .visit = evfi_operation_visit,
};

static const evf_future_ops recvmsg_ops = {
    .size = sizeof(struct evfi_operation),
    .name = "recvmsg",
    .poll = recvmsg_poll,
    .drop = evfi_operation_drop,
    .visit = evfi_operation_visit,
};

static evf_future *
message_new(evf_op *op, const evf_future_ops *ops, evf_socket *socket,
    struct msghdr *message, int flags)
{
    struct evfi_operation *operation;

    if (!evfi_socket_is_real(socket))
        return evf_future_failed(-EBADF);
    if (message == NULL)
        return evf_future_failed(-EINVAL);
    if (!(socket->entry.detail & EVFI_FD_SOCKET))
        return evf_future_failed(-ENOTSOCK);
    operation = evfi_operation_claim(op, ops, &socket->entry);
    if (evfi_future_is_real(operation)) {
        operation->u.message.message = message;
        operation->u.message.flags = flags;
    }
    return (evf_future *)operation;
}

evf_future *
evf_sendmsg(evf_op *op, evf_socket *socket, const struct msghdr *message,
    int flags)
{
    return message_new(op, &sendmsg_ops, socket,
        (struct msghdr *)(uintptr_t)message, flags);
}

evf_future *
evf_recvmsg(evf_op *op, evf_socket *socket, struct msghdr *message, int flags)
{
    return message_new(op, &recvmsg_ops, socket, message, flags);
}
