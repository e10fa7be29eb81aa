/* SPDX-License-Identifier: BSD-3-Clause */
#include "sockets.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/un.h>
#include <unistd.h>

#include "foreign.h"
#include "io/socket-internal.h"
#include "reactor/reactor-internal.h"

static evf_listener *
listen_here(struct sockaddr_in *address)
{
    evf_listener *listener = NULL;
    int fd = listening(address);

    ck_assert_int_eq(evf_listener_new(&listener, executor, fd), 0);
    ck_assert_int_eq(evf_listener_fd(listener), fd);
    return listener;
}

START_TEST(new_refuses_what_does_not_listen) /* L17 F47 */
{
    evf_listener *listener = NULL;
    struct sockaddr_in address;
    int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    int fd = listening(&address), idle = refusing(&address), pipes[2];

    make_pipe(pipes, O_NONBLOCK);
    ck_assert_int_eq(evf_listener_new(NULL, executor, fd), -EINVAL);
    ck_assert_int_eq(evf_listener_new(&listener, NULL, fd), -EINVAL);
    ck_assert_int_eq(evf_listener_new(&listener, executor, -1), -EBADF);
    ck_assert_int_eq(evf_listener_new(&listener, executor, file), -ENOTSUP);
    ck_assert_int_eq(evf_listener_new(&listener, executor, pipes[0]),
        -ENOTSOCK);
    ck_assert_int_eq(evf_listener_new(&listener, executor, idle), -EINVAL);
    ck_assert_ptr_null(listener);
    ck_assert_uint_eq(heap_blocks(), 1);
    close(file);
    close(fd);
    close(idle);
    close(pipes[0]);
    close(pipes[1]);
}
END_TEST

START_TEST(new_out_of_memory_leaves_the_fd) /* F28 */
{
    evf_listener *listener = NULL;
    struct sockaddr_in address;
    int fd = listening(&address);

    for (size_t n = 1; n <= 2; n++) {
        heap_fail_at(n);
        ck_assert_int_eq(evf_listener_new(&listener, executor, fd), -ENOMEM);
        ck_assert_ptr_null(listener);
        ck_assert_uint_eq(heap_blocks(), 1);
    }
    ck_assert_int_ge(fcntl(fd, F_GETFD), 0);
    close(fd);
}
END_TEST

START_TEST(second_listener_on_a_fd_is_refused)
{
    evf_listener *second = NULL, *listener;
    struct sockaddr_in address;

    listener = listen_here(&address);
    ck_assert_int_eq(evf_listener_new(&second, executor,
                         evf_listener_fd(listener)),
        -EEXIST);
    ck_assert_ptr_null(second);
    evf_listener_close(listener);
}
END_TEST

START_TEST(listen_does_it_all)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    evf_listener *listener = NULL;
    socklen_t length = sizeof(address), size = sizeof(int);
    int client, reuse = 0;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ck_assert_int_eq(evf_listen(&listener, executor,
                         (struct sockaddr *)&address, sizeof(address), 0),
        0);
    ck_assert_int_eq(getsockname(evf_listener_fd(listener),
                         (struct sockaddr *)&address, &length),
        0);
    ck_assert_int_eq(getsockopt(evf_listener_fd(listener), SOL_SOCKET,
                         SO_REUSEADDR, &reuse, &size),
        0);
    ck_assert_int_eq(reuse, 1);
    client = dial(&address);
    evf_socket_close(as_socket(finish_now(evf_accept(NULL, listener))));
    evf_listener_close(listener);
    close(client);
}
END_TEST

START_TEST(listen_says_what_failed)
{
    struct sockaddr_in address, foreign_host = {.sin_family = AF_INET};
    struct sockaddr odd = {.sa_family = AF_UNSPEC};
    evf_listener *listener = NULL, *taken = listen_here(&address);
    unsigned fds = fds_open();
    size_t blocks = heap_blocks();
    const struct sockaddr *in_use = (struct sockaddr *)&address;

    foreign_host.sin_addr.s_addr = htonl(0xc0000201); /* of documentation */
    ck_assert_int_eq(evf_listen(&listener, executor, NULL, 16, 0), -EINVAL);
    ck_assert_int_eq(evf_listen(&listener, executor, in_use, 0, 0), -EINVAL);
    ck_assert_int_eq(evf_listen(NULL, executor, in_use, sizeof(address), 0),
        -EINVAL);
    ck_assert_int_eq(evf_listen(&listener, NULL, in_use, sizeof(address), 0),
        -EINVAL);
    ck_assert_int_eq(evf_listen(&listener, executor, in_use, sizeof(address),
                         0),
        -EADDRINUSE);
    ck_assert_int_eq(evf_listen(&listener, executor,
                         (struct sockaddr *)&foreign_host, sizeof(foreign_host),
                         0),
        -EADDRNOTAVAIL);
    ck_assert_int_eq(evf_listen(&listener, executor, &odd, sizeof(odd), 0),
        -EAFNOSUPPORT);
    address.sin_port = 0;
    heap_fail_at(1);
    ck_assert_int_eq(evf_listen(&listener, executor, in_use, sizeof(address),
                         0),
        -ENOMEM);
    ck_assert_ptr_null(listener);
    ck_assert_uint_eq(fds_open(), fds);
    ck_assert_uint_eq(heap_blocks(), blocks);
    evf_listener_close(taken);
}
END_TEST

START_TEST(listen_on_ipv6_leaves_ipv4_alone)
{
    struct sockaddr_in6 address = {.sin6_family = AF_INET6,
        .sin6_addr = IN6ADDR_ANY_INIT};
    evf_listener *listener = NULL;
    socklen_t length = sizeof(int);
    int only = 0;
    int err = evf_listen(&listener, executor, (struct sockaddr *)&address,
        sizeof(address), 5);

    if (err == -EAFNOSUPPORT || err == -EADDRNOTAVAIL)
        return; /* a host without IPv6 */
    ck_assert_int_eq(err, 0);
    ck_assert_int_eq(getsockopt(evf_listener_fd(listener), IPPROTO_IPV6,
                         IPV6_V6ONLY, &only, &length),
        0);
    ck_assert_int_eq(only, 1);
    evf_listener_close(listener);
}
END_TEST

START_TEST(file_of_a_unix_socket_stays)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char directory[] = "/tmp/evfuture-XXXXXX";
    evf_listener *listener = NULL;
    evf_socket *client;

    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(address.sun_path, sizeof(address.sun_path), "%s/s", directory);
    ck_assert_int_eq(evf_listen(&listener, executor,
                         (struct sockaddr *)&address, sizeof(address), 1),
        0);
    client = as_socket(finish_now(
        evf_connect(NULL, (struct sockaddr *)&address, sizeof(address))));
    evf_socket_close(as_socket(finish_now(evf_accept(NULL, listener))));
    evf_socket_close(client);
    evf_listener_close(listener);
    ck_assert_int_eq(access(address.sun_path, F_OK), 0);
    ck_assert_int_eq(unlink(address.sun_path), 0);
    ck_assert_int_eq(rmdir(directory), 0);
}
END_TEST

TEST_MAIN("listen", new_refuses_what_does_not_listen,
    new_out_of_memory_leaves_the_fd, second_listener_on_a_fd_is_refused,
    listen_does_it_all, listen_says_what_failed,
    listen_on_ipv6_leaves_ipv4_alone, file_of_a_unix_socket_stays)
