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

/* Reads all that comes and compares it with what was meant. */
static void
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

static char *
pattern(size_t len)
{
    char *bytes = malloc(len);

    ck_assert_ptr_nonnull(bytes);
    for (size_t i = 0; i < len; i++)
        bytes[i] = (char)(i * 2654435761u >> 23);
    return bytes;
}

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

    ck_assert_int_eq(
        socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, fds), 0);
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
    ck_assert_int_eq(
        finish_now(evf_write_all(NULL, socket, "x", (size_t)SSIZE_MAX + 1)),
        -EINVAL);
    ck_assert_int_eq(
        finish_now(evf_writev(NULL, socket, &iov, IOV_MAX + 1)), -EINVAL);
    ck_assert_int_eq(finish_now(evf_writev(NULL, socket, &iov, -1)), -EINVAL);
    ck_assert_int_eq(finish_now(evf_writev(NULL, socket, NULL, 1)), -EINVAL);
    evf_socket_close(socket);
    close(peer);
}
END_TEST

START_TEST(write_takes_what_there_is_room_for)
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

START_TEST(pipe_without_a_reader_is_epipe_and_no_signal) /* R2 */
{
    for (int flags = 0; flags <= O_NONBLOCK; flags += O_NONBLOCK) {
        sigset_t mask, pending;
        int fds[2];
        evf_socket *socket;

        if (flags == 0 && blocking_fds_abort())
            continue;
        make_pipe(fds, flags);
        socket = adopt(fds[1]);
        close(fds[0]);
        ck_assert_int_eq(finish_now(evf_write(NULL, socket, "x", 1)), -EPIPE);
        sigemptyset(&mask);
        ck_assert_int_eq(sigprocmask(SIG_BLOCK, NULL, &mask), 0);
        ck_assert_int_eq(sigismember(&mask, SIGPIPE), 0);
        ck_assert_int_eq(sigpending(&pending), 0);
        ck_assert_int_eq(sigismember(&pending, SIGPIPE), 0);
        evf_socket_close(socket);
    }
}
END_TEST

START_TEST(signal_that_the_program_has_pending_stays_so)
{
    sigset_t pipe, pending;
    int fds[2], taken;
    evf_socket *socket;

    make_pipe(fds, O_NONBLOCK);
    socket = adopt(fds[1]);
    close(fds[0]);
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    ck_assert_int_eq(sigprocmask(SIG_BLOCK, &pipe, NULL), 0);
    /* Blocked, and not pending: it is taken back all the same. */
    ck_assert_int_eq(finish_now(evf_write(NULL, socket, "x", 1)), -EPIPE);
    ck_assert_int_eq(sigpending(&pending), 0);
    ck_assert_int_eq(sigismember(&pending, SIGPIPE), 0);
    raise(SIGPIPE);
    ck_assert_int_eq(finish_now(evf_write(NULL, socket, "x", 1)), -EPIPE);
    ck_assert_int_eq(sigpending(&pending), 0);
    ck_assert_int_eq(sigismember(&pending, SIGPIPE), 1);
    ck_assert_int_eq(sigwait(&pipe, &taken), 0);
    ck_assert_int_eq(sigprocmask(SIG_UNBLOCK, &pipe, NULL), 0);
    evf_socket_close(socket);
}
END_TEST

START_TEST(ignored_signal_is_no_trouble)
{
    int fds[2];
    evf_socket *socket;

    signal(SIGPIPE, SIG_IGN);
    make_pipe(fds, O_NONBLOCK);
    socket = adopt(fds[1]);
    close(fds[0]);
    ck_assert_int_eq(finish_now(evf_write(NULL, socket, "x", 1)), -EPIPE);
    evf_socket_close(socket);
    signal(SIGPIPE, SIG_DFL);
}
END_TEST

/* Every byte through a pipe, written all at once, read in small pieces. */
static void
through_a_pipe(int flags)
{
    struct hand h = {0};
    size_t len = 300001, total = 0;
    char *bytes = pattern(len), *got = malloc(len);
    int fds[2], rounds = 0;
    evf_socket *socket;

    make_pipe(fds, flags);
    socket = adopt(fds[1]);
    grasp(&h, evf_write_all(&h.op, socket, bytes, len));
    while (hand_poll(&h) == EVF_PENDING) {
        ck_assert_int_lt(++rounds, 10000);
        for (int i = 0; i < 4 && readable(fds[0]); i++) {
            ssize_t n = read(fds[0], got + total, 5000);

            ck_assert_int_gt(n, 0);
            total += (size_t)n;
        }
        pass();
    }
    ck_assert_int_eq(evf_future_take(h.future), (intptr_t)len);
    let_go(&h);
    ck_assert_int_eq(memcmp(got, bytes, total), 0);
    hear_bytes(fds[0], bytes + total, len - total);
    ck_assert_int_eq(fcntl(fds[1], F_GETFL) & O_NONBLOCK, flags);
    evf_socket_close(socket);
    close(fds[0]);
    free(bytes);
    free(got);
}

