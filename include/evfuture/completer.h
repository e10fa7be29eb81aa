/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef EVFUTURE_COMPLETER_H
#define EVFUTURE_COMPLETER_H

#include <evfuture/future.h>

EVF_C_BEGIN

/*
 * A completer turns any `(callback, void *)` API into a future. It has two
 * sides: the future, and the callback, which gets the completer as argument and
 * calls evf_complete(), exactly once, whenever it comes.
 *
 *     static void
 *     found(int err, const char *value, void *arg)
 *     {
 *         evf_complete(arg, err ? -err : evf_result_of(strdup(value)));
 *     }
 *
 *     evf_future *
 *     lookup(struct foo *foo, const char *name)
 *     {
 *         evf_completer *c = evf_completer_new(free);
 *         struct foo_request *r = c ? foo_lookup(foo, name, found, c) : NULL;
 *
 *         if (r == NULL)
 *             evf_complete(c, -EIO);
 *         evf_completer_set_cancel(c, lookup_cancel, r);
 *         return evf_completer_future(c);
 *     }
 *
 * Each side releases its half, the future by its drop and the callback by
 * evf_complete(). Every function accepts a NULL completer.
 */
typedef struct evf_completer evf_completer;

/*
 * `dispose` frees a result that nobody takes; NULL: there is nothing to free.
 *
 * Returns: the completer; NULL if memory is out.
 * Ownership: returns owned twice: by the callback that will call
 *   evf_complete(), and by the future that evf_completer_future() returns. Both
 *   must be used.
 * Context: loop thread.
 * Since: 0.1
 */
EVF_API evf_completer *evf_completer_new(void (*dispose)(void *result));

/*
 * The future side. To be called exactly once.
 *
 * Returns: the future: what evf_complete() was given. NULL for NULL; the -EBUSY
 *   future the second time.
 * Ownership: returns owned.
 * Cancellation: runs the hook of evf_completer_set_cancel(); what arrives later
 *   is freed.
 * Context: loop thread.
 * Since: 0.1
 */
EVF_API evf_future *evf_completer_future(evf_completer *completer);

/*
 * How dropping the future stops the API. `cancel(request)` returns 1 if the
 * callback will never come (evhttp_cancel_request), 0 if it still will, perhaps
 * from inside `cancel` (evdns_cancel_request). Without a hook it is waited for.
 * Once completed, this does nothing.
 *
 * Ownership: `request` is borrowed until the completion.
 * Context: loop thread; `cancel` runs inside the drop.
 * Since: 0.1
 */
EVF_API void evf_completer_set_cancel(evf_completer *completer,
    int (*cancel)(void *request), void *request);

/*
 * Completes: inside the call that starts the API, later, or after the future
 * was dropped, when the result is freed. If the API dies without a callback,
 * call it with an error. Completing twice is misuse while the future lives.
 *
 * Ownership: takes the result; ends the callback's use of the completer.
 * Context: loop thread. Wakes, never polls inline.
 * Since: 0.1
 */
EVF_API void evf_complete(evf_completer *completer, intptr_t result);

EVF_C_END

#endif
