/* SPDX-License-Identifier: BSD-3-Clause */
#include "sockets.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/un.h>
#include <unistd.h>

#include "foreign.h"
#include "io/socket-internal.h"
#include "reactor/reactor-internal.h"

static evf_listener *
listen_here(struct sockaddr_in *address)
{
    evf_listener *listener = NULL;
    int fd = listening(address);

    ck_assert_int_eq(evf_listener_new(&listener, executor, fd), 0);
    ck_assert_int_eq(evf_listener_fd(listener), fd);
    return listener;
}

START_TEST(accepted_socket_works)
{
    struct sockaddr_in address;
    evf_listener *listener = listen_here(&address);
    int client = dial(&address);
    char buf[8];
    evf_socket *socket = as_socket(finish_now(evf_accept(NULL, listener)));

    ck_assert_int_ne(fcntl(evf_socket_fd(socket), F_GETFL) & O_NONBLOCK, 0);
    ck_assert_int_ne(fcntl(evf_socket_fd(socket), F_GETFD) & FD_CLOEXEC, 0);
    say(client, "ping");
    ck_assert_int_eq(finish_now(evf_read(NULL, socket, buf, 8)), 4);
    ck_assert_int_eq(finish_now(evf_write_all(NULL, socket, "pong", 4)), 4);
    hear(client, "pong");
    evf_socket_close(socket);
    evf_listener_close(listener);
    close(client);
}
END_TEST

START_TEST(nothing_is_accepted_before_the_first_poll) /* F1 */
{
    struct sockaddr_in address;
    evf_listener *listener = listen_here(&address);
    struct hand h = {0};
    int client = dial(&address);

    grasp(&h, evf_accept(&h.op, listener));
    pass();
    ck_assert_uint_eq(events_on_fd(base, evf_listener_fd(listener)), 0);
    let_go(&h);
    ck_assert(readable(evf_listener_fd(listener)));
    evf_listener_close(listener);
    close(client);
}
END_TEST

START_TEST(drop_of_a_pending_accept_loses_no_connection) /* F13 F2 */
{
    struct sockaddr_in address;
    evf_listener *listener = listen_here(&address);
    struct hand h = {0};
    int client;

    grasp(&h, evf_accept(&h.op, listener));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    ck_assert_uint_eq(h.probe.clones, 1);
    client = dial(&address);
    until_readable(evf_listener_fd(listener));
    ck_assert(hand_woken(&h));
    let_go(&h);
    evf_socket_close(as_socket(finish_now(evf_accept(NULL, listener))));
    evf_listener_close(listener);
    close(client);
}
END_TEST

START_TEST(accepted_connection_nobody_takes_is_closed) /* F33 */
{
    struct sockaddr_in address;
    evf_listener *listener = listen_here(&address);
    struct hand h = {0};
    unsigned fds;
    int client = dial(&address);

    fds = fds_open();
    grasp(&h, evf_accept(&h.op, listener));
    while (hand_poll(&h) == EVF_PENDING)
        pass();
    ck_assert_uint_eq(fds_open(), fds + 1);
    let_go(&h);
    ck_assert_uint_eq(fds_open(), fds);
    hear(client, "");
    evf_listener_close(listener);
    close(client);
}
END_TEST

START_TEST(those_who_accept_are_served_in_their_order) /* F9 */
{
    struct sockaddr_in address;
    evf_listener *listener = listen_here(&address);
    struct hand waiters[4];
    evf_socket *sockets[4];
    int clients[4];

    memset(waiters, 0, sizeof(waiters));
    for (int i = 0; i < 4; i++) {
        grasp(&waiters[i], evf_accept(&waiters[i].op, listener));
        ck_assert_int_eq(hand_poll(&waiters[i]), EVF_PENDING);
    }
    for (int i = 0; i < 4; i++)
        clients[i] = dial(&address);
    for (int i = 0; i < 4; i++)
        sockets[i] = as_socket(hand_end(&waiters[i]));
    for (int i = 0; i < 4; i++) {
        struct sockaddr_in mine, peer;
        socklen_t length = sizeof(mine);

        getsockname(clients[i], (struct sockaddr *)&mine, &length);
        getpeername(evf_socket_fd(sockets[i]), (struct sockaddr *)&peer,
            &length);
        ck_assert_uint_eq(mine.sin_port, peer.sin_port);
        evf_socket_close(sockets[i]);
        close(clients[i]);
    }
    evf_listener_close(listener);
}
END_TEST

