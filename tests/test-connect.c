/* SPDX-License-Identifier: BSD-3-Clause */
#include "sockets.h"

#include <fcntl.h>
#include <netdb.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "foreign.h"
#include "io/socket-internal.h"

static evf_future *
to(evf_op *op, const struct sockaddr_in *address)
{
    return evf_connect(op, (const struct sockaddr *)address, sizeof(*address));
}

/* An address in the kernel's name space, which leaves no file behind. */
static unsigned
abstract(struct sockaddr_un *address, const char *name)
{
    memset(address, 0, sizeof(*address));
    address->sun_family = AF_UNIX;
    snprintf(address->sun_path + 1, sizeof(address->sun_path) - 1,
        "evfuture-%d-%s", (int)getpid(), name);
    return (unsigned)(offsetof(struct sockaddr_un, sun_path) + 1 +
                      strlen(address->sun_path + 1));
}

static int
listening_at(const struct sockaddr_un *address, unsigned length, int backlog)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    ck_assert_int_eq(bind(fd, (const struct sockaddr *)address, length), 0);
    ck_assert_int_eq(listen(fd, backlog), 0);
    return fd;
}

static evf_socket *
as_socket(intptr_t result)
{
    ck_assert_msg(!evf_failed(result), "error %d", (int)result);
    ck_assert_int_ne(result, 0);
    return (evf_socket *)result;
}

START_TEST(nothing_is_connected_before_the_first_poll) /* F1 */
{
    struct sockaddr_in address;
    struct hand h = {0};
    unsigned fds;
    int listener = listening(&address);

    fds = fds_open();
    grasp(&h, to(&h.op, &address));
    pass();
    ck_assert_uint_eq(fds_open(), fds);
    let_go(&h);
    ck_assert(!readable(listener));
    ck_assert_uint_eq(heap_blocks(), 1);
    close(listener);
}
END_TEST

START_TEST(connected_socket_works_in_both_directions)
{
    struct sockaddr_in address;
    char buf[8];
    int listener = listening(&address), peer;
    evf_socket *socket = as_socket(finish_now(to(NULL, &address)));

    peer = accept(listener, NULL, NULL);
    ck_assert_int_ge(peer, 0);
    ck_assert_int_eq(finish_now(evf_write_all(NULL, socket, "ping", 4)), 4);
    until_readable(peer);
    hear(peer, "ping");
    say(peer, "pong");
    ck_assert_int_eq(finish_now(evf_read(NULL, socket, buf, 8)), 4);
    ck_assert_int_ne(
        fcntl(evf_socket_fd(socket), F_GETFL) & O_NONBLOCK, 0);
    ck_assert_int_ne(
        fcntl(evf_socket_fd(socket), F_GETFD) & FD_CLOEXEC, 0);
    evf_socket_close(socket);
    close(peer);
    close(listener);
}
END_TEST

START_TEST(connection_that_is_there_at_once) /* L12 */
{
    struct sockaddr_un address;
    unsigned length = abstract(&address, "at-once");
    int listener = listening_at(&address, length, 4);
    struct hand h = {0};

    grasp(&h, evf_connect(&h.op, (struct sockaddr *)&address, length));
    ck_assert_int_eq(hand_poll(&h), EVF_READY);
    ck_assert_uint_eq(h.probe.clones, 0);
    evf_socket_close(as_socket(evf_future_take(h.future)));
    let_go(&h);
    close(listener);
}
END_TEST

START_TEST(connection_that_fails_at_once) /* L12 */
{
    struct sockaddr_un address;
    unsigned length = abstract(&address, "nobody");
    struct hand h = {0};
    unsigned fds = fds_open();

    grasp(&h, evf_connect(&h.op, (struct sockaddr *)&address, length));
    ck_assert_int_eq(hand_poll(&h), EVF_READY);
    ck_assert_int_eq(evf_future_take(h.future), -ECONNREFUSED);
    let_go(&h);
    ck_assert_uint_eq(fds_open(), fds);
}
END_TEST

START_TEST(full_backlog_of_a_unix_socket_is_eagain)
{
    struct sockaddr_un address;
    unsigned length = abstract(&address, "full");
    int listener = listening_at(&address, length, 0);
    evf_socket *first = as_socket(
        finish_now(evf_connect(NULL, (struct sockaddr *)&address, length)));

    ck_assert_int_eq(
        finish_now(evf_connect(NULL, (struct sockaddr *)&address, length)),
        -EAGAIN);
    evf_socket_close(first);
    close(listener);
}
END_TEST

