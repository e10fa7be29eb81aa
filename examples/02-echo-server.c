/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An echo server on an event_base that the program owns and dispatches. Each
 * connection is an async function; the acceptor is a task, the connections are
 * a group that another task runs, and SIGTERM, a plain libevent signal event,
 * drains them.
 */
#include <getopt.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <event2/event.h>
#include <evfuture.h>

#define DRAIN_LIMIT_S 5

struct server {
    struct event_base *base;
    struct event *sigterm, *too_late;
    evf_executor *executor;
    evf_listener *listener;
    evf_group *connections;
    evf_task *acceptor, *serving;
    uint64_t idle_ms; /* 0: no limit */
};

/* --- One connection ---------------------------------------------------- */

struct echo {
    evf_frame frame;
    evf_socket *peer;
    uint64_t idle_ms;
    evf_op op, timeout;
    char buf[4096];
};

static evf_future *
read_some(struct echo *e)
{
    evf_future *read = evf_read(&e->op, e->peer, e->buf, sizeof(e->buf));

    return e->idle_ms > 0 ? evf_timeout(&e->timeout, e->idle_ms, read) : read;
}

static enum evf_poll
echo_run(evf_future *self, evf_context *cx)
{
    struct echo *e = evf_frame_of(self, struct echo);
    intptr_t n;

    EVF_BEGIN(self, cx);
    for (;;) {
        EVF_TRY(n, read_some(e));
        if (n == 0)
            EVF_RETURN(0);
        EVF_TRY(n, evf_write_all(&e->op, e->peer, e->buf, (size_t)n));
    }
    EVF_FINALLY;
    evf_socket_close(e->peer);
    EVF_END;
}

static const evf_frame_ops echo_ops = EVF_FRAME_OPS(struct echo, echo_run);

/* Takes the socket, on failure too. */
static evf_future *
echo(evf_socket *peer, uint64_t idle_ms)
{
    struct echo *e = evf_frame_init(NULL, &echo_ops);

    if (e == NULL) {
        evf_socket_close(peer);
        return NULL;
    }
    e->peer = peer;
    e->idle_ms = idle_ms;
    return &e->frame.future;
}

/* --- Accepting and draining -------------------------------------------- */

struct accept {
    evf_frame frame;
    struct server *server;
    evf_op op;
};

static enum evf_poll
accept_run(evf_future *self, evf_context *cx)
{
    struct accept *a = evf_frame_of(self, struct accept);
    struct server *s = a->server;
    evf_socket *peer;
    intptr_t n;

    EVF_BEGIN(self, cx);
    for (;;) {
        EVF_TRY(n, evf_group_room(&a->op, s->connections));
        EVF_TRY(peer, evf_accept(&a->op, s->listener));
        evf_group_add(s->connections, echo(peer, s->idle_ms));
    }
    EVF_FINALLY;
    evf_listener_close(s->listener);
    EVF_END;
}

static const evf_frame_ops accept_ops = EVF_FRAME_OPS(struct accept,
    accept_run);

/* Nothing of ours is left for the loop to wait for. */
static void
stop(struct server *s)
{
    evf_task_free(s->serving);
    event_del(s->too_late);
    event_del(s->sigterm);
}

static void
on_drained(intptr_t result, void *arg)
{
    (void)result;
    stop(arg);
}

static void
on_too_late(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    stop(arg);
}

static void
on_sigterm(evutil_socket_t sig, short what, void *arg)
{
    struct server *s = arg;

    (void)sig;
    (void)what;
    evf_task_free(s->acceptor); /* the listener is closed when this returns */
    s->acceptor = NULL;
    evf_group_close(s->connections);
    event_add(s->too_late, &(struct timeval){DRAIN_LIMIT_S, 0});
}

/* --- The program ------------------------------------------------------- */

static void
usage(const char *program)
{
    fprintf(stderr,
        "usage: %s [--host ADDRESS] [--port N] [--unix PATH]\n"
        "    [--max-connections N] [--idle-timeout MS]\n",
        program);
    exit(2);
}

struct options {
    const char *host, *port, *path;
    size_t max_connections;
    uint64_t idle_ms;
};

