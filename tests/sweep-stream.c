/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>
#include <unistd.h>

#include "sockets.h"
#include "sweep-row.h"

/* Rows of what makes connections, and of what cuts their streams. */

static void
listener_make(struct sweep *s)
{
    int fd = listening(&s->address[0]);

    EXPECT(evf_listener_new(&s->listener, executor, fd) == 0);
}

static evf_future *
accept_one(struct sweep *s, evf_op *op)
{
    return evf_accept(op, s->listener);
}

static const struct sockaddr *
address_of(const struct sweep *s, unsigned i)
{
    return (const struct sockaddr *)&s->address[i];
}

static void
client_connects(struct sweep *s, unsigned n)
{
    (void)n;
    s->peer = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    EXPECT(s->peer >= 0);
    EXPECT(connect(s->peer, address_of(s, 0), sizeof(s->address[0])) == 0);
}

static void
listener_close(struct sweep *s)
{
    evf_listener *listener = s->listener;

    s->listener = NULL;
    evf_listener_close(listener);
}

/* A connection that nobody got stays in the backlog. */
static void
accept_check(struct sweep *s)
{
    int fd;

    if (s->listener == NULL)
        return;
    fd = accept4(evf_listener_fd(s->listener), NULL, NULL,
        SOCK_NONBLOCK | SOCK_CLOEXEC);
    EXPECT((fd >= 0) ==
        (s->stepped == 1 && !(s->ended && !evf_failed(s->result))));
    if (fd >= 0)
        close(fd);
}

static void
listener_done(struct sweep *s)
{
    evf_listener_close(s->listener);
    if (s->peer >= 0)
        close(s->peer);
}

static evf_future *
accept_refused(struct sweep *s, unsigned i, intptr_t *result)
{
    (void)i;
    *result = -EBADF;
    return evf_accept(&s->op[0], NULL);
}

/* Two addresses: nobody listens at the first. */
static void
addresses_make(struct sweep *s)
{
    s->peer = refusing(&s->address[0]);
    s->fd = listening(&s->address[1]);
    for (unsigned i = 0; i < 2; i++)
        s->list[i] = (struct addrinfo){
            .ai_family = AF_INET,
            .ai_socktype = SOCK_STREAM,
            .ai_addrlen = sizeof(s->address[i]),
            .ai_addr = (struct sockaddr *)&s->address[i],
            .ai_next = i == 0 ? &s->list[1] : NULL,
        };
}

static void
addresses_done(struct sweep *s)
{
    close(s->peer);
    close(s->fd);
}

static evf_future *
connect_one(struct sweep *s, evf_op *op)
{
    return evf_connect(op, address_of(s, 1), sizeof(s->address[1]));
}

static evf_future *
connect_refused(struct sweep *s, unsigned i, intptr_t *result)
{
    *result = i == 0 ? -EINVAL : -ECONNREFUSED;
    return evf_connect(&s->op[0], i == 0 ? NULL : address_of(s, 0),
        sizeof(s->address[0]));
}

static evf_future *
connect_any(struct sweep *s, evf_op *op)
{
    return evf_connect_list(op, &s->list[0]);
}

static evf_future *
any_refused(struct sweep *s, unsigned i, intptr_t *result)
{
    s->list[0].ai_next = NULL;
    *result = i == 0 ? -EINVAL : -ECONNREFUSED;
    return evf_connect_list(&s->op[0], i == 0 ? NULL : &s->list[0]);
}

/* The kernel goes on by itself. */
static void
network_works(struct sweep *s, unsigned n)
{
    (void)s;
    (void)n;
}

static void
reader_make(struct sweep *s)
{
    s->socket = adopt_pair(&s->peer);
    s->reader = evf_reader_new(&evf_socket_source, s->socket, 64);
    EXPECT(s->reader != NULL);
}

static void
peer_writes(struct sweep *s, unsigned n)
{
    say(s->peer, n == 0 ? "ab-" : "-\r\n");
}

