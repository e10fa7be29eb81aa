/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef EVFUTURE_CONTEXT_H
#define EVFUTURE_CONTEXT_H

#include <evfuture/future.h>
#include <evfuture/waker.h>

EVF_C_BEGIN

/*
 * What a poll is told: whom to wake, on which executor it runs, whether a
 * cancel request is in force, and how many awaits it may still start before it
 * must yield (128 a poll).
 *
 * A context lives for one poll, on the stack of whoever polls. Async functions
 * and most futures pass the one they were given. A combinator that polls
 * children under wakers of its own derives one:
 *
 *     evf_context mine;
 *
 *     evf_context_with_waker(&mine, cx, &self->waker);
 *     evf_future_poll_child(self->child, &mine, &self->polled, &r, &dispose);
 *
 * Such a one polls the children that were woken, those that a lack of budget
 * held back, which are woken at once, and, while a request is in force, all.
 *
 * The fields are the library's. A context is not copied.
 */
typedef struct evf_executor evf_executor;

struct evfi_budget {
    uint32_t credit;  /* awaits that may be started without looking further */
    uint32_t reserve; /* the same, while something must be looked at first */
};

struct evf_context {
    evf_waker waker; /* borrowed */
    evf_executor *executor;
    struct evfi_budget *budget; /* shared with contexts derived from this one */
    struct evfi_budget own;
    int request;    /* the cancel request in force, a negative errno, or 0 */
    uint32_t flags; /* whether this is an operation's last poll */
};

/*
 * For executors: a context for one poll of a root, with a full budget and no
 * request. Without an executor (NULL) operations that need time or a reactor
 * fail with -ENOTSUP. One that is lent is not held: what waits on it does not
 * keep its loop running, unless evf_executor_hold() does.
 *
 * Ownership: `waker` is borrowed as long as `cx` is used; so is the executor.
 * Context: loop thread.
 * Since: 0.1
 */
EVF_API void evf_context_init(evf_context *cx, const evf_waker *waker,
    evf_executor *executor);

/*
 * For combinators: like `from`, with another waker. The budget is shared.
 *
 * Ownership: both are borrowed as long as `cx` is used.
 * Context: loop thread, inside the poll that was given `from`.
 * Since: 0.1
 */
EVF_API void evf_context_with_waker(evf_context *cx, const evf_context *from,
    const evf_waker *waker);

/*
 * The waker to clone by a future that is going to be pending.
 *
 * Ownership: borrowed until the poll returns.
 * Context: loop thread, inside the poll.
 * Since: 0.1
 */
static inline const evf_waker *
evf_context_waker(const evf_context *cx)
{
    return &cx->waker;
}

/*
 * The executor, or NULL under a foreign one.
 *
 * Ownership: borrowed.
 * Context: loop thread, inside the poll.
 * Since: 0.1
 */
static inline evf_executor *
evf_context_executor(const evf_context *cx)
{
    return cx->executor;
}

/*
 * The cancel request in force, a negative errno such as -ECANCELED or
 * -ETIMEDOUT, or 0. For code that must know whether a failed await failed by
 * the request, or a loop that computes.
 *
 * Context: loop thread, inside the poll.
 * Since: 0.1
 */
static inline int
evf_context_cancelled(const evf_context *cx)
{
    return cx->request;
}

/*
 * Polls a child under the await rule, which is all that there is to know about
 * cancellation, and takes it over when it ends: on EVF_READY the result and
 * its dispose function are moved out and the child has been dropped.
 *
 *     first poll of this child, and the budget is used up:
 *         EVF_PENDING; the waker is woken; the child is untouched
 *     child is NULL or failed:  EVF_READY with its error
 *     no request in force:      it is polled
 *     a request is in force:
 *         first poll, and not EVF_STARTS: dropped, EVF_READY with the request
 *         EVF_PASSES_CANCEL:    polled with the request; it may stay pending
 *         any other:            polled once more, as if there were no request;
 *                               if still pending dropped, and EVF_READY with
 *                               the request
 *
 * `*polled` is the caller's, one per child, false at first.
 *
 * Ownership: takes the child when it returns EVF_READY; the caller owns the
 *   result, and calls `*dispose` (which may be NULL) if it has no use for it.
 * Context: loop thread, inside a poll.
 * Since: 0.1
 */
EVF_API enum evf_poll evf_future_poll_child(evf_future *child, evf_context *cx,
    bool *polled, intptr_t *result, void (**dispose)(void *result));

EVF_C_END

#endif
