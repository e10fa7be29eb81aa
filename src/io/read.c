/* SPDX-License-Identifier: BSD-3-Clause */
#include <evfuture/socket.h>

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/operation-internal.h"

/*
 * A fd that would block, and whose flags are not ours, is polled first; and so
 * is a device, because a terminal with a VMIN of 0 reads nothing in place of
 * waiting.
 */
static ssize_t
read_file(const struct evfi_entry *entry, void *buf, size_t len)
{
    bool device = entry->detail & EVFI_FD_DEVICE;
    int ready;

    if (device || !(entry->detail & EVFI_FD_NONBLOCK)) {
        ready = evfi_fd_poll(entry->fd, POLLIN);
        if (ready <= 0) {
            errno = ready < 0 ? -ready : EAGAIN;
            return -1;
        }
    }
    return read(entry->fd, buf, len);
}

static ssize_t
read_once(const struct evfi_operation *operation)
{
    const struct evfi_entry *entry = operation->entry;
    void *buf = operation->u.bytes.buf;
    size_t len = operation->u.bytes.len;

    if (entry->detail & EVFI_FD_SOCKET)
        return recv(entry->fd, buf, len, MSG_DONTWAIT);
    return read_file(entry, buf, len);
}

/* Another fd than a socket's, or interrupted. */
static __attribute__((noinline)) intptr_t
read_slowly(const struct evfi_operation *operation)
{
    ssize_t n;

    do
        n = read_once(operation);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

/*
 * A short read has drained the socket, most likely: the next one waits for
 * libevent to say otherwise, in place of a call in vain.
 */
static inline intptr_t
try_read(struct evfi_operation *operation)
{
    struct evfi_entry *entry = operation->entry;
    intptr_t n;

    if (entry->detail & EVFI_FD_SOCKET) {
        n = recv(entry->fd, operation->u.bytes.buf, operation->u.bytes.len,
            MSG_DONTWAIT);
        if (n < 0)
            n = errno == EINTR ? read_slowly(operation) : -errno;
    } else {
        n = read_slowly(operation);
    }
    if (n >= 0 && (size_t)n < operation->u.bytes.len &&
        !(entry->detail & EVFI_FD_DEVICE))
        entry->hint &= (uint8_t)~EVF_READABLE;
    return n;
}

/* Apart, so that the poll that only waits saves no registers. */
static __attribute__((noinline)) enum evf_poll
read_now(struct evfi_operation *operation, evf_context *cx)
{
    return evfi_operation_try(operation, cx, EVF_READABLE, try_read);
}

static enum evf_poll
read_poll(evf_future *self, evf_context *cx)
{
    struct evfi_operation *operation = (struct evfi_operation *)self;

    if (operation->entry->hint & EVF_READABLE)
        return read_now(operation, cx);
    return evfi_operation_await(operation, cx, EVF_READABLE, try_read);
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
    if (!evfi_op_is_free(op) || !evfi_socket_is_real(socket) || len == 0)
        return evfi_operation_bytes(op, &read_ops, socket, buf, len);
    return evfi_operation_set_bytes(evfi_operation_take(op, &read_ops,
                                        &socket->entry),
        buf, len);
}
