/* SPDX-License-Identifier: BSD-3-Clause */
#include "sockets.h"

#include <fcntl.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "faults.h"
#include "io/operation-internal.h"

START_TEST(fd_that_cannot_be_looked_at_is_ebadf) /* R2 */
{
    evf_interest interest = {0};
    struct probe probe;
    evf_listener *listener = NULL;
    evf_socket *socket = NULL;
    struct sockaddr_in address;
    int fd = listening(&address);

    probe_init(&probe);
    faults_reset();
    break_next(CALL_FSTAT, 4, EOVERFLOW);
    ck_assert_int_eq(evf_socket_new(&socket, executor, fd), -EBADF);
    ck_assert_int_eq(evf_listener_new(&listener, executor, fd), -EBADF);
    ck_assert_int_eq(
        evf_reactor_add_io_event_interest(evf_executor_reactor(executor), fd,
            &interest, (evf_event){0, EVF_READABLE}, &probe.waker),
        -EBADF);
    ck_assert_int_eq(finish_now(evf_wait_fd(NULL, NULL, fd, EVF_READABLE)),
        -EBADF);
    break_next(CALL_GETSOCKOPT, 1, ENOBUFS);
    ck_assert_int_eq(evf_listener_new(&listener, executor, fd), -ENOBUFS);
    ck_assert_uint_eq(heap_blocks(), 1);
    close(fd);
}
END_TEST

START_TEST(connect_fails_at_each_of_its_calls) /* R2 */
{
    struct sockaddr_in address;
    struct hand h = {0};
    unsigned fds;
    int listener = listening(&address);

    fds = fds_open();
    faults_reset();
    break_next(CALL_SOCKET, 1, EMFILE);
    ck_assert_int_eq(finish_now(connect_to(NULL, &address)), -EMFILE);
    break_next(CALL_CONNECT, 1, ENETUNREACH);
    ck_assert_int_eq(finish_now(connect_to(NULL, &address)), -ENETUNREACH);
    break_next(CALL_CONNECT, 1, EINTR); /* and goes on */
    grasp(&h, connect_to(&h.op, &address));
    evf_socket_close(as_socket(hand_end(&h)));
    break_next(CALL_CONNECT, 1, EINTR);
    break_next(CALL_GETSOCKOPT, 1, ENOBUFS);
    grasp(&h, connect_to(&h.op, &address));
    ck_assert_int_eq(hand_end(&h), -ENOBUFS);
    break_next(CALL_CONNECT, 1, EINTR);
    break_next(CALL_EVENT_ADD, 1, ENOSPC);
    grasp(&h, connect_to(&h.op, &address));
    ck_assert_int_eq(hand_end(&h), -ENOSPC);
    break_next(CALL_CONNECT, 1, EINTR);
    break_next(CALL_POLL, 1, ENOMEM);
    grasp(&h, connect_to(&h.op, &address));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    ck_assert_int_eq(hand_poll_last(&h), EVF_READY);
    ck_assert_int_eq(evf_future_take(h.future), -ENOMEM);
    let_go(&h);
    ck_assert_uint_eq(fds_open(), fds);
    close(listener);
}
END_TEST

START_TEST(connect_list_goes_on_after_any_error) /* R2 */
{
    struct sockaddr_in address;
    struct addrinfo list[5];
    unsigned fds;
    int listener = listening(&address);

    memset(list, 0, sizeof(list));
    for (int i = 0; i < 5; i++) {
        list[i].ai_family = AF_INET;
        list[i].ai_socktype = SOCK_STREAM;
        list[i].ai_addr = (struct sockaddr *)&address;
        list[i].ai_addrlen = sizeof(address);
        list[i].ai_next = i < 4 ? &list[i + 1] : NULL;
    }
    fds = fds_open();
    faults_reset();
    break_next(CALL_SOCKET, 2, EAFNOSUPPORT);
    break_next(CALL_CONNECT, 2, EHOSTUNREACH);
    evf_socket_close(as_socket(finish_now(evf_connect_list(NULL, list))));
    ck_assert_uint_eq(calls(CALL_SOCKET), 5);
    ck_assert_uint_eq(calls(CALL_CONNECT), 3);
    break_next(CALL_SOCKET, 5, ENFILE);
    ck_assert_int_eq(finish_now(evf_connect_list(NULL, list)), -ENFILE);
    ck_assert_uint_eq(fds_open(), fds);
    close(listener);
}
END_TEST

