/* SPDX-License-Identifier: BSD-3-Clause */
#include <evfuture/future.h>

#include "core/future-internal.h"
#include "core/misuse-internal.h"
#include "core/op-internal.h"

enum evf_poll
evfi_future_misused(evf_future *future)
{
    if (future->result == EVF_RESULT_POLLING) {
        evfi_misuse("a future was polled inside its own poll or drop");
        return EVF_PENDING;
    }
    evfi_misuse("a future was polled after it was ready");
    return EVF_READY;
}

enum evf_poll
evfi_future_unanswered(evf_future *future)
{
    future->result = -EINVAL;
    evfi_misuse("a poll returned EVF_READY without a result");
    return EVF_READY;
}

enum evf_poll
evf_future_poll(evf_future *future, evf_context *cx)
{
    if (!evfi_future_is_real(future))
        return EVF_READY;
    return evfi_future_poll(future, cx);
}

intptr_t
evf_future_take(evf_future *future)
{
    intptr_t result;

    if (!evfi_future_is_real(future))
        return evfi_future_error(future);
    result = future->result;
    if (result != EVF_RESULT_PENDING && result != EVF_RESULT_POLLING)
        future->result = EVF_RESULT_TAKEN;
    return result;
}

void
evf_future_drop(evf_future *future)
{
    void (*dispose)(void *result);
    intptr_t result;

    if (!evfi_future_is_real(future))
        return;
    result = future->result;
    if (result == EVF_RESULT_POLLING) {
        evfi_misuse("a future was dropped inside its own poll or drop");
        return;
    }
    dispose = future->dispose;
    evfi_future_drop_taken(future);
    evfi_dispose(dispose, result);
}

struct ready {
    struct evfi_op op;
    intptr_t result;
};

EVFI_OP_FITS(struct ready);

static enum evf_poll
ready_poll(evf_future *self, evf_context *cx)
{
    struct ready *r = (struct ready *)self;
    intptr_t result = r->result;

    (void)cx;
    r->result = EVF_RESULT_TAKEN;
    return evf_future_ready(self, result);
}

static void
ready_drop(evf_future *self)
{
    struct ready *r = (struct ready *)self;
    void (*dispose)(void *result) = self->dispose;
    intptr_t result = r->result;

    evfi_op_release(&r->op);
    evfi_dispose(dispose, result);
}

static const evf_future_ops ready_ops = {
    .size = sizeof(struct ready),
    .name = "ready",
    .poll = ready_poll,
    .drop = ready_drop,
};

evf_future *
evf_ready(evf_op *op, intptr_t result, void (*dispose)(void *result))
{
    struct ready *r = evfi_op_claim(op, &ready_ops);

    if (!evfi_future_is_real(r)) {
        evfi_dispose(dispose, result);
        return (evf_future *)r;
    }
    r->op.future.dispose = dispose;
    r->result = result;
    return &r->op.future;
}

struct poll_fn {
    struct evfi_op op;
    evf_poll_fn_fn *fn;
    void *arg;
};

EVFI_OP_FITS(struct poll_fn);

static enum evf_poll
poll_fn_poll(evf_future *self, evf_context *cx)
{
    struct poll_fn *p = (struct poll_fn *)self;
    intptr_t result = 0;

    if (p->fn(p->arg, cx, &result) == EVF_PENDING)
        return EVF_PENDING;
    return evf_future_ready(self, result);
}

static void
poll_fn_drop(evf_future *self)
{
    evfi_op_release((struct evfi_op *)self);
}

static const evf_future_ops poll_fn_ops = {
    .size = sizeof(struct poll_fn),
    .name = "poll_fn",
    .poll = poll_fn_poll,
    .drop = poll_fn_drop,
};

evf_future *
evf_poll_fn(evf_op *op, evf_poll_fn_fn *fn, void *arg)
{
    struct poll_fn *p;

    if (fn == NULL)
        return evf_future_failed(-EINVAL);
    p = evfi_op_claim(op, &poll_fn_ops);
    if (!evfi_future_is_real(p))
        return (evf_future *)p;
    p->fn = fn;
    p->arg = arg;
    return &p->op.future;
}
