/* SPDX-License-Identifier: BSD-3-Clause */
#include "sockets.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "foreign.h"
#include "io/socket-internal.h"

/* A descriptor that would block, and one that would not: the same must hold. */
static void
one_pipe(int flags)
{
    struct hand h = {0};
    char buf[8];
    int fds[2];
    evf_socket *socket;

    make_pipe(fds, flags);
    socket = adopt(fds[0]);
    grasp(&h, evf_read(&h.op, socket, buf, sizeof(buf)));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    ck_assert(!hand_woken(&h));
    say(fds[1], "abc");
    ck_assert(hand_woken(&h));
    ck_assert_int_eq(hand_end(&h), 3);
    /* With a wrong hint, too, it does not block. */
    socket->entry.hint |= EVF_READABLE;
    grasp(&h, evf_read(&h.op, socket, buf, sizeof(buf)));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    ck_assert_int_eq(hand_poll_last(&h), EVF_PENDING);
    say(fds[1], "12345678more");
    ck_assert_int_eq(hand_end(&h), 8);
    grasp(&h, evf_read(&h.op, socket, buf, sizeof(buf)));
    ck_assert_int_eq(hand_end(&h), 4);
    close(fds[1]);
    grasp(&h, evf_read(&h.op, socket, buf, sizeof(buf)));
    ck_assert_int_eq(hand_end(&h), 0);
    ck_assert_int_eq(fcntl(fds[0], F_GETFL) & O_NONBLOCK, flags & O_NONBLOCK);
    evf_socket_close(socket);
}

START_TEST(pipe_that_would_block_is_polled_first) /* F48 */
{
    if (!blocking_fds_abort())
        one_pipe(0);
}
END_TEST

START_TEST(pipe_that_would_not_block_is_read)
{
    one_pipe(O_NONBLOCK);
}
END_TEST

/* Never opened to be written, it is not at its end. */
START_TEST(last_poll_leaves_a_fifo_without_a_writer_alone) /* F35 */
{
    struct hand h = {0};
    char directory[] = "/tmp/evfuture-XXXXXX", path[64], buf[8];
    int writer;
    evf_socket *socket;

    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/fifo", directory);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    socket = adopt(open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    grasp(&h, evf_read(&h.op, socket, buf, sizeof(buf)));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    ck_assert_int_eq(hand_poll_last(&h), EVF_PENDING);
    writer = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    say(writer, "x");
    ck_assert_int_eq(hand_poll_last(&h), EVF_READY);
    ck_assert_int_eq(evf_future_take(h.future), 1);
    let_go(&h);
    close(writer);
    evf_socket_close(socket);
    unlink(path);
    rmdir(directory);
}
END_TEST

