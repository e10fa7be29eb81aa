/* SPDX-License-Identifier: BSD-3-Clause */
#include "sockets.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "foreign.h"
#include "io/socket-internal.h"

/* A message of one piece, and room for an address and for descriptors. */
struct letter {
    struct msghdr message;
    struct iovec iov;
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_un un;
    } address;
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(2 * sizeof(int))];
    } control;
};

static struct msghdr *
letter(struct letter *l, void *bytes, size_t len)
{
    memset(l, 0, sizeof(*l));
    l->iov = (struct iovec){.iov_base = bytes, .iov_len = len};
    l->message.msg_iov = &l->iov;
    l->message.msg_iovlen = 1;
    return &l->message;
}

static struct msghdr *
letter_from_anywhere(struct letter *l, void *bytes, size_t len)
{
    letter(l, bytes, len);
    l->message.msg_name = &l->address;
    l->message.msg_namelen = sizeof(l->address);
    l->message.msg_control = &l->control;
    l->message.msg_controllen = sizeof(l->control);
    return &l->message;
}

static struct msghdr *
letter_with_fd(struct letter *l, const char *bytes, int fd)
{
    struct cmsghdr *header;

    letter(l, (void *)(uintptr_t)bytes, strlen(bytes));
    l->message.msg_control = &l->control;
    l->message.msg_controllen = CMSG_SPACE(sizeof(int));
    header = CMSG_FIRSTHDR(&l->message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &fd, sizeof(int));
    return &l->message;
}

static int
fd_in(struct letter *l)
{
    struct cmsghdr *header = CMSG_FIRSTHDR(&l->message);
    int fd;

    ck_assert_ptr_nonnull(header);
    ck_assert_int_eq(header->cmsg_type, SCM_RIGHTS);
    memcpy(&fd, CMSG_DATA(header), sizeof(int));
    return fd;
}

static int
unix_datagrams(void)
{
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    ck_assert_int_ge(fd, 0);
    return fd;
}

static int
udp(struct sockaddr_in *address)
{
    socklen_t length = sizeof(*address);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    memset(address, 0, sizeof(*address));
    address->sin_family = AF_INET;
    address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)address, length), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)address, &length), 0);
    return fd;
}

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
    ck_assert_int_eq(
        finish_now(evf_recvmsg(NULL, pipe_end, &l.message, 0)), -ENOTSOCK);
    ck_assert_int_eq(
        finish_now(evf_sendmsg(NULL, pipe_end, &l.message, 0)), -ENOTSOCK);
    heap_fail_at(1);
    ck_assert_ptr_null(evf_recvmsg(NULL, socket, &l.message, 0));
    evf_socket_close(pipe_end);
    evf_socket_close(socket);
    close(fds[1]);
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

START_TEST(datagrams_come_with_their_senders)
{
    struct sockaddr_in here, there;
    struct letter l;
    struct hand h = {0};
    char buf[16];
    int fd = udp(&here), other = udp(&there);
    evf_socket *socket = adopt(fd);

    grasp(&h,
        evf_recvmsg(&h.op, socket, letter_from_anywhere(&l, buf, 16), 0));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING); /* F2 */
    ck_assert_uint_eq(h.probe.clones, 1);
    ck_assert_int_eq(sendto(other, "hello", 5, 0, (struct sockaddr *)&here,
                         sizeof(here)),
        5);
    until_readable(fd);
    ck_assert_int_eq(hand_end(&h), 5);
    ck_assert_uint_eq(l.address.in.sin_port, there.sin_port);
    ck_assert_int_eq(memcmp(buf, "hello", 5), 0);
    letter(&l, (char[]){"back"}, 4);
    l.message.msg_name = &there;
    l.message.msg_namelen = sizeof(there);
    ck_assert_int_eq(
        finish_now(evf_sendmsg(NULL, socket, &l.message, 0)), 4);
    until_readable(other);
    hear(other, "back");
    evf_socket_close(socket);
    close(other);
}
END_TEST

