/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A libevent user's life (d): a hand-written protocol on a descriptor that the
 * host owns, reads and writes, and on which it has an event of its own.
 */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <event2/event.h>
#include <evfuture.h>

/* A length byte, and so many bytes after it, as the host has always read it. */
struct frame_reader {
    evf_frame frame;
    int fd;
    evf_op op;
    unsigned char need; /* 0 until the length has come */
    bool begun;
    ssize_t have;
    char body[256];
};

static enum evf_poll
frame_reader_run(evf_future *self, evf_context *cx)
{
    struct frame_reader *r = evf_frame_of(self, struct frame_reader);
    intptr_t signals;
    ssize_t n;

    EVF_BEGIN(self, cx);
    while (r->need == 0 || r->have < r->need) {
        EVF_TRY(signals, evf_wait_fd(&r->op, NULL, r->fd, EVF_READABLE));
        if (r->need == 0)
            n = recv(r->fd, &r->need, 1, MSG_DONTWAIT);
        else
            n = recv(r->fd, r->body + r->have, (size_t)(r->need - r->have),
                MSG_DONTWAIT);
        if (n == 0)
            EVF_RETURN(-EPIPE);
        if (n < 0 && errno != EAGAIN)
            EVF_RETURN(-errno);
        if (n > 0 && r->begun)
            r->have += n;
        r->begun = r->need > 0;
    }
    EVF_RETURN(r->have);
    EVF_FINALLY;
    EVF_END;
}

static const evf_frame_ops frame_reader_ops = EVF_FRAME_OPS(struct frame_reader,
    frame_reader_run);

struct host {
    int fds[2];
    const char *next;
    struct event *writer; /* writes a byte whenever it can, and always has */
    int seen;
};

static void
on_writable(evutil_socket_t fd, short what, void *arg)
{
    struct host *h = arg;

    (void)what;
    if (*h->next != '\0' && send(fd, h->next, 1, 0) == 1)
        h->next++;
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    ((struct host *)arg)->seen++;
}

int
main(void)
{
    struct event_base *base = event_base_new();
    evf_executor *executor = evf_executor_new(base);
    struct host h = {.next = "\x05hello"};
    struct frame_reader reader = {0};
    struct event *watcher;

    assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, h.fds) == 0);
    h.writer = event_new(base, h.fds[1], EV_WRITE | EV_PERSIST, on_writable,
        &h);
    watcher = event_new(base, h.fds[0], EV_READ | EV_PERSIST, on_readable, &h);
    event_add(h.writer, NULL);
    event_add(watcher, NULL);

    evf_frame_init(&reader, &frame_reader_ops);
    reader.fd = h.fds[0];
    assert(evf_block_on(executor, &reader.frame.future) == 5);
    assert(memcmp(reader.body, "hello", 5) == 0);
    assert(h.seen > 0); /* the host's own event went on working */

    event_free(h.writer);
    event_free(watcher);
    close(h.fds[0]); /* the wait is over: closing is the host's business */
    close(h.fds[1]);
    evf_executor_free(executor);
    event_base_free(base);
    return 0;
}
