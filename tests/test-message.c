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

#define FDS_MAX 4

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
        char bytes[CMSG_SPACE(FDS_MAX * sizeof(int))];
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
    ck_assert_int_eq(
        finish_now(evf_sendmsg(NULL, NULL, &l.message, 0)), -EBADF);
    ck_assert_int_eq(
        finish_now(evf_recvmsg(NULL, NULL, &l.message, 0)), -EBADF);
    ck_assert_int_eq(finish_now(evf_sendmsg(NULL, socket, NULL, 0)), -EINVAL);
    ck_assert_int_eq(finish_now(evf_recvmsg(NULL, socket, NULL, 0)), -EINVAL);
    ck_assert_int_eq(
        finish_now(evf_recvmsg(NULL, pipe_end, &l.message, 0)), -ENOTSOCK);
    ck_assert_int_eq(
        finish_now(evf_sendmsg(NULL, pipe_end, &l.message, 0)), -ENOTSOCK);
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
    ck_assert_int_eq(
        finish_now(evf_recvmsg(&h.op, socket, &l.message, 0)), -EBUSY);
    ck_assert_int_eq(
        finish_now(evf_sendmsg(&h.op, socket, &l.message, 0)), -EBUSY);
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

START_TEST(datagrams_come_with_their_senders)
{
    struct sockaddr_in here, there;
    struct letter l;
    struct hand h = {0};
    char buf[16];
    int fd = udp(&here), other = udp(&there);
    evf_socket *socket = adopt(fd);

    grasp(&h, evf_recvmsg(&h.op, socket, letter_from_anywhere(&l, buf, 16), 0));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING); /* F2 */
    ck_assert_uint_eq(h.probe.clones, 1);
    ck_assert_int_eq(
        sendto(other, "hello", 5, 0, (struct sockaddr *)&here, sizeof(here)),
        5);
    until_readable(fd);
    ck_assert_int_eq(hand_end(&h), 5);
    ck_assert_uint_eq(l.address.in.sin_port, there.sin_port);
    ck_assert_int_eq(memcmp(buf, "hello", 5), 0);
    letter(&l, (char[]){"back"}, 4);
    l.message.msg_name = &there;
    l.message.msg_namelen = sizeof(there);
    ck_assert_int_eq(finish_now(evf_sendmsg(NULL, socket, &l.message, 0)), 4);
    until_readable(other);
    hear(other, "back");
    evf_socket_close(socket);
    close(other);
}
END_TEST

/* A name that the kernel has chosen. */
static socklen_t
autobind(int fd, struct sockaddr_un *address)
{
    socklen_t length = sizeof(*address);

    memset(address, 0, sizeof(*address));
    address->sun_family = AF_UNIX;
    ck_assert_int_eq(
        bind(fd, (struct sockaddr *)address, sizeof(sa_family_t)), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)address, &length), 0);
    return length;
}

START_TEST(unix_datagrams_come_with_their_senders)
{
    struct sockaddr_un here, there;
    struct letter l;
    struct hand h = {0};
    char buf[16];
    int fd = unix_datagrams(), other = unix_datagrams();
    socklen_t length = autobind(fd, &here), other_length;
    evf_socket *socket = adopt(fd), *sender = adopt(other);

    other_length = autobind(other, &there);
    grasp(&h, evf_recvmsg(&h.op, socket, letter_from_anywhere(&l, buf, 16), 0));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    for (int i = 0; i < 2; i++) {
        struct letter m;

        letter(&m, (char[]){"hello"}, i == 0 ? 5 : 0);
        m.message.msg_name = &here;
        m.message.msg_namelen = length;
        ck_assert_int_eq(finish_now(evf_sendmsg(NULL, sender, &m.message, 0)),
            i == 0 ? 5 : 0);
    }
    ck_assert_int_eq(hand_end(&h), 5);
    ck_assert_uint_eq(l.message.msg_namelen, other_length);
    ck_assert_int_eq(memcmp(&l.address, &there, other_length), 0);
    /* An empty one is a message, too, with a sender. */
    ck_assert_int_eq(finish_now(evf_recvmsg(
                         NULL, socket, letter_from_anywhere(&l, buf, 16), 0)),
        0);
    ck_assert_uint_eq(l.message.msg_namelen, other_length);
    evf_socket_close(socket);
    evf_socket_close(sender);
}
END_TEST

