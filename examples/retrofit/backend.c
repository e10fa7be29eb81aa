/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The backend that the gateway's tests talk to.  It answers keys that it does
 * not know with its own name and the key, and it can be told to misbehave.
 *
 *     retrofit-backend [-n NAME] [-q] [-d MS] [-t] [-f FAULT@STAGE]
 *
 * -d delays each line, -t sends it byte by byte, so delayed, and -f spoils
 * the line of one STAGE (greeting, hello, reply, pong):
 *
 *     hold      it comes after SIGUSR2
 *     silent    nothing comes            half      half a line, then nothing
 *     close     the connection ends      cut       half a line, then the end
 *     reset     it is reset              long      a line without an end
 *     garbage   another line
 *
 * The conversation: READY name; HELLO x: OK; GET key: VALUE value, or NONE for
 * keys that begin with "no-"; PUT key value: STORED; PING: PONG epoch.
 * SIGUSR1 begins a new epoch, SIGTERM ends.  What happens is told on stdout,
 * unless -q is given.
 */
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <event2/util.h>

enum {
    LONG_LINE = 100 * 1000
};

struct backend {
    struct event_base *base;
    const char *name;
    struct timeval delay;
    int trickle, quiet;
    char fault[16], stage[16];
    unsigned long epoch;
    LIST_HEAD(, conn) conns;
};

struct conn {
    LIST_ENTRY(conn) link;
    struct backend *backend;
    struct bufferevent *bev;
    struct evbuffer *held; /* what is to be sent, later */
    struct event *later;
    int cut; /* end when held is empty */
};

static void
conn_free(struct conn *c, const char *how)
{
    if (!c->backend->quiet)
        printf("gone: %s\n", how);
    LIST_REMOVE(c, link);
    event_free(c->later);
    evbuffer_free(c->held);
    bufferevent_free(c->bev);
    free(c);
}

static void
conn_reset(struct conn *c)
{
    struct linger now = {1, 0};

    setsockopt(bufferevent_getfd(c->bev), SOL_SOCKET, SO_LINGER, &now,
        sizeof(now));
    conn_free(c, "reset by us");
}

static void
conn_on_later(evutil_socket_t fd, short what, void *arg)
{
    struct conn *c = arg;
    struct evbuffer *out = bufferevent_get_output(c->bev);

    (void)fd, (void)what;
    if (c->backend->trickle)
        evbuffer_remove_buffer(c->held, out, 1);
    else
        evbuffer_add_buffer(out, c->held);
    if (evbuffer_get_length(c->held) > 0)
        event_add(c->later, &c->backend->delay);
}

/* Sends a line as the switches say.  Returns 0 if c is gone. */
static int
conn_send(struct conn *c, const char *stage, const char *line)
{
    struct backend *b = c->backend;
    const char *fault = strcmp(b->stage, stage) == 0 ? b->fault : "";

    if (strcmp(fault, "silent") == 0)
        return 1;
    if (strcmp(fault, "close") == 0) {
        conn_free(c, "closed by us");
        return 0;
    }
    if (strcmp(fault, "reset") == 0) {
        conn_reset(c);
        return 0;
    }
    c->cut = strcmp(fault, "cut") == 0;
    if (c->cut || strcmp(fault, "half") == 0)
        evbuffer_add(c->held, line, strlen(line) / 2);
    else if (strcmp(fault, "long") == 0)
        for (int i = 0; i < LONG_LINE / 10; i++)
            evbuffer_add_printf(c->held, "0123456789");
    else if (strcmp(fault, "garbage") == 0)
        evbuffer_add_printf(c->held, "WHAT %s?\n", stage);
    else
        evbuffer_add_printf(c->held, "%s\n", line);
    if (strcmp(fault, "hold") != 0 &&
        !event_pending(c->later, EV_TIMEOUT, NULL))
        event_add(c->later, &b->delay);
    return 1;
}

static int
conn_on_line(struct conn *c, char *line)
{
    char answer[8192];

    if (!c->backend->quiet)
        printf("heard: %s\n", line);
    if (strncmp(line, "HELLO ", 6) == 0)
        return conn_send(c, "hello", "OK");
    if (strncmp(line, "GET no-", 7) == 0)
        return conn_send(c, "reply", "NONE");
    if (strncmp(line, "GET ", 4) == 0) {
        snprintf(answer, sizeof(answer), "VALUE %s/%s", c->backend->name,
            line + 4);
        return conn_send(c, "reply", answer);
    }
    if (strncmp(line, "PUT ", 4) == 0)
        return conn_send(c, "reply", "STORED");
    if (strcmp(line, "PING") == 0) {
        snprintf(answer, sizeof(answer), "PONG %lu", c->backend->epoch);
        return conn_send(c, "pong", answer);
    }
    return conn_send(c, "reply", "ERROR");
}

