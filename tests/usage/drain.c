/* SPDX-License-Identifier: BSD-3-Clause */
/* A server that drains: SIGTERM is a plain libevent callback of the host's. */
#undef NDEBUG
#include <assert.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <event2/event.h>
#include <evfuture.h>

struct acceptor {
    evf_frame frame;
    struct server *server;
    evf_op op;
};

struct server {
    struct acceptor accepting; /* a frame in storage of ours */
    evf_listener *listener;
    evf_group *connections;
    evf_task *acceptor, *serving;
    struct event *sigterm, *too_late;
    struct timeval drain_limit;
    bool drained;
};

/* A connection that ends when its peer does. */
struct connection {
    evf_frame frame;
    evf_socket *peer;
    evf_op op;
    char buf[64];
};

static enum evf_poll
connection_run(evf_future *self, evf_context *cx)
{
    struct connection *c = evf_frame_of(self, struct connection);
    intptr_t n = 1;

    EVF_BEGIN(self, cx);
    do {
        EVF_TRY(n, evf_read(&c->op, c->peer, c->buf, sizeof(c->buf)));
    } while (n > 0);
    EVF_FINALLY;
    evf_socket_close(c->peer);
    EVF_END;
}

static const evf_frame_ops connection_ops = EVF_FRAME_OPS(struct connection,
    connection_run);

static evf_future *
connection(evf_socket *peer)
{
    struct connection *c = evf_frame_init(NULL, &connection_ops);

    if (c == NULL) {
        evf_socket_close(peer);
        return NULL;
    }
    c->peer = peer;
    return &c->frame.future;
}

static enum evf_poll
acceptor_run(evf_future *self, evf_context *cx)
{
    struct acceptor *a = evf_frame_of(self, struct acceptor);
    struct server *s = a->server;
    evf_socket *peer;
    intptr_t n;

    EVF_BEGIN(self, cx);
    for (;;) {
        EVF_TRY(n, evf_group_room(&a->op, s->connections));
        EVF_TRY(peer, evf_accept(&a->op, s->listener));
        evf_group_add(s->connections, connection(peer));
    }
    EVF_FINALLY;
    evf_listener_close(s->listener);
    EVF_END;
}

static const evf_frame_ops acceptor_ops = EVF_FRAME_OPS(struct acceptor,
    acceptor_run);

static evf_future *
acceptor(struct server *s)
{
    evf_frame_init(&s->accepting, &acceptor_ops);
    s->accepting.server = s;
    return &s->accepting.frame.future;
}

static void
on_sigterm(evutil_socket_t sig, short what, void *arg)
{
    struct server *s = arg;

    (void)sig;
    (void)what;
    evf_task_free(s->acceptor); /* the listener is closed when this returns */
    s->acceptor = NULL;
    evf_group_close(s->connections); /* READY when the last one has ended */
    event_add(s->too_late, &s->drain_limit);
}

static void
on_too_late(evutil_socket_t fd, short what, void *arg)
{
    struct server *s = arg;

    (void)fd;
    (void)what;
    evf_task_free(s->serving);
    s->serving = NULL;
    event_del(s->sigterm);
}

static void
on_drained(intptr_t result, void *arg)
{
    struct server *s = arg;

    s->drained = result == 0;
    event_del(s->too_late);
    event_del(s->sigterm);
}

/* The client: connects, and when it is served raises SIGTERM and leaves. */
static void
on_client(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    raise(SIGTERM);
    evutil_closesocket(*(evutil_socket_t *)arg);
}

static evutil_socket_t
dial(evf_listener *listener)
{
    struct sockaddr_in address;
    socklen_t length = sizeof(address);
    evutil_socket_t fd = socket(AF_INET, SOCK_STREAM, 0);

    getsockname(evf_listener_fd(listener), (struct sockaddr *)&address,
        &length);
    assert(connect(fd, (struct sockaddr *)&address, length) == 0);
    return fd;
}

int
main(void)
{
    struct event_base *base = event_base_new();
    evf_executor *executor = evf_executor_new(base);
    struct sockaddr_in any = {.sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct server s = {.drain_limit = {10, 0}};
    evutil_socket_t client;

    assert(evf_listen(&s.listener, executor, (struct sockaddr *)&any,
               sizeof(any), 0) == 0);
    s.connections = evf_group_new(&(
        evf_group_options){.max_running = 2, .keep_going = true, .open = true});
    s.sigterm = evsignal_new(base, SIGTERM, on_sigterm, &s);
    s.too_late = evtimer_new(base, on_too_late, &s);
    event_add(s.sigterm, NULL);
    client = dial(s.listener);
    event_base_once(base, -1, EV_TIMEOUT, on_client, &client,
        &(struct timeval){0, 20000});
    s.serving = evf_spawn_then(executor, evf_group_future(s.connections),
        on_drained, &s);
    s.acceptor = evf_spawn(executor, acceptor(&s));

    event_base_dispatch(base);
    assert(s.drained);

    evf_task_free(s.serving);
    evf_group_free(s.connections);
    event_free(s.sigterm);
    event_free(s.too_late);
    evf_executor_free(executor);
    event_base_free(base);
    return 0;
}
