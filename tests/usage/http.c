/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A libevent user's life (a): inside an existing evhttp server callback one
 * outgoing evhttp request is awaited, and the reply is sent when it ends. It is
 * safe if the connection goes away first.
 */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <evfuture.h>

/* --- An evhttp client request as a future: its status code ----------------- */

static void
fetched(struct evhttp_request *request, void *arg)
{
    int status = request ? evhttp_request_get_response_code(request) : 0;

    evf_complete(arg, status > 0 ? status : -ECONNRESET);
}

static int
fetch_cancel(void *request)
{
    evhttp_cancel_request(request);
    return 1; /* fetched() will not be called */
}

static evf_future *
fetch(struct evhttp_connection *connection, const char *path)
{
    evf_completer *c = evf_completer_new(NULL);
    struct evhttp_request *request;

    if (c == NULL)
        return NULL;
    request = evhttp_request_new(fetched, c);
    if (request == NULL ||
        evhttp_make_request(connection, request, EVHTTP_REQ_GET, path) < 0) {
        evf_complete(c, -EIO); /* evhttp has freed the request */
        return evf_completer_future(c);
    }
    evf_completer_set_cancel(c, fetch_cancel, request);
    return evf_completer_future(c);
}

/* --- The gateway: a reply is owed while its flow runs ------------------------ */

struct gateway {
    struct event_base *base;
    evf_executor *executor;
    unsigned short backend_port;
    int replies, abandoned;
};

struct pending {
    struct gateway *gateway;
    struct evhttp_request *request;
    evf_task *task;
};

struct flow {
    evf_frame frame;
    struct evhttp_connection *backend;
    evf_op op;
};

static enum evf_poll
flow_run(evf_future *self, evf_context *cx)
{
    struct flow *f = evf_frame_of(self, struct flow);
    intptr_t status;

    EVF_BEGIN(self, cx);
    EVF_TRY(status, evf_timeout(&f->op, 20000, fetch(f->backend, "/inner")));
    EVF_RETURN(status);
    EVF_FINALLY;
    if (f->backend != NULL)
        evhttp_connection_free(f->backend);
    EVF_END;
}

static const evf_frame_ops flow_ops = EVF_FRAME_OPS(struct flow, flow_run);

static void
on_closed(struct evhttp_connection *connection, void *arg)
{
    struct pending *p = arg;

    (void)connection;
    evf_task_free(p->task); /* on_fetched() will not be called */
    p->gateway->abandoned++;
    free(p);
}

static void
on_fetched(intptr_t status, void *arg)
{
    struct pending *p = arg;

    evhttp_connection_set_closecb(evhttp_request_get_connection(p->request),
        NULL, NULL);
    if (evf_failed(status))
        evhttp_send_error(p->request, 502, NULL);
    else
        evhttp_send_reply(p->request, (int)status, "passed on", NULL);
    p->gateway->replies++;
    evf_task_free(p->task);
    free(p);
}

static void
on_request(struct evhttp_request *request, void *arg)
{
    struct gateway *g = arg;
    struct pending *p = calloc(1, sizeof(*p));
    struct flow *f = evf_frame_init(NULL, &flow_ops);

    assert(p != NULL && f != NULL);
    p->gateway = g;
    p->request = request;
    f->backend = evhttp_connection_base_new(g->base, NULL, "127.0.0.1",
        g->backend_port);
    evhttp_connection_set_closecb(evhttp_request_get_connection(request),
        on_closed, p);
    p->task = evf_spawn_then(g->executor, &f->frame.future, on_fetched, p);
}

/* --- A backend that answers when it is told, and a client -------------------- */

struct backend {
    struct evhttp_request *waiting;
    bool hold;
};

static void
on_inner(struct evhttp_request *request, void *arg)
{
    struct backend *b = arg;

    if (b->hold)
        b->waiting = request;
    else
        evhttp_send_reply(request, 201, "made", NULL);
}

static int answered;

static void
on_answer(struct evhttp_request *request, void *arg)
{
    (void)arg;
    answered = request ? evhttp_request_get_response_code(request) : -1;
}

static struct evhttp *
serve(struct event_base *base, void (*cb)(struct evhttp_request *, void *),
    void *arg, unsigned short *port)
{
    struct evhttp *http = evhttp_new(base);
    struct evhttp_bound_socket *bound = evhttp_bind_socket_with_handle(http,
        "127.0.0.1", 0);
    struct sockaddr_in address;
    socklen_t length = sizeof(address);

    assert(bound != NULL);
    getsockname(evhttp_bound_socket_get_fd(bound), (struct sockaddr *)&address,
        &length);
    *port = ntohs(address.sin_port);
    evhttp_set_gencb(http, cb, arg);
    return http;
}

static struct evhttp_connection *
ask(struct event_base *base, unsigned short port)
{
    struct evhttp_connection *c = evhttp_connection_base_new(base, NULL,
        "127.0.0.1", port);

    evhttp_make_request(c, evhttp_request_new(on_answer, NULL), EVHTTP_REQ_GET,
        "/outer");
    return c;
}

int
main(void)
{
    struct event_base *base = event_base_new();
    struct gateway g = {.base = base, .executor = evf_executor_new(base)};
    struct backend b = {NULL, false};
    unsigned short port;
    struct evhttp *inner = serve(base, on_inner, &b, &g.backend_port);
    struct evhttp *outer = serve(base, on_request, &g, &port);
    struct evhttp_connection *client;

    client = ask(base, port);
    while (answered == 0)
        event_base_loop(base, EVLOOP_ONCE);
    assert(answered == 201 && g.replies == 1);
    evhttp_connection_free(client);

    /* The second request's connection is closed while its flow waits. */
    b.hold = true;
    client = ask(base, port);
    while (b.waiting == NULL)
        event_base_loop(base, EVLOOP_ONCE);
    evhttp_free(outer);
    assert(g.abandoned == 1 && g.replies == 1);

    evhttp_connection_free(client);
    evhttp_free(inner);
    evf_executor_free(g.executor);
    event_base_free(base);
    return 0;
}
