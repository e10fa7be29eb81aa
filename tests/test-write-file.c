/* SPDX-License-Identifier: BSD-3-Clause */
#include "sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "foreign.h"
#include "io/socket-internal.h"

static volatile sig_atomic_t signals;

static void
on_signal(int signal)
{
    (void)signal;
    signals++;
}

START_TEST(pipe_without_a_reader_is_epipe_and_no_signal) /* R2 */
{
    signal(SIGPIPE, on_signal);
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
        ck_assert_int_eq(signals, 0);
        evf_socket_close(socket);
    }
    signal(SIGPIPE, SIG_DFL);
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

/* A user who has many pipes may not have this much: then it is the usual. */
static void
grow_pipe(int fd, int room)
{
#ifdef F_SETPIPE_SZ
    if (room > 0 && fcntl(fd, F_SETPIPE_SZ, room) < 0)
        ck_assert_int_eq(errno, EPERM);
#else
    (void)fd;
    (void)room;
#endif
}

/*
 * Every byte through a pipe with this much room (0: the usual), written all at
 * once, read in small pieces.
 */
static void
through_a_pipe(int flags, int room)
{
    struct hand h = {0};
    size_t len = 300001, total = 0;
    char *bytes = pattern(len), *got = malloc(len);
    int fds[2], rounds = 0;
    evf_socket *socket;

    make_pipe(fds, flags);
    grow_pipe(fds[1], room);
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
    ck_assert(!readable(fds[0]));
    ck_assert_int_eq(fcntl(fds[1], F_GETFL) & O_NONBLOCK, flags);
    evf_socket_close(socket);
    close(fds[0]);
    free(bytes);
    free(got);
}

START_TEST(pipe_that_would_block_is_filled_without_blocking) /* F48 */
{
    if (!blocking_fds_abort())
        through_a_pipe(0, 0);
}
END_TEST

START_TEST(pipe_that_would_not_block_is_filled)
{
    through_a_pipe(O_NONBLOCK, 0);
}
END_TEST

/* More than a write of everything makes in calls before it lets others run. */
START_TEST(pipe_with_room_for_more_than_a_turn_gets_each_byte_once) /* R2 */
{
    through_a_pipe(O_NONBLOCK, 1 << 20);
    if (!blocking_fds_abort())
        through_a_pipe(0, 1 << 20);
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

/* Pieces of some lengths, of which so much goes into a pipe at once. */
struct pieces {
    int count;
    size_t lens[4];
    intptr_t written;
};

static void
write_pieces(const struct pieces *pieces)
{
    char *bytes = pattern(4 * PIPE_BUF);
    struct iovec iov[4];
    size_t at = 0;
    int fds[2];
    evf_socket *socket;

    make_pipe(fds, 0);
    socket = adopt(fds[1]);
    for (int i = 0; i < pieces->count; i++) {
        iov[i].iov_base = bytes + at;
        iov[i].iov_len = pieces->lens[i];
        at += pieces->lens[i];
    }
    ck_assert_int_eq(finish_now(evf_writev(NULL, socket, iov, pieces->count)),
        pieces->written);
    hear_bytes(fds[0], bytes, (size_t)pieces->written);
    ck_assert(!readable(fds[0]));
    evf_socket_close(socket);
    close(fds[0]);
    free(bytes);
}

START_TEST(pieces_for_a_pipe_that_would_block_are_no_more_than_fit) /* F48 */
{
    static const struct pieces rows[] = {
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

    if (blocking_fds_abort())
        return;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        write_pieces(&rows[i]);
}
END_TEST

START_TEST(devices_that_are_always_ready_are_written) /* L17 */
{
    char *bytes = pattern(100000);
    evf_socket *socket;

    if (!blocking_fds_abort()) {
        socket = adopt(open("/dev/null", O_WRONLY | O_CLOEXEC));
        ck_assert_int_eq(finish_now(evf_write_all(NULL, socket, bytes, 100000)),
            100000);
        ck_assert_uint_eq(events_on_fd(base, evf_socket_fd(socket)), 0);
        evf_socket_close(socket);
        socket = adopt(open("/dev/full", O_WRONLY | O_CLOEXEC));
        ck_assert_int_eq(finish_now(evf_write(NULL, socket, bytes, 1)),
            -ENOSPC);
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

TEST_MAIN("write-file", pipe_without_a_reader_is_epipe_and_no_signal,
    signal_that_the_program_has_pending_stays_so, ignored_signal_is_no_trouble,
    pipe_that_would_block_is_filled_without_blocking,
    pipe_that_would_not_block_is_filled,
    pipe_with_room_for_more_than_a_turn_gets_each_byte_once,
    full_pipe_that_would_block_is_waited_for,
    pieces_for_a_pipe_that_would_block_are_no_more_than_fit,
    devices_that_are_always_ready_are_written, terminal_is_written)