START_TEST(empty_datagram_is_no_end)
{
    struct letter l;
    struct hand h = {0};
    char buf[4];
    int fds[2];
    evf_socket *socket;

    ck_assert_int_eq(
        socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, fds), 0);
    socket = adopt(fds[0]);
    grasp(&h, evf_recvmsg(&h.op, socket, letter(&l, buf, 4), 0));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    ck_assert_int_eq(send(fds[1], "", 0, 0), 0);
    ck_assert_int_eq(send(fds[1], "", 0, 0), 0);
    say(fds[1], "x");
    ck_assert_int_eq(hand_end(&h), 0);
    ck_assert_int_eq(
        finish_now(evf_recvmsg(NULL, socket, letter(&l, buf, 4), 0)), 0);
    ck_assert_int_eq(
        finish_now(evf_recvmsg(NULL, socket, letter(&l, buf, 4), 0)), 1);
    evf_socket_close(socket);
    close(fds[1]);
}
END_TEST

START_TEST(records_of_a_sequenced_socket)
{
    struct letter l;
    char buf[4];
    int fds[2];
    evf_socket *socket, *other;

    ck_assert_int_eq(
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, fds), 0);
    socket = adopt(fds[0]);
    other = adopt(fds[1]);
    ck_assert_int_eq(finish_now(evf_sendmsg(NULL, other,
                         letter(&l, (char[]){"abcdef"}, 6), MSG_EOR)),
        6);
    ck_assert_int_eq(finish_now(evf_sendmsg(
                         NULL, other, letter(&l, (char[]){"gh"}, 2), MSG_EOR)),
        2);
    evf_socket_close(other);
    ck_assert_int_eq(
        finish_now(evf_recvmsg(NULL, socket, letter(&l, buf, 4), 0)), 4);
    ck_assert_int_eq(l.message.msg_flags & MSG_TRUNC, MSG_TRUNC);
    ck_assert_int_eq(
        finish_now(evf_recvmsg(NULL, socket, letter(&l, buf, 4), 0)), 2);
    ck_assert_int_eq(l.message.msg_flags & MSG_TRUNC, 0);
    ck_assert_int_eq(
        finish_now(evf_recvmsg(NULL, socket, letter(&l, buf, 4), 0)), 0);
    evf_socket_close(socket);
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
    ck_assert_int_eq(
        sendto(other, "x", 1, 0, (struct sockaddr *)&here, sizeof(here)), 1);
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
    run();
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
START_TEST(steady_state_neither_allocates_nor_tries_in_vain)
{
    struct letter l;
    struct hand h = {0};
    size_t before;
    char buf[8];
    int fds[2];
    evf_socket *socket;

    ck_assert_int_eq(
        socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, fds), 0);
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

