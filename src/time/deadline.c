/* SPDX-License-Identifier: BSD-3-Clause */
#include "time/deadline-internal.h"

#include <inttypes.h>
#include <stdio.h>

#include "core/context-internal.h"
#include "core/future-internal.h"

evf_future *
evfi_deadline_new(evf_op *op, const evf_future_ops *ops, uint64_t ms,
    evf_future *child)
{
    struct evfi_deadline *d = evfi_op_claim(op, ops);

    if (!evfi_future_is_real(d)) {
        evf_future_drop(child);
        return (evf_future *)d;
    }
    d->child = child;
    d->ms = ms;
    return &d->op.future;
}

/* Nothing is left to wait for. */
static enum evf_poll
finish(struct evfi_deadline *d, intptr_t result, void (*dispose)(void *result))
{
    d->child = NULL;
    d->op.future.dispose = dispose;
    evfi_alarm_cancel(&d->alarm);
    return evf_future_ready(&d->op.future, result);
}

static enum evf_poll
poll_child(struct evfi_deadline *d, evf_context *cx, int request,
    intptr_t *result, void (**dispose)(void *result))
{
    evf_context inner;
    enum evf_poll poll;

    if (request == cx->request)
        return evf_future_poll_child(d->child, cx, &d->op.polled, result,
            dispose);
    evfi_context_derive(&inner, cx, request);
    poll = evf_future_poll_child(d->child, &inner, &d->op.polled, result,
        dispose);
    evfi_context_settle(&inner, cx);
    return poll;
}

enum evf_poll
evfi_deadline_poll(struct evfi_deadline *d, evf_context *cx, int request)
{
    void (*dispose)(void *result);
    evf_reactor *reactor = NULL;
    intptr_t result;
    int err = d->op.begun ? 0 : evfi_time_reactor(cx, &reactor);

    if (err < 0) {
        evf_future_drop(d->child);
        return finish(d, err, NULL);
    }
    if (poll_child(d, cx, request, &result, &dispose) == EVF_READY)
        return finish(d, result, dispose);
    if (d->op.begun) {
        evfi_alarm_poll(&d->alarm, &cx->waker);
    } else if (d->op.polled) {
        /*
         * Only now, so that what is ready at once costs no alarm. A child that
         * the budget kept from its first poll gets that poll before the time
         * begins, even if there is none.
         */
        d->op.begun = true;
        evfi_alarm_set(&d->alarm, reactor, evfi_clock_deadline(reactor, d->ms),
            &cx->waker);
    }
    return EVF_PENDING;
}

void
evfi_deadline_drop(evf_future *self)
{
    struct evfi_deadline *d = (struct evfi_deadline *)self;

    evf_future_drop(d->child);
    evfi_alarm_cancel(&d->alarm);
    evfi_op_release(&d->op);
}

void
evfi_deadline_visit(evf_future *self, evf_visit_fn *fn, void *arg)
{
    struct evfi_deadline *d = (struct evfi_deadline *)self;
    char note[32];

    snprintf(note, sizeof(note), "%" PRIu64 " ms", d->ms);
    fn(arg, NULL, note);
    if (d->child != NULL)
        fn(arg, d->child, NULL);
}
