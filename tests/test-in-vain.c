/* SPDX-License-Identifier: BSD-3-Clause */
#include "faults.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <sys/eventfd.h>

#include "message-support.h"

/* What the system reports for ever, while the call would block, ends a wait. */

/* A datagram socket that receives from itself alone. */
static evf_socket *
udp_alone(void)
{
    struct sockaddr_in address;

    return adopt(refusing_udp(&address));
}

static evf_socket *
unix_alone(int *peer)
{
    int fds[2];

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, fds),
        0);
    *peer = fds[1];
    return adopt(fds[0]);
}

/* Whether it waits for the shutdown, or begins after it, a read ends. */
static void
shut_down(evf_socket *socket)
{
    struct letter l;
    struct hand h = {0};
    char buf[8];

    grasp(&h, evf_read(&h.op, socket, buf, 8));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    ck_assert_int_eq(evf_socket_shutdown(socket, SHUT_RD), 0);
    ck_assert(hand_woken(&h));
    ck_assert_int_eq(hand_poll(&h), EVF_READY);
    ck_assert_int_eq(evf_future_take(h.future), 0);
    let_go(&h);
    grasp(&h, evf_read(&h.op, socket, buf, 8));
    ck_assert_int_eq(hand_end(&h), 0);
    grasp(&h, evf_recvmsg(&h.op, socket, letter_from_anywhere(&l, buf, 8), 0));
    l.message.msg_flags = MSG_TRUNC;
    ck_assert_int_eq(hand_end(&h), 0);
    ck_assert_uint_eq(l.message.msg_namelen, 0);
    ck_assert_uint_eq(l.message.msg_controllen, 0);
    ck_assert_int_eq(l.message.msg_flags, 0);
    evf_socket_close(socket);
}

START_TEST(datagrams_that_are_shut_down_end) /* F19 */
{
    int peer;

    shut_down(udp_alone());
    shut_down(unix_alone(&peer));
    close(peer);
}
END_TEST

START_TEST(datagram_that_came_before_the_shutdown_is_read) /* F19 */
{
    char c;
    int peer;
    evf_socket *socket = unix_alone(&peer);

    say(peer, "x");
    ck_assert_int_eq(evf_socket_shutdown(socket, SHUT_RD), 0);
    ck_assert_int_eq(finish_now(evf_read(NULL, socket, &c, 1)), 1);
    ck_assert_int_eq(finish_now(evf_read(NULL, socket, &c, 1)), 0);
    evf_socket_close(socket);
    close(peer);
}
END_TEST

START_TEST(listener_that_is_shut_down_fails_with_einval) /* F19 */
{
    struct sockaddr_un address;
    struct hand h = {0};
    evf_listener *listener;
    socklen_t length = abstract(&address, "shut");

    ck_assert_int_eq(evf_listen(&listener, executor,
                         (struct sockaddr *)&address, length, 0),
        0);
    for (int i = 0; i < 2; i++) {
        grasp(&h, evf_accept(&h.op, listener));
        if (i == 0)
            ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
        ck_assert_int_eq(shutdown(evf_listener_fd(listener), SHUT_RD), 0);
        ck_assert_int_eq(hand_end(&h), -EINVAL);
    }
    evf_listener_close(listener);
}
END_TEST

START_TEST(accepting_that_pauses_is_not_in_vain) /* L20 */
{
    struct sockaddr_un address;
    struct hand h = {0};
    evf_listener *listener;
    socklen_t length = abstract(&address, "pause");

    ck_assert_int_eq(evf_listen(&listener, executor,
                         (struct sockaddr *)&address, length, 0),
        0);
    grasp(&h, evf_accept(&h.op, listener));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    ck_assert_int_eq(shutdown(evf_listener_fd(listener), SHUT_RD), 0);
    ck_assert(hand_woken(&h));
    faults_reset();
    break_next(CALL_ACCEPT4, 2, EMFILE);
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    ck_assert_uint_eq(calls(CALL_ACCEPT4), 1);
    ck_assert_int_eq(hand_end(&h), -EINVAL);
    evf_listener_close(listener);
}
END_TEST