START_TEST(datagrams_queued_before_the_first_call) /* L6 */
{
    struct sockaddr_in here, there;
    struct letter l;
    char buf[4];
    int fd = udp(&here), other = udp(&there);
    evf_socket *socket = adopt(fd);

    for (size_t i = 0; i < 6; i++)
        ck_assert_int_eq(sendto(other, "abcdef", i, 0, (struct sockaddr *)&here,
                             sizeof(here)),
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
    ck_assert_int_eq(
        finish_now(evf_recvmsg(NULL, socket, letter(&l, buf, 4), MSG_TRUNC)),
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
    int peer, pipe_fds[2], fds[FDS_MAX];
    evf_socket *socket = adopt_pair(&peer);

    make_pipe(pipe_fds, O_NONBLOCK);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(
            sendmsg(peer, letter_with_fds(&l, "a", pipe_fds, 1), 0), 1);
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
    ck_assert_int_eq(finish_now(evf_recvmsg(
                         NULL, socket, letter_from_anywhere(&l, buf, 16), 0)),
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
    ck_assert_int_eq(
        sendmsg(peer, letter_with_fds(&(struct letter){0}, "xyz", same, 3), 0),
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
    ck_assert_int_eq(
        finish_now(evf_recvmsg(NULL, socket, letter(&l, buf, 16), 0)), 1);
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
    ck_assert_int_eq(
        sendmsg(
            peer, letter_with_fds(&(struct letter){0}, "a", pipe_fds, 1), 0),
        1);
    ck_assert(hand_woken(&h));
    let_go(&h);
    ck_assert_int_eq(buf[0], 0);
    ck_assert_uint_eq(fds_open(), before);
    ck_assert_int_eq(finish_now(evf_recvmsg(
                         NULL, socket, letter_from_anywhere(&l, buf, 16), 0)),
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
    ck_assert_int_eq(
        recvmsg(peer, letter_from_anywhere(&l, buf, 16), MSG_CMSG_CLOEXEC), 1);
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
    ck_assert_int_eq(
        finish_now(evf_recvmsg(NULL, socket, letter(&l, &c, 1), MSG_OOB)), 1);
    ck_assert_int_eq(c, '!');
    ck_assert_int_eq(
        finish_now(evf_recvmsg(NULL, socket, letter(&l, &c, 1), 0)), 1);
    ck_assert_int_eq(c, 'a');
    ck_assert_int_eq(finish_now(evf_sendmsg(
                         NULL, socket, letter(&l, (char[]){"?"}, 1), MSG_OOB)),
        1);
    evf_socket_ref(socket);
    evf_socket_close(socket);
    ck_assert_int_eq(
        finish_now(evf_recvmsg(NULL, socket, letter(&l, &c, 1), MSG_OOB)),
        -EBADF);
    evf_socket_unref(socket);
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
    ck_assert_int_eq(finish_now(evf_sendmsg(
                         NULL, other, letter(&l, (char[]){"!"}, 1), MSG_OOB)),
        1);
    say(fds[1], "cd");
    ck_assert_int_eq(
        finish_now(evf_recvmsg(NULL, socket, letter(&l, buf, 16), 0)), 2);
    ck_assert_int_eq(
        finish_now(evf_recvmsg(NULL, socket, letter(&l, &c, 1), MSG_OOB)), 1);
    ck_assert_int_eq(c, '!');
    ck_assert_int_eq(
        finish_now(evf_recvmsg(NULL, socket, letter(&l, buf + 2, 14), 0)), 2);
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

#ifdef MSG_ERRQUEUE
/* It is no reason to wake a reader of data, nor does data wake it. */
/* Errors are no reason to wake a reader of data, nor is data one to wait on. */
START_TEST(error_queue_is_not_waited_for)
{
    struct sockaddr_in here, dead;
    struct letter l;
    char buf[8] = "";
    int fd = udp(&here), refuser = udp(&dead), on = 1;
    evf_socket *socket = adopt(fd);
    struct hand h = {0};

    close(refuser);
    ck_assert_int_eq(
        setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof(on)), 0);
    grasp(&h, evf_recvmsg(&h.op, socket, letter(&l, buf, 8), MSG_ERRQUEUE));
    ck_assert_int_eq(hand_poll(&h), EVF_READY);
    ck_assert_int_eq(evf_future_take(h.future), -EAGAIN);
    let_go(&h);
    ck_assert_uint_eq(events_on_fd(base, fd), 0);
    ck_assert_int_eq(
        sendto(fd, "lost", 4, 0, (struct sockaddr *)&dead, sizeof(dead)), 4);
    until_readable(fd);
    ck_assert_int_eq(finish_now(evf_recvmsg(NULL, socket,
                         letter_from_anywhere(&l, buf, 8), MSG_ERRQUEUE)),
        4);
    ck_assert_str_eq(buf, "lost");
    ck_assert_int_eq(l.message.msg_flags & MSG_ERRQUEUE, MSG_ERRQUEUE);
    ck_assert_uint_eq(l.address.in.sin_port, dead.sin_port);
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
    int fd = udp(&here), refuser = udp(&dead);
    evf_socket *socket = adopt(fd);

    close(refuser);
    letter(&l, large, sizeof(large));
    l.message.msg_name = &dead;
    l.message.msg_namelen = sizeof(dead);
    ck_assert_int_eq(
        finish_now(evf_sendmsg(NULL, socket, &l.message, 0)), -EMSGSIZE);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&dead, sizeof(dead)), 0);
    ck_assert_int_eq(
        finish_now(evf_sendmsg(NULL, socket, letter(&l, large, 1), 0)), 1);
    until_readable(fd);
    ck_assert_int_eq(
        finish_now(evf_recvmsg(NULL, socket, letter(&l, large, 1), 0)),
        -ECONNREFUSED);
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
    ck_assert_int_eq(
        connect(evf_socket_fd(socket), (struct sockaddr *)&address, length), 0);
    grasp(&h, evf_sendmsg(&h.op, socket, letter(&l, &c, 1), 0));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    ck_assert(!hand_woken(&h));
    drain(receiver);
    ck_assert_int_eq(hand_end(&h), 1);
    evf_socket_close(socket);
    close(receiver);
}
END_TEST

/* It is none of the sender's: there is nothing wrong with the next message. */
START_TEST(full_queue_of_one_receiver_does_not_stop_messages_to_another)
{
    struct sockaddr_un full, address;
    struct letter l;
    socklen_t length;
    char c = 'y';
    int receiver = full_receiver(&full, &length), other = unix_datagrams();
    evf_socket *socket = adopt(unix_datagrams());

    letter(&l, &c, 1);
    l.message.msg_name = &full;
    l.message.msg_namelen = length;
    ck_assert_int_eq(
        finish_now(evf_sendmsg(NULL, socket, &l.message, 0)), -EAGAIN);
    l.message.msg_namelen = autobind(other, &address);
    l.message.msg_name = &address;
    ck_assert_int_eq(finish_now(evf_sendmsg(NULL, socket, &l.message, 0)), 1);
    hear(other, "y");
    drain(receiver);
    l.message.msg_name = &full;
    l.message.msg_namelen = length;
    ck_assert_int_eq(finish_now(evf_sendmsg(NULL, socket, &l.message, 0)), 1);
    hear(receiver, "y");
    evf_socket_close(socket);
    close(receiver);
    close(other);
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
    nothing_happens_before_the_first_poll, datagrams_come_with_their_senders,
    unix_datagrams_come_with_their_senders, empty_datagram_is_no_end,
    records_of_a_sequenced_socket, pieces_are_gathered_and_scattered,
    message_is_written_only_when_one_has_come, latest_waker_wins,
    last_poll_tries_whatever_the_hint_says, message_that_came_beats_a_request,
    steady_state_neither_allocates_nor_tries_in_vain,
    socket_that_would_block_does_not, datagrams_queued_before_the_first_call,
    truncated_length_is_told_where_it_is_asked_for,
    descriptors_queued_before_the_first_call,
    several_descriptors_in_one_message,
    descriptors_without_room_for_them_are_not_left_open,
    drop_of_a_pending_receive_loses_no_message, descriptors_are_sent,
    peeking_takes_nothing_and_stalls_nothing, urgent_data_is_not_waited_for,
    urgent_data_between_queued_bytes_stalls_nothing,
#ifdef MSG_ERRQUEUE
    error_queue_is_not_waited_for,
#endif
    message_to_a_full_socket_waits,
    message_without_a_reader_is_epipe_and_no_signal,
    message_that_is_refused_says_so,
    full_queue_of_a_receiver_is_eagain_where_waiting_would_spin,
    full_queue_of_one_receiver_does_not_stop_messages_to_another,
    messages_work_under_a_foreign_executor,
    close_ends_those_who_wait_with_ebadf,
    executor_that_goes_ends_those_who_wait, visit_names_the_fd)
