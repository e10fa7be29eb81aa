/* SPDX-License-Identifier: BSD-3-Clause */
/* The chapter's SocketRead, written by hand, and a combinator beside it. */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <event2/event.h>
#include <evfuture.h>

struct socket_read {
    evf_future future;
    evf_interest interest;
    evf_socket *socket;
    void *buf;
    size_t len;
};

static enum evf_poll
socket_read_poll(evf_future *self, evf_context *cx)
{
    struct socket_read *r = evf_container_of(self, struct socket_read, future);
    ssize_t n = recv(evf_socket_fd(r->socket), r->buf, r->len, MSG_DONTWAIT);

    if (n < 0 && errno == EAGAIN) {
        int err = evf_socket_set_readable_callback(r->socket, &r->interest,
            evf_context_waker(cx));

        return err < 0 ? evf_future_ready(self, err) : EVF_PENDING;
    }
    return evf_future_ready(self, n < 0 ? -errno : n);
}

static void
socket_read_drop(evf_future *self)
{
    struct socket_read *r = evf_container_of(self, struct socket_read, future);

    evf_interest_remove(&r->interest);
}

static const evf_future_ops socket_read_ops = {
    .size = sizeof(struct socket_read),
    .name = "socket_read",
    .poll = socket_read_poll,
    .drop = socket_read_drop,
};

/* A combinator: the child's result plus a constant, when it is no error. */
struct plus {
    evf_future future;
    evf_future *child;
    bool polled;
    intptr_t more;
};

static enum evf_poll
plus_poll(evf_future *self, evf_context *cx)
{
    struct plus *p = evf_container_of(self, struct plus, future);
    intptr_t result;

    if (evf_future_poll_child(p->child, cx, &p->polled, &result,
            &self->dispose) == EVF_PENDING)
        return EVF_PENDING;
    p->child = NULL;
    return evf_future_ready(self,
        evf_failed(result) ? result : result + p->more);
}

static void
plus_drop(evf_future *self)
{
    evf_future_drop(evf_container_of(self, struct plus, future)->child);
}

static const evf_future_ops plus_ops = {
    .size = sizeof(struct plus),
    .name = "plus",
    .flags = EVF_PASSES_CANCEL,
    .poll = plus_poll,
    .drop = plus_drop,
};

static void
on_time(evutil_socket_t fd, short what, void *arg)
{
    (void)what;
    (void)fd;
    assert(send(*(int *)arg, "hello", 5, 0) == 5);
}

int
main(void)
{
    struct event_base *base = event_base_new();
    evf_executor *executor = evf_executor_new(base);
    struct socket_read read = {0};
    char buf[16];
    int fds[2];

    assert(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
    assert(evf_socket_new(&read.socket, executor, fds[0]) == 0);
    evf_future_init(&read.future, &socket_read_ops);
    read.buf = buf;
    read.len = sizeof(buf);

    struct plus plus = {.child = &read.future, .more = 100};
    evf_future_init(&plus.future, &plus_ops);

    event_base_once(base, -1, EV_TIMEOUT, on_time, &fds[1],
        &(struct timeval){0, 1000});
    assert(evf_block_on(executor, &plus.future) == 105);
    assert(memcmp(buf, "hello", 5) == 0);

    evf_socket_close(read.socket);
    evutil_closesocket(fds[1]);
    evf_executor_free(executor);
    event_base_free(base);
    return 0;
}
