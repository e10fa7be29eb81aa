/* SPDX-License-Identifier: BSD-3-Clause */
#include "sockets.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "foreign.h"
#include "io/socket-internal.h"

START_TEST(nothing_is_written_before_the_first_poll) /* F1 */
{
    struct hand h = {0};
    int peer;
    evf_socket *socket = adopt_pair(&peer);

    grasp(&h, evf_write(&h.op, socket, "x", 1));
    pass();
    ck_assert(!readable(peer));
    let_go(&h);
    grasp(&h, evf_write_all(&h.op, socket, "x", 1));
    let_go(&h);
    ck_assert(!readable(peer));
    evf_socket_close(socket);
    close(peer);
}
END_TEST

START_TEST(write_to_an_idle_socket_is_done_at_its_first_poll)
{
    struct hand h = {0};
    int peer;
    evf_socket *socket = adopt_pair(&peer);

    grasp(&h, evf_write(&h.op, socket, "abc", 3));
    ck_assert_int_eq(hand_poll(&h), EVF_READY);
    ck_assert_int_eq(evf_future_take(h.future), 3);
    let_go(&h);
    grasp(&h, evf_write_all(&h.op, socket, "de", 2));
    ck_assert_int_eq(hand_poll(&h), EVF_READY);
    ck_assert_int_eq(evf_future_take(h.future), 2);
    ck_assert_uint_eq(h.probe.clones, 0);
    let_go(&h);
    hear(peer, "abcde");
    evf_socket_close(socket);
    close(peer);
}
END_TEST

START_TEST(write_of_nothing_sends_nothing)
{
    int fds[2];
    evf_socket *socket;

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, fds),
        0);
    socket = adopt(fds[0]);
    ck_assert_int_eq(finish_now(evf_write(NULL, socket, "x", 0)), 0);
    ck_assert_int_eq(finish_now(evf_write_all(NULL, socket, NULL, 0)), 0);
    ck_assert_int_eq(finish_now(evf_writev(NULL, socket, NULL, 0)), 0);
    ck_assert(!readable(fds[1]));
    evf_socket_close(socket);
    close(fds[1]);
}
END_TEST

START_TEST(arguments_that_cannot_be_are_refused) /* F47 */
{
    struct iovec iov = {.iov_base = NULL, .iov_len = 0};
    int peer;
    evf_socket *socket = adopt_pair(&peer);

    ck_assert_int_eq(finish_now(evf_write(NULL, NULL, "x", 1)), -EBADF);
    ck_assert_int_eq(finish_now(evf_write_all(NULL, NULL, "x", 1)), -EBADF);
    ck_assert_int_eq(finish_now(evf_writev(NULL, NULL, &iov, 1)), -EBADF);
    ck_assert_int_eq(finish_now(evf_write_all(NULL, socket, "x",
                         (size_t)SSIZE_MAX + 1)),
        -EINVAL);
    ck_assert_int_eq(finish_now(evf_writev(NULL, socket, &iov, IOV_MAX + 1)),
        -EINVAL);
    ck_assert_int_eq(finish_now(evf_writev(NULL, socket, &iov, -1)), -EINVAL);
    ck_assert_int_eq(finish_now(evf_writev(NULL, socket, NULL, 1)), -EINVAL);
    evf_socket_close(socket);
    close(peer);
}
END_TEST

START_TEST(write_takes_what_there_is_room_for) /* L6 */
{
    struct hand h = {0};
    size_t len = 4 << 20;
    char *bytes = pattern(len);
    intptr_t n;
    int fds[2];
    evf_socket *socket;

    tcp_pair(fds);
    socket = adopt(fds[0]);
    grasp(&h, evf_write(&h.op, socket, bytes, len));
    ck_assert_int_eq(hand_poll(&h), EVF_READY);
    n = evf_future_take(h.future);
    let_go(&h);
    ck_assert_int_gt(n, 0);
    ck_assert_int_lt(n, (intptr_t)len);
    ck_assert(!(socket->entry.hint & EVF_WRITABLE)); /* it is full */
    hear_bytes(fds[1], bytes, (size_t)n);
    evf_socket_close(socket);
    close(fds[1]);
    free(bytes);
}
END_TEST

START_TEST(write_to_a_full_socket_waits)
{
    struct hand h = {0};
    size_t n;
    int peer;
    evf_socket *socket = adopt_pair(&peer);

    n = stuff(evf_socket_fd(socket));
    grasp(&h, evf_write(&h.op, socket, "x", 1));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING); /* F2 */
    ck_assert_uint_eq(h.probe.clones, 1);
    ck_assert(!hand_woken(&h));
    ck_assert_uint_eq(drain(peer), n);
    ck_assert_int_eq(hand_end(&h), 1);
    hear(peer, "x");
    evf_socket_close(socket);
    close(peer);
}
END_TEST

