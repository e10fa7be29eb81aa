/* SPDX-License-Identifier: BSD-3-Clause */
#include <evfuture/socket.h>

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/operation-internal.h"

#ifndef IOV_MAX
#define IOV_MAX 1024
#endif

/*
 * How much a pipe takes without blocking when poll(2) says that it is writable.
 */
#ifndef PIPE_BUF
#define PIPE_BUF 512
#endif

/*
 * Calls in a row with which a write of everything fills a pipe before it waits.
 * A device is not waited for while it takes more; see socket.c.
 */
#define ROUNDS 16

/*
 * write(2) to a pipe without a reader raises SIGPIPE, for which there is no
 * flag. So it is blocked meanwhile, and taken back before it is delivered,
 * unless the program had one pending already.
 */
struct hush {
    sigset_t signal;
    sigset_t before;
    bool pending;
};

static bool
sigpipe_pending(void)
{
    sigset_t pending;

    return sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE) == 1;
}

static void
hush_begin(struct hush *hush)
{
    sigemptyset(&hush->signal);
    sigaddset(&hush->signal, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &hush->signal, &hush->before);
    hush->pending = sigismember(&hush->before, SIGPIPE) == 1 &&
        sigpipe_pending();
}

static void
hush_end(const struct hush *hush, bool broken)
{
    int taken;

    if (broken && !hush->pending && sigpipe_pending())
        sigwait(&hush->signal, &taken);
    pthread_sigmask(SIG_SETMASK, &hush->before, NULL);
}

static ssize_t
writev_quietly(int fd, const struct iovec *iov, int count)
{
    struct hush hush;
    ssize_t n;
    int err;

    hush_begin(&hush);
    n = writev(fd, iov, count);
    err = errno;
    hush_end(&hush, n < 0 && err == EPIPE);
    errno = err;
    return n;
}

/*
 * The front of some pieces that is no longer than PIPE_BUF: whole ones, or a
 * part of the first, which is put into `part`.
 */
static const struct iovec *
front(const struct iovec *iov, int *count, struct iovec *part)
{
    size_t total = 0;
    int n = 0;

    while (n < *count && iov[n].iov_len <= PIPE_BUF - total)
        total += iov[n++].iov_len;
    if (total > 0 || n == *count) {
        *count = n;
        return iov;
    }
    part->iov_base = iov[n].iov_base;
    part->iov_len = PIPE_BUF;
    *count = 1;
    return part;
}

/* A fd that would block, and whose flags are not ours, is polled first. */
static ssize_t
write_file(const struct evfi_entry *entry, const struct iovec *iov, int count)
{
    struct iovec part;
    int ready;

    if (!(entry->detail & EVFI_FD_NONBLOCK)) {
        ready = evfi_fd_poll(entry->fd, POLLOUT);
        if (ready <= 0) {
            errno = ready < 0 ? -ready : EAGAIN;
            return -1;
        }
        iov = front(iov, &count, &part);
    }
    return writev_quietly(entry->fd, iov, count);
}

static ssize_t
write_once(const struct evfi_operation *operation)
{
    const struct evfi_entry *entry = operation->entry;
    struct iovec iov = {operation->u.bytes.buf, operation->u.bytes.len};

    if (entry->detail & EVFI_FD_SOCKET)
        return send(entry->fd, iov.iov_base, iov.iov_len,
            MSG_DONTWAIT | MSG_NOSIGNAL);
    return write_file(entry, &iov, 1);
}

