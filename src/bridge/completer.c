/* SPDX-License-Identifier: BSD-3-Clause */
#include <evfuture/completer.h>

#include <evfuture/context.h>

#include "core/alloc-internal.h"
#include "core/future-internal.h"
#include "core/misuse-internal.h"
#include "core/waker-internal.h"

struct evf_completer {
    evf_future future;
    unsigned sides; /* those that still use it: future, callback */
    bool handed;    /* the future was asked for */
    bool given;     /* `result` is the future's, or whoever took it */
    bool completed; /* the callback side has ended */
    bool dropped;   /* the future side has ended */
    intptr_t result;
    int (*cancel)(void *request);
    void *request;
    evf_waker waker; /* the future's, while it is pending */
};

static void
leave(evf_completer *c)
{
    if (--c->sides == 0)
        evfi_release(c);
}

static enum evf_poll
completer_poll(evf_future *self, evf_context *cx)
{
    evf_completer *c = evf_container_of(self, evf_completer, future);

    if (!c->completed)
        evfi_waker_update(&c->waker, &cx->waker);
    if (!c->completed) /* taking the waker may run foreign code */
        return EVF_PENDING;
    c->given = true;
    return evf_future_ready(self, c->result);
}

/*
 * The hook may complete, from inside itself: that ends the callback side as
 * ever, and then its answer says nothing new. A foreign waker's drop comes last.
 */
static void
completer_drop(evf_future *self)
{
    evf_completer *c = evf_container_of(self, evf_completer, future);
    evf_waker waker = c->waker;

    c->waker = (evf_waker){NULL, NULL};
    c->dropped = true;
    if (c->completed) {
        if (!c->given)
            evfi_dispose(self->dispose, c->result);
    } else if (c->cancel != NULL && c->cancel(c->request) != 0 &&
        !c->completed) {
        leave(c);
    }
    leave(c);
    evfi_waker_drop(&waker);
}

static const evf_future_ops completer_ops = {
    .size = sizeof(evf_completer),
    .name = "completer",
    .poll = completer_poll,
    .drop = completer_drop,
};

evf_completer *
evf_completer_new(void (*dispose)(void *result))
{
    evf_completer *c = evfi_new(sizeof(*c));

    if (c == NULL)
        return NULL;
    evf_future_init(&c->future, &completer_ops);
    c->future.dispose = dispose;
    c->sides = 2;
    return c;
}

evf_future *
evf_completer_future(evf_completer *c)
{
    if (c == NULL)
        return NULL;
    if (c->handed)
        return evf_future_failed(-EBUSY);
    c->handed = true;
    return &c->future;
}

void
evf_completer_set_cancel(evf_completer *c, int (*cancel)(void *request),
    void *request)
{
    if (c == NULL || c->completed || c->dropped)
        return;
    c->cancel = cancel;
    c->request = request;
}

void
evf_complete(evf_completer *c, intptr_t result)
{
    void (*dispose)(void *result_);

    if (c == NULL)
        return;
    dispose = c->future.dispose;
    if (c->completed) {
        /* What was given twice is the future's already. */
        if (result != c->result)
            evfi_dispose(dispose, result);
        evfi_misuse("a completer was completed twice");
        return;
    }
    c->completed = true;
    if (c->dropped) {
        leave(c);
        evfi_dispose(dispose, result);
        return;
    }
    c->result = result;
    leave(c);
    evfi_waker_wake(&c->waker);
}