START_TEST(one_connection_goes_to_the_first_of_many)
{
    struct sockaddr_in address;
    evf_listener *listener = listen_here(&address);
    struct hand a = {0}, b = {0};
    int client;

    grasp(&a, evf_accept(&a.op, listener));
    grasp(&b, evf_accept(&b.op, listener));
    ck_assert_int_eq(hand_poll(&a), EVF_PENDING);
    ck_assert_int_eq(hand_poll(&b), EVF_PENDING);
    client = dial(&address);
    until_readable(evf_listener_fd(listener));
    pass();
    evf_socket_close(as_socket(hand_end(&a)));
    ck_assert_int_eq(hand_poll(&b), EVF_PENDING);
    ck_assert(!hand_woken(&b) || hand_poll(&b) == EVF_PENDING);
    let_go(&b);
    evf_listener_close(listener);
    close(client);
}
END_TEST

START_TEST(last_poll_takes_a_connection_that_is_there) /* F35 */
{
    struct sockaddr_in address;
    evf_listener *listener = listen_here(&address);
    struct hand h = {0};
    int client;

    grasp(&h, evf_accept(&h.op, listener));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    ck_assert_int_eq(hand_poll_last(&h), EVF_PENDING);
    client = dial(&address);
    until_readable(evf_listener_fd(listener));
    ck_assert_int_eq(hand_poll_last(&h), EVF_READY);
    evf_socket_close(as_socket(evf_future_take(h.future)));
    let_go(&h);
    evf_listener_close(listener);
    close(client);
}
END_TEST

START_TEST(close_ends_those_who_wait_with_ebadf)
{
    struct sockaddr_in address;
    evf_listener *listener = listen_here(&address);
    struct hand waiting = {0}, idle = {0};
    int fd = evf_listener_fd(listener);

    grasp(&waiting, evf_accept(&waiting.op, listener));
    grasp(&idle, evf_accept(&idle.op, listener));
    ck_assert_int_eq(hand_poll(&waiting), EVF_PENDING);
    evf_listener_close(listener);
    ck_assert_int_lt(fcntl(fd, F_GETFD), 0);
    ck_assert_uint_eq(waiting.probe.wakes, 1);
    ck_assert_int_eq(hand_end(&waiting), -EBADF);
    ck_assert_int_eq(hand_end(&idle), -EBADF);
}
END_TEST

START_TEST(closing_twice_is_misuse) /* F14 */
{
    struct sockaddr_in address;
    evf_listener *listener = listen_here(&address);
    struct hand h = {0};

    grasp(&h, evf_accept(&h.op, listener)); /* keeps the object */
    evf_listener_close(listener);
    evf_listener_close(listener);
    ck_assert_misuse(1);
    ck_assert_int_eq(evf_listener_fd(listener), -1);
    let_go(&h);
}
END_TEST

START_TEST(null_listeners_are_fine) /* F47 */
{
    evf_listener_close(NULL);
    ck_assert_int_eq(evf_listener_fd(NULL), -1);
    ck_assert_int_eq(finish_now(evf_accept(NULL, NULL)), -EBADF);
}
END_TEST

START_TEST(listener_outlives_its_executor) /* F23 */
{
    struct sockaddr_in address;
    evf_listener *listener = listen_here(&address);
    struct hand h = {0};

    grasp(&h, evf_accept(&h.op, listener));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    executor_done();
    ck_assert_uint_eq(h.probe.wakes, 1);
    ck_assert_int_eq(hand_end(&h), -ESHUTDOWN);
    evf_listener_close(listener);
}
END_TEST

START_TEST(accept_works_under_a_foreign_executor) /* F40 */
{
    struct foreign on = FOREIGN_INITIALIZER(on);
    struct foreign_task task;
    struct sockaddr_in address;
    evf_listener *listener = listen_here(&address);
    int client;

    foreign_spawn(&on, &task, evf_accept(NULL, listener));
    foreign_run(&on);
    ck_assert(!task.ended);
    client = dial(&address);
    until_readable(evf_listener_fd(listener));
    pass();
    foreign_run(&on);
    ck_assert(task.ended);
    evf_socket_close(as_socket(task.result));
    foreign_end(&task);
    evf_listener_close(listener);
    close(client);
}
END_TEST

