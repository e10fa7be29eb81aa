/* SPDX-License-Identifier: BSD-3-Clause */
#include <evfuture/time.h>

#include "time/deadline-internal.h"

/* A request from outside comes from further out, and so before the deadline's. */
static enum evf_poll
timeout_poll(evf_future *self, evf_context *cx)
{
    struct evfi_deadline *d = (struct evfi_deadline *)self;
    int request = evf_context_cancelled(cx);

    if (request == 0)
        request = evfi_deadline_request(d);
    return evfi_deadline_poll(d, cx, request);
}

static const evf_future_ops timeout_ops = {
    .size = sizeof(struct evfi_deadline),
    .name = "timeout",
    .flags = EVF_PASSES_CANCEL,
    .poll = timeout_poll,
    .drop = evfi_deadline_drop,
    .visit = evfi_deadline_visit,
};

evf_future *
evf_timeout(evf_op *op, uint64_t ms, evf_future *future)
{
    return evfi_deadline_new(op, &timeout_ops, ms, future);
}