START_TEST(drop_of_a_pending_write_writes_nothing)
{
    struct hand h = {0};
    size_t n;
    int peer;
    evf_socket *socket = adopt_pair(&peer);

    n = stuff(evf_socket_fd(socket));
    grasp(&h, evf_write(&h.op, socket, "x", 1));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    let_go(&h);
    ck_assert_uint_eq(drain(peer), n);
    pass();
    ck_assert(!readable(peer));
    ck_assert_uint_eq(h.probe.wakes, 0);
    evf_socket_close(socket);
    close(peer);
}
END_TEST

START_TEST(write_all_goes_on_until_all_is_written)
{
    struct hand h = {0};
    size_t len = 3000001;
    char *bytes = pattern(len), *got = malloc(len);
    size_t total = 0;
    int fds[2], rounds = 0, small = 65536;
    evf_socket *socket;

    tcp_pair(fds);
    setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
    socket = adopt(fds[0]);
    grasp(&h, evf_write_all(&h.op, socket, bytes, len));
    while (hand_poll(&h) == EVF_PENDING) {
        ssize_t n;

        ck_assert_int_lt(++rounds, 10000);
        until_readable(fds[1]);
        while ((n = read(fds[1], got + total, len - total)) > 0)
            total += (size_t)n;
        pass();
    }
    ck_assert_int_gt(rounds, 1);
    ck_assert_int_eq(evf_future_take(h.future), (intptr_t)len);
    let_go(&h);
    hear_bytes(fds[1], bytes + total, len - total);
    ck_assert_int_eq(memcmp(got, bytes, total), 0);
    evf_socket_close(socket);
    close(fds[1]);
    free(bytes);
    free(got);
}
END_TEST

START_TEST(write_all_fails_when_the_reader_leaves_half_way)
{
    struct hand h = {0};
    size_t len = 4 << 20;
    char *bytes = pattern(len);
    int peer;
    evf_socket *socket = adopt_pair(&peer);

    grasp(&h, evf_write_all(&h.op, socket, bytes, len));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    close(peer);
    ck_assert(hand_woken(&h));
    ck_assert_int_eq(hand_end(&h), -EPIPE);
    evf_socket_close(socket);
    free(bytes);
}
END_TEST

START_TEST(writers_are_served_in_their_order) /* F9 */
{
    struct hand a = {0}, b = {0};
    size_t n;
    int peer;
    evf_socket *socket = adopt_pair(&peer);

    n = stuff(evf_socket_fd(socket));
    grasp(&a, evf_write_all(&a.op, socket, "a", 1));
    grasp(&b, evf_write_all(&b.op, socket, "b", 1));
    ck_assert_int_eq(hand_poll(&a), EVF_PENDING);
    ck_assert_int_eq(hand_poll(&b), EVF_PENDING);
    ck_assert_uint_eq(drain(peer), n);
    pass();
    ck_assert_uint_eq(a.probe.wakes, 1);
    ck_assert_uint_eq(b.probe.wakes, 1);
    ck_assert_int_eq(hand_end(&a), 1);
    ck_assert_int_eq(hand_end(&b), 1);
    hear(peer, "ab");
    evf_socket_close(socket);
    close(peer);
}
END_TEST

START_TEST(last_poll_of_a_write_tries_and_does_not_register) /* F35 */
{
    struct hand h = {0};
    int peer;
    evf_socket *socket = adopt_pair(&peer);

    stuff(evf_socket_fd(socket));
    grasp(&h, evf_write(&h.op, socket, "x", 1));
    ck_assert_int_eq(hand_poll_last(&h), EVF_PENDING);
    ck_assert_int_eq(probe_live(&h.probe), 0);
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    drain(peer);
    ck_assert_int_eq(hand_poll_last(&h), EVF_READY);
    ck_assert_int_eq(evf_future_take(h.future), 1);
    let_go(&h);
    hear(peer, "x");
    evf_socket_close(socket);
    close(peer);
}
END_TEST

START_TEST(write_works_under_a_foreign_executor) /* F40 */
{
    struct foreign on = FOREIGN_INITIALIZER(on);
    struct foreign_task task;
    int peer;
    evf_socket *socket = adopt_pair(&peer);

    stuff(evf_socket_fd(socket));
    foreign_spawn(&on, &task, evf_write_all(NULL, socket, "ab", 2));
    foreign_run(&on);
    ck_assert(!task.ended);
    drain(peer);
    pass();
    foreign_run(&on);
    ck_assert(task.ended);
    ck_assert_int_eq(task.result, 2);
    foreign_end(&task);
    ck_assert_uint_eq(task.wakers, 0);
    hear(peer, "ab");
    evf_socket_close(socket);
    close(peer);
}
END_TEST

