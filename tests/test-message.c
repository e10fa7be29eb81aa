/* SPDX-License-Identifier: BSD-3-Clause */
#include "message-support.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>

#include "foreign.h"
#include "io/socket-internal.h"

START_TEST(arguments_that_cannot_be_are_refused) /* F47 */
{
    struct letter l;
    char c = 'x';
    int peer, fds[2];
    evf_socket *socket = adopt_pair(&peer), *pipe_end;

    letter(&l, &c, 1);
    make_pipe(fds, O_NONBLOCK);
    pipe_end = adopt(fds[0]);
    ck_assert_int_eq(finish_now(evf_sendmsg(NULL, NULL, &l.message, 0)),
        -EBADF);
    ck_assert_int_eq(finish_now(evf_recvmsg(NULL, NULL, &l.message, 0)),
        -EBADF);
    ck_assert_int_eq(finish_now(evf_sendmsg(NULL, socket, NULL, 0)), -EINVAL);
    ck_assert_int_eq(finish_now(evf_recvmsg(NULL, socket, NULL, 0)), -EINVAL);
    ck_assert(evf_failed(evf_recvmsg(NULL, pipe_end, &l.message, 0)));
    ck_assert_int_eq(finish_now(evf_recvmsg(NULL, pipe_end, &l.message, 0)),
        -ENOTSOCK);
    ck_assert_int_eq(finish_now(evf_sendmsg(NULL, pipe_end, &l.message, 0)),
        -ENOTSOCK);
    evf_socket_close(pipe_end);
    evf_socket_close(socket);
    close(fds[1]);
    close(peer);
}
END_TEST

START_TEST(memory_and_storage_that_cannot_be_had) /* F28 F34 */
{
    struct letter l, m;
    struct hand h = {0};
    char c = 'x', d;
    int peer;
    evf_socket *socket = adopt_pair(&peer);
    uint32_t refs = socket->entry.refs;

    heap_fail_at(1);
    ck_assert_ptr_null(evf_recvmsg(NULL, socket, letter(&l, &c, 1), 0));
    heap_fail_at(1);
    ck_assert_ptr_null(evf_sendmsg(NULL, socket, &l.message, 0));
    ck_assert_uint_eq(socket->entry.refs, refs);
    grasp(&h, evf_recvmsg(&h.op, socket, letter(&m, &d, 1), 0));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    ck_assert_int_eq(finish_now(evf_recvmsg(&h.op, socket, &l.message, 0)),
        -EBUSY);
    ck_assert_int_eq(finish_now(evf_sendmsg(&h.op, socket, &l.message, 0)),
        -EBUSY);
    ck_assert_uint_eq(socket->entry.refs, refs + 1);
    say(peer, "y");
    ck_assert_int_eq(hand_end(&h), 1);
    ck_assert_int_eq(d, 'y');
    ck_assert_uint_eq(socket->entry.refs, refs);
    evf_socket_close(socket);
    close(peer);
}
END_TEST

START_TEST(nothing_happens_before_the_first_poll) /* F1 */
{
    struct letter l;
    struct hand h = {0};
    char c = 'x';
    int peer;
    evf_socket *socket = adopt_pair(&peer);

    grasp(&h, evf_sendmsg(&h.op, socket, letter(&l, &c, 1), 0));
    let_go(&h);
    ck_assert(!readable(peer));
    say(peer, "y");
    grasp(&h, evf_recvmsg(&h.op, socket, letter(&l, &c, 1), 0));
    let_go(&h);
    ck_assert(readable(evf_socket_fd(socket)));
    evf_socket_close(socket);
    close(peer);
}
END_TEST

START_TEST(pieces_are_gathered_and_scattered)
{
    char a[] = "gath", b[] = "ered", left[3] = "", right[8] = "";
    struct iovec out[] = {{a, 4}, {b, 4}}, in[] = {{left, 2}, {right, 7}};
    struct msghdr sent = {.msg_iov = out, .msg_iovlen = 2};
    struct msghdr got = {.msg_iov = in, .msg_iovlen = 2};
    int peer;
    evf_socket *socket = adopt_pair(&peer), *other = adopt(peer);

    ck_assert_int_eq(finish_now(evf_sendmsg(NULL, other, &sent, 0)), 8);
    ck_assert_int_eq(finish_now(evf_recvmsg(NULL, socket, &got, 0)), 8);
    ck_assert_str_eq(left, "ga");
    ck_assert_str_eq(right, "thered");
    evf_socket_close(socket);
    evf_socket_close(other);
}
END_TEST

