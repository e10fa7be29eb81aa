/* SPDX-License-Identifier: BSD-3-Clause */
#include "sockets.h"

#include <fcntl.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "faults.h"
#include "io/operation-internal.h"

START_TEST(interrupted_read_is_repeated) /* R2 */
{
    struct hand h = {0};
    char buf[8];
    int peer;
    evf_socket *socket = expecting(&peer, "abc");

    break_next(CALL_RECV, 5, EINTR);
    grasp(&h, evf_read(&h.op, socket, buf, sizeof(buf)));
    ck_assert_int_eq(hand_poll(&h), EVF_READY);
    ck_assert_int_eq(evf_future_take(h.future), 3);
    ck_assert_uint_eq(calls(CALL_RECV), 6);
    let_go(&h);
    part(socket, peer);
}
END_TEST

START_TEST(storm_of_eagain_is_waited_out) /* R2 */
{
    struct hand h = {0};
    char buf[8];
    int peer;
    evf_socket *socket = expecting(&peer, "abc");

    break_next(CALL_RECV, 20, EAGAIN);
    grasp(&h, evf_read(&h.op, socket, buf, sizeof(buf)));
    ck_assert_int_eq(hand_end(&h), 3);
    ck_assert_uint_eq(calls(CALL_RECV), 21);
    break_next(CALL_SEND, 20, EAGAIN);
    grasp(&h, evf_write_all(&h.op, socket, "xyz", 3));
    ck_assert_int_eq(hand_end(&h), 3);
    ck_assert_uint_eq(calls(CALL_SEND), 21);
    hear(peer, "xyz");
    part(socket, peer);
}
END_TEST

START_TEST(error_of_a_read_is_its_result) /* R2 */
{
    static const int errors[] = {ECONNRESET, ENOTCONN, ETIMEDOUT, ENOMEM, EIO};
    struct hand h = {0};
    char buf[8];
    int peer;
    evf_socket *socket = expecting(&peer, "abc");

    for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++) {
        break_next(CALL_RECV, 1, errors[i]);
        grasp(&h, evf_read(&h.op, socket, buf, sizeof(buf)));
        ck_assert_int_eq(hand_end(&h), -errors[i]);
    }
    grasp(&h, evf_read(&h.op, socket, buf, sizeof(buf)));
    ck_assert_int_eq(hand_end(&h), 3);
    part(socket, peer);
}
END_TEST

START_TEST(short_reads_lose_nothing) /* R2 */
{
    struct hand h = {0};
    char buf[8] = "";
    int peer;
    evf_socket *socket = expecting(&peer, "abcdef");

    cap(CALL_RECV, 1);
    for (int i = 0; i < 6; i++) {
        grasp(&h, evf_read(&h.op, socket, buf + i, sizeof(buf) - 1));
        ck_assert_int_eq(hand_end(&h), 1);
    }
    ck_assert_str_eq(buf, "abcdef");
    part(socket, peer);
}
END_TEST

START_TEST(interrupted_write_is_repeated) /* R2 */
{
    struct iovec iov[2] = {{.iov_base = TEXT("c"), .iov_len = 1},
        {.iov_base = TEXT("d"), .iov_len = 1}};
    struct msghdr message = {.msg_iov = iov, .msg_iovlen = 2};
    struct hand h = {0};
    int peer;
    evf_socket *socket = expecting(&peer, "");

    break_next(CALL_SEND, 5, EINTR);
    grasp(&h, evf_write(&h.op, socket, "a", 1));
    ck_assert_int_eq(hand_poll(&h), EVF_READY);
    let_go(&h);
    break_next(CALL_SEND, 5, EINTR);
    grasp(&h, evf_write_all(&h.op, socket, "b", 1));
    ck_assert_int_eq(hand_poll(&h), EVF_READY);
    let_go(&h);
    break_next(CALL_SENDMSG, 5, EINTR);
    grasp(&h, evf_writev(&h.op, socket, iov, 2));
    ck_assert_int_eq(hand_poll(&h), EVF_READY);
    let_go(&h);
    break_next(CALL_SENDMSG, 5, EINTR);
    grasp(&h, evf_sendmsg(&h.op, socket, &message, 0));
    ck_assert_int_eq(hand_poll(&h), EVF_READY);
    let_go(&h);
    hear(peer, "abcdcd");
    part(socket, peer);
}
END_TEST

