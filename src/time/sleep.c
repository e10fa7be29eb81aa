/* SPDX-License-Identifier: BSD-3-Clause */
#include <evfuture/time.h>

#include "core/future-internal.h"
#include "core/op-internal.h"
#include "time/time-internal.h"

struct sleep {
    struct evfi_op op;
    uint64_t time; /* a duration, or with `until` a moment; in ms */
    bool until;
    struct evfi_alarm alarm; /* set by the first poll */
};

EVFI_OP_FITS(struct sleep);

static enum evf_poll
sleep_poll(evf_future *self, evf_context *cx)
{
    struct sleep *s = (struct sleep *)self;
    uint64_t deadline = s->time;
    evf_reactor *reactor;
    int err, rang;

    if (!s->op.begun) {
        err = evfi_time_reactor(cx, &reactor);
        if (err < 0)
            return evf_future_ready(self, err);
        if (!s->until)
            deadline = evfi_clock_deadline(reactor, s->time);
        s->op.begun = true;
        evfi_alarm_set(&s->alarm, reactor, deadline, &cx->waker);
        return EVF_PENDING;
    }
    rang = evfi_alarm_poll(&s->alarm, &cx->waker);
    if (rang == 0)
        return EVF_PENDING;
    return evf_future_ready(self, rang < 0 ? rang : 0);
}

static void
sleep_drop(evf_future *self)
{
    struct sleep *s = (struct sleep *)self;

    evfi_alarm_cancel(&s->alarm);
    evfi_op_release(&s->op);
}

static const evf_future_ops sleep_ops = {
    .size = sizeof(struct sleep),
    .name = "sleep",
    .poll = sleep_poll,
    .drop = sleep_drop,
};

static evf_future *
sleep_new(evf_op *op, uint64_t time, bool until)
{
    struct sleep *s = evfi_op_claim(op, &sleep_ops);

    if (!evfi_future_is_real(s))
        return (evf_future *)s;
    s->time = time;
    s->until = until;
    return &s->op.future;
}

evf_future *
evf_sleep(evf_op *op, uint64_t ms)
{
    return sleep_new(op, ms, false);
}

evf_future *
evf_sleep_until(evf_op *op, uint64_t deadline)
{
    return sleep_new(op, deadline, true);
}
