/* SPDX-License-Identifier: BSD-3-Clause */
#include <evfuture/combine.h>

#include "combine/combine-internal.h"
#include "core/future-internal.h"
#include "core/op-internal.h"

/*
 * A child's state is its result: EVF_RESULT_PENDING before its first poll,
 * EVF_RESULT_POLLING until it ends. After that its place in `futures` keeps the
 * function that frees the result, should the join be dropped half-way.
 */
struct join {
    struct evfi_op op;
    size_t n;     /* 0 once the arrays are the caller's again */
    size_t first; /* those before it have ended */
    evf_future **futures;
    intptr_t *results;
};

EVFI_OP_FITS(struct join);

typedef void dispose_fn(void *result);

_Static_assert(sizeof(dispose_fn *) == sizeof(evf_future *),
    "a function does not fit the place of a future");

static bool
ended(const struct join *j, size_t i)
{
    return j->results[i] != EVF_RESULT_PENDING &&
        j->results[i] != EVF_RESULT_POLLING;
}

static void
end_child(struct join *j, size_t i, intptr_t result, dispose_fn *dispose)
{
    memcpy(&j->futures[i], &dispose, sizeof(dispose));
    j->results[i] = result;
    if (!ended(j, i))
        j->results[i] = -EINVAL; /* it took what another had not got yet */
}

/* False if the child is going to be polled again. */
static bool
poll_child(struct join *j, size_t i, evf_context *cx)
{
    bool polled = j->results[i] == EVF_RESULT_POLLING;
    dispose_fn *dispose;
    intptr_t result;

    if (evf_future_poll_child(j->futures[i], cx, &polled, &result, &dispose) ==
        EVF_READY) {
        end_child(j, i, result, dispose);
        return true;
    }
    if (polled)
        j->results[i] = EVF_RESULT_POLLING;
    return false;
}

static enum evf_poll
join_poll(evf_future *self, evf_context *cx)
{
    struct join *j = (struct join *)self;

    for (size_t i = j->first; i < j->n; i++) {
        if ((ended(j, i) || poll_child(j, i, cx)) && i == j->first)
            j->first++;
        /* The budget is used up, and those behind have not begun either. */
        if (j->results[i] == EVF_RESULT_PENDING)
            break;
    }
    if (j->first < j->n)
        return EVF_PENDING;
    j->n = 0;
    return evf_future_ready(self, 0);
}

static void
drop_child(struct join *j, size_t i)
{
    intptr_t result = j->results[i];
    bool done = ended(j, i);
    dispose_fn *dispose;

    j->results[i] = -ECANCELED;
    if (done) {
        memcpy(&dispose, &j->futures[i], sizeof(dispose));
        evfi_dispose(dispose, result);
    } else {
        evf_future_drop(j->futures[i]);
    }
}

static void
join_drop(evf_future *self)
{
    struct join *j = (struct join *)self;

    for (size_t i = 0; i < j->n; i++)
        drop_child(j, i);
    evfi_op_release(&j->op);
}

static void
join_visit(evf_future *self, evf_visit_fn *fn, void *arg)
{
    struct join *j = (struct join *)self;

    for (size_t i = j->first; i < j->n; i++)
        if (!ended(j, i))
            fn(arg, j->futures[i], NULL);
}

static const evf_future_ops join_ops = {
    .size = sizeof(struct join),
    .name = "join",
    .flags = EVF_PASSES_CANCEL,
    .poll = join_poll,
    .drop = join_drop,
    .visit = join_visit,
};

evf_future *
evf_join(evf_op *op, size_t n, evf_future **futures, intptr_t *results)
{
    struct join *j;

    if (n != 0 && (futures == NULL || results == NULL))
        return evfi_combine_refuse(n, futures, evf_future_failed(-EINVAL));
    j = evfi_op_claim(op, &join_ops);
    if (!evfi_future_is_real(j))
        return evfi_combine_refuse(n, futures, j);
    j->n = n;
    j->futures = futures;
    j->results = results;
    for (size_t i = 0; i < n; i++)
        results[i] = EVF_RESULT_PENDING;
    return &j->op.future;
}
