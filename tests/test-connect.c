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

static int
listening_at(const struct sockaddr_un *address, unsigned length, int backlog)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    ck_assert_int_eq(bind(fd, (const struct sockaddr *)address, length), 0);
    ck_assert_int_eq(listen(fd, backlog), 0);
    return fd;
}

START_TEST(nothing_is_connected_before_the_first_poll) /* F1 */
{
    struct sockaddr_in address;
    struct hand h = {0};
    unsigned fds;
    int listener = listening(&address);

    fds = fds_open();
    grasp(&h, connect_to(&h.op, &address));
    pass();
    ck_assert_uint_eq(fds_open(), fds);
    let_go(&h);
    ck_assert(!readable(listener));
    ck_assert_uint_eq(heap_blocks(), 1);
    close(listener);
}
END_TEST

START_TEST(connected_socket_works_in_both_directions) /* F7 F48 */
{
    struct sockaddr_in address;
    char buf[8];
    int listener = listening(&address), peer;
    evf_socket *socket = as_socket(finish_now(connect_to(NULL, &address)));

    peer = accept(listener, NULL, NULL);
    ck_assert_int_ge(peer, 0);
    ck_assert_int_eq(finish_now(evf_write_all(NULL, socket, "ping", 4)), 4);
    until_readable(peer);
    hear(peer, "ping");
    say(peer, "pong");
    ck_assert_int_eq(finish_now(evf_read(NULL, socket, buf, 8)), 4);
    ck_assert_int_ne(fcntl(evf_socket_fd(socket), F_GETFL) & O_NONBLOCK, 0);
    ck_assert_int_ne(fcntl(evf_socket_fd(socket), F_GETFD) & FD_CLOEXEC, 0);
    evf_socket_close(socket);
    close(peer);
    close(listener);
}
END_TEST

START_TEST(connection_that_is_there_at_once) /* L12 */
{
    struct sockaddr_un address;
    socklen_t length = abstract(&address, "at-once");
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
    socklen_t length = abstract(&address, "nobody");
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
    socklen_t length = abstract(&address, "full");
    int listener = listening_at(&address, length, 0);
    evf_socket *first = as_socket(
        finish_now(evf_connect(NULL, (struct sockaddr *)&address, length)));

    ck_assert_int_eq(finish_now(evf_connect(NULL, (struct sockaddr *)&address,
                         length)),
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
    ck_assert_int_eq(finish_now(connect_to(NULL, &address)), -ECONNREFUSED);
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
    ck_assert_int_eq(finish_now(
                         evf_connect(NULL, (struct sockaddr *)&address, 0)),
        -EINVAL);
    ck_assert_int_eq(finish_now(
                         evf_connect(NULL, (struct sockaddr *)&address, 1)),
        -EINVAL);
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

    foreign_spawn(&on, &task, connect_to(NULL, &address));
    foreign_run(&on);
    ck_assert(task.ended);
    ck_assert_int_eq(task.result, -ENOTSUP);
    foreign_end(&task);
    ck_assert(!readable(listener));
    close(listener);
}
END_TEST

START_TEST(drop_of_an_attempt_closes_it)
{
    struct crowded c;
    struct hand h = {0};
    unsigned fds, events = events_on(base);

    crowd(&c);
    fds = fds_open();
    grasp(&h, connect_to(&h.op, &c.address));
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
    grasp(&h, connect_to(&h.op, &c.address));
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
    grasp(&h, connect_to(&h.op, &c.address));
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
    grasp(&h, connect_to(&h.op, &address));
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

    grasp(&h, connect_to(&h.op, &address));
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

START_TEST(out_of_memory_makes_no_attempt) /* F28 */
{
    struct sockaddr_in address;
    struct hand h = {0};
    evf_op op = {0};
    unsigned fds;
    int listener = listening(&address);

    fds = fds_open();
    heap_fail_at(1);
    ck_assert_ptr_null(connect_to(&op, &address));
    ck_assert_ptr_null(op.future.ops); /* the storage is free */
    for (size_t n = 1; n <= 2; n++) {
        heap_fail_at(n);
        ck_assert_ptr_null(connect_to(NULL, &address));
    }
    /* The map of fds: inside the poll. */
    grasp(&h, connect_to(&h.op, &address));
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
    ck_assert_int_eq(finish_now(connect_to(&h.op, &address)), -EBUSY);
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
    grasp(&h, connect_to(&h.op, &c.address));
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
    last_poll_takes_a_connection_that_is_there, out_of_memory_makes_no_attempt,
    op_in_use_is_refused, visit_names_the_fd_of_an_attempt)
