/* SPDX-License-Identifier: BSD-3-Clause */
#include <evfuture/listener.h>

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/alloc-internal.h"
#include "core/misuse-internal.h"
#include "io/operation-internal.h"

/* How long accepting pauses when file descriptors are out. */
#define PAUSE_MS 100

/* Connections that are gone again, which one poll skips. */
#define SKIP_MAX 16

struct evf_listener {
    struct evfi_entry entry;  /* its references are the listener's */
    evf_socket *spare;        /* one for the next evf_accept(), or NULL */
    struct evfi_timer resume; /* armed while accepting pauses */
    evf_reactor *reactor;     /* whose timer it is, while it is armed */
    /* Accepted when there was no memory to register it; -1: none. */
    int held;
};

static evf_listener *
listener_of(struct evfi_entry *entry)
{
    return evf_container_of(entry, evf_listener, entry);
}

static void
listener_release(struct evfi_entry *entry)
{
    evf_listener *listener = listener_of(entry);

    evfi_release(listener->spare);
    evfi_release(listener);
}

static void
resume_accepting(struct evfi_timer *timer)
{
    evfi_entry_unmute(&evf_container_of(timer, evf_listener, resume)->entry);
}

/*
 * What is out comes back unseen, while the backlog stays readable: so nobody
 * looks for a while, and then all who wait try again, in their order.
 */
static void
pause_accepting(evf_listener *listener)
{
    evf_reactor *reactor = listener->entry.reactor;

    evfi_entry_mute(&listener->entry);
    listener->reactor = reactor;
    evfi_reactor_arm(reactor, &listener->resume,
        evfi_clock_deadline(reactor, PAUSE_MS));
}

static int
accept_one(int fd)
{
#if defined(HAVE_ACCEPT4) && defined(SOCK_NONBLOCK) && defined(SOCK_CLOEXEC)
    int peer = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    return peer < 0 ? -errno : peer;
#else
    int peer = accept(fd, NULL, NULL);
    int err = peer < 0 ? -errno : evfi_fd_set_flags(peer);

    if (peer >= 0 && err < 0)
        close(peer);
    return err < 0 ? err : peer;
#endif
}

/* Errors of one connection, or of none: there may be others behind it. */
static bool
skippable(int err)
{
    switch (-err) {
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
    case ENETDOWN:
    case ENETUNREACH:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENOPROTOOPT:
#ifdef ENONET
    case ENONET:
#endif
        return true;
    default:
        return false;
    }
}

/* Errors that pass when somebody closes or frees something. */
static bool
is_shortage(int err)
{
    return err == -EMFILE || err == -ENFILE || err == -ENOBUFS ||
        err == -ENOMEM;
}

/* A connection's fd, or -errno. A fd that would block is polled first. */
static int
next_connection(evf_listener *listener)
{
    struct evfi_entry *entry = &listener->entry;
    int fd = listener->held, ready;

    listener->held = -1;
    for (int skipped = 0; fd < 0 && skipped < SKIP_MAX; skipped++) {
        if (!(entry->detail & EVFI_FD_NONBLOCK)) {
            ready = evfi_fd_poll(entry->fd, POLLIN);
            if (ready <= 0)
                return ready < 0 ? ready : -EAGAIN;
        }
        fd = accept_one(entry->fd);
        if (fd < 0 && !skippable(fd))
            return fd;
    }
    return fd < 0 ? -EAGAIN : fd;
}

static intptr_t
try_accept(struct evfi_operation *operation)
{
    evf_listener *listener = listener_of(operation->entry);
    evf_socket *socket = operation->u.accepted;
    int fd = -ENOMEM, err;

    if (socket == NULL)
        socket = operation->u.accepted = evfi_socket_allocate();
    if (socket != NULL)
        fd = next_connection(listener);
    err = fd;
    if (fd >= 0) {
        err = evfi_socket_open(socket, listener->entry.reactor, fd,
            EVFI_FD_SOCKET | EVFI_FD_NONBLOCK);
        if (err == -ENOMEM)
            listener->held = fd;
        else if (err < 0)
            close(fd);
    }
    if (is_shortage(err)) {
        pause_accepting(listener);
        return -EAGAIN;
    }
    if (err < 0)
        return err;
    operation->u.accepted = NULL;
    return (intptr_t)socket;
}