/* What a poll in vain leaves of the message: all of it, for the next poll. */
START_TEST(message_is_written_only_when_one_has_come) /* F2 */
{
    struct sockaddr_in here, there;
    struct letter l;
    struct hand h = {0};
    struct msghdr before;
    char buf[16] = "";
    int fd = udp(&here), other = udp(&there);
    evf_socket *socket = adopt(fd);

    letter_from_anywhere(&l, buf, 16);
    before = l.message;
    socket->entry.hint |= EVF_READABLE; /* a wrong one */
    grasp(&h, evf_recvmsg(&h.op, socket, &l.message, 0));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    ck_assert_int_eq(hand_poll_last(&h), EVF_PENDING);
    ck_assert_uint_eq(l.message.msg_namelen, before.msg_namelen);
    ck_assert_uint_eq(l.message.msg_controllen, before.msg_controllen);
    ck_assert_int_eq(sendto(other, "x", 1, 0, (struct sockaddr *)&here,
                         sizeof(here)),
        1);
    until_readable(fd);
    ck_assert_int_eq(hand_end(&h), 1);
    ck_assert_uint_eq(l.message.msg_namelen, sizeof(there));
    ck_assert_uint_eq(l.message.msg_controllen, 0);
    evf_socket_close(socket);
    close(other);
}
END_TEST

START_TEST(latest_waker_wins) /* F8 */
{
    struct letter l;
    struct probe second;
    struct hand h = {0};
    char c;
    int peer;
    evf_socket *socket = adopt_pair(&peer);

    probe_init(&second);
    grasp(&h, evf_recvmsg(&h.op, socket, letter(&l, &c, 1), 0));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    ck_assert_int_eq(poll_with(h.future, &second, NULL), EVF_PENDING);
    ck_assert_int_eq(probe_live(&h.probe), 0);
    say(peer, "x");
    pass();
    ck_assert_uint_eq(h.probe.wakes, 0);
    ck_assert_uint_eq(second.wakes, 1);
    ck_assert_int_eq(poll_with(h.future, &second, NULL), EVF_READY);
    let_go(&h);
    evf_socket_close(socket);
    close(peer);
}
END_TEST

START_TEST(last_poll_tries_whatever_the_hint_says) /* F35 */
{
    struct letter l;
    struct hand h = {0};
    char c = 'x';
    int peer;
    evf_socket *socket = adopt_pair(&peer);

    grasp(&h, evf_recvmsg(&h.op, socket, letter(&l, &c, 1), 0));
    ck_assert_int_eq(hand_poll_last(&h), EVF_PENDING);
    ck_assert_int_eq(probe_live(&h.probe), 0);
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    say(peer, "y");
    ck_assert_int_eq(hand_poll_last(&h), EVF_READY);
    let_go(&h);
    ck_assert_int_eq(c, 'y');
    stuff(evf_socket_fd(socket));
    grasp(&h, evf_sendmsg(&h.op, socket, letter(&l, &c, 1), 0));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    drain(peer);
    ck_assert_int_eq(hand_poll_last(&h), EVF_READY);
    let_go(&h);
    hear(peer, "y");
    evf_socket_close(socket);
    close(peer);
}
END_TEST

static void
note_result(intptr_t result, void *arg)
{
    *(intptr_t *)arg = result;
}

START_TEST(message_that_came_beats_a_request) /* F35 F31 */
{
    struct letter l, m;
    intptr_t with = 1, without = 1;
    evf_task *a, *b;
    char buf[4], other_buf[4];
    int peer, other;
    evf_socket *socket = adopt_pair(&peer), *silent = adopt_pair(&other);

    a = evf_spawn_then(executor,
        evf_recvmsg(NULL, socket, letter(&l, buf, 4), 0), note_result, &with);
    b = evf_spawn_then(executor,
        evf_recvmsg(NULL, silent, letter(&m, other_buf, 4), 0), note_result,
        &without);
    run_passes(2);
    say(peer, "xyz");
    evf_task_cancel(a);
    evf_task_cancel(b);
    pass();
    ck_assert_int_eq(with, 3);
    ck_assert_int_eq(without, -ECANCELED);
    evf_task_free(a);
    evf_task_free(b);
    evf_socket_close(socket);
    evf_socket_close(silent);
    close(peer);
    close(other);
}
END_TEST

