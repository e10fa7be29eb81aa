/* SPDX-License-Identifier: BSD-3-Clause */
#include "faults.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <event2/event.h>

static struct fault {
    unsigned skip, times;
    int error;
    size_t cap; /* 0: none */
    unsigned calls;
} faults[CALLS];

static size_t searched;
static unsigned looks;

void
faults_reset(void)
{
    for (int call = 0; call < CALLS; call++)
        faults[call] = (struct fault){.times = 0};
    searched = 0;
    looks = 0;
}

void
break_after(enum call call, unsigned skip, unsigned times, int error)
{
    faults[call].skip = skip;
    faults[call].times = times;
    faults[call].error = error;
}

void
break_next(enum call call, unsigned times, int error)
{
    break_after(call, 0, times, error);
}

void
cap(enum call call, size_t bytes)
{
    faults[call].cap = bytes;
}

unsigned
calls(enum call call)
{
    return faults[call].calls;
}

size_t
bytes_searched(void)
{
    return searched;
}

int __real_fcntl(int fd, int command, ...);
int __real_poll(struct pollfd *fds, nfds_t n, int timeout);

/* Counts a call; true if it fails, with errno set. */
static bool
strikes(enum call call)
{
    struct fault *fault = &faults[call];

    fault->calls++;
    if (fault->times == 0)
        return false;
    if (fault->skip > 0) {
        fault->skip--;
        return false;
    }
    fault->times--;
    errno = fault->error;
    return true;
}

unsigned
events_looked_at(void)
{
    return looks;
}

/*
 * What the library calls does not block: there is a flag that says so, of the
 * call or of the fd, or poll(2) does, for no more than a pipe then takes.
 */
static void
must_not_block(int fd, short event, size_t len, int flags)
{
    struct pollfd pollfd = {.fd = fd, .events = event};

    if ((flags & MSG_DONTWAIT) || (__real_fcntl(fd, F_GETFL) & O_NONBLOCK))
        return;
    ck_assert_msg(event != POLLOUT || len <= PIPE_BUF,
        "fd %d might block for %zu bytes", fd, len);
    ck_assert_msg(__real_poll(&pollfd, 1, 0) == 1, "fd %d would block", fd);
}

static size_t
capped(enum call call, size_t len)
{
    size_t most = faults[call].cap;

    return most == 0 || len < most ? len : most;
}

/* The linker's names for a function and for what stands before it. */
#define WRAP(type, name, ...)                                                  \
    type __real_##name(__VA_ARGS__);                                           \
    type __wrap_##name(__VA_ARGS__);                                           \
    type __wrap_##name(__VA_ARGS__)

WRAP(int, accept4, int fd, struct sockaddr *address, socklen_t *length,
    int flags)
{
    if (strikes(CALL_ACCEPT4))
        return -1;
    must_not_block(fd, POLLIN, 0, 0);
    return __real_accept4(fd, address, length, flags);
}

WRAP(int, bind, int fd, const struct sockaddr *address, socklen_t length)
{
    return strikes(CALL_BIND) ? -1 : __real_bind(fd, address, length);
}

/* Interrupted, a connection goes on; so it is begun first. */
WRAP(int, connect, int fd, const struct sockaddr *address, socklen_t length)
{
    if (!strikes(CALL_CONNECT))
        return __real_connect(fd, address, length);
    if (faults[CALL_CONNECT].error == EINTR) {
        __real_connect(fd, address, length);
        errno = EINTR;
    }
    return -1;
}

WRAP(int, event_add, struct event *event, const struct timeval *timeout)
{
    if (event_get_fd(event) >= 0 && strikes(CALL_EVENT_ADD))
        return -1;
    return __real_event_add(event, timeout);
}

WRAP(int, event_del, struct event *event)
{
    if (event_get_fd(event) >= 0)
        faults[CALL_EVENT_DEL].calls++;
    return __real_event_del(event);
}

static event_base_foreach_event_cb look;