static enum evf_poll
accept_poll(evf_future *self, evf_context *cx)
{
    return evfi_operation_poll((struct evfi_operation *)self, cx, EVF_READABLE,
        try_accept);
}

/* A socket that was not needed is kept for the next evf_accept(). */
static void
accept_drop(evf_future *self)
{
    struct evfi_operation *operation = (struct evfi_operation *)self;
    evf_listener *listener = listener_of(operation->entry);

    if (listener->spare == NULL)
        listener->spare = operation->u.accepted;
    else
        evfi_release(operation->u.accepted);
    evfi_operation_drop(self);
}

static const evf_future_ops accept_ops = {
    .size = sizeof(struct evfi_operation),
    .name = "accept",
    .poll = accept_poll,
    .drop = accept_drop,
    .visit = evfi_operation_visit,
};

evf_future *
evf_accept(evf_op *op, evf_listener *listener)
{
    struct evfi_operation *operation;

    if (listener == NULL)
        return evf_future_failed(-EBADF);
    operation = evfi_operation_claim(op, &accept_ops, &listener->entry);
    if (!evfi_future_is_real(operation))
        return (evf_future *)operation;
    operation->u.accepted = listener->spare;
    listener->spare = NULL;
    if (operation->u.accepted == NULL)
        operation->u.accepted = evfi_socket_allocate();
    operation->op.future.dispose = evf_socket_dispose;
    return &operation->op.future;
}

/* 0; -ENOTSOCK; -EINVAL. */
static int
check_listening(int fd)
{
    socklen_t length = sizeof(int);
    int listening = 0;

    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &length) < 0)
        return -errno;
    return listening ? 0 : -EINVAL;
}

int
evf_listener_new(evf_listener **created, evf_executor *executor, int fd)
{
    evf_listener *listener;
    mode_t type;
    int err;

    if (created == NULL || executor == NULL)
        return -EINVAL;
    err = evfi_fd_type(fd, &type);
    if (err == 0)
        err = check_listening(fd);
    if (err < 0)
        return err;
    listener = evfi_new(sizeof(*listener));
    if (listener == NULL)
        return -ENOMEM;
    listener->held = -1;
    listener->resume.fired = resume_accepting;
    err = evfi_entry_open(&listener->entry, evf_executor_reactor(executor), fd,
        listener_release);
    if (err < 0) {
        evfi_release(listener);
        return err;
    }
    listener->entry.detail = EVFI_FD_SOCKET | EVFI_FD_LISTENER |
        evfi_fd_nonblock(fd);
    *created = listener;
    return 0;
}

static int
set_up(int fd, const struct sockaddr *address, unsigned length, int backlog)
{
    int on = 1;

    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
        return -errno;
    if (address->sa_family == AF_INET6 &&
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) < 0)
        return -errno;
    if (bind(fd, address, (socklen_t)length) < 0 ||
        listen(fd, backlog != 0 ? backlog : SOMAXCONN) < 0)
        return -errno;
    return 0;
}

int
evf_listen(evf_listener **listener, evf_executor *executor,
    const struct sockaddr *address, unsigned length, int backlog)
{
    int fd, err;

    if (listener == NULL || executor == NULL || address == NULL ||
        length < offsetof(struct sockaddr, sa_data))
        return -EINVAL;
    fd = evfi_socket_create(address->sa_family, SOCK_STREAM, 0);
    if (fd < 0)
        return fd;
    err = set_up(fd, address, length, backlog);
    if (err == 0)
        err = evf_listener_new(listener, executor, fd);
    if (err < 0)
        close(fd);
    return err;
}

void
evf_listener_close(evf_listener *listener)
{
    struct evfi_entry *entry;
    int fd, held;

    if (listener == NULL)
        return;
    entry = &listener->entry;
    if (entry->fd < 0) {
        evfi_misuse("a listener was closed twice");
        return;
    }
    if (evfi_timer_armed(&listener->resume))
        evfi_wheel_cancel(&listener->reactor->wheel, &listener->resume);
    held = listener->held;
    listener->held = -1;
    fd = evfi_entry_close(entry);
    evfi_entry_unref(entry);
    if (held >= 0)
        close(held);
    close(fd);
}

int
evf_listener_fd(const evf_listener *listener)
{
    return listener != NULL ? listener->entry.fd : -1;
}