/* A message is most likely all that there is: the next one is waited for. */
START_TEST(steady_state_neither_allocates_nor_tries_in_vain) /* F7 */
{
    struct letter l;
    struct hand h = {0};
    size_t before;
    char buf[8];
    int fds[2];
    evf_socket *socket;

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, fds),
        0);
    socket = adopt(fds[0]);
    grasp(&h, evf_recvmsg(&h.op, socket, letter(&l, buf, 8), 0));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    before = heap_allocations();
    for (int i = 0; i < 10; i++) {
        say(fds[1], "datagram");
        ck_assert(hand_woken(&h));
        ck_assert_uint_eq(socket->entry.hint & EVF_READABLE, EVF_READABLE);
        ck_assert_int_eq(hand_poll(&h), EVF_READY);
        ck_assert_uint_eq(socket->entry.hint & EVF_READABLE, 0);
        let_go(&h);
        grasp(&h, evf_recvmsg(&h.op, socket, letter(&l, buf, 8), 0));
        ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    }
    ck_assert_uint_eq(heap_allocations(), before);
    let_go(&h);
    evf_socket_close(socket);
    close(fds[1]);
}
END_TEST

START_TEST(socket_that_would_block_does_not) /* F48 */
{
    struct letter l;
    struct hand h = {0};
    char c = 'x';
    int fds[2];
    evf_socket *socket;

    if (blocking_fds_abort())
        return;
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    socket = adopt(fds[0]);
    socket->entry.hint |= EVF_READABLE;
    grasp(&h, evf_recvmsg(&h.op, socket, letter(&l, &c, 1), 0));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    say(fds[1], "y");
    ck_assert_int_eq(hand_end(&h), 1);
    stuff(fds[0]);
    grasp(&h, evf_sendmsg(&h.op, socket, letter(&l, &c, 1), 0));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    let_go(&h);
    ck_assert_int_eq(fcntl(fds[0], F_GETFL) & O_NONBLOCK, 0);
    evf_socket_close(socket);
    close(fds[1]);
}
END_TEST

START_TEST(message_to_a_full_socket_waits) /* F2 F13 */
{
    struct letter l;
    struct hand h = {0};
    char c = 'x';
    size_t n;
    int peer;
    evf_socket *socket = adopt_pair(&peer);

    n = stuff(evf_socket_fd(socket));
    grasp(&h, evf_sendmsg(&h.op, socket, letter(&l, &c, 1), 0));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    ck_assert_uint_eq(h.probe.clones, 1);
    ck_assert_int_eq(hand_poll_last(&h), EVF_PENDING);
    let_go(&h);
    ck_assert_uint_eq(drain(peer), n);
    stuff(evf_socket_fd(socket));
    grasp(&h, evf_sendmsg(&h.op, socket, letter(&l, &c, 1), 0));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    drain(peer);
    ck_assert_int_eq(hand_end(&h), 1);
    hear(peer, "x");
    evf_socket_close(socket);
    close(peer);
}
END_TEST

static volatile sig_atomic_t signals;

static void
on_signal(int signal)
{
    (void)signal;
    signals++;
}

START_TEST(message_without_a_reader_is_epipe_and_no_signal) /* R2 */
{
    struct letter l;
    char c = 'x';
    int peer;
    evf_socket *socket = adopt_pair(&peer);

    signal(SIGPIPE, on_signal);
    close(peer);
    ck_assert_int_eq(finish_now(
                         evf_sendmsg(NULL, socket, letter(&l, &c, 1), 0)),
        -EPIPE);
    ck_assert_int_eq(signals, 0);
    signal(SIGPIPE, SIG_DFL);
    evf_socket_close(socket);
}
END_TEST