START_TEST(refused_connection_says_so)
{
    struct sockaddr_in address;
    unsigned fds;
    int nobody = refusing(&address);

    fds = fds_open();
    ck_assert_int_eq(finish_now(to(NULL, &address)), -ECONNREFUSED);
    ck_assert_uint_eq(fds_open(), fds);
    ck_assert_uint_eq(heap_blocks(), 2); /* the executor, and its map */
    close(nobody);
}
END_TEST

START_TEST(addresses_that_cannot_be_are_refused) /* F47 */
{
    struct sockaddr_in address;
    struct sockaddr odd = {.sa_family = AF_UNSPEC};
    int nobody = refusing(&address);
    intptr_t result;

    ck_assert_int_eq(finish_now(evf_connect(NULL, NULL, 16)), -EINVAL);
    ck_assert_int_eq(
        finish_now(evf_connect(NULL, (struct sockaddr *)&address, 0)), -EINVAL);
    ck_assert_int_eq(
        finish_now(evf_connect(NULL, (struct sockaddr *)&address, 1)), -EINVAL);
    ck_assert_int_eq(finish_now(evf_connect_list(NULL, NULL)), -EINVAL);
    result = finish_now(evf_connect(NULL, &odd, sizeof(odd)));
    ck_assert_int_eq(result, -EAFNOSUPPORT);
    close(nobody);
}
END_TEST

START_TEST(without_an_executor_it_is_not_supported) /* F40 */
{
    struct foreign on = FOREIGN_INITIALIZER(on);
    struct foreign_task task;
    struct sockaddr_in address;
    int listener = listening(&address);

    foreign_spawn(&on, &task, to(NULL, &address));
    foreign_run(&on);
    ck_assert(task.ended);
    ck_assert_int_eq(task.result, -ENOTSUP);
    foreign_end(&task);
    ck_assert(!readable(listener));
    close(listener);
}
END_TEST

/*
 * A TCP connection that stays in progress: its listener's backlog is full, so
 * that the kernel drops what comes.
 */
struct crowded {
    struct sockaddr_in address;
    int listener, fillers[8];
};

static void
crowd(struct crowded *c)
{
    socklen_t length = sizeof(c->address);

    c->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    memset(&c->address, 0, sizeof(c->address));
    c->address.sin_family = AF_INET;
    c->address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ck_assert_int_eq(
        bind(c->listener, (struct sockaddr *)&c->address, length), 0);
    ck_assert_int_eq(
        getsockname(c->listener, (struct sockaddr *)&c->address, &length), 0);
    ck_assert_int_eq(listen(c->listener, 0), 0);
    for (int i = 0; i < 8; i++) {
        c->fillers[i] =
            socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        connect(c->fillers[i], (struct sockaddr *)&c->address, length);
    }
}

static void
disperse(struct crowded *c)
{
    for (int i = 0; i < 8; i++)
        close(c->fillers[i]);
    close(c->listener);
}

START_TEST(drop_of_an_attempt_closes_it)
{
    struct crowded c;
    struct hand h = {0};
    unsigned fds, events = events_on(base);

    crowd(&c);
    fds = fds_open();
    grasp(&h, to(&h.op, &c.address));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING); /* F2 */
    ck_assert_uint_eq(h.probe.clones, 1);
    ck_assert_int_eq(hand_poll_last(&h), EVF_PENDING);
    ck_assert_uint_eq(fds_open(), fds + 1);
    ck_assert_uint_eq(events_on(base), events + 1);
    let_go(&h);
    ck_assert_uint_eq(fds_open(), fds);
    ck_assert_uint_eq(events_on(base), events);
    disperse(&c);
}
END_TEST

START_TEST(latest_waker_wins_during_an_attempt) /* F8 */
{
    struct crowded c;
    struct probe second;
    struct hand h = {0};

    crowd(&c);
    probe_init(&second);
    grasp(&h, to(&h.op, &c.address));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    ck_assert_int_eq(poll_with(h.future, &second, NULL), EVF_PENDING);
    ck_assert_int_eq(probe_live(&h.probe), 0);
    ck_assert_int_eq(probe_live(&second), 1);
    let_go(&h);
    ck_assert_int_eq(probe_live(&second), 0);
    disperse(&c);
}
END_TEST

START_TEST(executor_that_goes_ends_an_attempt) /* F23 */
{
    struct crowded c;
    struct hand h = {0};

    crowd(&c);
    grasp(&h, to(&h.op, &c.address));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    executor_done();
    ck_assert_uint_eq(h.probe.wakes, 1);
    ck_assert_int_eq(hand_poll_on(&h, NULL), EVF_READY);
    ck_assert_int_eq(evf_future_take(h.future), -ESHUTDOWN);
    let_go(&h);
    disperse(&c);
}
END_TEST