START_TEST(datagrams_queued_before_the_first_call) /* L6 */
{
    struct sockaddr_in here, there;
    struct letter l;
    char buf[4];
    int fd = udp(&here), other = udp(&there);
    evf_socket *socket = adopt(fd);

    for (size_t i = 0; i < 6; i++)
        ck_assert_int_eq(sendto(other, "abcdef", i, 0,
                             (struct sockaddr *)&here, sizeof(here)),
            (ssize_t)i);
    for (size_t i = 0; i < 6; i++)
        ck_assert_int_eq(
            finish_now(evf_recvmsg(NULL, socket, letter(&l, buf, 4), 0)),
            (intptr_t)(i < 4 ? i : 4));
    ck_assert_int_eq(l.message.msg_flags & MSG_TRUNC, MSG_TRUNC);
    evf_socket_close(socket);
    close(other);
}
END_TEST

START_TEST(truncated_length_is_told_where_it_is_asked_for)
{
    struct letter l;
    char buf[4];
    int fds[2];
    evf_socket *socket;

    ck_assert_int_eq(
        socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, fds), 0);
    socket = adopt(fds[0]);
    say(fds[1], "0123456789");
    say(fds[1], "x");
    ck_assert_int_eq(finish_now(evf_recvmsg(NULL, socket, letter(&l, buf, 4),
                         MSG_TRUNC)),
        10);
    ck_assert_int_eq(
        finish_now(evf_recvmsg(NULL, socket, letter(&l, buf, 4), 0)), 1);
    evf_socket_close(socket);
    close(fds[1]);
}
END_TEST

START_TEST(descriptors_queued_before_the_first_call) /* L6 */
{
    struct letter l;
    char buf[16];
    int peer, fds[2];
    evf_socket *socket = adopt_pair(&peer);

    make_pipe(fds, O_NONBLOCK);
    ck_assert_int_eq(sendmsg(peer, letter_with_fd(&l, "a", fds[0]), 0), 1);
    ck_assert_int_eq(sendmsg(peer, letter_with_fd(&l, "b", fds[0]), 0), 1);
    say(peer, "c");
    for (int i = 0; i < 2; i++) {
        int fd;

        ck_assert_int_eq(finish_now(evf_recvmsg(NULL, socket,
                             letter_from_anywhere(&l, buf, 16), 0)),
            1);
        fd = fd_in(&l);
        ck_assert_int_eq(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
        close(fd);
    }
    ck_assert_int_eq(finish_now(evf_recvmsg(NULL, socket,
                         letter_from_anywhere(&l, buf, 16), 0)),
        1);
    ck_assert_ptr_null(CMSG_FIRSTHDR(&l.message));
    close(fds[0]);
    close(fds[1]);
    evf_socket_close(socket);
    close(peer);
}
END_TEST

START_TEST(descriptors_are_sent)
{
    struct letter l;
    char buf[16];
    int peer, fds[2], fd;
    evf_socket *socket = adopt_pair(&peer);

    make_pipe(fds, O_NONBLOCK);
    ck_assert_int_eq(finish_now(evf_sendmsg(NULL, socket,
                         letter_with_fd(&l, "a", fds[0]), 0)),
        1);
    ck_assert_int_eq(recvmsg(peer, letter_from_anywhere(&l, buf, 16), 0), 1);
    fd = fd_in(&l);
    say(fds[1], "through");
    hear(fd, "through");
    close(fd);
    close(fds[0]);
    close(fds[1]);
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
    ck_assert_int_eq(finish_now(evf_recvmsg(NULL, socket, letter(&l, &c, 1),
                         MSG_OOB)),
        1);
    ck_assert_int_eq(c, '!');
    ck_assert_int_eq(
        finish_now(evf_recvmsg(NULL, socket, letter(&l, &c, 1), 0)), 1);
    ck_assert_int_eq(c, 'a');
    ck_assert_int_eq(finish_now(evf_sendmsg(NULL, socket,
                         letter(&l, (char[]){"?"}, 1), MSG_OOB)),
        1);
    evf_socket_ref(socket);
    evf_socket_close(socket);
    ck_assert_int_eq(finish_now(evf_recvmsg(NULL, socket, letter(&l, &c, 1),
                         MSG_OOB)),
        -EBADF);
    evf_socket_unref(socket);
    close(fds[1]);
}
END_TEST

#ifdef MSG_ERRQUEUE
/* It is no reason to wake a reader of data, nor does data wake it. */
START_TEST(error_queue_is_not_waited_for)
{
    struct letter l;
    struct hand h = {0};
    struct sockaddr_in address;
    char buf[8];
    evf_socket *socket = adopt(udp(&address));

    grasp(&h, evf_recvmsg(&h.op, socket, letter(&l, buf, 8), MSG_ERRQUEUE));
    ck_assert_int_eq(hand_poll(&h), EVF_READY);
    ck_assert_int_eq(evf_future_take(h.future), -EAGAIN);
    let_go(&h);
    evf_socket_close(socket);
}
END_TEST
#endif

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

START_TEST(message_without_a_reader_is_epipe_and_no_signal) /* R2 */
{
    struct letter l;
    char c = 'x';
    int peer;
    evf_socket *socket = adopt_pair(&peer);

    close(peer);
    ck_assert_int_eq(
        finish_now(evf_sendmsg(NULL, socket, letter(&l, &c, 1), 0)), -EPIPE);
    evf_socket_close(socket);
}
END_TEST

START_TEST(message_that_is_refused_says_so)
{
    struct sockaddr_in here, dead;
    struct letter l;
    static char large[70000];
    evf_socket *socket = adopt(udp(&here));
    int refuser = udp(&dead);

    close(refuser);
    letter(&l, large, sizeof(large));
    l.message.msg_name = &dead;
    l.message.msg_namelen = sizeof(dead);
    ck_assert_int_eq(
        finish_now(evf_sendmsg(NULL, socket, &l.message, 0)), -EMSGSIZE);
    evf_socket_close(socket);
}
END_TEST

/* A receiver in the kernel's name space, with a full queue. */
static int
full_receiver(struct sockaddr_un *address, socklen_t *length)
{
    int fd = unix_datagrams(), sender = unix_datagrams();

    memset(address, 0, sizeof(*address));
    address->sun_family = AF_UNIX;
    snprintf(address->sun_path + 1, sizeof(address->sun_path) - 1,
        "evfuture-%d-full", (int)getpid());
    *length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
                          strlen(address->sun_path + 1));
    ck_assert_int_eq(bind(fd, (struct sockaddr *)address, *length), 0);
    while (sendto(sender, "x", 1, 0, (struct sockaddr *)address, *length) == 1)
        continue;
    close(sender);
    return fd;
}

