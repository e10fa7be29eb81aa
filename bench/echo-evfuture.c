/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The echo server as async functions: one that accepts, and one per
 * connection, in a task that nobody holds.  The buffer is in the frame, so an
 * idle connection keeps it; the driver deducts it, as the others have none.
 */
#include "serve.h"

#include <signal.h>

#include <event2/event.h>
#include <evfuture.h>

struct echo {
    evf_frame frame;
    evf_socket *peer;
    evf_op op;
    char buf[SERVE_BUFFER];
};

static enum evf_poll
echo_run(evf_future *self, evf_context *cx)
{
    struct echo *e = evf_frame_of(self, struct echo);
    intptr_t n;

    EVF_BEGIN(self, cx);
    for (;;) {
        EVF_TRY(n, evf_read(&e->op, e->peer, e->buf, sizeof(e->buf)));
        if (n == 0)
            EVF_RETURN(0);
        EVF_TRY(n, evf_write_all(&e->op, e->peer, e->buf, (size_t)n));
    }
    EVF_FINALLY;
    evf_socket_close(e->peer);
    EVF_END;
}

static const evf_frame_ops echo_ops = EVF_FRAME_OPS(struct echo, echo_run);

static evf_future *
echo(evf_socket *peer)
{
    struct echo *e = evf_frame_init(NULL, &echo_ops);

    if (e == NULL) {
        evf_socket_close(peer);
        return NULL;
    }
    e->peer = peer;
    return &e->frame.future;
}

struct acceptor {
    evf_frame frame;
    evf_executor *executor;
    evf_listener *listener;
    evf_op op;
};

static enum evf_poll
acceptor_run(evf_future *self, evf_context *cx)
{
    struct acceptor *a = evf_frame_of(self, struct acceptor);
    evf_socket *peer;

    EVF_BEGIN(self, cx);
    for (;;) {
        EVF_TRY(peer, evf_accept(&a->op, a->listener));
        serve_tune(evf_socket_fd(peer));
        evf_task_detach(evf_spawn(a->executor, echo(peer)));
    }
    EVF_FINALLY;
    evf_listener_close(a->listener);
    EVF_END;
}

static const evf_frame_ops acceptor_ops = EVF_FRAME_OPS(struct acceptor,
    acceptor_run);

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
    evf_executor *executor = evf_executor_new(base);
    static struct acceptor acceptor;
    struct event *term;

    if (executor == NULL)
        serve_die("evf_executor_new");
    term = evsignal_new(base, SIGTERM, on_sigterm, base);
    if (term == NULL || event_add(term, NULL) < 0)
        serve_die("libevent");
    if (evf_frame_init(&acceptor, &acceptor_ops) == NULL)
        serve_die("evf_frame_init");
    acceptor.executor = executor;
    if (evf_listener_new(&acceptor.listener, executor, fd) < 0)
        serve_die("evf_listener_new");
    evf_task_detach(evf_spawn(executor, &acceptor.frame.future));
    serve_announce(fd);
    if (event_base_dispatch(base) < 0)
        serve_die("event_base_dispatch");
    evf_executor_free(executor);
    event_free(term);
    event_base_free(base);
    return 0;
}
