/* SPDX-License-Identifier: BSD-3-Clause */
#include "sockets.h"

#include <fcntl.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "faults.h"
#include "io/operation-internal.h"

/*
 * Each system call of the I/O rooms, failing in turn as it may at any time (R2):
 * what is retried is retried, what is waited for does not spin, what is an
 * error is the result, and nothing is lost or left behind.
 */

static void
answer(int fd, const char *text)
{
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

/* A socket with something to read, of which its entry knows. */
static evf_socket *
expecting(int *peer, const char *text)
{
    evf_socket *socket = adopt_pair(peer);

    answer(*peer, text);
    socket->entry.hint |= EVF_READABLE;
    faults_reset();
    return socket;
}

static void
part(evf_socket *socket, int peer)
{
    evf_socket_close(socket);
    close(peer);
}

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

START_TEST(pipe_is_repeated_waited_for_and_fails) /* R2 */
{
    for (int flags = 0; flags <= O_NONBLOCK; flags += O_NONBLOCK) {
        struct hand h = {0};
        char buf[8] = "";
        int fds[2];
        evf_socket *in, *out;

        if (flags == 0 && blocking_fds_abort())
            continue;
        make_pipe(fds, flags);
        in = adopt(fds[0]);
        out = adopt(fds[1]);
        faults_reset();
        break_next(CALL_WRITEV, 3, EINTR);
        break_next(CALL_POLL, 1, EINTR);
        grasp(&h, evf_write(&h.op, out, "ab", 2));
        ck_assert_int_eq(hand_poll(&h), EVF_READY);
        let_go(&h);
        break_next(CALL_WRITEV, 5, EAGAIN);
        grasp(&h, evf_write_all(&h.op, out, "cd", 2));
        ck_assert_int_eq(hand_end(&h), 2);
        /* An error of that name and no signal: nobody waits for one. */
        break_next(CALL_WRITEV, 1, EPIPE);
        grasp(&h, evf_write(&h.op, out, "x", 1));
        ck_assert_int_eq(hand_end(&h), -EPIPE);
        cap(CALL_WRITEV, 1);
        grasp(&h, evf_write_all(&h.op, out, "efg", 3));
        ck_assert_int_eq(hand_end(&h), 3);
        break_next(CALL_READ, 3, EINTR);
        grasp(&h, evf_read(&h.op, in, buf, 2));
        ck_assert_int_eq(hand_end(&h), 2);
        break_next(CALL_READ, 5, EAGAIN);
        cap(CALL_READ, 4);
        grasp(&h, evf_read(&h.op, in, buf + 2, 5));
        ck_assert_int_eq(hand_end(&h), 4);
        grasp(&h, evf_read(&h.op, in, buf + 6, 1));
        ck_assert_int_eq(hand_end(&h), 1);
        ck_assert_str_eq(buf, "abcdefg");
        break_next(CALL_READ, 1, EIO);
        grasp(&h, evf_read(&h.op, in, buf, 1));
        answer(fds[1], "y");
        ck_assert_int_eq(hand_end(&h), -EIO);
        evf_socket_close(in);
        evf_socket_close(out);
    }
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
    answer(fds[1], "x");
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
    let_go(&h);
    evf_socket_close(in);
    evf_socket_close(out);
}
END_TEST

START_TEST(fd_that_cannot_be_looked_at_is_ebadf) /* R2 */
{
    evf_interest interest = {0};
    struct probe probe;
    evf_listener *listener = NULL;
    evf_socket *socket = NULL;
    struct sockaddr_in address;
    int fd = listening(&address);

    probe_init(&probe);
    faults_reset();
    break_next(CALL_FSTAT, 4, EOVERFLOW);
    ck_assert_int_eq(evf_socket_new(&socket, executor, fd), -EBADF);
    ck_assert_int_eq(evf_listener_new(&listener, executor, fd), -EBADF);
    ck_assert_int_eq(
        evf_reactor_add_io_event_interest(evf_executor_reactor(executor), fd,
            &interest, (evf_event){0, EVF_READABLE}, &probe.waker),
        -EBADF);
    ck_assert_int_eq(
        finish_now(evf_wait_fd(NULL, NULL, fd, EVF_READABLE)), -EBADF);
    break_next(CALL_GETSOCKOPT, 1, ENOBUFS);
    ck_assert_int_eq(evf_listener_new(&listener, executor, fd), -ENOBUFS);
    ck_assert_uint_eq(heap_blocks(), 1);
    close(fd);
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
    answer(fds[1], "x");
    in->entry.hint |= EVF_READABLE;
    grasp(&h, evf_read(&h.op, in, &c, 1));
    ck_assert_int_eq(hand_end(&h), 1);
    ck_assert_uint_eq(calls(CALL_POLL), 1);
    evf_socket_close(in);
    close(fds[1]);
}
END_TEST

static evf_future *
to(evf_op *op, const struct sockaddr_in *address)
{
    return evf_connect(op, (const struct sockaddr *)address, sizeof(*address));
}

START_TEST(connect_fails_at_each_of_its_calls) /* R2 */
{
    struct sockaddr_in address;
    struct hand h = {0};
    unsigned fds;
    int listener = listening(&address);

    fds = fds_open();
    faults_reset();
    break_next(CALL_SOCKET, 1, EMFILE);
    ck_assert_int_eq(finish_now(to(NULL, &address)), -EMFILE);
    break_next(CALL_CONNECT, 1, ENETUNREACH);
    ck_assert_int_eq(finish_now(to(NULL, &address)), -ENETUNREACH);
    break_next(CALL_CONNECT, 1, EINTR); /* and goes on */
    grasp(&h, to(&h.op, &address));
    evf_socket_close((evf_socket *)hand_end(&h));
    break_next(CALL_CONNECT, 1, EINTR);
    break_next(CALL_GETSOCKOPT, 1, ENOBUFS);
    grasp(&h, to(&h.op, &address));
    ck_assert_int_eq(hand_end(&h), -ENOBUFS);
    break_next(CALL_CONNECT, 1, EINTR);
    break_next(CALL_EVENT_ADD, 1, ENOSPC);
    grasp(&h, to(&h.op, &address));
    ck_assert_int_eq(hand_end(&h), -ENOSPC);
    break_next(CALL_CONNECT, 1, EINTR);
    break_next(CALL_POLL, 1, ENOMEM);
    grasp(&h, to(&h.op, &address));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    ck_assert_int_eq(hand_poll_last(&h), EVF_READY);
    ck_assert_int_eq(evf_future_take(h.future), -ENOMEM);
    let_go(&h);
    ck_assert_uint_eq(fds_open(), fds);
    close(listener);
}
END_TEST

START_TEST(connect_list_goes_on_after_any_error) /* R2 */
{
    struct sockaddr_in address;
    struct addrinfo list[5];
    unsigned fds;
    int listener = listening(&address);

    memset(list, 0, sizeof(list));
    for (int i = 0; i < 5; i++) {
        list[i].ai_family = AF_INET;
        list[i].ai_socktype = SOCK_STREAM;
        list[i].ai_addr = (struct sockaddr *)&address;
        list[i].ai_addrlen = sizeof(address);
        list[i].ai_next = i < 4 ? &list[i + 1] : NULL;
    }
    fds = fds_open();
    faults_reset();
    break_next(CALL_SOCKET, 2, EAFNOSUPPORT);
    break_next(CALL_CONNECT, 2, EHOSTUNREACH);
    evf_socket_close((evf_socket *)finish_now(evf_connect_list(NULL, list)));
    ck_assert_uint_eq(calls(CALL_SOCKET), 5);
    ck_assert_uint_eq(calls(CALL_CONNECT), 3);
    break_next(CALL_SOCKET, 5, ENFILE);
    ck_assert_int_eq(finish_now(evf_connect_list(NULL, list)), -ENFILE);
    ck_assert_uint_eq(fds_open(), fds);
    close(listener);
}
END_TEST

START_TEST(listen_fails_at_each_of_its_calls) /* R2 */
{
    static const enum call sites[] = {CALL_SOCKET, CALL_SETSOCKOPT, CALL_BIND,
        CALL_LISTEN, CALL_FSTAT, CALL_GETSOCKOPT};
    struct sockaddr_in6 six = {
        .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    struct sockaddr_in address = {.sin_family = AF_INET};
    evf_listener *listener = NULL;
    unsigned fds = fds_open();
    int err;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (size_t i = 0; i < sizeof(sites) / sizeof(*sites); i++) {
        faults_reset();
        break_next(sites[i], 1, ENOBUFS);
        err = evf_listen(&listener, executor, (struct sockaddr *)&address,
            sizeof(address), 0);
        ck_assert_int_eq(err, sites[i] == CALL_FSTAT ? -EBADF : -ENOBUFS);
        ck_assert_ptr_null(listener);
        ck_assert_uint_eq(fds_open(), fds);
        ck_assert_uint_eq(heap_blocks(), 1);
    }
    break_after(CALL_SETSOCKOPT, 1, 1, ENOPROTOOPT);
    err = evf_listen(
        &listener, executor, (struct sockaddr *)&six, sizeof(six), 0);
    ck_assert(err == -ENOPROTOOPT || err == -EAFNOSUPPORT);
    ck_assert_uint_eq(fds_open(), fds);
}
END_TEST

static int
dial(const struct sockaddr_in *address)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ck_assert_int_eq(
        connect(fd, (const struct sockaddr *)address, sizeof(*address)), 0);
    return fd;
}

/* A listener with a connection in its backlog, of which its entry knows. */
static evf_listener *
awaited(int *client)
{
    struct sockaddr_in address;
    evf_listener *listener = NULL;
    int fd = listening(&address);

    ck_assert_int_eq(evf_listener_new(&listener, executor, fd), 0);
    *client = dial(&address);
    until_readable(fd);
    faults_reset();
    return listener;
}

START_TEST(connections_that_are_gone_again_are_skipped) /* R2 */
{
    static const int errors[] = {EINTR, ECONNABORTED, EPROTO, ENETDOWN,
        ENETUNREACH, EHOSTDOWN, EHOSTUNREACH, ENOPROTOOPT};

    for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++) {
        struct hand h = {0};
        int client;
        evf_listener *listener = awaited(&client);

        break_next(CALL_ACCEPT4, 10, errors[i]);
        grasp(&h, evf_accept(&h.op, listener));
        ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
        ck_assert(hand_woken(&h));
        ck_assert_int_eq(hand_poll(&h), EVF_READY);
        ck_assert_uint_eq(calls(CALL_ACCEPT4), 11);
        let_go(&h);
        evf_listener_close(listener);
        close(client);
    }
}
END_TEST

