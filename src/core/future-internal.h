/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef EVFI_FUTURE_INTERNAL_H
#define EVFI_FUTURE_INTERNAL_H

#include <evfuture/context.h>

/* No error and not NULL: there is an object to poll and to drop. */
static inline bool
evfi_future_is_real(const void *future)
{
    return (uintptr_t)future - 1 < (uintptr_t)-4096;
}

/* What a future that is none is ready with. */
static inline intptr_t
evfi_future_error(const evf_future *future)
{
    return future != NULL ? (intptr_t)future : -ENOMEM;
}

/* The rare ends of evfi_future_poll(). */
enum evf_poll evfi_future_misused(evf_future *future);
EVF_API enum evf_poll evfi_future_unanswered(evf_future *future);

/* evf_future_poll() of a real future, inlined into whoever polls. */
static inline enum evf_poll
evfi_future_poll(evf_future *future, evf_context *cx)
{
    enum evf_poll poll;

    if (future->result != EVF_RESULT_PENDING)
        return evfi_future_misused(future);
    future->result = EVF_RESULT_POLLING;
    poll = future->ops->poll(future, cx);
    if (poll == EVF_PENDING)
        future->result = EVF_RESULT_PENDING;
    else if (future->result == EVF_RESULT_POLLING)
        return evfi_future_unanswered(future);
    return poll;
}

/* Ends a real future whose result was moved out. */
static inline void
evfi_future_drop_taken(evf_future *future)
{
    future->result = EVF_RESULT_POLLING; /* nobody drops it meanwhile */
    future->ops->drop(future);
}

/*
 * evf_future_poll_child(), inlined as far as the usual case goes: a later poll,
 * with no request in force, of a child that stays pending.
 */
static inline enum evf_poll
evfi_future_poll_child(evf_future *child, evf_context *cx, bool *polled,
    intptr_t *result, void (**dispose)(void *result))
{
    if (!*polled || cx->request != 0 || !evfi_future_is_real(child))
        return evf_future_poll_child(child, cx, polled, result, dispose);
    if (evfi_future_poll(child, cx) == EVF_PENDING)
        return EVF_PENDING;
    *dispose = child->dispose;
    *result = child->result;
    evfi_future_drop_taken(child);
    return EVF_READY;
}

/* Frees a result, if there is anything to free. */
static inline void
evfi_dispose(void (*dispose)(void *result), intptr_t result)
{
    if (dispose != NULL && !evf_failed(result))
        dispose((void *)result);
}

#endif
