/* SPDX-License-Identifier: BSD-3-Clause */
#include <evfuture/combine.h>

#include "combine/combine-internal.h"
#include "core/future-internal.h"
#include "core/op-internal.h"

struct select {
    struct evfi_op op;
    size_t n;
    unsigned *which;
    evf_future *futures[EVF_SELECT_MAX];
    bool polled[EVF_SELECT_MAX];
    bool ended[EVF_SELECT_MAX]; /* the future is not ours any more */
};

EVFI_OP_FITS(struct select);

static void
drop_all(struct select *s)
{
    for (size_t i = 0; i < s->n; i++) {
        if (s->ended[i])
            continue;
        s->ended[i] = true;
        evf_future_drop(s->futures[i]);
    }
}

static enum evf_poll
win(struct select *s, size_t i, intptr_t result, void (*dispose)(void *result))
{
    drop_all(s);
    if (s->which != NULL)
        *s->which = (unsigned)i;
    s->op.future.dispose = dispose;
    return evf_future_ready(&s->op.future, result);
}

static enum evf_poll
select_poll(evf_future *self, evf_context *cx)
{
    struct select *s = (struct select *)self;
    void (*dispose)(void *result);
    bool pending = false;
    intptr_t result;

    for (size_t i = 0; i < s->n; i++) {
        if (s->ended[i])
            continue;
        if (evf_future_poll_child(s->futures[i], cx, &s->polled[i], &result,
                &dispose) == EVF_PENDING) {
            pending = true;
            continue;
        }
        s->ended[i] = true;
        /* Giving in to the request is no victory. */
        if (cx->request == 0 || result != cx->request)
            return win(s, i, result, dispose);
    }
    /* The last one gave in just now, so that there is a request. */
    return pending ? EVF_PENDING : evf_future_ready(self, cx->request);
}

static void
select_drop(evf_future *self)
{
    struct select *s = (struct select *)self;

    drop_all(s);
    evfi_op_release(&s->op);
}

static void
select_visit(evf_future *self, evf_visit_fn *fn, void *arg)
{
    struct select *s = (struct select *)self;

    for (size_t i = 0; i < s->n; i++)
        if (!s->ended[i])
            fn(arg, s->futures[i], NULL);
}

static const evf_future_ops select_ops = {
    .size = sizeof(struct select),
    .name = "select",
    .flags = EVF_PASSES_CANCEL,
    .poll = select_poll,
    .drop = select_drop,
    .visit = select_visit,
};

evf_future *
evf_select(evf_op *op, unsigned *which, size_t n, evf_future *const *futures)
{
    struct select *s;

    if (which != NULL)
        *which = (unsigned)n;
    if (n == 0 || n > EVF_SELECT_MAX || futures == NULL)
        return evfi_combine_refuse(n, futures, evf_future_failed(-EINVAL));
    s = evfi_op_claim(op, &select_ops);
    if (!evfi_future_is_real(s))
        return evfi_combine_refuse(n, futures, s);
    s->n = n;
    s->which = which;
    memcpy(s->futures, futures, n * sizeof(*futures));
    return &s->op.future;
}