START_TEST(skipping_is_bounded_in_a_poll) /* R2 F19 */
{
    struct hand h = {0};
    unsigned polls = 0;
    int client;
    evf_listener *listener = awaited(&client);

    break_next(CALL_ACCEPT4, 100, ECONNABORTED);
    grasp(&h, evf_accept(&h.op, listener));
    while (hand_poll(&h) == EVF_PENDING) {
        ck_assert_uint_le(calls(CALL_ACCEPT4), 16 * ++polls);
        ck_assert(hand_woken(&h));
    }
    ck_assert_uint_eq(calls(CALL_ACCEPT4), 101);
    let_go(&h);
    evf_listener_close(listener);
    close(client);
}
END_TEST

START_TEST(accept_that_would_block_after_all_waits) /* R2 */
{
    struct hand h = {0};
    int client;
    evf_listener *listener = awaited(&client);

    break_next(CALL_ACCEPT4, 10, EAGAIN);
    grasp(&h, evf_accept(&h.op, listener));
    evf_socket_close((evf_socket *)hand_end(&h));
    ck_assert_uint_eq(calls(CALL_ACCEPT4), 11);
    evf_listener_close(listener);
    close(client);
}
END_TEST

START_TEST(errors_that_are_not_survived_are_the_result) /* R2 */
{
    static const int errors[] = {EINVAL, EPERM, EOPNOTSUPP, ENOTSOCK, EFAULT};

    for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++) {
        struct hand h = {0};
        int client;
        evf_listener *listener = awaited(&client);

        break_next(CALL_ACCEPT4, 1, errors[i]);
        grasp(&h, evf_accept(&h.op, listener));
        ck_assert_int_eq(hand_end(&h), -errors[i]);
        evf_listener_close(listener);
        close(client);
    }
}
END_TEST