START_TEST(connection_nobody_takes_is_closed) /* F33 */
{
    struct sockaddr_in address;
    struct hand h = {0};
    unsigned fds;
    int listener = listening(&address);

    fds = fds_open();
    grasp(&h, to(&h.op, &address));
    while (hand_poll(&h) == EVF_PENDING)
        pass();
    ck_assert_uint_eq(fds_open(), fds + 1);
    let_go(&h);
    ck_assert_uint_eq(fds_open(), fds);
    close(listener);
}
END_TEST

START_TEST(last_poll_takes_a_connection_that_is_there) /* F35 */
{
    struct sockaddr_in address;
    struct hand h = {0};
    int listener = listening(&address);

    grasp(&h, to(&h.op, &address));
    if (hand_poll(&h) == EVF_PENDING) {
        until_readable(listener);
        ck_assert_int_eq(hand_poll_last(&h), EVF_READY);
    }
    evf_socket_close(as_socket(evf_future_take(h.future)));
    let_go(&h);
    pass();
    ck_assert_uint_eq(h.probe.wakes, 0);
    close(listener);
}
END_TEST

static void
entry(struct addrinfo *info, void *address, socklen_t length, int type,
    struct addrinfo *next)
{
    memset(info, 0, sizeof(*info));
    info->ai_family = ((struct sockaddr *)address)->sa_family;
    info->ai_socktype = type;
    info->ai_addr = address;
    info->ai_addrlen = length;
    info->ai_next = next;
}

START_TEST(first_address_of_a_list_that_accepts)
{
    struct sockaddr_in dead, live, later;
    struct sockaddr_un nobody;
    struct addrinfo list[4];
    int refuser = refusing(&dead), listener = listening(&live);
    int unused = listening(&later);
    unsigned length = abstract(&nobody, "list"), fds;
    evf_socket *socket;

    entry(&list[0], &dead, sizeof(dead), SOCK_STREAM, &list[1]);
    entry(&list[1], &nobody, length, SOCK_STREAM, &list[2]);
    entry(&list[2], &live, sizeof(live), SOCK_STREAM, &list[3]);
    entry(&list[3], &later, sizeof(later), SOCK_STREAM, NULL);
    fds = fds_open();
    socket = as_socket(finish_now(evf_connect_list(NULL, list)));
    ck_assert_uint_eq(fds_open(), fds + 1); /* failed attempts are closed */
    until_readable(listener);
    ck_assert(!readable(unused));
    ck_assert_int_eq(finish_now(evf_write_all(NULL, socket, "x", 1)), 1);
    evf_socket_close(socket);
    close(refuser);
    close(listener);
    close(unused);
}
END_TEST

START_TEST(list_of_which_none_accepts_fails_as_its_last)
{
    struct sockaddr_in dead;
    struct sockaddr_un nobody;
    struct addrinfo list[3];
    int refuser = refusing(&dead);
    unsigned fds = fds_open();

    memset(&nobody, 0, sizeof(nobody));
    nobody.sun_family = AF_UNIX;
    strcpy(nobody.sun_path, "/nonexistent/socket");
    entry(&list[0], &dead, sizeof(dead), SOCK_STREAM, &list[1]);
    entry(&list[1], &nobody, sizeof(nobody), SOCK_STREAM, NULL);
    ck_assert_int_eq(finish_now(evf_connect_list(NULL, list)), -ENOENT);
    entry(&list[1], &nobody, sizeof(nobody), SOCK_STREAM, &list[2]);
    entry(&list[2], &dead, sizeof(dead), SOCK_STREAM, NULL);
    ck_assert_int_eq(finish_now(evf_connect_list(NULL, list)), -ECONNREFUSED);
    ck_assert_uint_eq(fds_open(), fds);
    close(refuser);
}
END_TEST

START_TEST(list_entry_has_its_type_and_protocol)
{
    struct sockaddr_in address;
    struct addrinfo list;
    socklen_t length = sizeof(int);
    int type, refuser = refusing(&address);
    evf_socket *socket;

    entry(&list, &address, sizeof(address), SOCK_DGRAM, NULL);
    list.ai_protocol = IPPROTO_UDP;
    socket = as_socket(finish_now(evf_connect_list(NULL, &list)));
    ck_assert_int_eq(getsockopt(evf_socket_fd(socket), SOL_SOCKET, SO_TYPE,
                         &type, &length),
        0);
    ck_assert_int_eq(type, SOCK_DGRAM);
    evf_socket_close(socket);
    close(refuser);
}
END_TEST