/* A call would block, and its wrapper says so. */
START_TEST(last_poll_does_not_block_where_flags_have_changed) /* F35 F48 */
{
    struct hand h = {0};
    char c;
    int fds[2];
    evf_socket *in, *out;

    make_pipe(fds, O_NONBLOCK);
    in = adopt(fds[0]);
    out = adopt(fds[1]);
    grasp(&h, evf_read(&h.op, in, &c, 1));
    ck_assert_int_eq(fcntl(fds[0], F_SETFL, 0), 0);
    ck_assert_int_eq(hand_poll_last(&h), EVF_PENDING);
    say(fds[1], "x");
    ck_assert_int_eq(hand_poll_last(&h), EVF_READY);
    let_go(&h);
    ck_assert_int_eq(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
    stuff(fds[1]);
    grasp(&h, evf_write(&h.op, out, "y", 1));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    ck_assert_int_eq(fcntl(fds[1], F_SETFL, 0), 0);
    ck_assert_int_eq(hand_poll_last(&h), EVF_PENDING);
    drain(fds[0]);
    ck_assert_int_eq(hand_poll_last(&h), EVF_READY);
    let_go(&h);
    evf_socket_close(in);
    evf_socket_close(out);
}
END_TEST

START_TEST(packets_of_a_pipe_queued_before_the_first_read) /* L6 */
{
    static const char *const packets[] = {"a", "bcd", "ef", "ghijklmn", "o"};
    char buf[4];
    int fds[2];
    evf_socket *socket;

    make_pipe(fds, O_DIRECT | O_NONBLOCK);
    for (int i = 0; i < 5; i++)
        say(fds[1], packets[i]);
    socket = adopt(fds[0]);
    for (int i = 0; i < 5; i++) {
        size_t len = strlen(packets[i]) < 4 ? strlen(packets[i]) : 4;

        ck_assert_int_eq(finish_now(evf_read(NULL, socket, buf, 4)),
            (intptr_t)len);
        ck_assert_int_eq(memcmp(buf, packets[i], len), 0);
    }
    evf_socket_close(socket);
    close(fds[1]);
}
END_TEST

START_TEST(lines_of_a_terminal_queued_before_the_first_read) /* L6 */
{
    char buf[64];
    int terminal, other;
    evf_socket *socket;

    if (blocking_fds_abort())
        return;
    make_terminal(&terminal, &other);
    say(other, "one\n");
    say(other, "two\n");
    socket = adopt(terminal);
    ck_assert_int_eq(finish_now(evf_read(NULL, socket, buf, 4)), 4);
    ck_assert_int_eq(finish_now(evf_read(NULL, socket, buf, 64)), 4);
    ck_assert_int_eq(memcmp(buf, "two\n", 4), 0);
    evf_socket_close(socket);
    close(other);
}
END_TEST

START_TEST(terminal_with_nothing_typed_is_waited_for)
{
    struct hand h = {0};
    char buf[64];
    int terminal, other;
    evf_socket *socket;

    if (blocking_fds_abort())
        return;
    make_terminal(&terminal, &other);
    socket = adopt(terminal);
    grasp(&h, evf_read(&h.op, socket, buf, sizeof(buf)));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    ck_assert(!hand_woken(&h));
    say(other, "typed");
    ck_assert_int_eq(hand_end(&h), 5);
    evf_socket_close(socket);
    close(other);
}
END_TEST

/* Where read(2) says 0 at once, in place of waiting. */
START_TEST(terminal_that_does_not_wait_is_not_at_its_end) /* R2 */
{
    struct termios raw;
    struct hand h = {0};
    char buf[64];
    int terminal, other;
    evf_socket *socket;

    make_terminal(&terminal, &other);
    ck_assert_int_eq(tcgetattr(terminal, &raw), 0);
    raw.c_cc[VMIN] = 0;
    raw.c_cc[VTIME] = 0;
    ck_assert_int_eq(tcsetattr(terminal, TCSANOW, &raw), 0);
    ck_assert_int_eq(fcntl(terminal, F_SETFL, O_NONBLOCK), 0);
    socket = adopt(terminal);
    for (int i = 0; i < 2; i++) {
        grasp(&h, evf_read(&h.op, socket, buf, sizeof(buf)));
        ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
        ck_assert_int_eq(hand_poll_last(&h), EVF_PENDING);
        ck_assert(!hand_woken(&h));
        say(other, "key");
        ck_assert_int_eq(hand_end(&h), 3);
    }
    evf_socket_close(socket);
    close(other);
}
END_TEST

START_TEST(null_device_is_always_at_its_end) /* L17 */
{
    char c;
    evf_socket *socket;

    if (blocking_fds_abort())
        return;
    socket = adopt(open("/dev/null", O_RDWR | O_CLOEXEC));
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(finish_now(evf_read(NULL, socket, &c, 1)), 0);
    ck_assert_uint_eq(events_on_fd(base, evf_socket_fd(socket)), 0);
    evf_socket_close(socket);
}
END_TEST

START_TEST(eventfd_is_read_as_a_socket)
{
    struct hand h = {0};
    uint64_t n = 0, three = 3;
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    evf_socket *socket = adopt(fd);

    grasp(&h, evf_read(&h.op, socket, &n, sizeof(n)));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    ck_assert_int_eq(write(fd, &three, sizeof(three)), 8);
    ck_assert_int_eq(hand_end(&h), 8);
    ck_assert_uint_eq(n, 3);
    evf_socket_close(socket);
}
END_TEST

TEST_MAIN("read-file", pipe_that_would_block_is_polled_first,
    pipe_that_would_not_block_is_read,
    last_poll_leaves_a_fifo_without_a_writer_alone,
    last_poll_does_not_block_where_flags_have_changed,
    packets_of_a_pipe_queued_before_the_first_read,
    lines_of_a_terminal_queued_before_the_first_read,
    terminal_with_nothing_typed_is_waited_for,
    terminal_that_does_not_wait_is_not_at_its_end,
    null_device_is_always_at_its_end, eventfd_is_read_as_a_socket)