START_TEST(shortages_pause_accepting) /* R2 L20 */
{
    static const int errors[] = {EMFILE, ENFILE, ENOBUFS, ENOMEM};

    ck_assert_int_eq(evf_executor_pause_clock(executor), 0);
    for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++) {
        struct hand h = {0};
        uint64_t before;
        int client;
        evf_listener *listener = awaited(&client);

        break_next(CALL_ACCEPT4, 3, errors[i]);
        before = evf_executor_now(executor);
        grasp(&h, evf_accept(&h.op, listener));
        evf_socket_close((evf_socket *)hand_end(&h));
        ck_assert_uint_eq(calls(CALL_ACCEPT4), 4);
        ck_assert_uint_eq(evf_executor_now(executor) - before, 300);
        evf_listener_close(listener);
        close(client);
    }
}
END_TEST

static void
close_listener(void *arg)
{
    evf_listener_close(*(evf_listener **)arg);
}

START_TEST(shortage_that_lasts_is_looked_at_every_100_ms) /* L20 */
{
    struct hand h = {0};
    uint64_t before;
    int client;
    evf_listener *listener = awaited(&client);

    ck_assert_int_eq(evf_executor_pause_clock(executor), 0);
    grasp(&h, evf_accept(&h.op, listener));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    pass_once();
    before = evf_executor_now(executor);
    break_next(CALL_ACCEPT4, 5, EMFILE);
    for (unsigned i = 1; i <= 5; i++) {
        ck_assert_uint_eq(h.probe.wakes, i);
        ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
        ck_assert_uint_eq(events_on_fd(base, evf_listener_fd(listener)), 0);
        while (h.probe.wakes == i)
            pass_once();
    }
    ck_assert_uint_eq(evf_executor_now(executor) - before, 500);
    evf_socket_close((evf_socket *)hand_end(&h));
    evf_listener_close(listener);
    close(client);
}
END_TEST

