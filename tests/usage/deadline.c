/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A deadline over a handshake; a race between a socket and an inbox; clean-up
 * that awaits. On the paused clock, so that seconds take no time.
 */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <event2/event.h>
#include <evfuture.h>

struct handshake {
    evf_frame frame;
    evf_socket *peer;
    evf_op op[2];
    char buf[8];
    intptr_t result; /* outlives the goodbye */
    bool said_goodbye;
};

/* Says goodbye even if it is out of time, in half a second at most. */
static enum evf_poll
handshake_run(evf_future *self, evf_context *cx)
{
    struct handshake *h = evf_frame_of(self, struct handshake);
    intptr_t n;

    EVF_BEGIN(self, cx);
    EVF_AWAIT(h->result, evf_read(&h->op[0], h->peer, h->buf, sizeof(h->buf)));
    if (h->result < 0) {
        EVF_AWAIT(n,
            evf_shield(&h->op[0], 500,
                evf_write_all(&h->op[1], h->peer, "bye", 3)));
        h->said_goodbye = n == 3;
    }
    EVF_RETURN(h->result);
    EVF_FINALLY;
    EVF_END;
}

static const evf_frame_ops handshake_ops = EVF_FRAME_OPS(struct handshake,
    handshake_run);

struct flow {
    evf_frame frame;
    struct handshake handshake;
    evf_socket *peer;
    evf_channel *inbox;
    unsigned which;
    evf_op op[3];
    char buf[8];
};

static evf_future *
handshake(struct handshake *h, evf_socket *peer)
{
    evf_frame_init(h, &handshake_ops);
    h->peer = peer;
    return &h->frame.future;
}

static enum evf_poll
flow_run(evf_future *self, evf_context *cx)
{
    struct flow *f = evf_frame_of(self, struct flow);
    intptr_t n;
    const char *item;

    EVF_BEGIN(self, cx);
    EVF_AWAIT(n,
        evf_timeout(&f->op[0], 2000 /* ms */,
            handshake(&f->handshake, f->peer)));
    assert(n == -ETIMEDOUT);

    EVF_TRY(n,
        evf_select(&f->op[0], &f->which, 2,
            (evf_future *[]){evf_read(&f->op[1], f->peer, f->buf,
                                 sizeof(f->buf)),
                evf_channel_recv(&f->op[2], f->inbox)}));
    assert(f->which == 1);
    item = (const char *)n;
    EVF_RETURN(strcmp(item, "letter"));
    EVF_FINALLY;
    evf_socket_close(f->peer);
    EVF_END;
}

static const evf_frame_ops flow_ops = EVF_FRAME_OPS(struct flow, flow_run);

int
main(void)
{
    struct event_base *base = event_base_new();
    evf_executor *executor = evf_executor_new(base);
    struct flow flow = {0};
    char buf[8];
    int fds[2];

    evf_executor_pause_clock(executor);
    assert(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
    assert(evf_frame_init(&flow, &flow_ops) == &flow);
    assert(evf_socket_new(&flow.peer, executor, fds[0]) == 0);
    flow.inbox = evf_channel_new(1, NULL);
    assert(evf_channel_push(flow.inbox, (void *)"letter") == 0);

    assert(evf_block_on(executor, &flow.frame.future) == 0);
    assert(flow.handshake.said_goodbye);
    assert(read(fds[1], buf, sizeof(buf)) == 3 && memcmp(buf, "bye", 3) == 0);

    close(fds[1]);
    evf_channel_free(flow.inbox);
    evf_executor_free(executor);
    event_base_free(base);
    return 0;
}
