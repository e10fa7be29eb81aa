/* SPDX-License-Identifier: BSD-3-Clause */
#include "sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "core/context-internal.h"

evf_socket *
adopt(int fd)
{
    evf_socket *socket = NULL;

    ck_assert_int_eq(evf_socket_new(&socket, executor, fd), 0);
    ck_assert_ptr_nonnull(socket);
    return socket;
}

bool
blocking_fds_abort(void)
{
    return getenv("EVF_TEST_DEBUG_MODE") != NULL;
}

evf_socket *
adopt_pair(int *peer)
{
    int fds[2];

    pair(fds);
    *peer = fds[1];
    return adopt(fds[0]);
}

static void
at_loopback(int fd, struct sockaddr_in *address)
{
    socklen_t length = sizeof(*address);

    memset(address, 0, sizeof(*address));
    address->sin_family = AF_INET;
    address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)address, sizeof(*address)), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)address, &length), 0);
}

int
listening(struct sockaddr_in *address)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    ck_assert_int_ge(fd, 0);
    at_loopback(fd, address);
    ck_assert_int_eq(listen(fd, 64), 0);
    return fd;
}

int
refusing(struct sockaddr_in *address)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ck_assert_int_ge(fd, 0);
    at_loopback(fd, address);
    return fd;
}

void
tcp_pair(int fds[2])
{
    struct sockaddr_in address;
    int listener = listening(&address);

    fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(fds[0], 0);
    ck_assert_int_eq(connect(fds[0], (struct sockaddr *)&address,
                         sizeof(address)),
        0);
    fds[1] = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    ck_assert_int_ge(fds[1], 0);
    ck_assert_int_eq(fcntl(fds[0], F_SETFL, O_RDWR | O_NONBLOCK), 0);
    close(listener);
}

void
reset_on_close(int fd)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};

    ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger,
                         sizeof(linger)),
        0);
}

void
make_pipe(int fds[2], int flags)
{
    ck_assert_int_eq(pipe2(fds, O_CLOEXEC | flags), 0);
}

void
make_terminal(int *terminal, int *other)
{
    struct termios raw;

    *other = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    ck_assert_int_ge(*other, 0);
    ck_assert_int_eq(grantpt(*other), 0);
    ck_assert_int_eq(unlockpt(*other), 0);
    *terminal = open(ptsname(*other), O_RDWR | O_NOCTTY | O_CLOEXEC);
    ck_assert_int_ge(*terminal, 0);
    ck_assert_int_eq(tcgetattr(*terminal, &raw), 0);
    cfmakeraw(&raw);
    ck_assert_int_eq(tcsetattr(*terminal, TCSANOW, &raw), 0);
}

void
say(int fd, const char *text)
{
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

void
hear(int fd, const char *text)
{
    char buf[4096];
    ssize_t n = read(fd, buf, sizeof(buf) - 1);

    ck_assert_int_ge(n, 0);
    buf[n] = '\0';
    ck_assert_str_eq(buf, text);
}

int
next_fd(void)
{
    int fd = dup(0);

    close(fd);
    return fd;
}

int
dial(const struct sockaddr_in *address)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ck_assert_int_eq(connect(fd, (const struct sockaddr *)address,
                         sizeof(*address)),
        0);
    return fd;
}

evf_future *
connect_to(evf_op *op, const struct sockaddr_in *address)
{
    return evf_connect(op, (const struct sockaddr *)address, sizeof(*address));
}

evf_socket *
as_socket(intptr_t result)
{
    ck_assert_msg(!evf_failed(result), "error %d", (int)result);
    ck_assert_int_ne(result, 0);
    return (evf_socket *)result;
}

socklen_t
abstract(struct sockaddr_un *address, const char *name)
{
    memset(address, 0, sizeof(*address));
    address->sun_family = AF_UNIX;
    snprintf(address->sun_path + 1, sizeof(address->sun_path) - 1,
        "evfuture-%d-%s", (int)getpid(), name);
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
        strlen(address->sun_path + 1));
}

