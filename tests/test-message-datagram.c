/* SPDX-License-Identifier: BSD-3-Clause */
#include "message-support.h"

#include <stddef.h>
#include <stdio.h>

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
    ck_assert_int_eq(finish_now(evf_sendmsg(NULL, socket, &l.message, 0)), 4);
    until_readable(other);
    hear(other, "back");
    evf_socket_close(socket);
    close(other);
}
END_TEST

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
    ck_assert_int_eq(finish_now(evf_recvmsg(NULL, socket,
                         letter_from_anywhere(&l, buf, 16), 0)),
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

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, fds),
        0);
    socket = adopt(fds[0]);
    grasp(&h, evf_recvmsg(&h.op, socket, letter(&l, buf, 4), 0));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    ck_assert_int_eq(send(fds[1], "", 0, 0), 0);
    ck_assert_int_eq(send(fds[1], "", 0, 0), 0);
    say(fds[1], "x");
    ck_assert_int_eq(hand_end(&h), 0);
    ck_assert_int_eq(finish_now(
                         evf_recvmsg(NULL, socket, letter(&l, buf, 4), 0)),
        0);
    ck_assert_int_eq(finish_now(
                         evf_recvmsg(NULL, socket, letter(&l, buf, 4), 0)),
        1);
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

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0,
                         fds),
        0);
    socket = adopt(fds[0]);
    other = adopt(fds[1]);
    ck_assert_int_eq(finish_now(evf_sendmsg(NULL, other,
                         letter(&l, (char[]){"abcdef"}, 6), MSG_EOR)),
        6);
    ck_assert_int_eq(finish_now(evf_sendmsg(NULL, other,
                         letter(&l, (char[]){"gh"}, 2), MSG_EOR)),
        2);
    evf_socket_close(other);
    ck_assert_int_eq(finish_now(
                         evf_recvmsg(NULL, socket, letter(&l, buf, 4), 0)),
        4);
    ck_assert_int_eq(l.message.msg_flags & MSG_TRUNC, MSG_TRUNC);
    ck_assert_int_eq(finish_now(
                         evf_recvmsg(NULL, socket, letter(&l, buf, 4), 0)),
        2);
    ck_assert_int_eq(l.message.msg_flags & MSG_TRUNC, 0);
    ck_assert_int_eq(finish_now(
                         evf_recvmsg(NULL, socket, letter(&l, buf, 4), 0)),
        0);
    evf_socket_close(socket);
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
        ck_assert_int_eq(finish_now(
                             evf_recvmsg(NULL, socket, letter(&l, buf, 4), 0)),
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

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, fds),
        0);
    socket = adopt(fds[0]);
    say(fds[1], "0123456789");
    say(fds[1], "x");
    ck_assert_int_eq(finish_now(evf_recvmsg(NULL, socket, letter(&l, buf, 4),
                         MSG_TRUNC)),
        10);
    ck_assert_int_eq(finish_now(
                         evf_recvmsg(NULL, socket, letter(&l, buf, 4), 0)),
        1);
    evf_socket_close(socket);
    close(fds[1]);
}
END_TEST

START_TEST(message_that_is_refused_says_so)
{
    struct sockaddr_in here, dead;
    struct letter l;
    static char large[70000];
    int fd = udp(&here), refuser = refusing_udp(&dead);
    evf_socket *socket = adopt(fd);

    letter(&l, large, sizeof(large));
    l.message.msg_name = &dead;
    l.message.msg_namelen = sizeof(dead);
    ck_assert_int_eq(finish_now(evf_sendmsg(NULL, socket, &l.message, 0)),
        -EMSGSIZE);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&dead, sizeof(dead)), 0);
    ck_assert_int_eq(finish_now(
                         evf_sendmsg(NULL, socket, letter(&l, large, 1), 0)),
        1);
    until_readable(fd);
    ck_assert_int_eq(finish_now(
                         evf_recvmsg(NULL, socket, letter(&l, large, 1), 0)),
        -ECONNREFUSED);
    close(refuser);
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

START_TEST(
    full_queue_of_a_receiver_is_eagain_where_waiting_would_spin) /* F19 */
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
    ck_assert_int_eq(connect(evf_socket_fd(socket), (struct sockaddr *)&address,
                         length),
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
    ck_assert_int_eq(finish_now(evf_sendmsg(NULL, socket, &l.message, 0)),
        -EAGAIN);
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

/* The receiver's queue has room: it is the sender that must wait. */
START_TEST(full_sender_waits_although_the_receiver_is_named) /* F13 */
{
    static char large[3000];
    struct sockaddr_un address;
    struct letter l;
    struct hand h = {0};
    int fd = unix_datagrams(), receiver = unix_datagrams(), least = 1;
    socklen_t length = autobind(receiver, &address);
    evf_socket *socket = adopt(fd);
    ssize_t n;

    ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &least, sizeof(int)),
        0);
    do
        n = sendto(fd, large, sizeof(large), 0, (struct sockaddr *)&address,
            length);
    while (n > 0);
    letter(&l, large, sizeof(large));
    l.message.msg_name = &address;
    l.message.msg_namelen = length;
    grasp(&h, evf_sendmsg(&h.op, socket, &l.message, 0));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    ck_assert(!hand_woken(&h));
    drain(receiver);
    ck_assert_int_eq(hand_end(&h), sizeof(large));
    evf_socket_close(socket);
    close(receiver);
}
END_TEST

TEST_MAIN("message-datagram", datagrams_come_with_their_senders,
    unix_datagrams_come_with_their_senders, empty_datagram_is_no_end,
    records_of_a_sequenced_socket, datagrams_queued_before_the_first_call,
    truncated_length_is_told_where_it_is_asked_for,
    message_that_is_refused_says_so,
    full_queue_of_a_receiver_is_eagain_where_waiting_would_spin,
    full_queue_of_one_receiver_does_not_stop_messages_to_another,
    full_sender_waits_although_the_receiver_is_named)
