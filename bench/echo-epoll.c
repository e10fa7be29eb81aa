/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The floor: an echo server on level-triggered epoll with nothing between it
 * and the kernel.  One buffer serves every connection; only what a full
 * socket refuses is kept per connection, on the heap, until it is written.
 */
#include "serve.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

struct pending {
    size_t length;
    size_t written;
    char data[];
};

struct connection {
    int fd;
    struct pending *pending; /* while set we wait to write, else to read */
};

static volatile sig_atomic_t stopping;

static void
on_sigterm(int signal_number)
{
    (void)signal_number;
    stopping = 1;
}

static int
watch(int epoll, int operation, struct connection *c, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = c};

    return epoll_ctl(epoll, operation, c->fd, &event);
}

static void
connection_free(struct connection *c)
{
    close(c->fd);
    free(c->pending);
    free(c);
}

/* Keeps the rest of an answer and waits for room: 0, or -1. */
static int
postpone(int epoll, struct connection *c, const char *data, size_t length)
{
    struct pending *p = malloc(sizeof(*p) + length);

    if (p == NULL)
        return -1;
    p->length = length;
    p->written = 0;
    memcpy(p->data, data, length);
    c->pending = p;
    return watch(epoll, EPOLL_CTL_MOD, c, EPOLLOUT);
}

static void
on_readable(int epoll, struct connection *c)
{
    static char buffer[SERVE_BUFFER];
    ssize_t n = recv(c->fd, buffer, sizeof(buffer), 0);
    ssize_t sent;

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        connection_free(c);
        return;
    }
    sent = send(c->fd, buffer, (size_t)n, MSG_NOSIGNAL);
    if (sent == n)
        return;
    if (sent < 0 && errno != EAGAIN && errno != EINTR) {
        connection_free(c);
        return;
    }
    if (sent < 0)
        sent = 0;
    if (postpone(epoll, c, buffer + sent, (size_t)(n - sent)) < 0)
        connection_free(c);
}

static void
on_writable(int epoll, struct connection *c)
{
    struct pending *p = c->pending;
    ssize_t sent = send(c->fd, p->data + p->written, p->length - p->written,
        MSG_NOSIGNAL);

    if (sent < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (sent < 0) {
        connection_free(c);
        return;
    }
    p->written += (size_t)sent;
    if (p->written < p->length)
        return;
    free(p);
    c->pending = NULL;
    if (watch(epoll, EPOLL_CTL_MOD, c, EPOLLIN) < 0)
        connection_free(c);
}

static void
on_acceptable(int epoll, int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    struct connection *c;

    if (fd < 0)
        return;
    serve_tune(fd);
    c = calloc(1, sizeof(*c));
    if (c == NULL) {
        close(fd);
        return;
    }
    c->fd = fd;
    if (watch(epoll, EPOLL_CTL_ADD, c, EPOLLIN) < 0)
        connection_free(c);
}

static void
dispatch(int epoll, int listener, const sigset_t *mask)
{
    struct epoll_event events[256];

    while (!stopping) {
        int n = epoll_pwait(epoll, events, 256, -1, mask);

        for (int i = 0; i < n; i++) {
            struct connection *c = events[i].data.ptr;

            if (c == NULL)
                on_acceptable(epoll, listener);
            else if (c->pending == NULL)
                on_readable(epoll, c);
            else
                on_writable(epoll, c);
        }
    }
}

int
main(int argc, char **argv)
{
    struct sigaction action = {.sa_handler = on_sigterm};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    int listener = serve_listen(argc, argv);
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    sigset_t blocked;
    sigset_t before;

    if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event) < 0)
        serve_die("epoll");
    /* Delivered inside the wait only, so that none comes between the test
     * of the flag and the wait. */
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    if (sigprocmask(SIG_BLOCK, &blocked, &before) < 0 ||
        sigaction(SIGTERM, &action, NULL) < 0)
        serve_die("SIGTERM");
    serve_announce(listener);
    dispatch(epoll, listener, &before);
    return 0; /* the connections end with the process */
}
