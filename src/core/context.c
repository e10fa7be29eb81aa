/* SPDX-License-Identifier: BSD-3-Clause */
#include <evfuture/context.h>

#include "core/context-internal.h"
#include "core/future-internal.h"
#include "core/waker-internal.h"

bool evfi_stress;

static uint32_t
budget_left(const evf_context *cx)
{
    return cx->budget->credit + cx->budget->reserve;
}

static bool
budget_spend(evf_context *cx)
{
    struct evfi_budget *budget = cx->budget;

    if (budget->credit > 0)
        budget->credit--;
    else if (budget->reserve > 0)
        budget->reserve--;
    else
        return false;
    return true;
}

void
evf_context_init(evf_context *cx, const evf_waker *waker,
    evf_executor *executor)
{
    evfi_context_init_root(cx, waker, executor, 0);
}

void
evf_context_with_waker(evf_context *cx, const evf_context *from,
    const evf_waker *waker)
{
    cx->waker = *waker;
    cx->executor = from->executor;
    cx->budget = from->budget;
    cx->own = (struct evfi_budget){0, 0};
    cx->request = from->request;
    cx->flags = from->flags;
}

void
evfi_context_derive(evf_context *cx, const evf_context *from, int request)
{
    evf_context_with_waker(cx, from, &from->waker);
    cx->request = request;
    evfi_context_set_budget(cx, budget_left(from));
}

void
evfi_context_settle(const evf_context *cx, evf_context *from)
{
    uint32_t left = budget_left(cx);

    if (from->budget->reserve > 0)
        from->budget->reserve = left;
    else if (from->budget->credit > 0)
        from->budget->credit = left;
}

/* The last poll of an operation that knows of no request. */
static enum evf_poll
poll_last(evf_future *child, evf_context *cx)
{
    evf_context last;

    evf_context_init(&last, &cx->waker, cx->executor);
    last.flags |= EVFI_LAST_POLL;
    return evfi_future_poll(child, &last);
}

static enum evf_poll
give_up(evf_future *child, evf_context *cx, intptr_t *result)
{
    evf_future_drop(child);
    *result = cx->request;
    return EVF_READY;
}

enum evf_poll
evf_future_poll_child(evf_future *child, evf_context *cx, bool *polled,
    intptr_t *result, void (**dispose)(void *result))
{
    bool first = !*polled;
    enum evf_poll poll;

    *dispose = NULL;
    if (first && !budget_spend(cx)) {
        if (!evfi_context_is_last(cx))
            evfi_waker_wake_by_ref(&cx->waker);
        return EVF_PENDING;
    }
    *polled = true;
    if (!evfi_future_is_real(child)) {
        *result = evfi_future_error(child);
        return EVF_READY;
    }
    if (cx->request == 0) {
        poll = evfi_future_poll(child, cx);
    } else if (first && !(child->ops->flags & EVF_STARTS)) {
        return give_up(child, cx, result);
    } else if (child->ops->flags & EVF_PASSES_CANCEL) {
        poll = evfi_future_poll(child, cx);
    } else {
        poll = poll_last(child, cx);
        if (poll == EVF_PENDING)
            return give_up(child, cx, result);
    }
    if (poll == EVF_PENDING)
        return EVF_PENDING;
    *result = child->result;
    if (!evf_failed(*result))
        *dispose = child->dispose;
    evfi_future_drop_taken(child);
    return EVF_READY;
}
