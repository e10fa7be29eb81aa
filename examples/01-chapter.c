/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The Rust async book's chapter "Executors and System IO", on libevent's loop.
 *
 * Its SocketRead is a future written by hand: poll tries to read, and when the
 * socket has nothing asks, through set_readable_callback, to be woken. Its
 * sample waits for two sockets under two ids and prints what happened.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <event2/event.h>
#include <evfuture.h>

struct socket_read {
    evf_future future;
    evf_interest interest;
    evf_socket *socket;
    char *buf;
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

/* Says which socket an interest was for, when its waker is woken. */
static void
report(void *data)
{
    const evf_interest *interest = data;
    uint32_t signals = interest->occurred;

    printf("Socket %d is now %s%s%s\n", (int)interest->event.id,
        signals & EVF_READABLE ? "READABLE" : "",
        signals == (EVF_READABLE | EVF_WRITABLE) ? " | " : "",
        signals & EVF_WRITABLE ? "WRITABLE" : "");
}

static void *
same(void *data)
{
    return data;
}

static void
nothing(void *data)
{
    (void)data;
}

static const evf_waker_ops reporter = {same, report, report, nothing};

int
main(void)
{
    struct event_base *base = event_base_new();
    evf_executor *executor = evf_executor_new(base);
    evf_reactor *reactor = evf_executor_reactor(executor);
    evf_interest one = {0}, two = {0};
    int a[2], b[2];
    char buf[16] = "";

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, a) < 0 ||
        socketpair(AF_UNIX, SOCK_STREAM, 0, b) < 0)
        return 1;

    /* io_blocker.add_io_event_interest(&socket_1, Event { ... }) */
    evf_reactor_add_io_event_interest(reactor, a[0], &one,
        (evf_event){.id = 1, .signals = EVF_READABLE},
        &(evf_waker){&reporter, &one});
    evf_reactor_add_io_event_interest(reactor, b[0], &two,
        (evf_event){.id = 2, .signals = EVF_READABLE | EVF_WRITABLE},
        &(evf_waker){&reporter, &two});
    if (send(a[1], "hello", 5, 0) != 5)
        return 1;
    evf_executor_hold(executor); /* as a task would: interests do not */
    event_base_loop(base, EVLOOP_NONBLOCK); /* io_blocker.block() */
    evf_executor_release(executor);

    struct socket_read read = {.buf = buf, .len = sizeof(buf) - 1};
    evf_future_init(&read.future, &socket_read_ops);
    if (evf_socket_new(&read.socket, executor, a[0]) < 0)
        return 1;
    printf("%d bytes: %s\n", (int)evf_block_on(executor, &read.future), buf);

    evf_socket_close(read.socket);
    evf_executor_free(executor);
    event_base_free(base);
    return 0;
}
