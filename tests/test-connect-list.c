/* SPDX-License-Identifier: BSD-3-Clause */
#include "sockets.h"

#include <fcntl.h>
#include <netdb.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "foreign.h"
#include "io/socket-internal.h"

static void
entry(struct addrinfo *info, void *address, socklen_t length, int type,
    struct addrinfo *next)
{
    memset(info, 0, sizeof(*info));
    info->ai_family = ((struct sockaddr *)address)->sa_family;
    info->ai_socktype = type;
    info->ai_addr = address;
    info->ai_addrlen = length;
    info->ai_next = next;
}

START_TEST(first_address_of_a_list_that_accepts) /* L12 */
{
    struct sockaddr_in dead, live, later;
    struct sockaddr_un nobody;
    struct addrinfo list[4];
    int refuser = refusing(&dead), listener = listening(&live);
    int unused = listening(&later);
    socklen_t length = abstract(&nobody, "list"), fds;
    evf_socket *socket;

    entry(&list[0], &dead, sizeof(dead), SOCK_STREAM, &list[1]);
    entry(&list[1], &nobody, length, SOCK_STREAM, &list[2]);
    entry(&list[2], &live, sizeof(live), SOCK_STREAM, &list[3]);
    entry(&list[3], &later, sizeof(later), SOCK_STREAM, NULL);
    fds = fds_open();
    socket = as_socket(finish_now(evf_connect_list(NULL, list)));
    ck_assert_uint_eq(fds_open(), fds + 1); /* failed attempts are closed */
    until_readable(listener);
    ck_assert(!readable(unused));
    ck_assert_int_eq(finish_now(evf_write_all(NULL, socket, "x", 1)), 1);
    evf_socket_close(socket);
    close(refuser);
    close(listener);
    close(unused);
}
END_TEST

START_TEST(list_of_which_none_accepts_fails_as_its_last)
{
    struct sockaddr_in dead;
    struct sockaddr_un nobody;
    struct addrinfo list[3];
    int refuser = refusing(&dead);
    unsigned fds = fds_open();

    memset(&nobody, 0, sizeof(nobody));
    nobody.sun_family = AF_UNIX;
    strcpy(nobody.sun_path, "/nonexistent/socket");
    entry(&list[0], &dead, sizeof(dead), SOCK_STREAM, &list[1]);
    entry(&list[1], &nobody, sizeof(nobody), SOCK_STREAM, NULL);
    ck_assert_int_eq(finish_now(evf_connect_list(NULL, list)), -ENOENT);
    entry(&list[1], &nobody, sizeof(nobody), SOCK_STREAM, &list[2]);
    entry(&list[2], &dead, sizeof(dead), SOCK_STREAM, NULL);
    ck_assert_int_eq(finish_now(evf_connect_list(NULL, list)), -ECONNREFUSED);
    ck_assert_uint_eq(fds_open(), fds);
    close(refuser);
}
END_TEST

START_TEST(list_entry_has_its_type_and_protocol)
{
    struct sockaddr_in address;
    struct addrinfo list;
    socklen_t length = sizeof(int);
    int type, refuser = refusing(&address);
    evf_socket *socket;

    entry(&list, &address, sizeof(address), SOCK_DGRAM, NULL);
    list.ai_protocol = IPPROTO_UDP;
    socket = as_socket(finish_now(evf_connect_list(NULL, &list)));
    ck_assert_int_eq(getsockopt(evf_socket_fd(socket), SOL_SOCKET, SO_TYPE,
                         &type, &length),
        0);
    ck_assert_int_eq(type, SOCK_DGRAM);
    evf_socket_close(socket);
    close(refuser);
}
END_TEST

/* The kernel would give up after minutes: shutting down is as good. */
START_TEST(attempt_that_fails_later_is_followed_by_the_next)
{
    struct crowded c;
    struct sockaddr_in live;
    struct addrinfo list[2];
    struct hand h = {0};
    int listener = listening(&live), fd;
    unsigned fds;
    evf_socket *socket;

    crowd(&c);
    entry(&list[0], &c.address, sizeof(c.address), SOCK_STREAM, &list[1]);
    entry(&list[1], &live, sizeof(live), SOCK_STREAM, NULL);
    fds = fds_open();
    fd = next_fd();
    grasp(&h, evf_connect_list(&h.op, list));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    ck_assert_int_eq(hand_poll_last(&h), EVF_PENDING);
    shutdown(fd, SHUT_RDWR);
    socket = as_socket(hand_end(&h));
    ck_assert_int_eq(evf_socket_fd(socket), fd);
    until_readable(listener);
    ck_assert_uint_eq(fds_open(), fds + 1);
    evf_socket_close(socket);
    close(listener);
    disperse(&c);
}
END_TEST

START_TEST(executor_that_goes_ends_the_list) /* F23 */
{
    struct crowded c;
    struct sockaddr_in live;
    struct addrinfo list[2];
    struct hand h = {0};
    int listener = listening(&live), fd;

    crowd(&c);
    entry(&list[0], &c.address, sizeof(c.address), SOCK_STREAM, &list[1]);
    entry(&list[1], &live, sizeof(live), SOCK_STREAM, NULL);
    fd = next_fd();
    grasp(&h, evf_connect_list(&h.op, list));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    executor_done();
    shutdown(fd, SHUT_RDWR); /* the attempt has failed, and there is another */
    ck_assert_int_eq(hand_end(&h), -ESHUTDOWN);
    ck_assert(!readable(listener));
    close(listener);
    disperse(&c);
}
END_TEST

TEST_MAIN("connect-list", executor_that_goes_ends_the_list,
    first_address_of_a_list_that_accepts,
    list_of_which_none_accepts_fails_as_its_last,
    list_entry_has_its_type_and_protocol,
    attempt_that_fails_later_is_followed_by_the_next)
