/* SPDX-License-Identifier: BSD-3-Clause */
#include <evfuture/time.h>

#include "core/future-internal.h"
#include "core/op-internal.h"
#include "time/time-internal.h"

struct tick {
    struct evfi_op op;
    evf_interval *interval;
    struct evfi_alarm alarm; /* set while the tick is still to come */
};

EVFI_OP_FITS(struct tick);

int
evf_interval_init(evf_interval *interval, uint64_t ms,
    enum evf_interval_policy policy)
{
    if (interval == NULL)
        return -EINVAL;
    /* Without a period it is not set up, which evf_interval_tick() sees. */
    *interval = (evf_interval){0, 0, EVF_INTERVAL_BURST};
    if (ms == 0 || (unsigned)policy > EVF_INTERVAL_SKIP)
        return -EINVAL;
    interval->period = ms;
    interval->policy = policy;
    return 0;
}

/* Takes the tick that is due at `now`, and tells how many periods it ends. */
static intptr_t
take(evf_interval *interval, uint64_t now)
{
    uint64_t period = interval->period;
    uint64_t passed = 1 + (now - interval->next) / period;
    uint64_t last;

    if (interval->policy == EVF_INTERVAL_BURST)
        passed = 1;
    last = interval->next + (passed - 1) * period;
    if (interval->policy == EVF_INTERVAL_DELAY)
        last = now;
    interval->next = period < UINT64_MAX - last ? last + period : UINT64_MAX;
    return passed < INTPTR_MAX ? (intptr_t)passed : INTPTR_MAX;
}

static enum evf_poll
tick_poll(evf_future *self, evf_context *cx)
{
    struct tick *t = (struct tick *)self;
    evf_interval *interval = t->interval;
    evf_reactor *reactor;
    uint64_t now;
    int err = evfi_time_reactor(cx, &reactor);

    if (t->alarm.rang < 0)
        err = t->alarm.rang;
    if (err < 0)
        return evf_future_ready(self, err);
    if (interval->next == 0) {
        interval->next = evfi_clock_deadline(reactor, interval->period);
    } else {
        now = evfi_clock_now(reactor);
        if (now >= interval->next)
            return evf_future_ready(self, take(interval, now));
    }
    /* It has rung, and yet is not due, if somebody else took the tick. */
    if (t->alarm.reactor == NULL)
        evfi_alarm_set(&t->alarm, reactor, interval->next, &cx->waker);
    else
        evfi_alarm_poll(&t->alarm, &cx->waker);
    return EVF_PENDING;
}

static void
tick_drop(evf_future *self)
{
    struct tick *t = (struct tick *)self;

    evfi_alarm_cancel(&t->alarm);
    evfi_op_release(&t->op);
}

static const evf_future_ops tick_ops = {
    .size = sizeof(struct tick),
    .name = "interval_tick",
    .poll = tick_poll,
    .drop = tick_drop,
};

evf_future *
evf_interval_tick(evf_op *op, evf_interval *interval)
{
    struct tick *t;

    if (interval == NULL || interval->period == 0)
        return evf_future_failed(-EINVAL);
    t = evfi_op_claim(op, &tick_ops);
    if (!evfi_future_is_real(t))
        return (evf_future *)t;
    t->interval = interval;
    return &t->op.future;
}
