/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MESSAGE_SUPPORT_H
#define MESSAGE_SUPPORT_H

#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "sockets.h"

/* What the tests of messages share: how one is made, and where it is sent. */

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

static inline struct msghdr *
letter(struct letter *l, void *bytes, size_t len)
{
    memset(l, 0, sizeof(*l));
    l->iov = (struct iovec){.iov_base = bytes, .iov_len = len};
    l->message.msg_iov = &l->iov;
    l->message.msg_iovlen = 1;
    return &l->message;
}

static inline struct msghdr *
letter_from_anywhere(struct letter *l, void *bytes, size_t len)
{
    letter(l, bytes, len);
    l->message.msg_name = &l->address;
    l->message.msg_namelen = sizeof(l->address);
    l->message.msg_control = &l->control;
    l->message.msg_controllen = sizeof(l->control);
    return &l->message;
}

static inline int
unix_datagrams(void)
{
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    ck_assert_int_ge(fd, 0);
    return fd;
}

static inline int
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

/*
 * One that takes datagrams from itself alone: those of others are refused, and
 * nobody else gets its port.
 */
static inline int
refusing_udp(struct sockaddr_in *address)
{
    int fd = udp(address);

    ck_assert_int_eq(connect(fd, (struct sockaddr *)address, sizeof(*address)),
        0);
    return fd;
}

/* A name that the kernel has chosen. */
static inline socklen_t
autobind(int fd, struct sockaddr_un *address)
{
    socklen_t length = sizeof(*address);

    memset(address, 0, sizeof(*address));
    address->sun_family = AF_UNIX;
    ck_assert_int_eq(bind(fd, (struct sockaddr *)address, sizeof(sa_family_t)),
        0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)address, &length), 0);
    return length;
}

#endif
