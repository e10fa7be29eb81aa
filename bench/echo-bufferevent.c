/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An echo server on libevent's bufferevents: what most programs on libevent
 * use, since it keeps the bytes that a full socket refuses.  What was read
 * moves from the input to the output buffer without a copy.  One read takes
 * as much as the other servers' buffers hold.
 */
#include "serve.h"

#include <signal.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>

/* The reader stops while this much waits for a slow client. */
#define HIGH_WATER (16 * SERVE_BUFFER)

static void
on_readable(struct bufferevent *client, void *arg)
{
    struct evbuffer *output = bufferevent_get_output(client);

    (void)arg;
    if (bufferevent_write_buffer(client, bufferevent_get_input(client)) < 0) {
        bufferevent_free(client);
        return;
    }
    if (evbuffer_get_length(output) > HIGH_WATER)
        bufferevent_disable(client, EV_READ);
}

static void
on_drained(struct bufferevent *client, void *arg)
{
    (void)arg;
    if (!(bufferevent_get_enabled(client) & EV_READ))
        bufferevent_enable(client, EV_READ);
}

static void
on_end(struct bufferevent *client, short what, void *arg)
{
    (void)what;
    (void)arg;
    bufferevent_free(client);
}

static void
on_accept(struct evconnlistener *listener, evutil_socket_t fd,
    struct sockaddr *address, int length, void *base)
{
    struct bufferevent *client = bufferevent_socket_new(base, fd,
        BEV_OPT_CLOSE_ON_FREE);

    (void)listener;
    (void)address;
    (void)length;
    if (client == NULL) {
        close(fd);
        return;
    }
    serve_tune(fd);
    bufferevent_setcb(client, on_readable, on_drained, on_end, NULL);
    if (bufferevent_set_max_single_read(client, SERVE_BUFFER) < 0 ||
        bufferevent_enable(client, EV_READ | EV_WRITE) < 0)
        bufferevent_free(client);
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
