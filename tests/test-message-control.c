/* SPDX-License-Identifier: BSD-3-Clause */
#include "message-support.h"

#include <fcntl.h>
#include <poll.h>

#include "io/socket-internal.h"

static struct msghdr *
letter_with_fds(struct letter *l, const char *bytes, const int *fds, size_t n)
{
    struct cmsghdr *header;

    letter(l, (void *)(uintptr_t)bytes, strlen(bytes));
    l->message.msg_control = &l->control;
    l->message.msg_controllen = CMSG_SPACE(n * sizeof(int));
    header = CMSG_FIRSTHDR(&l->message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(n * sizeof(int));
    memcpy(CMSG_DATA(header), fds, n * sizeof(int));
    return &l->message;
}

/* Those that came with it: how many. */
static size_t
fds_in(struct letter *l, int *fds)
{
    struct cmsghdr *header = CMSG_FIRSTHDR(&l->message);
    size_t len;

    if (header == NULL)
        return 0;
    ck_assert_int_eq(header->cmsg_type, SCM_RIGHTS);
    len = header->cmsg_len - CMSG_LEN(0);
    memcpy(fds, CMSG_DATA(header), len);
    return len / sizeof(int);
}

/* Whether the other end of the pipe gets what is written into this one. */
static void
check_pipe(int in, int out)
{
    ck_assert_int_eq(fcntl(out, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    say(in, "through");
    hear(out, "through");
}

START_TEST(descriptors_queued_before_the_first_call) /* L6 */
{
    struct letter l;
    char buf[16];
    int peer, pipe_fds[2], fds[FDS_MAX];
    evf_socket *socket = adopt_pair(&peer);

    make_pipe(pipe_fds, O_NONBLOCK);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(sendmsg(peer, letter_with_fds(&l, "a", pipe_fds, 1),
                             0),
            1);
    say(peer, "bcd");
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(finish_now(evf_recvmsg(NULL, socket,
                             letter_from_anywhere(&l, buf, 16), 0)),
            1);
        ck_assert_int_eq(buf[0], 'a');
        ck_assert_uint_eq(fds_in(&l, fds), 1);
        check_pipe(pipe_fds[1], fds[0]);
        close(fds[0]);
    }
    ck_assert_int_eq(finish_now(evf_recvmsg(NULL, socket,
                         letter_from_anywhere(&l, buf, 16), 0)),
        3);
    ck_assert_uint_eq(fds_in(&l, fds), 0);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    evf_socket_close(socket);
    close(peer);
}
END_TEST

START_TEST(several_descriptors_in_one_message)
{
    struct letter l;
    struct hand h = {0};
    char buf[16];
    int peer, pipe_fds[2], same[3], fds[FDS_MAX];
    evf_socket *socket = adopt_pair(&peer);

    make_pipe(pipe_fds, O_NONBLOCK);
    same[0] = same[1] = same[2] = pipe_fds[0];
    grasp(&h, evf_recvmsg(&h.op, socket, letter_from_anywhere(&l, buf, 16), 0));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    ck_assert_int_eq(sendmsg(peer,
                         letter_with_fds(&(struct letter){0}, "xyz", same, 3),
                         0),
        3);
    ck_assert_int_eq(hand_end(&h), 3);
    ck_assert_uint_eq(fds_in(&l, fds), 3);
    for (int i = 0; i < 3; i++) {
        check_pipe(pipe_fds[1], fds[i]);
        close(fds[i]);
    }
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    evf_socket_close(socket);
    close(peer);
}
END_TEST

/* Those that there is no room for are the kernel's to close. */
START_TEST(descriptors_without_room_for_them_are_not_left_open)
{
    struct letter l;
    char buf[16];
    int peer, pipe_fds[2], same[3], fds[FDS_MAX];
    evf_socket *socket = adopt_pair(&peer);
    unsigned before;

    make_pipe(pipe_fds, O_NONBLOCK);
    same[0] = same[1] = same[2] = pipe_fds[0];
    before = fds_open();
    ck_assert_int_eq(sendmsg(peer, letter_with_fds(&l, "a", same, 3), 0), 1);
    ck_assert_int_eq(sendmsg(peer, letter_with_fds(&l, "b", same, 3), 0), 1);
    ck_assert_int_eq(finish_now(
                         evf_recvmsg(NULL, socket, letter(&l, buf, 16), 0)),
        1);
    ck_assert_int_eq(l.message.msg_flags & MSG_CTRUNC, MSG_CTRUNC);
    ck_assert_uint_eq(fds_open(), before);
    letter_from_anywhere(&l, buf, 16);
    l.message.msg_controllen = CMSG_LEN(sizeof(int));
    ck_assert_int_eq(finish_now(evf_recvmsg(NULL, socket, &l.message, 0)), 1);
    ck_assert_int_eq(l.message.msg_flags & MSG_CTRUNC, MSG_CTRUNC);
    ck_assert_uint_eq(fds_in(&l, fds), 1);
    ck_assert_uint_eq(fds_open(), before + 1);
    close(fds[0]);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    evf_socket_close(socket);
    close(peer);
}
END_TEST

START_TEST(drop_of_a_pending_receive_loses_no_message) /* F13 */
{
    struct letter l;
    struct hand h = {0};
    char buf[16] = "";
    int peer, pipe_fds[2], fds[FDS_MAX];
    evf_socket *socket = adopt_pair(&peer);
    unsigned before;

    make_pipe(pipe_fds, O_NONBLOCK);
    before = fds_open();
    grasp(&h, evf_recvmsg(&h.op, socket, letter_from_anywhere(&l, buf, 16), 0));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    ck_assert_int_eq(sendmsg(peer,
                         letter_with_fds(&(struct letter){0}, "a", pipe_fds, 1),
                         0),
        1);
    ck_assert(hand_woken(&h));
    let_go(&h);
    ck_assert_int_eq(buf[0], 0);
    ck_assert_uint_eq(fds_open(), before);
    ck_assert_int_eq(finish_now(evf_recvmsg(NULL, socket,
                         letter_from_anywhere(&l, buf, 16), 0)),
        1);
    ck_assert_uint_eq(fds_in(&l, fds), 1);
    check_pipe(pipe_fds[1], fds[0]);
    close(fds[0]);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    evf_socket_close(socket);
    close(peer);
}
END_TEST

START_TEST(descriptors_are_sent)
{
    struct letter l;
    char buf[16];
    int peer, pipe_fds[2], fds[FDS_MAX];
    evf_socket *socket = adopt_pair(&peer);

    make_pipe(pipe_fds, O_NONBLOCK);
    ck_assert_int_eq(finish_now(evf_sendmsg(NULL, socket,
                         letter_with_fds(&l, "a", pipe_fds, 1), 0)),
        1);
    ck_assert_int_eq(recvmsg(peer, letter_from_anywhere(&l, buf, 16),
                         MSG_CMSG_CLOEXEC),
        1);
    ck_assert_uint_eq(fds_in(&l, fds), 1);
    check_pipe(pipe_fds[1], fds[0]);
    close(fds[0]);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    evf_socket_close(socket);
    close(peer);
}
END_TEST

START_TEST(peeking_takes_nothing_and_stalls_nothing) /* L6 */
{
    struct letter l;
    struct hand h = {0};
    char buf[8] = "";
    int peer;
    evf_socket *socket = adopt_pair(&peer);

    grasp(&h, evf_recvmsg(&h.op, socket, letter(&l, buf, 8), MSG_PEEK));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    say(peer, "ab");
    ck_assert_int_eq(hand_end(&h), 2);
    ck_assert(socket->entry.hint & EVF_READABLE); /* they are still there */
    grasp(&h, evf_recvmsg(&h.op, socket, letter(&l, buf, 8), MSG_PEEK));
    ck_assert_int_eq(hand_poll(&h), EVF_READY);
    let_go(&h);
    grasp(&h, evf_read(&h.op, socket, buf, 8));
    ck_assert_int_eq(hand_poll(&h), EVF_READY);
    let_go(&h);
    grasp(&h, evf_recvmsg(&h.op, socket, letter(&l, buf, 8), MSG_PEEK));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    ck_assert(!hand_woken(&h));
    let_go(&h);
    evf_socket_close(socket);
    close(peer);
}
END_TEST

START_TEST(urgent_data_is_not_waited_for)
{
    struct letter l;
    struct hand h = {0};
    char c = 0;
    int fds[2];
    evf_socket *socket;

    tcp_pair(fds);
    socket = adopt(fds[0]);
    grasp(&h, evf_recvmsg(&h.op, socket, letter(&l, &c, 1), MSG_OOB));
    ck_assert_int_eq(hand_poll(&h), EVF_READY);
    ck_assert_int_eq(evf_future_take(h.future), -EINVAL);
    let_go(&h);
    ck_assert_uint_eq(events_on_fd(base, fds[0]), 0);
    ck_assert_int_eq(send(fds[1], "!", 1, MSG_OOB), 1);
    say(fds[1], "a");
    until_readable(fds[0]);
    ck_assert_int_eq(finish_now(
                         evf_recvmsg(NULL, socket, letter(&l, &c, 1), MSG_OOB)),
        1);
    ck_assert_int_eq(c, '!');
    ck_assert_int_eq(finish_now(
                         evf_recvmsg(NULL, socket, letter(&l, &c, 1), 0)),
        1);
    ck_assert_int_eq(c, 'a');
    ck_assert_int_eq(finish_now(evf_sendmsg(NULL, socket,
                         letter(&l, (char[]){"?"}, 1), MSG_OOB)),
        1);
    evf_socket_ref(socket);
    evf_socket_close(socket);
    ck_assert_int_eq(finish_now(
                         evf_recvmsg(NULL, socket, letter(&l, &c, 1), MSG_OOB)),
        -EBADF);
    evf_socket_unref(socket);
    close(fds[1]);
}
END_TEST

START_TEST(last_poll_leaves_urgent_data_alone) /* F35 */
{
    struct pollfd urgent = {.events = POLLPRI};
    struct letter l;
    struct hand h = {0};
    char c = 0, buf[8];
    int fds[2];
    evf_socket *socket;

    tcp_pair(fds);
    socket = adopt(fds[0]);
    ck_assert_int_eq(send(fds[1], "!", 1, MSG_OOB), 1);
    urgent.fd = fds[0];
    ck_assert_int_eq(poll(&urgent, 1, 10000), 1);
    grasp(&h, evf_read(&h.op, socket, buf, sizeof(buf)));
    ck_assert_int_eq(hand_poll_last(&h), EVF_PENDING);
    let_go(&h);
    ck_assert_int_eq(finish_now(
                         evf_recvmsg(NULL, socket, letter(&l, &c, 1), MSG_OOB)),
        1);
    ck_assert_int_eq(c, '!');
    evf_socket_close(socket);
    close(fds[1]);
}
END_TEST

START_TEST(urgent_data_between_queued_bytes_stalls_nothing) /* L6 */
{
    struct letter l;
    struct hand h = {0};
    char buf[16] = "", c;
    int fds[2];
    evf_socket *socket, *other;

    tcp_pair(fds);
    socket = adopt(fds[0]);
    other = adopt(fds[1]);
    say(fds[1], "ab");
    ck_assert_int_eq(finish_now(evf_sendmsg(NULL, other,
                         letter(&l, (char[]){"!"}, 1), MSG_OOB)),
        1);
    say(fds[1], "cd");
    ck_assert_int_eq(finish_now(
                         evf_recvmsg(NULL, socket, letter(&l, buf, 16), 0)),
        2);
    ck_assert_int_eq(finish_now(
                         evf_recvmsg(NULL, socket, letter(&l, &c, 1), MSG_OOB)),
        1);
    ck_assert_int_eq(c, '!');
    ck_assert_int_eq(finish_now(
                         evf_recvmsg(NULL, socket, letter(&l, buf + 2, 14), 0)),
        2);
    ck_assert_str_eq(buf, "abcd");
    /* Alone it wakes nobody who waits for data, which it is not. */
    grasp(&h, evf_recvmsg(&h.op, socket, letter(&l, buf, 16), 0));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    ck_assert_int_eq(send(fds[1], "?", 1, MSG_OOB), 1);
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    say(fds[1], "e");
    ck_assert_int_eq(hand_end(&h), 1);
    ck_assert_int_eq(buf[0], 'e');
    evf_socket_close(socket);
    evf_socket_close(other);
}
END_TEST

/* It is no reason to wake a reader of data, nor does data wake it. */
/* Errors are no reason to wake a reader of data, nor is data one to wait on. */
START_TEST(error_queue_is_not_waited_for)
{
#ifdef MSG_ERRQUEUE
    struct sockaddr_in here, dead;
    struct letter l;
    char buf[8] = "";
    int fd = udp(&here), refuser = refusing_udp(&dead), on = 1;
    evf_socket *socket = adopt(fd);
    struct hand h = {0};

    ck_assert_int_eq(setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof(on)),
        0);
    grasp(&h, evf_recvmsg(&h.op, socket, letter(&l, buf, 8), MSG_ERRQUEUE));
    ck_assert_int_eq(hand_poll(&h), EVF_READY);
    ck_assert_int_eq(evf_future_take(h.future), -EAGAIN);
    let_go(&h);
    ck_assert_uint_eq(events_on_fd(base, fd), 0);
    ck_assert_int_eq(sendto(fd, "lost", 4, 0, (struct sockaddr *)&dead,
                         sizeof(dead)),
        4);
    until_readable(fd);
    ck_assert_int_eq(finish_now(evf_recvmsg(NULL, socket,
                         letter_from_anywhere(&l, buf, 8), MSG_ERRQUEUE)),
        4);
    ck_assert_str_eq(buf, "lost");
    ck_assert_int_eq(l.message.msg_flags & MSG_ERRQUEUE, MSG_ERRQUEUE);
    ck_assert_uint_eq(l.address.in.sin_port, dead.sin_port);
    close(refuser);
    evf_socket_close(socket);
#endif
}
END_TEST

TEST_MAIN("message-control", descriptors_queued_before_the_first_call,
    several_descriptors_in_one_message,
    descriptors_without_room_for_them_are_not_left_open,
    drop_of_a_pending_receive_loses_no_message, descriptors_are_sent,
    peeking_takes_nothing_and_stalls_nothing, urgent_data_is_not_waited_for,
    last_poll_leaves_urgent_data_alone,
    urgent_data_between_queued_bytes_stalls_nothing,
    error_queue_is_not_waited_for)