START_TEST(error_of_a_write_is_its_result) /* R2 */
{
    static const int errors[] = {EPIPE, ECONNRESET, ENOBUFS, ENOMEM, ENOSPC};
    struct iovec iov = {.iov_base = TEXT("x"), .iov_len = 1};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
    struct hand h = {0};
    int peer;
    evf_socket *socket = expecting(&peer, "");

    for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++) {
        break_next(CALL_SEND, 1, errors[i]);
        grasp(&h, evf_write(&h.op, socket, "x", 1));
        ck_assert_int_eq(hand_end(&h), -errors[i]);
        break_next(CALL_SEND, 1, errors[i]);
        grasp(&h, evf_write_all(&h.op, socket, "x", 1));
        ck_assert_int_eq(hand_end(&h), -errors[i]);
        break_next(CALL_SENDMSG, 2, errors[i]);
        grasp(&h, evf_writev(&h.op, socket, &iov, 1));
        ck_assert_int_eq(hand_end(&h), -errors[i]);
        grasp(&h, evf_sendmsg(&h.op, socket, &message, 0));
        ck_assert_int_eq(hand_end(&h), -errors[i]);
    }
    ck_assert(!readable(peer));
    part(socket, peer);
}
END_TEST

START_TEST(short_writes_make_up_a_whole) /* R2 */
{
    struct hand h = {0};
    int peer;
    evf_socket *socket = expecting(&peer, "");

    cap(CALL_SEND, 2);
    break_after(CALL_SEND, 1, 2, EINTR);
    grasp(&h, evf_write(&h.op, socket, "ab...", 5));
    ck_assert_int_eq(hand_end(&h), 2);
    grasp(&h, evf_write_all(&h.op, socket, "cdefghi", 7));
    ck_assert_int_eq(hand_end(&h), 7);
    hear(peer, "abcdefghi");
    part(socket, peer);
}
END_TEST

START_TEST(write_all_fails_half_way_with_the_error) /* R2 */
{
    struct hand h = {0};
    int peer;
    evf_socket *socket = expecting(&peer, "");

    cap(CALL_SEND, 2);
    break_after(CALL_SEND, 2, 1, ECONNRESET);
    grasp(&h, evf_write_all(&h.op, socket, "abcdefg", 7));
    ck_assert_int_eq(hand_end(&h), -ECONNRESET);
    hear(peer, "abcd");
    part(socket, peer);
}
END_TEST

START_TEST(messages_are_repeated_waited_for_and_fail) /* R2 */
{
    char buf[8];
    struct iovec iov = {.iov_base = buf, .iov_len = sizeof(buf)};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
    struct hand h = {0};
    int peer;
    evf_socket *socket = expecting(&peer, "abc");

    break_next(CALL_RECVMSG, 1, ECONNREFUSED);
    grasp(&h, evf_recvmsg(&h.op, socket, &message, 0));
    ck_assert_int_eq(hand_end(&h), -ECONNREFUSED);
    break_next(CALL_RECVMSG, 3, EINTR);
    grasp(&h, evf_recvmsg(&h.op, socket, &message, MSG_PEEK));
    ck_assert_int_eq(hand_poll(&h), EVF_READY);
    let_go(&h);
    break_next(CALL_RECVMSG, 10, EAGAIN);
    grasp(&h, evf_recvmsg(&h.op, socket, &message, 0));
    ck_assert_int_eq(hand_end(&h), 3);
    break_next(CALL_SENDMSG, 10, EAGAIN);
    iov.iov_len = 3;
    grasp(&h, evf_sendmsg(&h.op, socket, &message, 0));
    ck_assert_int_eq(hand_end(&h), 3);
    hear(peer, "abc");
    part(socket, peer);
}
END_TEST

