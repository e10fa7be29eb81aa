/* SPDX-License-Identifier: BSD-3-Clause */
#include "crowd.h"

#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * The other side of the crowd: plain sockets and epoll, none of the library.
 */
enum manner {
    ORDERLY,
    LEAVES,
    RESETS
};

/* Bytes are sent as this sequence, so a lost or doubled one is seen. */
struct sequence {
    uint64_t state;
};

struct connection {
    int fd;
    enum manner manner;
    struct sequence sent, received;
    unsigned to_send, to_receive; /* bytes of the whole exchange */
    unsigned leave_at; /* bytes received, for those that do not stay */
    bool greeted;      /* the first byte has come back */
};

struct client {
    int epoll;
    struct connection *connections;
    unsigned size, open, greeted;
};

/* SplitMix64 (Steele, Lea and Flood 2014). */
static uint64_t
next(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static void
watch(struct client *client, struct connection *c, int how, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = c};

    ck_assert_int_eq(epoll_ctl(client->epoll, how, c->fd, &event), 0);
}

static void
send_up_to(struct connection *c, unsigned count)
{
    char buf[512];
    unsigned n = count < sizeof(buf) ? count : (unsigned)sizeof(buf);
    struct sequence rest = c->sent;
    ssize_t sent;

    for (unsigned i = 0; i < n; i++)
        buf[i] = (char)next(&rest.state);
    sent = send(c->fd, buf, n, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0) {
        ck_assert_int_eq(errno, EAGAIN);
        return;
    }
    for (ssize_t i = 0; i < sent; i++)
        next(&c->sent.state);
    c->to_send -= (unsigned)sent;
}

static void
leave(struct client *client, struct connection *c)
{
    struct linger hard = {.l_onoff = 1, .l_linger = 0};

    if (c->manner == RESETS)
        setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    close(c->fd);
    c->fd = -1;
    client->open--;
}

static void
receive(struct client *client, struct connection *c)
{
    char buf[512];
    ssize_t n = recv(c->fd, buf, sizeof(buf), MSG_DONTWAIT);
    unsigned wrong = 0;

    if (n < 0 && errno == EAGAIN)
        return;
    ck_assert_msg(n > 0, "the server has closed a connection");
    ck_assert_uint_le((unsigned)n, c->to_receive);
    for (ssize_t i = 0; i < n; i++)
        wrong += buf[i] != (char)next(&c->received.state);
    ck_assert_uint_eq(wrong, 0);
    c->to_receive -= (unsigned)n;
    if (!c->greeted) {
        c->greeted = true;
        client->greeted++;
    }
}

static void
dial(struct client *client, struct connection *c, uint16_t port,
    uint64_t *random)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(c->fd, 0);
    ck_assert_int_eq(connect(c->fd, (struct sockaddr *)&address,
                         sizeof(address)),
        0);
    c->manner = (enum manner)(next(random) % 3);
    c->sent.state = c->received.state = next(random);
    c->to_send = c->to_receive = 2 + (unsigned)(next(random) % 3000);
    c->leave_at = 1 + (unsigned)(next(random) % c->to_receive);
    client->open++;
    send_up_to(c, 1);
    watch(client, c, EPOLL_CTL_ADD, EPOLLIN);
}

/* Handles what epoll has, for the connections that `on` takes. */
static void
step(struct client *client,
    void (*on)(struct client *client, struct connection *c, uint32_t events))
{
    struct epoll_event events[256];
    int n = epoll_wait(client->epoll, events, 256, 60000);

    ck_assert_msg(n > 0, "nothing comes any more; %u open", client->open);
    for (int i = 0; i < n; i++)
        on(client, events[i].data.ptr, events[i].events);
}

static void
greet(struct client *client, struct connection *c, uint32_t events)
{
    (void)events;
    receive(client, c);
}

static void
talk(struct client *client, struct connection *c, uint32_t events)
{
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        receive(client, c);
    if (c->to_receive == 0 ||
        (c->manner != ORDERLY && c->to_receive <= c->leave_at)) {
        leave(client, c);
        return;
    }
    if (events & EPOLLOUT)
        send_up_to(c, c->to_send);
    if (c->to_send == 0)
        watch(client, c, EPOLL_CTL_MOD, EPOLLIN);
}

void
crowd_client(uint16_t port, unsigned size, uint64_t seed)
{
    struct client client = {.epoll = epoll_create1(EPOLL_CLOEXEC),
        .connections = calloc(size, sizeof(struct connection)),
        .size = size};

    ck_assert_ptr_nonnull(client.connections);
    for (unsigned i = 0; i < size; i++)
        dial(&client, &client.connections[i], port, &seed);
    while (client.greeted < size)
        step(&client, greet);
    for (unsigned i = 0; i < size; i++)
        watch(&client, &client.connections[i], EPOLL_CTL_MOD,
            EPOLLIN | EPOLLOUT);
    while (client.open > 0)
        step(&client, talk);
    close(client.epoll);
    free(client.connections);
}