/* The fd that the next socket(2) gives. */
static int
next_fd(void)
{
    int fd = dup(0);

    close(fd);
    return fd;
}

/* The kernel would give up after minutes: shutting down is as good. */
START_TEST(attempt_that_fails_later_is_followed_by_the_next)
{
    struct crowded c;
    struct sockaddr_in live;
    struct addrinfo list[2];
    struct hand h = {0};
    int listener = listening(&live), fd;
    unsigned fds;
    evf_socket *socket;

    crowd(&c);
    entry(&list[0], &c.address, sizeof(c.address), SOCK_STREAM, &list[1]);
    entry(&list[1], &live, sizeof(live), SOCK_STREAM, NULL);
    fds = fds_open();
    fd = next_fd();
    grasp(&h, evf_connect_list(&h.op, list));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    ck_assert_int_eq(hand_poll_last(&h), EVF_PENDING);
    shutdown(fd, SHUT_RDWR);
    socket = as_socket(hand_end(&h));
    ck_assert_int_eq(evf_socket_fd(socket), fd);
    until_readable(listener);
    ck_assert_uint_eq(fds_open(), fds + 1);
    evf_socket_close(socket);
    close(listener);
    disperse(&c);
}
END_TEST

START_TEST(out_of_memory_makes_no_attempt) /* F28 */
{
    struct sockaddr_in address;
    struct hand h = {0};
    evf_op op = {0};
    unsigned fds;
    int listener = listening(&address);

    fds = fds_open();
    heap_fail_at(1);
    ck_assert_ptr_null(to(&op, &address));
    ck_assert_ptr_null(op.future.ops); /* the storage is free */
    for (size_t n = 1; n <= 2; n++) {
        heap_fail_at(n);
        ck_assert_ptr_null(to(NULL, &address));
    }
    /* The map of fds: inside the poll. */
    grasp(&h, to(&h.op, &address));
    heap_fail_at(1);
    ck_assert_int_eq(hand_poll(&h), EVF_READY);
    ck_assert_int_eq(evf_future_take(h.future), -ENOMEM);
    let_go(&h);
    ck_assert_uint_eq(fds_open(), fds);
    ck_assert_uint_eq(heap_blocks(), 1);
    close(listener);
}
END_TEST

START_TEST(op_in_use_is_refused) /* F34 */
{
    struct sockaddr_in address;
    struct hand h = {0};
    size_t blocks;
    int peer, listener = listening(&address);
    evf_socket *socket = adopt_pair(&peer);
    char c;

    grasp(&h, evf_read(&h.op, socket, &c, 1));
    blocks = heap_blocks();
    ck_assert_int_eq(finish_now(to(&h.op, &address)), -EBUSY);
    ck_assert_uint_eq(heap_blocks(), blocks);
    let_go(&h);
    evf_socket_close(socket);
    close(peer);
    close(listener);
}
END_TEST

static char notes[64];

static void
note(void *arg, evf_future *child, const char *text)
{
    (void)arg;
    ck_assert_ptr_null(child);
    snprintf(notes, sizeof(notes), "%s", text);
}

START_TEST(visit_names_the_fd_of_an_attempt) /* F41 */
{
    struct crowded c;
    struct hand h = {0};
    char expected[64];
    int next;

    crowd(&c);
    next = next_fd();
    grasp(&h, to(&h.op, &c.address));
    notes[0] = '\0';
    h.future->ops->visit(h.future, note, NULL);
    ck_assert_str_eq(notes, "");
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    h.future->ops->visit(h.future, note, NULL);
    snprintf(expected, sizeof(expected), "fd %d", next);
    ck_assert_str_eq(notes, expected);
    let_go(&h);
    disperse(&c);
}
END_TEST

TEST_MAIN("connect", nothing_is_connected_before_the_first_poll,
    connected_socket_works_in_both_directions, connection_that_is_there_at_once,
    connection_that_fails_at_once, full_backlog_of_a_unix_socket_is_eagain,
    refused_connection_says_so, addresses_that_cannot_be_are_refused,
    without_an_executor_it_is_not_supported, drop_of_an_attempt_closes_it,
    latest_waker_wins_during_an_attempt, executor_that_goes_ends_an_attempt,
    connection_nobody_takes_is_closed,
    last_poll_takes_a_connection_that_is_there,
    first_address_of_a_list_that_accepts,
    list_of_which_none_accepts_fails_as_its_last,
    list_entry_has_its_type_and_protocol,
    attempt_that_fails_later_is_followed_by_the_next,
    out_of_memory_makes_no_attempt, op_in_use_is_refused,
    visit_names_the_fd_of_an_attempt)
