/* SPDX-License-Identifier: BSD-3-Clause */
#include <limits.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "sockets.h"
#include "sweep-row.h"

/* Rows of what waits for a descriptor, reads from it, or writes to it. */

#define WRITTEN "abc"
#define LENGTH  3

/* So much that it takes several calls. */
#define MUCH 600000
static const char much[MUCH];

static void
pair_make(struct sweep *s)
{
    s->socket = adopt_pair(&s->peer);
}

static void
pair_close(struct sweep *s)
{
    evf_socket *closed = s->socket;

    s->socket = NULL;
    evf_socket_close(closed);
}

static void
pair_done(struct sweep *s)
{
    evf_socket_close(s->socket);
    close(s->peer);
}

static void
peer_writes(struct sweep *s, unsigned n)
{
    (void)n;
    say(s->peer, WRITTEN);
}

static bool
succeeded(const struct sweep *s)
{
    return s->ended && !evf_failed(s->result);
}

/* What was not received is there for who comes next. */
static void
read_check(struct sweep *s)
{
    char rest[16];
    ssize_t n;

    if (succeeded(s))
        EXPECT(memcmp(s->buf, WRITTEN, LENGTH) == 0);
    if (s->socket == NULL)
        return;
    n = recv(evf_socket_fd(s->socket), rest, sizeof(rest), MSG_DONTWAIT);
    if (s->stepped == 1 && !succeeded(s))
        EXPECT(n == LENGTH && memcmp(rest, WRITTEN, LENGTH) == 0);
    else
        EXPECT(n == -1);
}

static evf_future *
read_some(struct sweep *s, evf_op *op)
{
    return evf_read(op, s->socket, s->buf, sizeof(s->buf));
}

static evf_future *
read_refused(struct sweep *s, unsigned i, intptr_t *result)
{
    *result = i == 0 ? -EBADF : 0;
    return evf_read(&s->op[0], i == 0 ? NULL : s->socket, s->buf, 0);
}

static evf_future *
receive(struct sweep *s, evf_op *op)
{
    s->iov[0] = (struct iovec){s->buf, sizeof(s->buf)};
    s->message = (struct msghdr){.msg_iov = s->iov, .msg_iovlen = 1};
    return evf_recvmsg(op, s->socket, &s->message, 0);
}

static evf_future *
receive_refused(struct sweep *s, unsigned i, intptr_t *result)
{
    *result = i == 0 ? -EBADF : -EINVAL;
    return evf_recvmsg(&s->op[0], i == 0 ? NULL : s->socket,
        i == 0 ? &s->message : NULL, 0);
}

/* The kernel takes nothing until the peer has read. */
static void
full_make(struct sweep *s)
{
    pair_make(s);
    s->stuffed = stuff(evf_socket_fd(s->socket));
}

static void
peer_reads(struct sweep *s, unsigned n)
{
    (void)n;
    s->received += drain(s->peer);
}

/* Nothing was written unless the future was ready. */
static void
write_check(struct sweep *s)
{
    peer_reads(s, 0);
    EXPECT(s->received - s->stuffed == (succeeded(s) ? LENGTH : 0));
}

/* A first part may have been. */
static void
write_all_check(struct sweep *s)
{
    peer_reads(s, 0);
    EXPECT(s->received <= MUCH);
    EXPECT(!succeeded(s) || s->received == MUCH);
}

static evf_future *
write_some(struct sweep *s, evf_op *op)
{
    return evf_write(op, s->socket, WRITTEN, LENGTH);
}

static evf_future *
write_refused(struct sweep *s, unsigned i, intptr_t *result)
{
    *result = i == 0 ? -EBADF : 0;
    return evf_write(&s->op[0], i == 0 ? NULL : s->socket, WRITTEN, 0);
}

static void
pieces(struct sweep *s)
{
    s->iov[0] = (struct iovec){(void *)(uintptr_t)WRITTEN, 1};
    s->iov[1] = (struct iovec){(void *)(uintptr_t)WRITTEN, LENGTH - 1};
}

static evf_future *
write_pieces(struct sweep *s, evf_op *op)
{
    pieces(s);
    return evf_writev(op, s->socket, s->iov, 2);
}

static evf_future *
pieces_refused(struct sweep *s, unsigned i, intptr_t *result)
{
    *result = i == 0 ? -EBADF : -EINVAL;
    if (i == 0)
        return evf_writev(&s->op[0], NULL, s->iov, 2);
    return evf_writev(&s->op[0], s->socket, s->iov, i == 1 ? IOV_MAX + 1 : -1);
}

static evf_future *
write_much(struct sweep *s, evf_op *op)
{
    return evf_write_all(op, s->socket, much, sizeof(much));
}

