/* SPDX-License-Identifier: BSD-3-Clause */
#include <evfuture/reactor.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>

#include "core/context-internal.h"
#include "core/future-internal.h"
#include "core/op-internal.h"
#include "io/socket-internal.h"
#include "task/executor-internal.h"

struct wait_fd {
    struct evfi_op op;
    evf_interest interest;
    /* Referenced, for a wake that says to try again after it has gone. NULL
     * before the first poll if it is the context's. */
    evf_executor *executor;
    int fd;
    uint32_t signals;
};

EVFI_OP_FITS(struct wait_fd);

/* What poll(2) says, in the terms in which libevent's back ends say it. */
static uint32_t
signals_of(int revents)
{
    uint32_t signals = 0;

    if (revents & (POLLIN | POLLERR | POLLHUP))
        signals |= EVF_READABLE;
    if (revents & (POLLOUT | POLLERR | POLLHUP))
        signals |= EVF_WRITABLE;
#ifdef POLLRDHUP
    if (revents & POLLRDHUP)
        signals |= EVF_CLOSED;
#endif
    return signals;
}

/* What is so already: the signals, 0, or -errno. */
static int
look(const struct wait_fd *w)
{
    short events = 0;
    mode_t type;
    int revents, err;

    if (w->signals & EVF_READABLE)
        events |= POLLIN;
    if (w->signals & EVF_WRITABLE)
        events |= POLLOUT;
#ifdef POLLRDHUP
    if (w->signals & EVF_CLOSED)
        events |= POLLRDHUP;
#endif
    revents = evfi_fd_poll(w->fd, events);
    if (revents <= 0)
        return revents;
    err = evfi_fd_type(w->fd, &type);
    return err < 0 ? err : (int)(signals_of(revents) & w->signals);
}

/* Registered, and fired or not: how that has ended; 0: go on waiting. */
static int
ended(struct wait_fd *w)
{
    const evf_interest *interest = &w->interest;

    if (interest->occurred != 0)
        return (int)interest->occurred;
    return interest->error == -EAGAIN ? 0 : interest->error;
}

static void
set_executor(struct wait_fd *w, evf_executor *executor)
{
    w->executor = executor;
    if (executor != NULL)
        executor->refs++;
}

static int
go_on(struct wait_fd *w, const evf_context *cx)
{
    evf_reactor *reactor = evf_executor_reactor(w->executor);

    return evf_reactor_add_io_event_interest(reactor, w->fd, &w->interest,
        (evf_event){0, w->signals}, &cx->waker);
}

static enum evf_poll
wait_fd_poll(evf_future *self, evf_context *cx)
{
    struct wait_fd *w = (struct wait_fd *)self;
    bool last = evfi_context_is_last(cx);
    int result;

    if (w->executor == NULL)
        set_executor(w, cx->executor);
    if (w->executor == NULL)
        return evf_future_ready(self, -ENOTSUP);
    result = ended(w);
    if (result == 0 && w->interest.entry != NULL && !last &&
        evf_waker_will_wake(&w->interest.waker, &cx->waker))
        return EVF_PENDING;
    if (result == 0 && (w->interest.entry == NULL || last))
        result = look(w);
    if (result == 0 && !last)
        result = go_on(w, cx);
    if (result == 0)
        return EVF_PENDING;
    evf_interest_remove(&w->interest);
    return evf_future_ready(self, result);
}

static void
wait_fd_drop(evf_future *self)
{
    struct wait_fd *w = (struct wait_fd *)self;

    evf_interest_remove(&w->interest);
    if (w->executor != NULL)
        evfi_executor_unref(w->executor);
    evfi_op_release(&w->op);
}

static void
wait_fd_visit(evf_future *self, evf_visit_fn *fn, void *arg)
{
    struct wait_fd *w = (struct wait_fd *)self;
    char note[32];

    snprintf(note, sizeof(note), "fd %d", w->fd);
    fn(arg, NULL, note);
}

static const evf_future_ops wait_fd_ops = {
    .size = sizeof(struct wait_fd),
    .name = "wait_fd",
    .poll = wait_fd_poll,
    .drop = wait_fd_drop,
    .visit = wait_fd_visit,
};

evf_future *
evf_wait_fd(evf_op *op, evf_executor *executor, int fd, uint32_t signals)
{
    struct wait_fd *w;

    if (evfi_entry_check((evf_event){0, signals}) < 0)
        return evf_future_failed(-EINVAL);
    w = evfi_op_claim(op, &wait_fd_ops);
    if (evfi_future_is_real(w)) {
        set_executor(w, executor);
        w->fd = fd;
        w->signals = signals;
    }
    return (evf_future *)w;
}
