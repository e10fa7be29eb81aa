/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef EVFI_DEADLINE_INTERNAL_H
#define EVFI_DEADLINE_INTERNAL_H

#include "core/op-internal.h"
#include "time/time-internal.h"

/*
 * A future with a deadline, at which it is asked to end: what timeout and
 * shield have in common. They differ in the request that the future sees.
 */
struct evfi_deadline {
    struct evfi_op op;
    evf_future *child; /* NULL once it has ended */
    uint64_t ms;
    struct evfi_alarm alarm; /* set by the first poll that leaves it pending */
};

EVFI_OP_FITS(struct evfi_deadline);

/* The constructor: takes the child, on failure too. */
evf_future *evfi_deadline_new(evf_op *op, const evf_future_ops *ops,
    uint64_t ms, evf_future *child);

/* The request that the deadline makes: 0 before, -ETIMEDOUT once it is over. */
static inline int
evfi_deadline_request(const struct evfi_deadline *deadline)
{
    int rang = deadline->alarm.rang;

    return rang > 0 ? -ETIMEDOUT : rang;
}

/* Polls the child, which sees `request` in the place of the context's. */
enum evf_poll evfi_deadline_poll(struct evfi_deadline *deadline,
    evf_context *cx, int request);

void evfi_deadline_drop(evf_future *self);
void evfi_deadline_visit(evf_future *self, evf_visit_fn *fn, void *arg);

#endif
