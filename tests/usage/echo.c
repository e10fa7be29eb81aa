/* SPDX-License-Identifier: BSD-3-Clause */
/* The main job: an echo, written as an async function, on a base of our own. */
#undef NDEBUG
#include <assert.h>
#include <string.h>
#include <sys/socket.h>
#include <event2/event.h>
#include <evfuture.h>

struct echo {
    evf_frame frame;  /* first: a future, and where it is suspended */
    evf_socket *peer; /* arguments, and locals that outlive an await */
    evf_op op;        /* storage of the operation being awaited */
    char buf[4096];
};

static enum evf_poll
echo_run(evf_future *self, evf_context *cx)
{
    struct echo *e = evf_frame_of(self, struct echo);
    intptr_t n; /* not kept across an await */

    EVF_BEGIN(self, cx);
    for (;;) {
        EVF_TRY(n, evf_read(&e->op, e->peer, e->buf, sizeof(e->buf)));
        if (n == 0)
            EVF_RETURN(0); /* end of file */
        EVF_TRY(n, evf_write_all(&e->op, e->peer, e->buf, (size_t)n));
    }
    EVF_FINALLY; /* once: return, error, cancellation, drop */
    evf_socket_close(e->peer);
    EVF_END;
}

static const evf_frame_ops echo_ops = EVF_FRAME_OPS(struct echo, echo_run);

static evf_future *
echo(evf_socket *peer) /* takes peer, on failure too */
{
    struct echo *e = evf_frame_init(NULL, &echo_ops);

    if (e == NULL) {
        evf_socket_close(peer);
        return NULL;
    }
    e->peer = peer;
    return &e->frame.future;
}

struct client {
    evf_frame frame;
    evf_socket *server;
    evf_op op;
    char buf[16];
};

static enum evf_poll
client_run(evf_future *self, evf_context *cx)
{
    struct client *c = evf_frame_of(self, struct client);
    intptr_t n;

    EVF_BEGIN(self, cx);
    EVF_TRY(n, evf_write_all(&c->op, c->server, "hello", 5));
    EVF_TRY(n, evf_read(&c->op, c->server, c->buf, sizeof(c->buf)));
    EVF_RETURN(n);
    EVF_FINALLY;
    evf_socket_close(c->server);
    EVF_END;
}

static const evf_frame_ops client_ops = EVF_FRAME_OPS(struct client,
    client_run);

int
main(void)
{
    struct event_base *base = event_base_new();
    evf_executor *executor = evf_executor_new(base);
    struct client client = {0};
    evf_socket *peer;
    int fds[2];

    assert(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
    assert(evf_frame_init(&client, &client_ops) == &client);
    assert(evf_socket_new(&client.server, executor, fds[0]) == 0);
    assert(evf_socket_new(&peer, executor, fds[1]) == 0);

    evf_task_detach(evf_spawn(executor, echo(peer)));
    assert(evf_block_on(executor, &client.frame.future) == 5);
    assert(memcmp(client.buf, "hello", 5) == 0);

    event_base_dispatch(base); /* returns when the echo has seen the end */
    evf_executor_free(executor);
    event_base_free(base);
    return 0;
}