static void
conn_on_readable(struct bufferevent *bev, void *arg)
{
    struct evbuffer *in = bufferevent_get_input(bev);
    char *line;
    int alive = 1;

    while (alive &&
        (line = evbuffer_readln(in, NULL, EVBUFFER_EOL_CRLF)) != NULL) {
        alive = conn_on_line(arg, line);
        free(line);
    }
}

static void
conn_on_drained(struct bufferevent *bev, void *arg)
{
    struct conn *c = arg;

    (void)bev;
    if (c->cut && evbuffer_get_length(c->held) == 0)
        conn_free(c, "cut by us");
}

static void
conn_on_event(struct bufferevent *bev, short what, void *arg)
{
    (void)bev;
    conn_free(arg, what & BEV_EVENT_EOF ? "closed" : "reset");
}

static void
on_accept(struct evconnlistener *listener, evutil_socket_t fd,
    struct sockaddr *peer, int peer_len, void *arg)
{
    struct backend *b = arg;
    struct conn *c = calloc(1, sizeof(*c));
    char greeting[128];

    (void)listener, (void)peer, (void)peer_len;
    if (c == NULL)
        abort();
    if (!b->quiet)
        printf("accepted\n");
    LIST_INSERT_HEAD(&b->conns, c, link);
    c->backend = b;
    c->bev = bufferevent_socket_new(b->base, fd, BEV_OPT_CLOSE_ON_FREE);
    c->held = evbuffer_new();
    c->later = evtimer_new(b->base, conn_on_later, c);
    if (c->bev == NULL || c->held == NULL || c->later == NULL)
        abort();
    bufferevent_setcb(c->bev, conn_on_readable, conn_on_drained, conn_on_event,
        c);
    bufferevent_enable(c->bev, EV_READ | EV_WRITE);
    snprintf(greeting, sizeof(greeting), "READY %s", b->name);
    conn_send(c, "greeting", greeting);
}

static void
on_sigusr1(evutil_socket_t sig, short what, void *arg)
{
    struct backend *b = arg;

    (void)sig, (void)what;
    b->epoch++;
}

static void
on_sigusr2(evutil_socket_t sig, short what, void *arg)
{
    struct backend *b = arg;
    struct conn *c = LIST_FIRST(&b->conns);

    (void)sig, (void)what;
    for (; c != NULL; c = LIST_NEXT(c, link))
        event_add(c->later, &b->delay);
}

static void
on_sigterm(evutil_socket_t sig, short what, void *arg)
{
    (void)sig, (void)what;
    event_base_loopbreak(arg);
}

static int
parse_options(struct backend *b, int argc, char **argv)
{
    int opt, ms;

    while ((opt = getopt(argc, argv, "n:qd:tf:")) != -1) {
        switch (opt) {
        case 'n':
            b->name = optarg;
            break;
        case 'd':
            ms = atoi(optarg);
            b->delay.tv_sec = ms / 1000;
            b->delay.tv_usec = (suseconds_t)(ms % 1000) * 1000;
            break;
        case 'q':
            b->quiet = 1;
            break;
        case 't':
            b->trickle = 1;
            break;
        case 'f':
            if (sscanf(optarg, "%15[a-z]@%15[a-z]", b->fault, b->stage) == 2)
                break;
            /* FALLTHROUGH */
        default:
            return -1;
        }
    }
    return 0;
}

int
main(int argc, char **argv)
{
    static struct backend b = {.name = "backend", .epoch = 1};
    struct sockaddr_in sin = {.sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(sin);
    struct evconnlistener *listener;
    struct event *usr1, *usr2, *term;

    if (parse_options(&b, argc, argv) < 0)
        return 2;
    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGPIPE, SIG_IGN);
    b.base = event_base_new();
    listener = evconnlistener_new_bind(b.base, on_accept, &b,
        LEV_OPT_CLOSE_ON_FREE | LEV_OPT_REUSEABLE, -1, (struct sockaddr *)&sin,
        (int)sizeof(sin));
    if (listener == NULL)
        return 1;
    getsockname(evconnlistener_get_fd(listener), (struct sockaddr *)&sin, &len);
    usr1 = evsignal_new(b.base, SIGUSR1, on_sigusr1, &b);
    usr2 = evsignal_new(b.base, SIGUSR2, on_sigusr2, &b);
    term = evsignal_new(b.base, SIGTERM, on_sigterm, b.base);
    event_add(usr1, NULL);
    event_add(usr2, NULL);
    event_add(term, NULL);
    printf("listening on port %u\n", (unsigned)ntohs(sin.sin_port));
    event_base_dispatch(b.base);
    while (!LIST_EMPTY(&b.conns))
        conn_free(LIST_FIRST(&b.conns), "exit");
    event_free(usr1);
    event_free(usr2);
    event_free(term);
    evconnlistener_free(listener);
    event_base_free(b.base);
    return 0;
}
