/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The yardstick: an echo server as a careful author writes it with libevent's
 * callbacks.  One persistent event waits to read; a second one, with the
 * bytes that a full socket refused, exists only until they are written.
 */
#include "serve.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>
#include <event2/event_struct.h>
#include <event2/listener.h>

struct connection;

struct pending {
    struct event writable;
    size_t length;
    size_t written;
    char data[];
};

struct connection {
    struct event readable;
    struct pending *pending; /* while set, readable is not added */
};

static void
pending_free(struct connection *c)
{
    if (c->pending == NULL)
        return;
    event_del(&c->pending->writable);
    free(c->pending);
    c->pending = NULL;
}

static void
connection_free(struct connection *c)
{
    evutil_socket_t fd = event_get_fd(&c->readable);

    event_del(&c->readable);
    pending_free(c);
    close(fd);
    free(c);
}

static void
on_writable(evutil_socket_t fd, short what, void *arg)
{
    struct connection *c = arg;
    struct pending *p = c->pending;
    ssize_t sent = send(fd, p->data + p->written, p->length - p->written,
        MSG_NOSIGNAL);

    (void)what;
    if (sent < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (sent < 0) {
        connection_free(c);
        return;
    }
    p->written += (size_t)sent;
    if (p->written < p->length)
        return;
    pending_free(c);
    if (event_add(&c->readable, NULL) < 0)
        connection_free(c);
}

/* Keeps the rest of an answer and waits for room: 0, or -1. */
static int
postpone(struct connection *c, const char *data, size_t length)
{
    evutil_socket_t fd = event_get_fd(&c->readable);
    struct pending *p = malloc(sizeof(*p) + length);

    if (p == NULL)
        return -1;
    event_assign(&p->writable, event_get_base(&c->readable), fd,
        EV_WRITE | EV_PERSIST, on_writable, c);
    p->length = length;
    p->written = 0;
    memcpy(p->data, data, length);
    c->pending = p;
    if (event_del(&c->readable) < 0)
        return -1;
    return event_add(&p->writable, NULL);
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
    static char buffer[SERVE_BUFFER];
    struct connection *c = arg;
    ssize_t n = recv(fd, buffer, sizeof(buffer), 0);
    ssize_t sent;

    (void)what;
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        connection_free(c);
        return;
    }
    sent = send(fd, buffer, (size_t)n, MSG_NOSIGNAL);
    if (sent == n)
        return;
    if (sent < 0 && errno != EAGAIN && errno != EINTR) {
        connection_free(c);
        return;
    }
    if (sent < 0)
        sent = 0;
    if (postpone(c, buffer + sent, (size_t)(n - sent)) < 0)
        connection_free(c);
}

static void
on_accept(struct evconnlistener *listener, evutil_socket_t fd,
    struct sockaddr *address, int length, void *base)
{
    struct connection *c = calloc(1, sizeof(*c));

    (void)listener;
    (void)address;
    (void)length;
    if (c == NULL) {
        close(fd);
        return;
    }
    serve_tune(fd);
    event_assign(&c->readable, base, fd, EV_READ | EV_PERSIST, on_readable, c);
    if (event_add(&c->readable, NULL) < 0)
        connection_free(c);
}

static void
on_sigterm(evutil_socket_t number, short what, void *base)
{
    (void)number;
    (void)what;
    event_base_loopbreak(base);
}

int
main(int argc, char **argv)
{
    int fd = serve_listen(argc, argv);
    struct event_base *base = event_base_new();
    struct evconnlistener *listener;
    struct event *term;

    if (base == NULL)
        serve_die("event_base_new");
    term = evsignal_new(base, SIGTERM, on_sigterm, base);
    listener = evconnlistener_new(base, on_accept, base,
        LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
    if (term == NULL || event_add(term, NULL) < 0 || listener == NULL)
        serve_die("libevent");
    serve_announce(fd);
    if (event_base_dispatch(base) < 0)
        serve_die("event_base_dispatch");
    return 0; /* the connections end with the process */
}