/* A loop that is at a standstill: the clock may jump. */
static void
let_time_pass(void)
{
    evf_executor_hold(executor);
    ck_assert_int_ge(event_base_loop(base, EVLOOP_ONCE), 0);
    evf_executor_release(executor);
}

START_TEST(memory_for_the_socket_is_had_before_the_connection) /* F28 L20 */
{
    struct sockaddr_in address;
    evf_listener *listener = listen_here(&address);
    struct hand h = {0};
    evf_op op = {0};
    size_t before;
    int client = dial(&address);

    ck_assert_int_eq(evf_executor_pause_clock(executor), 0);
    heap_fail_at(1);
    ck_assert_ptr_null(evf_accept(NULL, listener));
    ck_assert(readable(evf_listener_fd(listener)));
    /* There is none yet, nor at the first poll; 100 ms later there is. */
    heap_fail_at(1);
    grasp(&h, evf_accept(&h.op, listener));
    heap_fail_at(1);
    ck_assert_int_eq(hand_poll_last(&h), EVF_PENDING);
    ck_assert(readable(evf_listener_fd(listener)));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    while (h.probe.wakes == 0)
        let_time_pass();
    evf_socket_close(as_socket(hand_end(&h)));
    close(client);
    client = dial(&address);
    /* One that was not used is kept, and the next accept need not ask. */
    evf_future_drop(evf_accept(&op, listener));
    before = heap_allocations();
    evf_socket_close(as_socket(finish_now(evf_accept(&op, listener))));
    ck_assert_uint_le(heap_allocations(), before + 1); /* the task's */
    evf_listener_close(listener);
    close(client);
}
END_TEST

START_TEST(op_in_use_is_refused) /* F34 */
{
    struct sockaddr_in address;
    evf_listener *listener = listen_here(&address);
    struct hand h = {0};
    size_t blocks;

    grasp(&h, evf_accept(&h.op, listener));
    blocks = heap_blocks();
    ck_assert_int_eq(finish_now(evf_accept(&h.op, listener)), -EBUSY);
    ck_assert_uint_eq(heap_blocks(), blocks);
    let_go(&h);
    evf_listener_close(listener);
}
END_TEST

START_TEST(listening_fd_that_would_block_does_not) /* F48 */
{
    struct sockaddr_in address;
    evf_listener *listener = NULL;
    struct hand h = {0};
    int client, fd;

    if (blocking_fds_abort())
        return;
    fd = refusing(&address); /* bound, and blocking */
    ck_assert_int_eq(listen(fd, 4), 0);
    ck_assert_int_eq(evf_listener_new(&listener, executor, fd), 0);
    grasp(&h, evf_accept(&h.op, listener));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    ck_assert_int_eq(hand_poll_last(&h), EVF_PENDING);
    client = dial(&address);
    evf_socket_close(as_socket(hand_end(&h)));
    /* There may be more where that one came from. */
    grasp(&h, evf_accept(&h.op, listener));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    let_go(&h);
    ck_assert_int_eq(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
    evf_listener_close(listener);
    close(client);
}
END_TEST

/* Leaves the process no more descriptors; gives them back. */
static struct rlimit limit_before;

static void
run_out_of_fds(void)
{
    struct rlimit limit;
    int next = dup(0);

    close(next);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit_before), 0);
    limit = limit_before;
    limit.rlim_cur = (rlim_t)next;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static void
have_fds_again(void)
{
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit_before), 0);
}

/* Valgrind loses a connection that it refuses in the kernel's place: so three. */
START_TEST(shortage_of_fds_does_not_spin_and_passes) /* L20 */
{
    struct sockaddr_in address;
    evf_listener *listener = listen_here(&address);
    struct hand a = {0}, b = {0};
    uint64_t before;
    int clients[3] = {dial(&address), dial(&address), dial(&address)};

    ck_assert_int_eq(evf_executor_pause_clock(executor), 0);
    grasp(&a, evf_accept(&a.op, listener));
    grasp(&b, evf_accept(&b.op, listener));
    ck_assert_int_eq(hand_poll(&a), EVF_PENDING);
    until_readable(evf_listener_fd(listener));
    pass_once();
    ck_assert_uint_eq(a.probe.wakes, 1);
    run_out_of_fds();
    before = evf_executor_now(executor);
    ck_assert_int_eq(hand_poll(&a), EVF_PENDING);
    have_fds_again();
    ck_assert_int_eq(hand_poll(&b), EVF_PENDING);
    ck_assert_uint_eq(events_on_fd(base, evf_listener_fd(listener)), 0);
    ck_assert_int_eq(hand_poll(&a), EVF_PENDING); /* not before its time */
    while (a.probe.wakes < 2)
        let_time_pass();
    ck_assert_uint_eq(evf_executor_now(executor) - before, 100);
    ck_assert_uint_eq(b.probe.wakes, 1);
    evf_socket_close(as_socket(hand_end(&a)));
    evf_socket_close(as_socket(hand_end(&b)));
    evf_listener_close(listener);
    for (int i = 0; i < 3; i++)
        close(clients[i]);
}
END_TEST

