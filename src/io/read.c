/* SPDX-License-Identifier: BSD-3-Clause */
#include <evfuture/socket.h>

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/operation-internal.h"

/* A fd that would block, and whose flags are not ours, is polled first. */
static ssize_t
read_file(const struct evfi_entry *entry, void *buf, size_t len)
{
    int ready;

    if (!(entry->detail & EVFI_FD_NONBLOCK)) {
        ready = evfi_fd_poll(entry->fd, POLLIN);
        if (ready <= 0) {
            errno = ready < 0 ? -ready : EAGAIN;
            return -1;
        }
    }
    return read(entry->fd, buf, len);
}

/*
 * A short read has drained the socket, most likely: the next one waits for
 * libevent to say otherwise, in place of a call in vain.
 */
static inline intptr_t
try_read(struct evfi_operation *operation)
{
    struct evfi_entry *entry = operation->entry;
    size_t len = operation->u.bytes.len;
    ssize_t n;

    do {
        if (entry->detail & EVFI_FD_SOCKET)
            n = recv(entry->fd, operation->u.bytes.buf, len, MSG_DONTWAIT);
        else
            n = read_file(entry, operation->u.bytes.buf, len);
    } while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;
    if ((size_t)n < len && !(entry->detail & EVFI_FD_DEVICE))
        entry->hint &= (uint8_t)~EVF_READABLE;
    return n;
}

static enum evf_poll
read_poll(evf_future *self, evf_context *cx)
{
    return evfi_operation_poll((struct evfi_operation *)self, cx, EVF_READABLE,
        try_read);
}

static const evf_future_ops read_ops = {
    .size = sizeof(struct evfi_operation),
    .name = "read",
    .poll = read_poll,
    .drop = evfi_operation_drop,
    .visit = evfi_operation_visit,
};

evf_future *
evf_read(evf_op *op, evf_socket *socket, void *buf, size_t len)
{
    struct evfi_operation *operation;

    if (socket == NULL)
        return evf_future_failed(-EBADF);
    if (len == 0)
        return evfi_operation_nothing(op, &socket->entry);
    operation = evfi_operation_claim(op, &read_ops, &socket->entry);
    if (evfi_future_is_real(operation)) {
        operation->u.bytes.buf = buf;
        operation->u.bytes.len = len;
    }
    return (evf_future *)operation;
}
