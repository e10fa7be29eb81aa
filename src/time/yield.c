/* SPDX-License-Identifier: BSD-3-Clause */
#include <evfuture/time.h>

#include "core/context-internal.h"
#include "core/future-internal.h"
#include "core/op-internal.h"
#include "core/waker-internal.h"

/* Waking oneself goes to the end of the executor's queue, and there it is. */
static enum evf_poll
yield_poll(evf_future *self, evf_context *cx)
{
    struct evfi_op *op = (struct evfi_op *)self;

    if (op->begun)
        return evf_future_ready(self, 0);
    op->begun = true;
    if (!evfi_context_is_last(cx))
        evfi_waker_wake_by_ref(&cx->waker);
    return EVF_PENDING;
}

static void
yield_drop(evf_future *self)
{
    evfi_op_release((struct evfi_op *)self);
}

static const evf_future_ops yield_ops = {
    .size = sizeof(struct evfi_op),
    .name = "yield",
    .poll = yield_poll,
    .drop = yield_drop,
};

evf_future *
evf_yield(evf_op *op)
{
    return evfi_op_claim(op, &yield_ops);
}