static evf_future *
much_refused(struct sweep *s, unsigned i, intptr_t *result)
{
    const intptr_t results[] = {-EBADF, 0, -EINVAL};
    const size_t lengths[] = {1, 0, (size_t)SSIZE_MAX + 1};

    *result = results[i];
    return evf_write_all(&s->op[0], i == 0 ? NULL : s->socket, much,
        lengths[i]);
}

static evf_future *
send_message(struct sweep *s, evf_op *op)
{
    pieces(s);
    s->message = (struct msghdr){.msg_iov = s->iov, .msg_iovlen = 2};
    return evf_sendmsg(op, s->socket, &s->message, 0);
}

static evf_future *
send_refused(struct sweep *s, unsigned i, intptr_t *result)
{
    *result = i == 0 ? -EBADF : -EINVAL;
    return evf_sendmsg(&s->op[0], i == 0 ? NULL : s->socket,
        i == 0 ? &s->message : NULL, 0);
}

/* A descriptor of the program's. */
static void
fd_make(struct sweep *s)
{
    int fds[2];

    pair(fds);
    s->fd = fds[0];
    s->peer = fds[1];
}

static void
fd_done(struct sweep *s)
{
    close(s->fd);
    close(s->peer);
}

static evf_future *
wait_fd(struct sweep *s, evf_op *op)
{
    return evf_wait_fd(op, NULL, s->fd, EVF_READABLE);
}

static evf_future *
wait_fd_on(struct sweep *s, evf_op *op)
{
    return evf_wait_fd(op, executor, s->fd, EVF_READABLE);
}

/* No event is left on the fd, and what is to be read still is. */
static void
wait_check(struct sweep *s)
{
    EXPECT(events_on_fd(base, s->fd) == 0);
    EXPECT(readable(s->fd) == (s->stepped == 1));
}

static evf_future *
wait_refused(struct sweep *s, unsigned i, intptr_t *result)
{
    *result = i == 0 ? -EBADF : -EINVAL;
    return evf_wait_fd(&s->op[0], executor, i == 0 ? -1 : s->fd,
        i == 0       ? EVF_READABLE
            : i == 1 ? EVF_CLOSED
                     : 0);
}

const struct row socket_rows[] = {
    {.name = "evf_read",
        .steps = 1,
        .ends_with_it = true,
        .expected = LENGTH,
        .make = pair_make,
        .future = read_some,
        .step = peer_writes,
        .close = pair_close,
        .check = read_check,
        .done = pair_done,
        .refusals = 2,
        .refused = read_refused},
    {.name = "evf_recvmsg",
        .steps = 1,
        .ends_with_it = true,
        .expected = LENGTH,
        .make = pair_make,
        .future = receive,
        .step = peer_writes,
        .close = pair_close,
        .check = read_check,
        .done = pair_done,
        .refusals = 2,
        .refused = receive_refused},
    {.name = "evf_write",
        .steps = 1,
        .ends_with_it = true,
        .expected = LENGTH,
        .make = full_make,
        .future = write_some,
        .step = peer_reads,
        .close = pair_close,
        .check = write_check,
        .done = pair_done,
        .refusals = 2,
        .refused = write_refused},
    {.name = "evf_writev",
        .steps = 1,
        .ends_with_it = true,
        .expected = LENGTH,
        .make = full_make,
        .future = write_pieces,
        .step = peer_reads,
        .close = pair_close,
        .check = write_check,
        .done = pair_done,
        .refusals = 3,
        .refused = pieces_refused},
    {.name = "evf_sendmsg",
        .steps = 1,
        .ends_with_it = true,
        .expected = LENGTH,
        .make = full_make,
        .future = send_message,
        .step = peer_reads,
        .close = pair_close,
        .check = write_check,
        .done = pair_done,
        .refusals = 2,
        .refused = send_refused},
    {.name = "evf_write_all",
        .steps = 20,
        .at_most = true,
        .ends_with_it = true,
        .expected = MUCH,
        .make = pair_make,
        .future = write_much,
        .step = peer_reads,
        .close = pair_close,
        .check = write_all_check,
        .done = pair_done,
        .refusals = 3,
        .refused = much_refused},
    {.name = "evf_wait_fd",
        .steps = 1,
        .needs_executor = true,
        .ends_with_it = true,
        .expected = EVF_READABLE,
        .make = fd_make,
        .future = wait_fd,
        .step = peer_writes,
        .check = wait_check,
        .done = fd_done,
        .refusals = 3,
        .refused = wait_refused},
    {.name = "evf_wait_fd",
        .variant = "of an executor that is named",
        .steps = 1,
        .ends_with_it = true,
        .expected = EVF_READABLE,
        .make = fd_make,
        .future = wait_fd_on,
        .step = peer_writes,
        .check = wait_check,
        .done = fd_done},
    {.name = NULL},
};
