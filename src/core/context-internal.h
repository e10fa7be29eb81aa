/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef EVFI_CONTEXT_INTERNAL_H
#define EVFI_CONTEXT_INTERNAL_H

#include <evfuture/context.h>

/* How many awaits a poll may start. */
#define EVFI_BUDGET 128u

/* In evf_context.flags: an operation that would wait is going to be dropped. */
#define EVFI_LAST_POLL (1u << 0)

/*
 * Test builds: every await suspends once when it is first polled. It works by
 * moving the credit of a root's context to its reserve, so that frames leave
 * their fast path, and costs nothing while it is off.
 */
extern bool evfi_stress;

static inline bool
evfi_context_is_last(const evf_context *cx)
{
    return (cx->flags & EVFI_LAST_POLL) != 0;
}

/*
 * Credit is budget that can be spent without a further look, so it is 0 while a
 * request is in force, and what is left stands in the reserve.
 */
static inline void
evfi_context_set_budget(evf_context *cx, uint32_t left)
{
    uint32_t look = 0u - (uint32_t)(cx->request != 0 || evfi_stress);

    cx->budget = &cx->own;
    cx->own.reserve = left & look;
    cx->own.credit = left & ~look;
}

/* The context of a root's poll: a full budget, and the request in force. */
static inline void
evfi_context_init_root(evf_context *cx, const evf_waker *waker,
    evf_executor *on, int request)
{
    cx->waker = *waker;
    cx->executor = on;
    cx->request = request;
    cx->flags = 0;
    evfi_context_set_budget(cx, EVFI_BUDGET);
}

/*
 * A context whose request is `request`: an error at a deadline, or 0 inside of a
 * shield. It has a budget of its own meanwhile, because credit means that there
 * is no request; evfi_context_settle() gives back what is left.
 */
void evfi_context_derive(evf_context *cx, const evf_context *from, int request);
void evfi_context_settle(const evf_context *cx, evf_context *from);

#endif