static void
write_with_faults(evf_socket *out)
{
    struct hand h = {0};

    break_next(CALL_WRITEV, 3, EINTR);
    break_next(CALL_POLL, 1, EINTR);
    grasp(&h, evf_write(&h.op, out, "ab", 2));
    ck_assert_int_eq(hand_poll(&h), EVF_READY);
    let_go(&h);
    break_next(CALL_WRITEV, 1, EAGAIN);
    grasp(&h, evf_write_all(&h.op, out, "cd", 2));
    ck_assert_int_eq(hand_end(&h), 2);
    /* An error of that name and no signal: nobody waits for one. */
    break_next(CALL_WRITEV, 1, EPIPE);
    grasp(&h, evf_write(&h.op, out, "x", 1));
    ck_assert_int_eq(hand_end(&h), -EPIPE);
    cap(CALL_WRITEV, 1);
    grasp(&h, evf_write_all(&h.op, out, "efg", 3));
    ck_assert_int_eq(hand_end(&h), 3);
}

static void
read_with_faults(evf_socket *in)
{
    struct hand h = {0};
    char buf[8] = "";

    break_next(CALL_READ, 3, EINTR);
    grasp(&h, evf_read(&h.op, in, buf, 2));
    ck_assert_int_eq(hand_end(&h), 2);
    break_next(CALL_READ, 1, EAGAIN);
    cap(CALL_READ, 4);
    grasp(&h, evf_read(&h.op, in, buf + 2, 5));
    ck_assert_int_eq(hand_end(&h), 4);
    grasp(&h, evf_read(&h.op, in, buf + 6, 1));
    ck_assert_int_eq(hand_end(&h), 1);
    ck_assert_str_eq(buf, "abcdefg");
}

static void
pipe_with_faults(int flags)
{
    struct hand h = {0};
    int fds[2];
    evf_socket *in, *out;
    char c;

    make_pipe(fds, flags);
    in = adopt(fds[0]);
    out = adopt(fds[1]);
    faults_reset();
    write_with_faults(out);
    read_with_faults(in);
    break_next(CALL_READ, 1, EIO);
    grasp(&h, evf_read(&h.op, in, &c, 1));
    say(fds[1], "y");
    ck_assert_int_eq(hand_end(&h), -EIO);
    evf_socket_close(in);
    evf_socket_close(out);
}

START_TEST(pipe_is_repeated_waited_for_and_fails) /* R2 F19 */
{
    pipe_with_faults(O_NONBLOCK);
    if (!blocking_fds_abort())
        pipe_with_faults(0);
}
END_TEST

static void
many_short_writes(int flags)
{
    struct hand h = {0};
    char *bytes = pattern(1000);
    int fds[2];
    evf_socket *out;

    make_pipe(fds, flags);
    out = adopt(fds[1]);
    faults_reset();
    cap(CALL_WRITEV, 10);
    grasp(&h, evf_write_all(&h.op, out, bytes, 1000));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    ck_assert_uint_eq(calls(CALL_WRITEV), 17);
    ck_assert_int_eq(hand_end(&h), 1000);
    ck_assert_uint_eq(calls(CALL_WRITEV), 100);
    hear_bytes(fds[0], bytes, 1000);
    ck_assert(!readable(fds[0]));
    evf_socket_close(out);
    close(fds[0]);
    free(bytes);
}

START_TEST(short_writes_over_several_turns_make_up_a_whole) /* R2 F19 */
{
    many_short_writes(O_NONBLOCK);
    if (!blocking_fds_abort())
        many_short_writes(0);
}
END_TEST