static int
count_looks(const struct event_base *of, const struct event *event, void *arg)
{
    looks++;
    return look(of, event, arg);
}

WRAP(int, event_base_foreach_event, struct event_base *of,
    event_base_foreach_event_cb fn, void *arg)
{
    look = fn;
    return __real_event_base_foreach_event(of, count_looks, arg);
}

WRAP(int, fcntl, int fd, int command, ...)
{
    va_list arguments;
    long argument;

    va_start(arguments, command);
    argument = va_arg(arguments, long);
    va_end(arguments);
    if (strikes(CALL_FCNTL))
        return -1;
    return __real_fcntl(fd, command, argument);
}

WRAP(int, fstat, int fd, struct stat *st)
{
    return strikes(CALL_FSTAT) ? -1 : __real_fstat(fd, st);
}

WRAP(int, getsockopt, int fd, int level, int name, void *value,
    socklen_t *length)
{
    if (strikes(CALL_GETSOCKOPT))
        return -1;
    return __real_getsockopt(fd, level, name, value, length);
}

WRAP(int, listen, int fd, int backlog)
{
    return strikes(CALL_LISTEN) ? -1 : __real_listen(fd, backlog);
}

WRAP(void *, memmem, const void *bytes, size_t len, const void *wanted,
    size_t n)
{
    faults[CALL_MEMMEM].calls++;
    searched += len;
    return __real_memmem(bytes, len, wanted, n);
}

WRAP(int, poll, struct pollfd *fds, nfds_t n, int timeout)
{
    return strikes(CALL_POLL) ? -1 : __real_poll(fds, n, timeout);
}

WRAP(ssize_t, read, int fd, void *buf, size_t len)
{
    if (strikes(CALL_READ))
        return -1;
    must_not_block(fd, POLLIN, len, 0);
    return __real_read(fd, buf, capped(CALL_READ, len));
}

WRAP(ssize_t, recv, int fd, void *buf, size_t len, int flags)
{
    if (strikes(CALL_RECV))
        return -1;
    must_not_block(fd, POLLIN, len, flags);
    return __real_recv(fd, buf, capped(CALL_RECV, len), flags);
}

WRAP(ssize_t, recvmsg, int fd, struct msghdr *message, int flags)
{
    if (strikes(CALL_RECVMSG))
        return -1;
    must_not_block(fd, POLLIN, 0, flags);
    return __real_recvmsg(fd, message, flags);
}

WRAP(ssize_t, send, int fd, const void *buf, size_t len, int flags)
{
    if (strikes(CALL_SEND))
        return -1;
    must_not_block(fd, POLLOUT, len, flags);
    return __real_send(fd, buf, capped(CALL_SEND, len), flags);
}

WRAP(ssize_t, sendmsg, int fd, const struct msghdr *message, int flags)
{
    if (strikes(CALL_SENDMSG))
        return -1;
    must_not_block(fd, POLLOUT, 0, flags);
    return __real_sendmsg(fd, message, flags);
}

WRAP(int, setsockopt, int fd, int level, int name, const void *value,
    socklen_t length)
{
    if (strikes(CALL_SETSOCKOPT))
        return -1;
    return __real_setsockopt(fd, level, name, value, length);
}

WRAP(int, socket, int family, int type, int protocol)
{
    return strikes(CALL_SOCKET) ? -1 : __real_socket(family, type, protocol);
}

/* The front of the first piece, where it is to be a short write. */
WRAP(ssize_t, writev, int fd, const struct iovec *iov, int count)
{
    struct iovec first;
    size_t len = 0;

    if (strikes(CALL_WRITEV))
        return -1;
    for (int i = 0; i < count; i++)
        len += iov[i].iov_len;
    must_not_block(fd, POLLOUT, len, 0);
    if (faults[CALL_WRITEV].cap == 0)
        return __real_writev(fd, iov, count);
    first = iov[0];
    first.iov_len = capped(CALL_WRITEV, first.iov_len);
    return __real_writev(fd, &first, 1);
}
