/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef EVFI_FUTURE_INTERNAL_H
#define EVFI_FUTURE_INTERNAL_H

#include <evfuture/context.h>

/* No error and not NULL: there is an object to poll and to drop. */
static inline bool
evfi_future_is_real(const void *future)
{
    return future != NULL && !evf_failed(future);
}

/* What a future that is none is ready with. */
static inline intptr_t
evfi_future_error(const evf_future *future)
{
    return future != NULL ? (intptr_t)future : -ENOMEM;
}

/* The rare ends of evfi_future_poll(). */
enum evf_poll evfi_future_misused(evf_future *future);
enum evf_poll evfi_future_unanswered(evf_future *future);

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

/* Frees a result, if there is anything to free. */
static inline void
evfi_dispose(void (*dispose)(void *result), intptr_t result)
{
    if (dispose != NULL && !evf_failed(result))
        dispose((void *)result);
}

#endif