void
crowd(struct crowded *c)
{
    socklen_t length = sizeof(c->address);

    c->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    memset(&c->address, 0, sizeof(c->address));
    c->address.sin_family = AF_INET;
    c->address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ck_assert_int_eq(bind(c->listener, (struct sockaddr *)&c->address, length),
        0);
    ck_assert_int_eq(getsockname(c->listener, (struct sockaddr *)&c->address,
                         &length),
        0);
    ck_assert_int_eq(listen(c->listener, 0), 0);
    for (int i = 0; i < 8; i++) {
        c->fillers[i] = socket(AF_INET,
            SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        connect(c->fillers[i], (struct sockaddr *)&c->address, length);
    }
}

void
disperse(struct crowded *c)
{
    for (int i = 0; i < 8; i++)
        close(c->fillers[i]);
    close(c->listener);
}

int
add(int fd, evf_interest *interest, uint32_t signals, const evf_waker *waker)
{
    return evf_reactor_add_io_event_interest(evf_executor_reactor(executor), fd,
        interest, (evf_event){0, signals}, waker);
}

char *
pattern(size_t len)
{
    char *bytes = malloc(len);

    ck_assert_ptr_nonnull(bytes);
    for (size_t i = 0; i < len; i++)
        bytes[i] = (char)(i * 2654435761u >> 23);
    return bytes;
}

void
hear_bytes(int fd, const char *expected, size_t len)
{
    char *buf = malloc(len);
    size_t got = 0;

    ck_assert_ptr_nonnull(buf);
    while (got < len) {
        ssize_t n;

        until_readable(fd);
        n = read(fd, buf + got, len - got);

        ck_assert_int_gt(n, 0);
        got += (size_t)n;
    }
    ck_assert_int_eq(memcmp(buf, expected, len), 0);
    free(buf);
}

static bool
readable_within(int fd, int ms)
{
    struct pollfd pollfd = {.fd = fd, .events = POLLIN};

    return poll(&pollfd, 1, ms) == 1;
}

bool
readable(int fd)
{
    return readable_within(fd, 0);
}

/* What another side of the kernel delivers may take its time. */
void
until_readable(int fd)
{
    ck_assert(readable_within(fd, 10000));
}

/* Without waiting, whatever the flags of the fd: how much, or -1. */
static ssize_t
put(int fd, const char *buf, size_t len)
{
    struct pollfd pollfd = {.fd = fd, .events = POLLOUT};
    ssize_t n = send(fd, buf, len, MSG_DONTWAIT);

    if (n >= 0 || errno != ENOTSOCK)
        return n;
    return poll(&pollfd, 1, 0) == 1 ? write(fd, buf, len) : -1;
}

size_t
stuff(int fd)
{
    static const char filling[4096];
    size_t total = 0, step = sizeof(filling);
    ssize_t n;

    while (step > 0) {
        n = put(fd, filling, step);
        if (n < 0)
            step = step == 1 ? 0 : 1;
        else
            total += (size_t)n;
    }
    return total;
}

size_t
drain(int fd)
{
    char buf[65536];
    size_t total = 0;
    ssize_t n;

    while (readable(fd)) {
        n = read(fd, buf, sizeof(buf));
        if (n <= 0)
            break;
        total += (size_t)n;
    }
    return total;
}

static void
on_bell(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
}

/* Events of the library's alone do not end a pass, so one of the test's does. */
void
pass_once(void)
{
    struct event *bell = event_new(base, -1, 0, on_bell, NULL);

    event_active(bell, EV_TIMEOUT, 1);
    ck_assert_int_ge(event_base_loop(base,
                         EVLOOP_NONBLOCK | EVLOOP_ONCE |
                             EVLOOP_NO_EXIT_ON_EMPTY),
        0);
    event_free(bell);
}

void
pass(void)
{
    for (int i = 0; i < 8; i++)
        pass_once();
}

void
grasp(struct hand *hand, evf_future *future)
{
    ck_assert(future != NULL && !evf_failed(future));
    hand->future = future;
    hand->seen = 0;
    probe_init(&hand->probe);
}

enum evf_poll
hand_poll_on(struct hand *hand, evf_executor *on)
{
    return poll_with(hand->future, &hand->probe, on);
}

enum evf_poll
hand_poll(struct hand *hand)
{
    return hand_poll_on(hand, executor);
}

enum evf_poll
hand_poll_last(struct hand *hand)
{
    evf_context cx;

    evf_context_init(&cx, &hand->probe.waker, executor);
    cx.flags |= EVFI_LAST_POLL;
    return evf_future_poll(hand->future, &cx);
}

bool
hand_woken(struct hand *hand)
{
    bool woken;

    pass();
    woken = hand->probe.wakes != hand->seen;
    hand->seen = hand->probe.wakes;
    return woken;
}

void
let_go(struct hand *hand)
{
    evf_future_drop(hand->future);
    hand->future = NULL;
    ck_assert_int_eq(probe_live(&hand->probe), 0);
}

/* A pass that waits, but not for ever. */
static void
pass_that_waits(void)
{
    struct event *bell = event_new(base, -1, 0, on_bell, NULL);

    event_add(bell, &(struct timeval){.tv_usec = 10000});
    ck_assert_int_ge(event_base_loop(base, EVLOOP_ONCE), 0);
    event_free(bell);
}

intptr_t
hand_end(struct hand *hand)
{
    intptr_t result;
    int polls = 0, passes = 0;

    while (hand_poll(hand) == EVF_PENDING) {
        ck_assert_int_lt(++polls, 10000);
        while (!hand_woken(hand)) {
            ck_assert_int_lt(++passes, 500);
            pass_that_waits();
        }
    }
    result = evf_future_take(hand->future);
    let_go(hand);
    return result;
}

intptr_t
finish_now(evf_future *future)
{
    return evf_block_on(executor, future);
}

static void *
trap_clone(void *data)
{
    struct trap *trap = data;
    void (*act)(void *arg) = trap->on_clone;

    trap->live++;
    trap->on_clone = NULL;
    if (act != NULL)
        act(trap->arg);
    return data;
}

static void
trap_drop(void *data)
{
    ((struct trap *)data)->live--;
}

static void
trap_wake_by_ref(void *data)
{
    struct trap *trap = data;
    void (*act)(void *arg) = trap->act;

    trap->wakes++;
    trap->act = NULL;
    if (act != NULL)
        act(trap->arg);
}

static void
trap_wake(void *data)
{
    trap_drop(data);
    trap_wake_by_ref(data);
}

static const evf_waker_ops trap_ops = {
    .clone = trap_clone,
    .wake = trap_wake,
    .wake_by_ref = trap_wake_by_ref,
    .drop = trap_drop,
};

void
trap_init(struct trap *trap, void (*act)(void *arg), void *arg)
{
    *trap = (struct trap){.act = act, .arg = arg};
    trap->waker = (evf_waker){&trap_ops, trap};
}
