/* SPDX-License-Identifier: BSD-3-Clause */
#include <evfuture/socket.h>

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/context-internal.h"
#include "core/future-internal.h"
#include "core/op-internal.h"
#include "io/operation-internal.h"
#include "io/socket-internal.h"

struct connect {
    struct evfi_op op;
    evf_interest interest; /* registered while an attempt waits */
    /* Allocated; open during an attempt; NULL when it is the result. */
    evf_socket *socket;
    const struct addrinfo *list; /* the address in turn; NULL: `address` */
    const struct sockaddr *address;
    socklen_t length;
};

EVFI_OP_FITS(struct connect);

/* Begins an attempt: 0 if it is connected, -EINPROGRESS, or its error. */
static int
attempt(struct connect *c, evf_reactor *reactor)
{
    const struct addrinfo *list = c->list;
    const struct sockaddr *address = list ? list->ai_addr : c->address;
    socklen_t length = list ? (socklen_t)list->ai_addrlen : c->length;
    int fd, err;

    fd = evfi_socket_create(list ? list->ai_family : address->sa_family,
        list ? list->ai_socktype : SOCK_STREAM, list ? list->ai_protocol : 0);
    if (fd < 0)
        return fd;
    err = evfi_socket_open(c->socket, reactor, fd,
        EVFI_FD_SOCKET | EVFI_FD_NONBLOCK);
    if (err < 0) {
        close(fd);
        return err;
    }
    if (connect(fd, address, length) == 0)
        return 0;
    /* An interrupted one goes on all the same. */
    return errno == EINTR ? -EINPROGRESS : -errno;
}

/* Closes an attempt that failed, so that the socket is fit for another. */
static void
give_up(struct connect *c)
{
    int fd;

    evf_interest_remove(&c->interest);
    if (c->socket->entry.refs == 0)
        return;
    fd = evfi_entry_close(&c->socket->entry);
    if (fd >= 0)
        close(fd);
    memset(c->socket, 0, sizeof(*c->socket));
    c->interest.occurred = 0;
}

/* How an attempt has ended: 0, its error, or -EINPROGRESS. */
static int
outcome(const struct connect *c)
{
    socklen_t length = sizeof(int);
    int fd = c->socket->entry.fd, error = 0, ready;

    if (!(c->interest.occurred & EVF_WRITABLE)) {
        ready = evfi_fd_poll(fd, POLLOUT);
        if (ready <= 0)
            return ready < 0 ? ready : -EINPROGRESS;
    }
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0)
        return -errno;
    return -error;
}

/*
 * Goes on from what an attempt has come to: awaits it, tries the next address,
 * or ends.
 */
static enum evf_poll
go_on(struct connect *c, evf_context *cx, evf_reactor *reactor, int err)
{
    intptr_t socket = (intptr_t)c->socket;

    while (err < 0 && err != -EINPROGRESS && c->list != NULL &&
        c->list->ai_next != NULL) {
        give_up(c);
        c->list = c->list->ai_next;
        err = attempt(c, reactor);
    }
    if (err == -EINPROGRESS) {
        if (evfi_context_is_last(cx))
            return EVF_PENDING;
        err = evfi_entry_wait(&c->socket->entry, &c->interest,
            (evf_event){0, EVF_WRITABLE}, &cx->waker);
        if (err == 0)
            return EVF_PENDING;
    }
    evf_interest_remove(&c->interest);
    if (err < 0)
        return evf_future_ready(&c->op.future, err);
    c->socket = NULL;
    return evf_future_ready(&c->op.future, socket);
}

static enum evf_poll
connect_poll(evf_future *self, evf_context *cx)
{
    struct connect *c = (struct connect *)self;
    struct evfi_entry *entry = &c->socket->entry;
    evf_reactor *reactor;
    int err;

    if (!c->op.begun) {
        if (cx->executor == NULL)
            return evf_future_ready(self, -ENOTSUP);
        c->op.begun = true;
        reactor = evf_executor_reactor(cx->executor);
        return go_on(c, cx, reactor, attempt(c, reactor));
    }
    if (c->interest.entry != NULL && !evfi_context_is_last(cx)) {
        err = evfi_entry_await_again(entry, &c->interest, &cx->waker);
        return err < 0 ? evf_future_ready(self, err) : EVF_PENDING;
    }
    err = evfi_entry_error(entry);
    if (err < 0)
        return evf_future_ready(self, err);
    return go_on(c, cx, entry->reactor, outcome(c));
}

static void
connect_drop(evf_future *self)
{
    struct connect *c = (struct connect *)self;

    if (c->socket != NULL) {
        give_up(c);
        evfi_release(c->socket);
    }
    evfi_op_release(&c->op);
}

static void
connect_visit(evf_future *self, evf_visit_fn *fn, void *arg)
{
    struct connect *c = (struct connect *)self;

    if (c->socket != NULL && c->socket->entry.refs > 0)
        evfi_entry_visit(&c->socket->entry, fn, arg);
}

static const evf_future_ops connect_ops = {
    .size = sizeof(struct connect),
    .name = "connect",
    .poll = connect_poll,
    .drop = connect_drop,
    .visit = connect_visit,
};

static struct connect *
connect_new(evf_op *op)
{
    struct connect *c = evfi_op_claim(op, &connect_ops);

    if (!evfi_future_is_real(c))
        return c;
    c->socket = evfi_socket_allocate();
    if (c->socket == NULL) {
        evfi_op_release(&c->op);
        return NULL;
    }
    c->op.future.dispose = evf_socket_dispose;
    return c;
}

evf_future *
evf_connect(evf_op *op, const struct sockaddr *address, unsigned length)
{
    struct connect *c;

    if (address == NULL || length < offsetof(struct sockaddr, sa_data))
        return evf_future_failed(-EINVAL);
    c = connect_new(op);
    if (evfi_future_is_real(c)) {
        c->address = address;
        c->length = (socklen_t)length;
    }
    return (evf_future *)c;
}

evf_future *
evf_connect_list(evf_op *op, const struct addrinfo *list)
{
    struct connect *c;

    if (list == NULL)
        return evf_future_failed(-EINVAL);
    c = connect_new(op);
    if (evfi_future_is_real(c))
        c->list = list;
    return (evf_future *)c;
}