/* The map of fds grows when the connection's number is known. */
START_TEST(connection_without_memory_to_register_it_is_kept) /* F28 */
{
    struct sockaddr_in address;
    evf_listener *listener = listen_here(&address);
    struct hand h = {0};
    int fillers[64], n = 0, client = dial(&address);

    ck_assert_int_eq(evf_executor_pause_clock(executor), 0);
    do
        fillers[n] = dup(0);
    while (fillers[n++] < 63);
    grasp(&h, evf_accept(&h.op, listener));
    heap_fail_at(1);
    ck_assert_int_eq(hand_poll_last(&h), EVF_PENDING);
    ck_assert(!readable(evf_listener_fd(listener))); /* it is out of there */
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    while (h.probe.wakes == 0)
        let_time_pass();
    evf_socket_close(as_socket(hand_end(&h)));
    hear(client, "");
    evf_listener_close(listener);
    while (n > 0)
        close(fillers[--n]);
    close(client);
}
END_TEST

/* It may be, if the program has closed a fd during its wait. */
START_TEST(connection_whose_number_is_waited_for_is_refused) /* F25 */
{
    struct sockaddr_in address;
    evf_listener *listener = listen_here(&address);
    struct hand h = {0};
    evf_interest interest = {0};
    struct probe probe;
    int client = dial(&address), fds[2];

    make_pipe(fds, O_NONBLOCK);
    probe_init(&probe);
    ck_assert_int_eq(add(fds[0], &interest, EVF_READABLE, &probe.waker), 0);
    close(fds[0]);
    grasp(&h, evf_accept(&h.op, listener));
    until_readable(evf_listener_fd(listener));
    ck_assert_int_eq(hand_poll_last(&h), EVF_READY);
    ck_assert_int_eq(evf_future_take(h.future), -EEXIST);
    let_go(&h);
    hear(client, "");
    evf_interest_remove(&interest);
    ck_assert_int_eq(probe_live(&probe), 0);
    evf_listener_close(listener);
    close(client);
    close(fds[1]);
}
END_TEST

START_TEST(connection_kept_is_closed_with_the_listener) /* F28 */
{
    struct sockaddr_in address;
    evf_listener *listener = listen_here(&address);
    struct hand h = {0};
    int fillers[64], n = 0, client = dial(&address);

    do
        fillers[n] = dup(0);
    while (fillers[n++] < 63);
    grasp(&h, evf_accept(&h.op, listener));
    heap_fail_at(1);
    ck_assert_int_eq(hand_poll_last(&h), EVF_PENDING);
    let_go(&h);
    evf_listener_close(listener);
    ck_assert(readable(client));
    hear(client, "");
    while (n > 0)
        close(fillers[--n]);
    close(client);
}
END_TEST

TEST_MAIN("listener", accepted_socket_works,
    nothing_is_accepted_before_the_first_poll,
    drop_of_a_pending_accept_loses_no_connection,
    accepted_connection_nobody_takes_is_closed,
    those_who_accept_are_served_in_their_order,
    one_connection_goes_to_the_first_of_many,
    last_poll_takes_a_connection_that_is_there,
    close_ends_those_who_wait_with_ebadf, closing_twice_is_misuse,
    null_listeners_are_fine, listener_outlives_its_executor,
    accept_works_under_a_foreign_executor,
    memory_for_the_socket_is_had_before_the_connection, op_in_use_is_refused,
    listening_fd_that_would_block_does_not,
    shortage_of_fds_does_not_spin_and_passes,
    connection_without_memory_to_register_it_is_kept,
    connection_whose_number_is_waited_for_is_refused,
    connection_kept_is_closed_with_the_listener)