static struct options
parse(int argc, char **argv)
{
    static const struct option names[] = {{"host", 1, NULL, 'h'},
        {"port", 1, NULL, 'p'}, {"unix", 1, NULL, 'u'},
        {"max-connections", 1, NULL, 'm'}, {"idle-timeout", 1, NULL, 'i'},
        {NULL, 0, NULL, 0}};
    struct options o = {.host = "127.0.0.1", .port = "0"};
    int c;

    while ((c = getopt_long(argc, argv, "", names, NULL)) != -1) {
        if (c == 'h')
            o.host = optarg;
        else if (c == 'p')
            o.port = optarg;
        else if (c == 'u')
            o.path = optarg;
        else if (c == 'm')
            o.max_connections = strtoul(optarg, NULL, 10);
        else if (c == 'i')
            o.idle_ms = strtoull(optarg, NULL, 10);
        else
            usage(argv[0]);
    }
    return o;
}

static int
listen_unix(struct server *s, const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int err;

    if (strlen(path) >= sizeof(address.sun_path))
        return -ENAMETOOLONG;
    strcpy(address.sun_path, path);
    err = evf_listen(&s->listener, s->executor, (struct sockaddr *)&address,
        sizeof(address), 0);
    if (err == 0)
        printf("listening on %s\n", path);
    return err;
}

static int
parse_address(const char *host, const char *port, struct sockaddr_storage *a,
    int *length)
{
    char text[64], *end;
    unsigned long number = strtoul(port, &end, 10);

    snprintf(text, sizeof(text), strchr(host, ':') ? "[%s]" : "%s", host);
    if (*port == '\0' || *end != '\0' || number > UINT16_MAX ||
        evutil_parse_sockaddr_port(text, (struct sockaddr *)a, length) < 0)
        return -EINVAL;
    ((struct sockaddr_in *)a)->sin_port = htons((uint16_t)number);
    return 0;
}

static int
listen_tcp(struct server *s, const char *host, const char *port)
{
    struct sockaddr_storage address;
    int length = sizeof(address), err;
    socklen_t got = sizeof(address);

    err = parse_address(host, port, &address, &length);
    if (err == 0)
        err = evf_listen(&s->listener, s->executor, (struct sockaddr *)&address,
            (unsigned)length, 0);
    if (err < 0)
        return err;
    getsockname(evf_listener_fd(s->listener), (struct sockaddr *)&address,
        &got);
    printf("listening on %s port %d\n", host,
        ntohs(((struct sockaddr_in *)&address)->sin_port));
    return 0;
}

int
main(int argc, char **argv)
{
    struct options o = parse(argc, argv);
    struct server s = {.idle_ms = o.idle_ms};
    struct accept accept = {0};
    int err;

    setvbuf(stdout, NULL, _IOLBF, 0);
    s.base = event_base_new();
    s.executor = evf_executor_new(s.base);
    if (s.executor == NULL)
        return 1;
    err = o.path != NULL ? listen_unix(&s, o.path)
                         : listen_tcp(&s, o.host, o.port);
    if (err < 0) {
        fprintf(stderr, "%s: %s\n", argv[0], strerror(-err));
        return 1;
    }

    s.sigterm = evsignal_new(s.base, SIGTERM, on_sigterm, &s);
    s.too_late = evtimer_new(s.base, on_too_late, &s);
    event_add(s.sigterm, NULL);

    s.connections = evf_group_new(
        &(evf_group_options){.max_running = o.max_connections,
            .keep_going = true,
            .open = true});
    s.serving = evf_spawn_then(s.executor, evf_group_future(s.connections),
        on_drained, &s);
    evf_frame_init(&accept, &accept_ops);
    accept.server = &s;
    s.acceptor = evf_spawn(s.executor, &accept.frame.future);

    event_base_dispatch(s.base);

    evf_task_free(s.acceptor);
    evf_group_free(s.connections);
    evf_executor_free(s.executor);
    event_free(s.sigterm);
    event_free(s.too_late);
    event_base_free(s.base);
    if (o.path != NULL)
        unlink(o.path);
    printf("drained\n");
    return 0;
}