/* Another fd than a socket's, or interrupted. */
static __attribute__((noinline)) intptr_t
write_slowly(const struct evfi_operation *operation)
{
    ssize_t n;

    do
        n = write_once(operation);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

/* One call. */
static inline __attribute__((always_inline)) intptr_t
write_some(const struct evfi_operation *operation)
{
    const struct evfi_entry *entry = operation->entry;
    ssize_t n;

    if (!(entry->detail & EVFI_FD_SOCKET))
        return write_slowly(operation);
    n = send(entry->fd, operation->u.bytes.buf, operation->u.bytes.len,
        MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n >= 0)
        return n;
    return errno == EINTR ? write_slowly(operation) : -errno;
}

/* A socket that took a part is full. */
static inline intptr_t
try_write(struct evfi_operation *operation)
{
    struct evfi_entry *entry = operation->entry;
    intptr_t n = write_some(operation);

    if (n >= 0 && (size_t)n < operation->u.bytes.len &&
        (entry->detail & EVFI_FD_SOCKET))
        entry->hint &= (uint8_t)~EVF_WRITABLE;
    return n;
}

static enum evf_poll
write_poll(evf_future *self, evf_context *cx)
{
    return evfi_operation_poll((struct evfi_operation *)self, cx, EVF_WRITABLE,
        try_write);
}

/*
 * A part was written, of everything: a socket is full. Each part is accounted
 * for before anything else, since the next poll goes on from there, for which
 * waiting is not in vain.
 */
static __attribute__((noinline)) intptr_t
write_rest(struct evfi_operation *operation, size_t n)
{
    struct evfi_entry *entry = operation->entry;
    bool device = entry->detail & EVFI_FD_DEVICE;
    intptr_t more = (intptr_t)n;

    for (int round = 0;; round++) {
        operation->u.bytes.buf += more;
        operation->u.bytes.len -= (size_t)more;
        operation->u.bytes.done += (size_t)more;
        if (operation->u.bytes.len == 0)
            return (intptr_t)operation->u.bytes.done;
        if ((entry->detail & EVFI_FD_SOCKET) || (round == ROUNDS && !device))
            break;
        more = write_some(operation);
        if (more == 0 || more == -EAGAIN)
            break;
        if (more < 0)
            return more;
    }
    entry->hint &= (uint8_t)~EVF_WRITABLE;
    return -EAGAIN;
}

static inline __attribute__((always_inline)) intptr_t
try_write_all(struct evfi_operation *operation)
{
    intptr_t n = write_some(operation);

    if (n < 0)
        return n;
    if ((size_t)n < operation->u.bytes.len)
        return write_rest(operation, (size_t)n);
    return (intptr_t)operation->u.bytes.done + n;
}

static enum evf_poll
write_all_poll(evf_future *self, evf_context *cx)
{
    return evfi_operation_poll((struct evfi_operation *)self, cx, EVF_WRITABLE,
        try_write_all);
}

static intptr_t
try_writev(struct evfi_operation *operation)
{
    struct evfi_entry *entry = operation->entry;
    struct msghdr message = {
        .msg_iov = (struct iovec *)(uintptr_t)operation->u.pieces.iov,
    };
    int count = operation->u.pieces.count;
    ssize_t n;

    message.msg_iovlen = (size_t)count;
    do {
        if (entry->detail & EVFI_FD_SOCKET)
            n = sendmsg(entry->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
        else
            n = write_file(entry, operation->u.pieces.iov, count);
    } while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

static enum evf_poll
writev_poll(evf_future *self, evf_context *cx)
{
    return evfi_operation_poll((struct evfi_operation *)self, cx, EVF_WRITABLE,
        try_writev);
}

static const evf_future_ops write_ops = {
    .size = sizeof(struct evfi_operation),
    .name = "write",
    .poll = write_poll,
    .drop = evfi_operation_drop,
    .visit = evfi_operation_visit,
};

static const evf_future_ops write_all_ops = {
    .size = sizeof(struct evfi_operation),
    .name = "write_all",
    .poll = write_all_poll,
    .drop = evfi_operation_drop,
    .visit = evfi_operation_visit,
};

static const evf_future_ops writev_ops = {
    .size = sizeof(struct evfi_operation),
    .name = "writev",
    .poll = writev_poll,
    .drop = evfi_operation_drop,
    .visit = evfi_operation_visit,
};

static inline evf_future *
write_new(evf_op *op, const evf_future_ops *ops, evf_socket *socket,
    const void *buf, size_t len)
{
    if (!evfi_op_is_free(op) || !evfi_socket_is_real(socket) || len == 0)
        return evfi_operation_bytes(op, ops, socket, buf, len);
    return evfi_operation_set_bytes(evfi_operation_take(op, ops,
                                        &socket->entry),
        buf, len);
}

evf_future *
evf_write(evf_op *op, evf_socket *socket, const void *buf, size_t len)
{
    return write_new(op, &write_ops, socket, buf, len);
}

evf_future *
evf_write_all(evf_op *op, evf_socket *socket, const void *buf, size_t len)
{
    if (len > SSIZE_MAX)
        return evf_future_failed(-EINVAL);
    return write_new(op, &write_all_ops, socket, buf, len);
}

evf_future *
evf_writev(evf_op *op, evf_socket *socket, const struct iovec *iov, int count)
{
    struct evfi_operation *operation;

    if (!evfi_socket_is_real(socket))
        return evf_future_failed(-EBADF);
    if (count < 0 || count > IOV_MAX || (iov == NULL && count > 0))
        return evf_future_failed(-EINVAL);
    if (count == 0)
        return evfi_operation_bytes(op, &writev_ops, socket, NULL, 0);
    operation = evfi_operation_claim(op, &writev_ops, &socket->entry);
    if (evfi_future_is_real(operation)) {
        operation->u.pieces.iov = iov;
        operation->u.pieces.count = count;
    }
    return (evf_future *)operation;
}