START_TEST(poll_that_fails_is_the_error_of_whoever_asked) /* R2 */
{
    struct hand h = {0};
    char buf[8];
    int fds[2];
    evf_socket *in, *out;

    if (blocking_fds_abort())
        return;
    make_pipe(fds, 0);
    in = adopt(fds[0]);
    out = adopt(fds[1]);
    faults_reset();
    say(fds[1], "x");
    break_next(CALL_POLL, 1, ENOMEM);
    in->entry.hint |= EVF_READABLE;
    grasp(&h, evf_read(&h.op, in, buf, 1));
    ck_assert_int_eq(hand_end(&h), -ENOMEM);
    break_next(CALL_POLL, 1, ENOMEM);
    grasp(&h, evf_write(&h.op, out, "y", 1));
    ck_assert_int_eq(hand_end(&h), -ENOMEM);
    break_next(CALL_POLL, 1, ENOMEM);
    grasp(&h, evf_wait_fd(&h.op, NULL, fds[0], EVF_READABLE));
    ck_assert_int_eq(hand_end(&h), -ENOMEM);
    break_next(CALL_POLL, 4, EINTR);
    grasp(&h, evf_wait_fd(&h.op, NULL, fds[0], EVF_READABLE));
    ck_assert_int_eq(hand_poll(&h), EVF_READY);
    ck_assert_int_eq(evf_future_take(h.future), EVF_READABLE);
    let_go(&h);
    evf_socket_close(in);
    evf_socket_close(out);
}
END_TEST

/* Flags that are not known may be those of a fd that blocks. */
START_TEST(fd_whose_flags_cannot_be_read_is_polled_first) /* R2 F48 */
{
    struct hand h = {0};
    char c;
    int fds[2];
    evf_socket *in;

    make_pipe(fds, O_NONBLOCK);
    faults_reset();
    break_next(CALL_FCNTL, 1, EPERM);
    in = adopt(fds[0]);
    say(fds[1], "x");
    in->entry.hint |= EVF_READABLE;
    grasp(&h, evf_read(&h.op, in, &c, 1));
    ck_assert_int_eq(hand_end(&h), 1);
    ck_assert_uint_eq(calls(CALL_POLL), 1);
    evf_socket_close(in);
    close(fds[1]);
}
END_TEST

/* A long line that comes a byte at a time is not searched from its start. */
START_TEST(delimiter_is_not_looked_for_twice_in_the_same_bytes)
{
    enum {
        LEN = 2000
    };
    struct hand h = {0};
    char bytes[LEN + 1], *data = NULL;
    int peer;
    evf_socket *socket;
    evf_reader *reader;

    memset(bytes, 'x', LEN);
    memcpy(bytes + LEN - 3, "end", 4);
    socket = expecting(&peer, bytes);
    reader = evf_reader_new(&evf_socket_source, socket, LEN);
    cap(CALL_RECV, 1);
    grasp(&h, evf_read_until(&h.op, reader, "end", 3, &data));
    ck_assert_int_eq(hand_end(&h), LEN);
    ck_assert_uint_le(bytes_searched(), 4 * LEN);
    evf_reader_free(reader);
    part(socket, peer);
}
END_TEST

TEST_MAIN("faults", interrupted_read_is_repeated, storm_of_eagain_is_waited_out,
    error_of_a_read_is_its_result, short_reads_lose_nothing,
    interrupted_write_is_repeated, error_of_a_write_is_its_result,
    short_writes_make_up_a_whole, write_all_fails_half_way_with_the_error,
    messages_are_repeated_waited_for_and_fail,
    pipe_is_repeated_waited_for_and_fails,
    short_writes_over_several_turns_make_up_a_whole,
    poll_that_fails_is_the_error_of_whoever_asked,
    fd_whose_flags_cannot_be_read_is_polled_first,
    delimiter_is_not_looked_for_twice_in_the_same_bytes)