START_TEST(error_queue_that_nobody_reads_is_eagain) /* F19 */
{
    struct sockaddr_in dead;
    struct letter l;
    struct hand h = {0};
    char buf[64];
    int on = 1, refuser = refusing_udp(&dead);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    evf_socket *socket;

    ck_assert_int_eq(setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof(on)),
        0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&dead, sizeof(dead)), 0);
    socket = adopt(fd);
    say(fd, "x");
    until_readable(fd);
    grasp(&h, evf_read(&h.op, socket, buf, 64));
    ck_assert_int_eq(hand_end(&h), -ECONNREFUSED);
    grasp(&h, evf_read(&h.op, socket, buf, 64));
    ck_assert_int_eq(hand_end(&h), -EAGAIN);
    grasp(&h, evf_recvmsg(&h.op, socket, letter(&l, buf, 64), 0));
    ck_assert_int_eq(hand_end(&h), -EAGAIN);
    /* Read, it is no trouble any more. */
    grasp(&h, evf_recvmsg(&h.op, socket, &l.message, MSG_ERRQUEUE));
    ck_assert_int_eq(hand_end(&h), 1);
    grasp(&h, evf_read(&h.op, socket, buf, 64));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    ck_assert(!hand_woken(&h));
    let_go(&h);
    evf_socket_close(socket);
    close(refuser);
}
END_TEST

START_TEST(peeking_beyond_what_there_is_is_eagain) /* F19 */
{
    struct letter l;
    struct hand h = {0};
    char buf[8];
    int peer, offset = 0;
    evf_socket *socket = unix_alone(&peer);

    ck_assert_int_eq(setsockopt(evf_socket_fd(socket), SOL_SOCKET, SO_PEEK_OFF,
                         &offset, sizeof(offset)),
        0);
    say(peer, "abc");
    grasp(&h, evf_recvmsg(&h.op, socket, letter(&l, buf, 8), MSG_PEEK));
    ck_assert_int_eq(hand_end(&h), 3);
    grasp(&h, evf_recvmsg(&h.op, socket, letter(&l, buf, 8), MSG_PEEK));
    ck_assert_int_eq(hand_end(&h), -EAGAIN);
    say(peer, "d");
    grasp(&h, evf_recvmsg(&h.op, socket, letter(&l, buf, 8), MSG_PEEK));
    ck_assert_int_eq(hand_end(&h), 1);
    part(socket, peer);
}
END_TEST

START_TEST(eventfd_with_room_for_less_is_eagain) /* F19 */
{
    uint64_t most = UINT64_MAX - 3, five = 5, one = 1;
    struct iovec iov = {&five, sizeof(five)};
    struct hand h = {0};
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    evf_socket *socket = adopt(fd);

    ck_assert_int_eq(write(fd, &most, sizeof(most)), 8);
    grasp(&h, evf_write(&h.op, socket, &five, 8));
    ck_assert_int_eq(hand_end(&h), -EAGAIN);
    grasp(&h, evf_write_all(&h.op, socket, &five, 8));
    ck_assert_int_eq(hand_end(&h), -EAGAIN);
    grasp(&h, evf_writev(&h.op, socket, &iov, 1));
    ck_assert_int_eq(hand_end(&h), -EAGAIN);
    for (int i = 0; i < 2; i++) {
        grasp(&h, evf_write(&h.op, socket, &one, 8));
        ck_assert_int_eq(hand_end(&h), 8);
    }
    /* Full, it can be waited for. */
    grasp(&h, evf_write(&h.op, socket, &five, 8));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    ck_assert(!hand_woken(&h));
    ck_assert_int_eq(read(fd, &most, sizeof(most)), 8);
    ck_assert_int_eq(hand_end(&h), 8);
    evf_socket_close(socket);
}
END_TEST