static void
reader_close(struct sweep *s)
{
    evf_reader *reader = s->reader;

    s->reader = NULL;
    evf_reader_free(reader);
}

/* Data that was read and not asked for stays with the reader. */
static void
reader_check(struct sweep *s)
{
    const struct row *row = s->row;
    size_t length = (size_t)row->expected;

    if (!(s->ended && !evf_failed(s->result))) {
        if (s->reader == NULL || executor == NULL)
            return;
        for (; s->stepped < row->steps; s->stepped++)
            row->step(s, s->stepped);
        EXPECT(evf_block_on(executor, row->future(s, NULL)) == row->expected);
    }
    if (s->reader == NULL)
        return;
    EXPECT(memcmp(s->data, "ab--", length < 4 ? length : 4) == 0);
    EXPECT(memchr(s->data, '\n', length) == NULL);
}

static void
reader_done(struct sweep *s)
{
    evf_reader_free(s->reader);
    evf_socket_close(s->socket);
    close(s->peer);
}

static evf_future *
read_exact(struct sweep *s, evf_op *op)
{
    return evf_read_exact(op, s->reader, 4, &s->data);
}

static evf_future *
exact_refused(struct sweep *s, unsigned i, intptr_t *result)
{
    *result = i == 0 ? -ENOMEM : -EMSGSIZE;
    return evf_read_exact(&s->op[0], i == 0 ? NULL : s->reader, i == 0 ? 1 : 65,
        &s->data);
}

static evf_future *
read_until(struct sweep *s, evf_op *op)
{
    return evf_read_until(op, s->reader, "--", 2, &s->data);
}

static evf_future *
until_refused(struct sweep *s, unsigned i, intptr_t *result)
{
    *result = i == 0 ? -ENOMEM : -EINVAL;
    return evf_read_until(&s->op[0], i == 0 ? NULL : s->reader,
        i == 2 ? NULL : "-", i == 1 ? 0 : 1, &s->data);
}

static evf_future *
read_line(struct sweep *s, evf_op *op)
{
    return evf_read_line(op, s->reader, &s->data);
}

static evf_future *
line_refused(struct sweep *s, unsigned i, intptr_t *result)
{
    (void)i;
    *result = -ENOMEM;
    return evf_read_line(&s->op[0], NULL, &s->data);
}

#define READER(row_name, row_expected, row_future)                             \
    .name = (row_name), .steps = 2, .ends_with_it = true,                      \
    .expected = (row_expected), .make = reader_make, .future = (row_future),   \
    .step = peer_writes, .close = reader_close, .check = reader_check,         \
    .done = reader_done

const struct row stream_rows[] = {
    {.name = "evf_accept",
        .steps = 1,
        .ends_with_it = true,
        .sockets = true,
        .make = listener_make,
        .future = accept_one,
        .step = client_connects,
        .close = listener_close,
        .check = accept_check,
        .done = listener_done,
        .refusals = 1,
        .refused = accept_refused},
    {.name = "evf_connect",
        .steps = 1,
        .at_most = true,
        .needs_executor = true,
        .ends_with_it = true,
        .sockets = true,
        .make = addresses_make,
        .future = connect_one,
        .step = network_works,
        .done = addresses_done,
        .refusals = 2,
        .refused = connect_refused},
    {.name = "evf_connect_list",
        .steps = 2,
        .at_most = true,
        .needs_executor = true,
        .ends_with_it = true,
        .sockets = true,
        .make = addresses_make,
        .future = connect_any,
        .step = network_works,
        .done = addresses_done,
        .refusals = 2,
        .refused = any_refused},
    {READER("evf_read_exact", 4, read_exact), .refusals = 2,
        .refused = exact_refused},
    {READER("evf_read_until", 4, read_until), .refusals = 3,
        .refused = until_refused},
    {READER("evf_read_line", 6, read_line), .refusals = 1,
        .refused = line_refused},
    {.name = NULL},
};