START_TEST(messages_work_under_a_foreign_executor) /* F40 */
{
    struct foreign on = FOREIGN_INITIALIZER(on);
    struct foreign_task in, out;
    struct letter l, m;
    char c, d = 'z';
    int peer;
    evf_socket *socket = adopt_pair(&peer);

    foreign_spawn(&on, &in, evf_recvmsg(NULL, socket, letter(&l, &c, 1), 0));
    foreign_spawn(&on, &out, evf_sendmsg(NULL, socket, letter(&m, &d, 1), 0));
    foreign_run(&on);
    ck_assert(!in.ended);
    ck_assert(out.ended);
    hear(peer, "z");
    say(peer, "q");
    pass();
    foreign_run(&on);
    ck_assert(in.ended);
    ck_assert_int_eq(in.result, 1);
    ck_assert_int_eq(c, 'q');
    foreign_end(&in);
    foreign_end(&out);
    evf_socket_close(socket);
    close(peer);
}
END_TEST

START_TEST(close_ends_those_who_wait_with_ebadf)
{
    struct letter l;
    struct hand h = {0};
    char c;
    int peer;
    evf_socket *socket = adopt_pair(&peer);

    grasp(&h, evf_recvmsg(&h.op, socket, letter(&l, &c, 1), 0));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    evf_socket_close(socket);
    ck_assert_uint_eq(h.probe.wakes, 1);
    ck_assert_int_eq(hand_end(&h), -EBADF);
    close(peer);
}
END_TEST

START_TEST(executor_that_goes_ends_those_who_wait) /* F23 */
{
    struct letter l;
    struct hand h = {0};
    char c = 'x';
    int fds[2];
    evf_socket *socket;

    tcp_pair(fds);
    socket = adopt(fds[0]);
    grasp(&h, evf_recvmsg(&h.op, socket, letter(&l, &c, 1), 0));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    executor_done();
    ck_assert_uint_eq(h.probe.wakes, 1);
    ck_assert_int_eq(hand_end(&h), -ESHUTDOWN);
    grasp(&h, evf_recvmsg(&h.op, socket, letter(&l, &c, 1), MSG_OOB));
    ck_assert_int_eq(hand_end(&h), -ESHUTDOWN);
    grasp(&h, evf_sendmsg(&h.op, socket, letter(&l, &c, 1), 0));
    ck_assert_int_eq(hand_end(&h), -ESHUTDOWN);
    ck_assert(!readable(fds[1]));
    evf_socket_close(socket);
    close(fds[1]);
}
END_TEST

static void
note(void *arg, evf_future *child, const char *text)
{
    ck_assert_ptr_null(child);
    strcat(arg, text);
}

START_TEST(visit_names_the_fd) /* F41 */
{
    struct letter l;
    struct hand in = {0}, out = {0};
    char text[64] = "", wanted[64], c = 'x';
    int peer;
    evf_socket *socket = adopt_pair(&peer);

    snprintf(wanted, sizeof(wanted), "fd %d", evf_socket_fd(socket));
    grasp(&in, evf_recvmsg(&in.op, socket, letter(&l, &c, 1), 0));
    ck_assert_str_eq(in.future->ops->name, "recvmsg");
    in.future->ops->visit(in.future, note, text);
    ck_assert_str_eq(text, wanted);
    grasp(&out, evf_sendmsg(&out.op, socket, &l.message, 0));
    ck_assert_str_eq(out.future->ops->name, "sendmsg");
    text[0] = '\0';
    out.future->ops->visit(out.future, note, text);
    ck_assert_str_eq(text, wanted);
    let_go(&in);
    let_go(&out);
    evf_socket_close(socket);
    close(peer);
}
END_TEST

TEST_MAIN("message", arguments_that_cannot_be_are_refused,
    memory_and_storage_that_cannot_be_had,
    nothing_happens_before_the_first_poll, pieces_are_gathered_and_scattered,
    message_is_written_only_when_one_has_come, latest_waker_wins,
    last_poll_tries_whatever_the_hint_says, message_that_came_beats_a_request,
    steady_state_neither_allocates_nor_tries_in_vain,
    socket_that_would_block_does_not, message_to_a_full_socket_waits,
    message_without_a_reader_is_epipe_and_no_signal,
    messages_work_under_a_foreign_executor,
    close_ends_those_who_wait_with_ebadf,
    executor_that_goes_ends_those_who_wait, visit_names_the_fd)
