/* SPDX-License-Identifier: BSD-3-Clause */
#include <evfuture/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/alloc-internal.h"
#include "core/misuse-internal.h"
#include "io/socket-internal.h"

static void
socket_release(struct evfi_entry *entry)
{
    evfi_release(evf_container_of(entry, evf_socket, entry));
}

evf_socket *
evfi_socket_allocate(void)
{
    return evfi_new(sizeof(evf_socket));
}

/* Where send(2) has no MSG_NOSIGNAL the socket itself is told. */
static void
silence(int fd)
{
#if defined(EVFI_SILENCE) && defined(SO_NOSIGPIPE)
    int on = 1;

    setsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof(on));
#else
    (void)fd;
#endif
}

/*
 * A device may be one that is always ready, such as /dev/null, and which epoll
 * refuses. So its hints stay set until a call would really have blocked.
 */
int
evfi_socket_open(evf_socket *socket, evf_reactor *reactor, int fd,
    uint8_t detail)
{
    int err = evfi_entry_open(&socket->entry, reactor, fd, socket_release);

    if (err < 0)
        return err;
    socket->entry.detail = detail;
    if (detail & EVFI_FD_DEVICE)
        socket->entry.hint = EVF_READABLE | EVF_WRITABLE;
    if (detail & EVFI_FD_SOCKET)
        silence(fd);
    return 0;
}

uint8_t
evfi_fd_nonblock(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    return flags >= 0 && (flags & O_NONBLOCK) ? EVFI_FD_NONBLOCK : 0;
}

int
evfi_fd_poll(int fd, short events)
{
    struct pollfd pollfd = {.fd = fd, .events = events};
    int n;

    do
        n = poll(&pollfd, 1, 0);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : pollfd.revents;
}

int
evfi_fd_set_flags(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
        fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
        return -errno;
    return 0;
}

int
evfi_socket_create(int family, int type, int protocol)
{
#if defined(SOCK_NONBLOCK) && defined(SOCK_CLOEXEC)
    int fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);

    return fd < 0 ? -errno : fd;
#else
    int fd = socket(family, type, protocol);
    int err = fd < 0 ? -errno : evfi_fd_set_flags(fd);

    if (fd >= 0 && err < 0)
        close(fd);
    return err < 0 ? err : fd;
#endif
}

int
evf_socket_new(evf_socket **created, evf_executor *executor, int fd)
{
    evf_socket *socket;
    uint8_t detail = 0;
    mode_t type;
    int err;

    if (created == NULL || executor == NULL)
        return -EINVAL;
    err = evfi_fd_type(fd, &type);
    if (err < 0)
        return err;
    if (type == S_IFSOCK)
        detail |= EVFI_FD_SOCKET;
    else
        detail |= evfi_fd_nonblock(fd);
    if (type == S_IFCHR)
        detail |= EVFI_FD_DEVICE;
    socket = evfi_socket_allocate();
    if (socket == NULL)
        return -ENOMEM;
    err = evfi_socket_open(socket, evf_executor_reactor(executor), fd, detail);
    if (err < 0) {
        evfi_release(socket);
        return err;
    }
    *created = socket;
    return 0;
}

int
evf_socket_release_fd(evf_socket *socket)
{
    int fd;

    if (!evfi_socket_is_real(socket))
        return -EBADF;
    if (socket->entry.fd < 0) {
        evfi_misuse("a socket was closed twice");
        return -EBADF;
    }
    fd = evfi_entry_close(&socket->entry);
    evfi_entry_unref(&socket->entry);
    return fd;
}

void
evf_socket_close(evf_socket *socket)
{
    int fd = evf_socket_release_fd(socket);

    if (fd >= 0)
        close(fd);
}

void
evf_socket_dispose(void *socket)
{
    evf_socket_close(socket);
}

int
evf_socket_fd(const evf_socket *socket)
{
    return evfi_socket_is_real(socket) ? socket->entry.fd : -1;
}

evf_socket *
evf_socket_ref(evf_socket *socket)
{
    if (evfi_socket_is_real(socket))
        socket->entry.refs++;
    return socket;
}

void
evf_socket_unref(evf_socket *socket)
{
    if (evfi_socket_is_real(socket))
        evfi_entry_unref(&socket->entry);
}

static int
set_callback(evf_socket *socket, evf_interest *interest, uint32_t signal,
    const evf_waker *waker)
{
    evf_event event;
    int err;

    if (interest == NULL || waker == NULL)
        return -EINVAL;
    err = evfi_socket_is_real(socket) ? evfi_entry_error(&socket->entry)
                                      : -EBADF;
    if (err < 0) {
        evf_interest_remove(interest);
        return err;
    }
    event.id = interest->event.id;
    event.signals = signal;
    return evfi_entry_wait(&socket->entry, interest, event, waker);
}

int
evf_socket_set_readable_callback(evf_socket *socket, evf_interest *interest,
    const evf_waker *waker)
{
    return set_callback(socket, interest, EVF_READABLE, waker);
}

int
evf_socket_set_writable_callback(evf_socket *socket, evf_interest *interest,
    const evf_waker *waker)
{
    return set_callback(socket, interest, EVF_WRITABLE, waker);
}

int
evf_socket_shutdown(evf_socket *socket, int how)
{
    int fd = evf_socket_fd(socket);

    if (fd < 0)
        return -EBADF;
    return shutdown(fd, how) < 0 ? -errno : 0;
}