/* SIGPIPE is at its default here: raised, it would end the test. */
START_TEST(socket_without_a_reader_is_epipe_and_no_signal) /* R2 */
{
    struct iovec iov = {.iov_base = TEXT("x"), .iov_len = 1};
    int peer;
    evf_socket *socket = adopt_pair(&peer);

    close(peer);
    ck_assert_int_eq(finish_now(evf_write(NULL, socket, "x", 1)), -EPIPE);
    ck_assert_int_eq(finish_now(evf_write_all(NULL, socket, "x", 1)), -EPIPE);
    ck_assert_int_eq(finish_now(evf_writev(NULL, socket, &iov, 1)), -EPIPE);
    evf_socket_close(socket);
}
END_TEST

START_TEST(pieces_are_written_in_one_call)
{
    struct iovec iov[] = {
        {.iov_base = TEXT("one "), .iov_len = 4},
        {.iov_base = NULL, .iov_len = 0},
        {.iov_base = TEXT("two"), .iov_len = 3},
    };
    int fds[2];
    evf_socket *socket;

    /* A datagram shows it. */
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0,
                         fds),
        0);
    socket = adopt(fds[0]);
    ck_assert_int_eq(finish_now(evf_writev(NULL, socket, iov, 3)), 7);
    hear(fds[1], "one two");
    evf_socket_close(socket);
    close(fds[1]);
    make_pipe(fds, O_NONBLOCK);
    socket = adopt(fds[1]);
    ck_assert_int_eq(finish_now(evf_writev(NULL, socket, iov, 3)), 7);
    hear(fds[0], "one two");
    evf_socket_close(socket);
    close(fds[0]);
}
END_TEST

START_TEST(pieces_for_a_full_socket_wait)
{
    struct iovec iov[2] = {{.iov_base = TEXT("a"), .iov_len = 1},
        {.iov_base = TEXT("b"), .iov_len = 1}};
    struct hand h = {0};
    int peer;
    evf_socket *socket = adopt_pair(&peer);

    stuff(evf_socket_fd(socket));
    grasp(&h, evf_writev(&h.op, socket, iov, 2));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    drain(peer);
    ck_assert_int_eq(hand_end(&h), 2);
    hear(peer, "ab");
    evf_socket_close(socket);
    close(peer);
}
END_TEST

START_TEST(socket_that_would_block_is_written_without_blocking) /* F48 */
{
    struct hand h = {0};
    int fds[2];
    evf_socket *socket;

    if (blocking_fds_abort())
        return;
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    socket = adopt(fds[0]);
    stuff(fds[0]);
    grasp(&h, evf_write(&h.op, socket, "x", 1));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    drain(fds[1]);
    ck_assert_int_eq(hand_end(&h), 1);
    evf_socket_close(socket);
    close(fds[1]);
}
END_TEST

START_TEST(steady_state_of_a_stream_neither_allocates_nor_arms)
{
    struct hand h = {0};
    size_t before;
    int peer;
    evf_socket *socket = adopt_pair(&peer);

    stuff(evf_socket_fd(socket));
    grasp(&h, evf_write_all(&h.op, socket, "x", 1));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    before = heap_allocations();
    for (int i = 0; i < 5; i++) {
        drain(peer);
        pass_once();
        ck_assert_int_eq(hand_poll(&h), EVF_READY);
        let_go(&h);
        stuff(evf_socket_fd(socket));
        grasp(&h, evf_write_all(&h.op, socket, "x", 1));
        ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
        ck_assert_uint_eq(socket->entry.armed, EVF_WRITABLE);
    }
    ck_assert_uint_eq(heap_allocations(), before);
    let_go(&h);
    evf_socket_close(socket);
    close(peer);
}
END_TEST

TEST_MAIN("write", nothing_is_written_before_the_first_poll,
    write_to_an_idle_socket_is_done_at_its_first_poll,
    write_of_nothing_sends_nothing, arguments_that_cannot_be_are_refused,
    write_takes_what_there_is_room_for, write_to_a_full_socket_waits,
    drop_of_a_pending_write_writes_nothing,
    write_all_goes_on_until_all_is_written,
    write_all_fails_when_the_reader_leaves_half_way,
    writers_are_served_in_their_order,
    last_poll_of_a_write_tries_and_does_not_register,
    write_works_under_a_foreign_executor,
    socket_without_a_reader_is_epipe_and_no_signal,
    pieces_are_written_in_one_call, pieces_for_a_full_socket_wait,
    socket_that_would_block_is_written_without_blocking,
    steady_state_of_a_stream_neither_allocates_nor_arms)