START_TEST(listen_fails_at_each_of_its_calls) /* R2 */
{
    static const enum call sites[] = {CALL_SOCKET, CALL_SETSOCKOPT, CALL_BIND,
        CALL_LISTEN, CALL_FSTAT, CALL_GETSOCKOPT};
    struct sockaddr_in6 six = {.sin6_family = AF_INET6,
        .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    struct sockaddr_in address = {.sin_family = AF_INET};
    evf_listener *listener = NULL;
    unsigned fds = fds_open();
    int err;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (size_t i = 0; i < sizeof(sites) / sizeof(*sites); i++) {
        faults_reset();
        break_next(sites[i], 1, ENOBUFS);
        err = evf_listen(&listener, executor, (struct sockaddr *)&address,
            sizeof(address), 0);
        ck_assert_int_eq(err, sites[i] == CALL_FSTAT ? -EBADF : -ENOBUFS);
        ck_assert_ptr_null(listener);
        ck_assert_uint_eq(fds_open(), fds);
        ck_assert_uint_eq(heap_blocks(), 1);
    }
    break_after(CALL_SETSOCKOPT, 1, 1, ENOPROTOOPT);
    err = evf_listen(&listener, executor, (struct sockaddr *)&six, sizeof(six),
        0);
    ck_assert(err == -ENOPROTOOPT || err == -EAFNOSUPPORT);
    ck_assert_uint_eq(fds_open(), fds);
}
END_TEST

/* A listener with a connection in its backlog, of which its entry knows. */
static evf_listener *
awaited(int *client)
{
    struct sockaddr_in address;
    evf_listener *listener = NULL;
    int fd = listening(&address);

    ck_assert_int_eq(evf_listener_new(&listener, executor, fd), 0);
    *client = dial(&address);
    until_readable(fd);
    faults_reset();
    return listener;
}

START_TEST(connections_that_are_gone_again_are_skipped) /* R2 */
{
    static const int errors[] = {EINTR, ECONNABORTED, EPROTO, ENETDOWN,
        ENETUNREACH, EHOSTDOWN, EHOSTUNREACH, ENOPROTOOPT};

    for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++) {
        struct hand h = {0};
        int client;
        evf_listener *listener = awaited(&client);

        break_next(CALL_ACCEPT4, 10, errors[i]);
        grasp(&h, evf_accept(&h.op, listener));
        ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
        ck_assert(hand_woken(&h));
        ck_assert_int_eq(hand_poll(&h), EVF_READY);
        ck_assert_uint_eq(calls(CALL_ACCEPT4), 11);
        let_go(&h);
        evf_listener_close(listener);
        close(client);
    }
}
END_TEST

START_TEST(skipping_is_bounded_in_a_poll) /* R2 F19 */
{
    struct hand h = {0};
    unsigned polls = 0;
    int client;
    evf_listener *listener = awaited(&client);

    break_next(CALL_ACCEPT4, 100, ECONNABORTED);
    grasp(&h, evf_accept(&h.op, listener));
    while (hand_poll(&h) == EVF_PENDING) {
        ck_assert_uint_le(calls(CALL_ACCEPT4), 16 * ++polls);
        ck_assert(hand_woken(&h));
    }
    ck_assert_uint_eq(calls(CALL_ACCEPT4), 101);
    ck_assert_uint_ge(polls, 100 / 16);
    let_go(&h);
    evf_listener_close(listener);
    close(client);
}
END_TEST

START_TEST(accept_that_would_block_after_all_waits) /* R2 */
{
    struct hand h = {0};
    int client;
    evf_listener *listener = awaited(&client);

    break_next(CALL_ACCEPT4, 10, EAGAIN);
    grasp(&h, evf_accept(&h.op, listener));
    evf_socket_close(as_socket(hand_end(&h)));
    ck_assert_uint_eq(calls(CALL_ACCEPT4), 11);
    evf_listener_close(listener);
    close(client);
}
END_TEST

START_TEST(errors_that_are_not_survived_are_the_result) /* R2 */
{
    static const int errors[] = {EINVAL, EPERM, EOPNOTSUPP, ENOTSOCK, EFAULT};

    for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++) {
        struct hand h = {0};
        int client;
        evf_listener *listener = awaited(&client);

        break_next(CALL_ACCEPT4, 1, errors[i]);
        grasp(&h, evf_accept(&h.op, listener));
        ck_assert_int_eq(hand_end(&h), -errors[i]);
        evf_listener_close(listener);
        close(client);
    }
}
END_TEST

START_TEST(shortages_pause_accepting) /* R2 L20 */
{
    static const int errors[] = {EMFILE, ENFILE, ENOBUFS, ENOMEM};

    ck_assert_int_eq(evf_executor_pause_clock(executor), 0);
    for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++) {
        struct hand h = {0};
        uint64_t before;
        int client;
        evf_listener *listener = awaited(&client);

        break_next(CALL_ACCEPT4, 3, errors[i]);
        before = evf_executor_now(executor);
        grasp(&h, evf_accept(&h.op, listener));
        evf_socket_close(as_socket(hand_end(&h)));
        ck_assert_uint_eq(calls(CALL_ACCEPT4), 4);
        ck_assert_uint_eq(evf_executor_now(executor) - before, 300);
        evf_listener_close(listener);
        close(client);
    }
}
END_TEST