START_TEST(full_netlink_receiver_is_eagain) /* F19 */
{
    static char large[4096];
    struct sockaddr_nl address = {.nl_family = AF_NETLINK};
    socklen_t length = sizeof(address);
    struct letter l;
    struct hand h = {0};
    int type = SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
    int receiver = socket(AF_NETLINK, type, NETLINK_USERSOCK);
    evf_socket *sender;
    intptr_t n = 0;

    /* A container may have none. */
    if (receiver < 0)
        return;
    ck_assert_int_eq(bind(receiver, (struct sockaddr *)&address, length), 0);
    ck_assert_int_eq(getsockname(receiver, (struct sockaddr *)&address,
                         &length),
        0);
    sender = adopt(socket(AF_NETLINK, type, NETLINK_USERSOCK));
    letter(&l, large, sizeof(large));
    l.message.msg_name = &address;
    l.message.msg_namelen = length;
    for (int i = 0; i < 100000; i++) {
        grasp(&h, evf_sendmsg(&h.op, sender, &l.message, 0));
        n = hand_end(&h);
        if (n <= 0)
            break;
    }
    ck_assert_int_eq(n, -EAGAIN);
    evf_socket_close(sender);
    close(receiver);
}
END_TEST

START_TEST(what_came_between_call_and_poll_is_read) /* F19 F13 */
{
    struct hand h = {0};
    char buf[8];
    int peer;
    evf_socket *socket = unix_alone(&peer);

    say(peer, "abc");
    socket->entry.hint |= EVF_READABLE;
    faults_reset();
    break_next(CALL_RECV, 1, EAGAIN);
    grasp(&h, evf_read(&h.op, socket, buf, 8));
    ck_assert_int_eq(hand_poll(&h), EVF_READY);
    ck_assert_int_eq(evf_future_take(h.future), 3);
    ck_assert_uint_eq(calls(CALL_RECV), 2);
    let_go(&h);
    part(socket, peer);
}
END_TEST

START_TEST(poll_that_fails_says_nothing) /* F13 */
{
    struct hand h = {0};
    char buf[8];
    int peer;
    evf_socket *socket = unix_alone(&peer);

    say(peer, "abc");
    socket->entry.hint |= EVF_READABLE;
    faults_reset();
    break_next(CALL_RECV, 2, EAGAIN);
    break_next(CALL_POLL, 1, ENOMEM);
    grasp(&h, evf_read(&h.op, socket, buf, 8));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    ck_assert_uint_eq(calls(CALL_RECV), 1);
    ck_assert_int_eq(hand_end(&h), 3);
    part(socket, peer);
}
END_TEST

/* There is more room, but the write has got on, and gives way. */
START_TEST(write_that_got_on_is_not_in_vain) /* F19 F13 */
{
    struct hand h = {0};
    char *bytes = pattern(1000);
    int fds[2];
    evf_socket *out;

    make_pipe(fds, O_NONBLOCK);
    out = adopt(fds[1]);
    faults_reset();
    cap(CALL_WRITEV, 10);
    break_after(CALL_WRITEV, 1, 3, EAGAIN);
    grasp(&h, evf_write_all(&h.op, out, bytes, 1000));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    ck_assert_uint_eq(calls(CALL_WRITEV), 2);
    ck_assert_uint_eq(calls(CALL_POLL), 0);
    faults_reset();
    ck_assert_int_eq(hand_end(&h), 1000);
    hear_bytes(fds[0], bytes, 1000);
    evf_socket_close(out);
    close(fds[0]);
    free(bytes);
}
END_TEST

TEST_MAIN("in-vain", datagrams_that_are_shut_down_end,
    datagram_that_came_before_the_shutdown_is_read,
    listener_that_is_shut_down_fails_with_einval,
    accepting_that_pauses_is_not_in_vain,
    error_queue_that_nobody_reads_is_eagain,
    peeking_beyond_what_there_is_is_eagain,
    eventfd_with_room_for_less_is_eagain, full_netlink_receiver_is_eagain,
    what_came_between_call_and_poll_is_read, poll_that_fails_says_nothing,
    write_that_got_on_is_not_in_vain)