START_TEST(listener_closed_during_a_shortage) /* L20 */
{
    struct hand h = {0};
    int client;
    evf_listener *listener = awaited(&client);

    grasp(&h, evf_accept(&h.op, listener));
    break_next(CALL_ACCEPT4, 1, EMFILE);
    ck_assert_int_eq(hand_poll_last(&h), EVF_PENDING);
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    ck_assert(!evfi_wheel_empty(&evf_executor_reactor(executor)->wheel));
    evf_listener_close(listener);
    ck_assert_uint_eq(h.probe.wakes, 1);
    ck_assert(evfi_wheel_empty(&evf_executor_reactor(executor)->wheel));
    ck_assert_int_eq(hand_end(&h), -EBADF);
    close(client);
}
END_TEST

/* Its timer is to be cancelled although its entry has been cut loose. */
START_TEST(listener_closed_while_the_executor_goes_during_a_shortage) /* F16 */
{
    struct trap trap;
    struct hand h = {0};
    evf_context cx;
    int client;
    evf_listener *listener = awaited(&client);

    trap_init(&trap, close_listener, &listener);
    grasp(&h, evf_accept(&h.op, listener));
    break_next(CALL_ACCEPT4, 1, EMFILE);
    ck_assert_int_eq(hand_poll_last(&h), EVF_PENDING);
    evf_context_init(&cx, &trap.waker, executor);
    ck_assert_int_eq(evf_future_poll(h.future, &cx), EVF_PENDING);
    executor_done();
    ck_assert_uint_eq(trap.wakes, 1);
    let_go(&h);
    ck_assert_int_eq(trap.live, 0);
    close(client);
}
END_TEST

START_TEST(executor_goes_during_a_shortage) /* L20 F23 */
{
    struct hand h = {0};
    int client;
    evf_listener *listener = awaited(&client);

    grasp(&h, evf_accept(&h.op, listener));
    break_next(CALL_ACCEPT4, 1, EMFILE);
    ck_assert_int_eq(hand_poll_last(&h), EVF_PENDING);
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    executor_done();
    ck_assert_int_eq(hand_end(&h), -ESHUTDOWN);
    evf_listener_close(listener);
    close(client);
}
END_TEST