static void
close_listener(void *arg)
{
    evf_listener_close(*(evf_listener **)arg);
}

START_TEST(shortage_that_lasts_is_looked_at_every_100_ms) /* L20 */
{
    struct hand h = {0};
    uint64_t before;
    int client;
    evf_listener *listener = awaited(&client);

    ck_assert_int_eq(evf_executor_pause_clock(executor), 0);
    grasp(&h, evf_accept(&h.op, listener));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    pass_once();
    before = evf_executor_now(executor);
    break_next(CALL_ACCEPT4, 5, EMFILE);
    for (unsigned i = 1; i <= 5; i++) {
        ck_assert_uint_eq(h.probe.wakes, i);
        ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
        ck_assert_uint_eq(events_on_fd(base, evf_listener_fd(listener)), 0);
        while (h.probe.wakes == i)
            pass_once();
    }
    ck_assert_uint_eq(evf_executor_now(executor) - before, 500);
    evf_socket_close(as_socket(hand_end(&h)));
    evf_listener_close(listener);
    close(client);
}
END_TEST

/* Accepted already, it is not in the backlog any more. */
START_TEST(last_poll_takes_a_connection_that_was_kept) /* F35 */
{
    struct hand h = {0};
    int fillers[64], n = 0, client;
    evf_listener *listener = awaited(&client);

    do
        fillers[n] = dup(0);
    while (fillers[n++] < 63);
    grasp(&h, evf_accept(&h.op, listener));
    heap_fail_at(1);
    ck_assert_int_eq(hand_poll_last(&h), EVF_PENDING);
    ck_assert(!readable(evf_listener_fd(listener)));
    ck_assert_int_eq(hand_poll_last(&h), EVF_READY);
    evf_socket_close(as_socket(evf_future_take(h.future)));
    let_go(&h);
    evf_listener_close(listener);
    while (n > 0)
        close(fillers[--n]);
    close(client);
}
END_TEST

START_TEST(listener_closed_during_a_shortage) /* L20 */
{
    struct hand h = {0};
    int client;
    evf_listener *listener = awaited(&client);

    grasp(&h, evf_accept(&h.op, listener));
    break_next(CALL_ACCEPT4, 1, EMFILE);
    ck_assert_int_eq(hand_poll_last(&h), EVF_PENDING);
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    ck_assert(!evfi_wheel_empty(&evf_executor_reactor(executor)->wheel));
    evf_listener_close(listener);
    ck_assert_uint_eq(h.probe.wakes, 1);
    ck_assert(evfi_wheel_empty(&evf_executor_reactor(executor)->wheel));
    ck_assert_int_eq(hand_end(&h), -EBADF);
    close(client);
}
END_TEST

/* Its timer is to be cancelled although its entry has been cut loose. */
START_TEST(listener_closed_while_the_executor_goes_during_a_shortage) /* F16 */
{
    struct trap trap;
    struct hand h = {0};
    evf_context cx;
    int client;
    evf_listener *listener = awaited(&client);

    trap_init(&trap, close_listener, &listener);
    grasp(&h, evf_accept(&h.op, listener));
    break_next(CALL_ACCEPT4, 1, EMFILE);
    ck_assert_int_eq(hand_poll_last(&h), EVF_PENDING);
    evf_context_init(&cx, &trap.waker, executor);
    ck_assert_int_eq(evf_future_poll(h.future, &cx), EVF_PENDING);
    executor_done();
    ck_assert_uint_eq(trap.wakes, 1);
    let_go(&h);
    ck_assert_int_eq(trap.live, 0);
    close(client);
}
END_TEST

START_TEST(executor_goes_during_a_shortage) /* L20 F23 */
{
    struct hand h = {0};
    int client;
    evf_listener *listener = awaited(&client);

    grasp(&h, evf_accept(&h.op, listener));
    break_next(CALL_ACCEPT4, 1, EMFILE);
    ck_assert_int_eq(hand_poll_last(&h), EVF_PENDING);
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    executor_done();
    ck_assert_int_eq(hand_end(&h), -ESHUTDOWN);
    evf_listener_close(listener);
    close(client);
}
END_TEST

TEST_MAIN("faults-accept", fd_that_cannot_be_looked_at_is_ebadf,
    connect_fails_at_each_of_its_calls, connect_list_goes_on_after_any_error,
    listen_fails_at_each_of_its_calls,
    connections_that_are_gone_again_are_skipped, skipping_is_bounded_in_a_poll,
    accept_that_would_block_after_all_waits,
    errors_that_are_not_survived_are_the_result, shortages_pause_accepting,
    shortage_that_lasts_is_looked_at_every_100_ms,
    last_poll_takes_a_connection_that_was_kept,
    listener_closed_during_a_shortage,
    listener_closed_while_the_executor_goes_during_a_shortage,
    executor_goes_during_a_shortage)