START_TEST(pipe_that_would_block_is_filled_without_blocking) /* F48 */
{
    if (!blocking_fds_abort())
        through_a_pipe(0);
}
END_TEST

START_TEST(pipe_that_would_not_block_is_filled)
{
    through_a_pipe(O_NONBLOCK);
}
END_TEST

START_TEST(full_pipe_that_would_block_is_waited_for) /* F48 */
{
    struct hand h = {0};
    char big[3 * PIPE_BUF] = "";
    int fds[2];
    size_t n;
    evf_socket *socket;

    if (blocking_fds_abort())
        return;
    make_pipe(fds, 0);
    socket = adopt(fds[1]);
    n = stuff(fds[1]);
    grasp(&h, evf_write(&h.op, socket, big, sizeof(big)));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    ck_assert_int_eq(hand_poll_last(&h), EVF_PENDING);
    ck_assert_uint_eq(drain(fds[0]), n);
    ck_assert_int_eq(hand_end(&h), PIPE_BUF);
    evf_socket_close(socket);
    close(fds[0]);
}
END_TEST

/* How much of some pieces goes at once into a pipe that would block. */
START_TEST(pieces_for_a_pipe_that_would_block_are_no_more_than_fit)
{
    static const struct {
        int count;
        size_t lens[4];
        intptr_t written;
    } rows[] = {
        {1, {1, 0, 0, 0}, 1},
        {3, {1, 2, 3, 0}, 6},
        {2, {0, 5, 0, 0}, 5},
        {2, {PIPE_BUF, 1, 0, 0}, PIPE_BUF},
        {2, {PIPE_BUF - 1, 1, 0, 0}, PIPE_BUF},
        {2, {PIPE_BUF - 1, 2, 0, 0}, PIPE_BUF - 1},
        {1, {PIPE_BUF + 1, 0, 0, 0}, PIPE_BUF},
        {3, {0, 3 * PIPE_BUF, 1, 0}, PIPE_BUF},
        {4, {0, 0, 0, 0}, 0},
        {4, {PIPE_BUF, 0, 0, 1}, PIPE_BUF},
    };
    char *bytes = pattern(4 * PIPE_BUF);
    int fds[2];
    evf_socket *socket;

    if (!blocking_fds_abort()) {
        make_pipe(fds, 0);
        socket = adopt(fds[1]);
        for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
            struct iovec iov[4];
            size_t at = 0;

            for (int j = 0; j < rows[i].count; j++) {
                iov[j].iov_base = bytes + at;
                iov[j].iov_len = rows[i].lens[j];
                at += rows[i].lens[j];
            }
            ck_assert_int_eq(
                finish_now(evf_writev(NULL, socket, iov, rows[i].count)),
                rows[i].written);
            hear_bytes(fds[0], bytes, (size_t)rows[i].written);
        }
        evf_socket_close(socket);
        close(fds[0]);
    }
    free(bytes);
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
    ck_assert_int_eq(
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, fds), 0);
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

START_TEST(devices_that_are_always_ready_are_written)
{
    char *bytes = pattern(100000);
    evf_socket *socket;

    if (!blocking_fds_abort()) {
        socket = adopt(open("/dev/null", O_WRONLY | O_CLOEXEC));
        ck_assert_int_eq(
            finish_now(evf_write_all(NULL, socket, bytes, 100000)), 100000);
        ck_assert_uint_eq(events_on_fd(base, evf_socket_fd(socket)), 0);
        evf_socket_close(socket);
        socket = adopt(open("/dev/full", O_WRONLY | O_CLOEXEC));
        ck_assert_int_eq(
            finish_now(evf_write(NULL, socket, bytes, 1)), -ENOSPC);
        evf_socket_close(socket);
    }
    free(bytes);
}
END_TEST

START_TEST(terminal_is_written)
{
    int terminal, other;
    evf_socket *socket;

    if (blocking_fds_abort())
        return;
    make_terminal(&terminal, &other);
    socket = adopt(terminal);
    ck_assert_int_eq(finish_now(evf_write_all(NULL, socket, "hi\n", 3)), 3);
    hear(other, "hi\n");
    evf_socket_close(socket);
    close(other);
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
    pipe_without_a_reader_is_epipe_and_no_signal,
    signal_that_the_program_has_pending_stays_so, ignored_signal_is_no_trouble,
    pipe_that_would_block_is_filled_without_blocking,
    pipe_that_would_not_block_is_filled,
    full_pipe_that_would_block_is_waited_for,
    pieces_for_a_pipe_that_would_block_are_no_more_than_fit,
    pieces_are_written_in_one_call, pieces_for_a_full_socket_wait,
    socket_that_would_block_is_written_without_blocking,
    devices_that_are_always_ready_are_written, terminal_is_written,
    steady_state_of_a_stream_neither_allocates_nor_arms)