START_TEST(event_that_cannot_be_added_fails_the_wait) /* R2 */
{
    evf_interest interest = {0};
    struct hand h = {0};
    struct probe probe;
    char buf[8];
    int peer, fds[2];
    evf_socket *socket = expecting(&peer, "");

    pair(fds);
    probe_init(&probe);
    break_next(CALL_EVENT_ADD, 1, ENOSPC);
    socket->entry.hint = 0;
    grasp(&h, evf_read(&h.op, socket, buf, sizeof(buf)));
    ck_assert_int_eq(hand_end(&h), -ENOSPC);
    break_next(CALL_EVENT_ADD, 1, ENOSPC);
    grasp(&h, evf_wait_fd(&h.op, NULL, fds[0], EVF_READABLE));
    ck_assert_int_eq(hand_end(&h), -ENOSPC);
    break_next(CALL_EVENT_ADD, 1, ENOMEM);
    ck_assert_int_eq(
        evf_reactor_add_io_event_interest(evf_executor_reactor(executor),
            fds[0], &interest, (evf_event){0, EVF_READABLE}, &probe.waker),
        -ENOMEM);
    ck_assert_ptr_null(interest.entry);
    ck_assert_int_eq(probe_live(&probe), 0);
    ck_assert_uint_eq(events_on_fd(base, fds[0]), 0);
    break_next(CALL_EVENT_ADD, 1, 0); /* libevent does not always say why */
    socket->entry.hint = 0;
    grasp(&h, evf_read(&h.op, socket, buf, sizeof(buf)));
    ck_assert_int_eq(hand_end(&h), -EINVAL);
    answer(peer, "x");
    grasp(&h, evf_read(&h.op, socket, buf, sizeof(buf)));
    ck_assert_int_eq(hand_end(&h), 1);
    part(socket, peer);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

/* Changing what is armed deletes first: those who waited are not stranded. */
START_TEST(event_that_cannot_be_changed_strands_nobody) /* R2 */
{
    struct hand r = {0}, w = {0};
    char buf[8];
    int peer;
    evf_socket *socket = expecting(&peer, "");

    socket->entry.hint = 0;
    grasp(&r, evf_read(&r.op, socket, buf, sizeof(buf)));
    grasp(&w, evf_write(&w.op, socket, "x", 1));
    ck_assert_int_eq(hand_poll(&r), EVF_PENDING);
    break_next(CALL_EVENT_ADD, 1, ENOMEM);
    ck_assert_int_eq(hand_poll(&w), EVF_READY);
    ck_assert_int_eq(evf_future_take(w.future), -ENOMEM);
    let_go(&w);
    ck_assert_uint_eq(r.probe.wakes, 1);
    ck_assert_int_eq(hand_poll(&r), EVF_PENDING);
    answer(peer, "abc");
    ck_assert_int_eq(hand_end(&r), 3);
    part(socket, peer);
}
END_TEST

/* The same in libevent's callback, when one direction is no longer wanted. */
START_TEST(event_that_cannot_be_narrowed_strands_nobody) /* R2 */
{
    struct hand r = {0}, w = {0};
    char buf[8];
    int peer;
    evf_socket *socket = expecting(&peer, "");

    socket->entry.hint = 0;
    grasp(&r, evf_read(&r.op, socket, buf, sizeof(buf)));
    grasp(&w, evf_write(&w.op, socket, "x", 1));
    ck_assert_int_eq(hand_poll(&r), EVF_PENDING);
    ck_assert_int_eq(hand_poll(&w), EVF_PENDING);
    let_go(&w); /* armed for writing still, and it is writable */
    break_next(CALL_EVENT_ADD, 1, ENOMEM);
    pass();
    ck_assert_uint_eq(r.probe.wakes, 1);
    ck_assert_int_eq(hand_poll(&r), EVF_PENDING);
    answer(peer, "abc");
    ck_assert_int_eq(hand_end(&r), 3);
    part(socket, peer);
}
END_TEST

START_TEST(event_of_the_programs_that_cannot_be_narrowed) /* R2 */
{
    struct hand r = {0}, w = {0};
    int fds[2];

    pair(fds);
    stuff(fds[0]);
    faults_reset();
    grasp(&r, evf_wait_fd(&r.op, NULL, fds[0], EVF_READABLE));
    grasp(&w, evf_wait_fd(&w.op, NULL, fds[0], EVF_WRITABLE));
    ck_assert_int_eq(hand_poll(&r), EVF_PENDING);
    ck_assert_int_eq(hand_poll(&w), EVF_PENDING);
    break_next(CALL_EVENT_ADD, 1, ENOMEM);
    let_go(&w);
    ck_assert_uint_eq(r.probe.wakes, 1);
    ck_assert_uint_eq(events_on_fd(base, fds[0]), 0);
    ck_assert_int_eq(hand_poll(&r), EVF_PENDING);
    answer(fds[1], "x");
    ck_assert_int_eq(hand_end(&r), EVF_READABLE);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

struct echo {
    evf_frame frame;
    evf_socket *peer; /* owned */
    evf_op op;
    char buf[64];
    unsigned rounds;
    bool speaks;
};

static enum evf_poll
echo_run(evf_future *self, evf_context *cx)
{
    struct echo *e = evf_frame_of(self, struct echo);
    intptr_t n;

    EVF_BEGIN(self, cx);
    if (e->speaks)
        EVF_TRY(n, evf_write_all(&e->op, e->peer, "hello", 5));
    while (e->rounds-- > 0) {
        EVF_TRY(n, evf_read(&e->op, e->peer, e->buf, sizeof(e->buf)));
        if (e->speaks && e->rounds == 0)
            break;
        EVF_TRY(n, evf_write_all(&e->op, e->peer, e->buf, (size_t)n));
    }
    EVF_RETURN(0);
    EVF_FINALLY;
    evf_socket_close(e->peer);
    EVF_END;
}

static const evf_frame_ops echo_ops = EVF_FRAME_OPS(struct echo, echo_run);

static evf_task *
echo(int fd, unsigned rounds, bool speaks)
{
    struct echo *e = evf_frame_init(NULL, &echo_ops);

    ck_assert_ptr_nonnull(e);
    e->peer = adopt(fd);
    e->rounds = rounds;
    e->speaks = speaks;
    return evf_spawn(executor, &e->frame.future);
}

/* A call for each transfer, and nothing else: no EAGAIN, no change of events. */
START_TEST(steady_state_of_request_and_reply_makes_no_call_in_vain)
{
    enum {
        ROUNDS = 100
    };
    evf_task *a, *b;
    evf_op op = {0};
    int fds[2];

    if (getenv("EVF_STRESS") != NULL)
        return; /* tasks that suspend on purpose let it occur for nobody */
    pair(fds);
    a = echo(fds[0], ROUNDS, true);
    b = echo(fds[1], ROUNDS, false);
    faults_reset();
    evf_task_detach(b);
    ck_assert_int_eq(finish_now(evf_task_join(&op, a)), 0);
    ck_assert_uint_eq(calls(CALL_RECV), 2 * ROUNDS);
    ck_assert_uint_eq(calls(CALL_SEND), 2 * ROUNDS);
    ck_assert_uint_eq(calls(CALL_EVENT_ADD), 2);
    ck_assert_uint_le(calls(CALL_EVENT_DEL), 2);
    ck_assert_uint_eq(
        calls(CALL_POLL) + calls(CALL_FCNTL) + calls(CALL_FSTAT), 0);
}
END_TEST

START_TEST(wait_for_what_is_ready_makes_no_event)
{
    int fds[2];

    pair(fds);
    faults_reset();
    for (int i = 0; i < 10; i++)
        ck_assert_int_eq(
            finish_now(evf_wait_fd(NULL, NULL, fds[0], EVF_WRITABLE)),
            EVF_WRITABLE);
    ck_assert_uint_eq(calls(CALL_EVENT_ADD), 0);
    ck_assert_uint_eq(calls(CALL_POLL), 10);
    close(fds[0]);
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
    poll_that_fails_is_the_error_of_whoever_asked,
    fd_that_cannot_be_looked_at_is_ebadf,
    fd_whose_flags_cannot_be_read_is_polled_first,
    connect_fails_at_each_of_its_calls, connect_list_goes_on_after_any_error,
    listen_fails_at_each_of_its_calls,
    connections_that_are_gone_again_are_skipped, skipping_is_bounded_in_a_poll,
    accept_that_would_block_after_all_waits,
    errors_that_are_not_survived_are_the_result, shortages_pause_accepting,
    shortage_that_lasts_is_looked_at_every_100_ms,
    listener_closed_during_a_shortage,
    listener_closed_while_the_executor_goes_during_a_shortage,
    executor_goes_during_a_shortage,
    event_that_cannot_be_added_fails_the_wait,
    event_that_cannot_be_changed_strands_nobody,
    event_that_cannot_be_narrowed_strands_nobody,
    event_of_the_programs_that_cannot_be_narrowed,
    steady_state_of_request_and_reply_makes_no_call_in_vain,
    wait_for_what_is_ready_makes_no_event,
    delimiter_is_not_looked_for_twice_in_the_same_bytes)