START_TEST(full_queue_of_a_receiver_is_eagain_where_waiting_would_spin)
{
    struct sockaddr_un address;
    struct letter l;
    struct hand h = {0};
    socklen_t length;
    char c = 'y';
    int receiver = full_receiver(&address, &length);
    evf_socket *socket = adopt(unix_datagrams());

    letter(&l, &c, 1);
    l.message.msg_name = &address;
    l.message.msg_namelen = length;
    grasp(&h, evf_sendmsg(&h.op, socket, &l.message, 0));
    ck_assert_int_eq(hand_poll(&h), EVF_READY);
    ck_assert_int_eq(evf_future_take(h.future), -EAGAIN);
    let_go(&h);
    /* Connected, it can be waited for. */
    ck_assert_int_eq(connect(evf_socket_fd(socket),
                         (struct sockaddr *)&address, length),
        0);
    grasp(&h, evf_sendmsg(&h.op, socket, letter(&l, &c, 1), 0));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    ck_assert(!hand_woken(&h));
    drain(receiver);
    ck_assert_int_eq(hand_end(&h), 1);
    evf_socket_close(socket);
    close(receiver);
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
    ck_assert_int_eq(hand_end(&h), -EBADF);
    close(peer);
}
END_TEST

TEST_MAIN("message", arguments_that_cannot_be_are_refused,
    nothing_happens_before_the_first_poll, datagrams_come_with_their_senders,
    datagrams_queued_before_the_first_call,
    truncated_length_is_told_where_it_is_asked_for,
    descriptors_queued_before_the_first_call, descriptors_are_sent,
    peeking_takes_nothing_and_stalls_nothing, urgent_data_is_not_waited_for,
#ifdef MSG_ERRQUEUE
    error_queue_is_not_waited_for,
#endif
    message_to_a_full_socket_waits,
    message_without_a_reader_is_epipe_and_no_signal,
    message_that_is_refused_says_so,
    full_queue_of_a_receiver_is_eagain_where_waiting_would_spin,
    messages_work_under_a_foreign_executor,
    close_ends_those_who_wait_with_ebadf)
