/* SPDX-License-Identifier: BSD-3-Clause */
#include "sockets.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "io/socket-internal.h"

struct closing {
    evf_socket *socket;
    int fd;
    bool open, events;
};

static void
look_at_a_closing_socket(void *arg)
{
    struct closing *c = arg;

    c->open = fcntl(c->fd, F_GETFD) >= 0;
    c->events = events_on_fd(base, c->fd) > 0;
    ck_assert_int_eq(evf_socket_fd(c->socket), -1);
}

/* Nobody else gets the number before everybody knows that it is over. */
START_TEST(those_who_wait_are_woken_before_the_fd_is_closed)
{
    struct closing c = {.fd = -1};
    struct trap trap;
    evf_interest interest = {0};
    int peer;

    c.socket = adopt_pair(&peer);
    c.fd = evf_socket_fd(c.socket);
    trap_init(&trap, look_at_a_closing_socket, &c);
    ck_assert_int_eq(evf_socket_set_readable_callback(c.socket, &interest,
                         &trap.waker),
        0);
    ck_assert_uint_eq(events_on_fd(base, c.fd), 1);
    evf_socket_close(c.socket);
    ck_assert_uint_eq(trap.wakes, 1);
    ck_assert_uint_eq(interest.occurred, 0);
    ck_assert(c.open);
    ck_assert(!c.events);
    ck_assert_int_lt(fcntl(c.fd, F_GETFD), 0);
    close(peer);
}
END_TEST

static void
close_socket(void *arg)
{
    evf_socket_close(*(evf_socket **)arg);
    *(evf_socket **)arg = NULL;
}

START_TEST(waker_that_closes_the_socket_it_waits_on) /* F12 F49 */
{
    struct trap trap;
    evf_interest first = {0}, second = {0};
    struct probe probe;
    evf_socket *socket;
    int peer;

    socket = adopt_pair(&peer);
    probe_init(&probe);
    trap_init(&trap, close_socket, &socket);
    ck_assert_int_eq(evf_socket_set_readable_callback(socket, &first,
                         &trap.waker),
        0);
    ck_assert_int_eq(evf_socket_set_readable_callback(socket, &second,
                         &probe.waker),
        0);
    say(peer, "x");
    pass();
    ck_assert_ptr_null(socket);
    ck_assert_uint_eq(trap.wakes, 1);
    ck_assert_uint_eq(probe.wakes, 1);
    ck_assert_int_eq(probe_live(&probe), 0);
    ck_assert_int_eq(trap.live, 0);
    close(peer);
}
END_TEST

START_TEST(waker_that_closes_the_socket_when_it_is_cloned) /* F12 F49 */
{
    struct trap trap;
    struct hand h = {0};
    evf_context cx;
    evf_interest interest = {0};
    evf_socket *socket;
    char c;
    int peer, second;

    socket = adopt_pair(&peer);
    trap_init(&trap, NULL, &socket);
    trap.on_clone = close_socket;
    ck_assert_int_eq(evf_socket_set_readable_callback(socket, &interest,
                         &trap.waker),
        -EBADF);
    ck_assert_ptr_null(interest.entry);
    socket = adopt_pair(&second);
    trap.on_clone = close_socket;
    grasp(&h, evf_read(&h.op, socket, &c, 1));
    evf_context_init(&cx, &trap.waker, executor);
    ck_assert_int_eq(evf_future_poll(h.future, &cx), EVF_READY);
    ck_assert_int_eq(evf_future_take(h.future), -EBADF);
    let_go(&h);
    ck_assert_int_eq(trap.live, 0);
    ck_assert_uint_eq(trap.wakes, 0);
    close(peer);
    close(second);
}
END_TEST

/* A poll in vain with another waker, which closes the socket meanwhile. */
START_TEST(second_waker_that_closes_the_socket_when_it_is_cloned) /* F12 F8 */
{
    struct trap trap;
    struct hand h = {0};
    evf_context cx;
    evf_socket *socket;
    char c;
    int peer;

    socket = adopt_pair(&peer);
    trap_init(&trap, NULL, &socket);
    trap.on_clone = close_socket;
    grasp(&h, evf_read(&h.op, socket, &c, 1));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    evf_context_init(&cx, &trap.waker, executor);
    ck_assert_int_eq(evf_future_poll(h.future, &cx), EVF_READY);
    ck_assert_uint_eq(h.probe.wakes, 1);
    ck_assert_int_eq(evf_future_take(h.future), -EBADF);
    let_go(&h);
    ck_assert_int_eq(trap.live, 0);
    close(peer);
}
END_TEST

START_TEST(callback_refuses_null)
{
    evf_interest interest = {0};
    struct probe probe;
    int peer;
    evf_socket *socket = adopt_pair(&peer);

    probe_init(&probe);
    ck_assert_int_eq(evf_socket_set_readable_callback(socket, NULL,
                         &probe.waker),
        -EINVAL);
    ck_assert_int_eq(evf_socket_set_writable_callback(socket, &interest, NULL),
        -EINVAL);
    evf_socket_close(socket);
    close(peer);
}
END_TEST

