/* SPDX-License-Identifier: BSD-3-Clause */
#include <evfuture/time.h>

#include "time/deadline-internal.h"

/* No request from outside gets through, only the deadline's own. */
static enum evf_poll
shield_poll(evf_future *self, evf_context *cx)
{
    struct evfi_deadline *d = (struct evfi_deadline *)self;

    return evfi_deadline_poll(d, cx, evfi_deadline_request(d));
}

static const evf_future_ops shield_ops = {
    .size = sizeof(struct evfi_deadline),
    .name = "shield",
    .flags = EVF_PASSES_CANCEL | EVF_STARTS,
    .poll = shield_poll,
    .drop = evfi_deadline_drop,
    .visit = evfi_deadline_visit,
};

evf_future *
evf_shield(evf_op *op, uint64_t ms, evf_future *future)
{
    return evfi_deadline_new(op, &shield_ops, ms, future);
}