START_TEST(callbacks_fire_once_with_what_occurred) /* F7 */
{
    evf_interest r = {0}, w = {0};
    struct probe reader, writer;
    int peer;
    evf_socket *socket = adopt_pair(&peer);

    probe_init(&reader);
    probe_init(&writer);
    ck_assert_int_eq(evf_socket_set_readable_callback(socket, &r,
                         &reader.waker),
        0);
    ck_assert_uint_ne(r.event.id, 0);
    ck_assert_uint_eq(r.event.signals, EVF_READABLE);
    ck_assert_int_eq(evf_socket_set_writable_callback(socket, &w,
                         &writer.waker),
        0);
    ck_assert_uint_ne(r.event.id, w.event.id);
    ck_assert_uint_eq(socket->entry.hint, 0); /* they have seen EAGAIN */
    pass();
    ck_assert_uint_eq(reader.wakes, 0);
    ck_assert_uint_eq(writer.wakes, 1);
    ck_assert_uint_eq(w.occurred, EVF_WRITABLE);
    say(peer, "x");
    pass();
    ck_assert_uint_eq(reader.wakes, 1);
    ck_assert_uint_eq(writer.wakes, 1);
    ck_assert_uint_eq(r.occurred, EVF_READABLE);
    ck_assert_int_eq(probe_live(&reader) + probe_live(&writer), 0);
    evf_socket_close(socket);
    close(peer);
}
END_TEST

START_TEST(callback_with_an_id_in_use_is_refused)
{
    evf_interest one = {.event.id = 7}, two = {.event.id = 7};
    struct probe probe;
    int peer;
    evf_socket *socket = adopt_pair(&peer);

    probe_init(&probe);
    ck_assert_int_eq(evf_socket_set_readable_callback(socket, &one,
                         &probe.waker),
        0);
    ck_assert_int_eq(evf_socket_set_writable_callback(socket, &two,
                         &probe.waker),
        -EEXIST);
    ck_assert_ptr_null(two.entry);
    /* Itself it may move. */
    ck_assert_int_eq(evf_socket_set_writable_callback(socket, &one,
                         &probe.waker),
        0);
    ck_assert_uint_eq(one.event.id, 7);
    ck_assert_uint_eq(one.event.signals, EVF_WRITABLE);
    evf_interest_remove(&one);
    ck_assert_int_eq(probe_live(&probe), 0);
    evf_socket_close(socket);
    close(peer);
}
END_TEST

START_TEST(callback_moves_an_interest_to_another_socket)
{
    evf_interest interest = {0};
    struct probe probe;
    int a, b;
    evf_socket *one = adopt_pair(&a), *two = adopt_pair(&b);

    probe_init(&probe);
    ck_assert_int_eq(evf_socket_set_readable_callback(one, &interest,
                         &probe.waker),
        0);
    ck_assert_int_eq(evf_socket_set_readable_callback(two, &interest,
                         &probe.waker),
        0);
    say(a, "x");
    pass();
    ck_assert_uint_eq(probe.wakes, 0);
    evf_socket_close(one);
    ck_assert_uint_eq(probe.wakes, 0);
    say(b, "x");
    pass();
    ck_assert_uint_eq(probe.wakes, 1);
    evf_socket_close(two);
    close(a);
    close(b);
}
END_TEST

START_TEST(callback_that_fails_leaves_the_interest_unregistered) /* F28 F47 */
{
    evf_interest interest = {0};
    struct probe probe;
    int peer;
    evf_socket *socket = adopt_pair(&peer);

    probe_init(&probe);
    ck_assert_int_eq(evf_socket_set_readable_callback(socket, &interest,
                         &probe.waker),
        0);
    ck_assert_int_eq(evf_socket_set_readable_callback(NULL, &interest,
                         &probe.waker),
        -EBADF);
    ck_assert_ptr_null(interest.entry);
    ck_assert_int_eq(probe_live(&probe), 0);
    say(peer, "x");
    pass();
    ck_assert_uint_eq(probe.wakes, 0);
    evf_socket_close(socket);
    close(peer);
}
END_TEST

TEST_MAIN("socket-callback",
    callback_that_fails_leaves_the_interest_unregistered,
    waker_that_closes_the_socket_when_it_is_cloned,
    second_waker_that_closes_the_socket_when_it_is_cloned,
    those_who_wait_are_woken_before_the_fd_is_closed,
    waker_that_closes_the_socket_it_waits_on, callback_refuses_null,
    callbacks_fire_once_with_what_occurred,
    callback_with_an_id_in_use_is_refused,
    callback_moves_an_interest_to_another_socket)
