/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef EVFUTURE_CHANNEL_H
#define EVFUTURE_CHANNEL_H

#include <evfuture/future.h>

EVF_C_BEGIN

/*
 * A bounded queue of pointers between callbacks and tasks, or between tasks: a
 * repeating callback pushes, an async function receives.
 *
 *     static void
 *     on_reading(int celsius, void *arg)
 *     {
 *         struct reading *r = reading_new(celsius);
 *
 *         if (evf_channel_push(arg, r) < 0)
 *             free(r);                              full: this one is lost
 *     }
 *     ...
 *     EVF_TRY(reading, evf_channel_recv(&f->op, f->readings));
 *
 * Receivers, and senders that wait, are served in the order of asking.
 */
typedef struct evf_channel evf_channel;

/*
 * Room for `capacity` items; `dispose` frees those that nobody receives, and
 * may be NULL.
 *
 * Returns: the channel; NULL if `capacity` is 0 or memory is out.
 * Ownership: returns owned.
 * Context: loop thread.
 * Since: 0.1
 */
EVF_API evf_channel *evf_channel_new(size_t capacity,
    void (*dispose)(void *item));

/*
 * Closes, frees what is left, and releases the handle. Operations that wait
 * fail with -EPIPE. NULL is fine.
 *
 * Ownership: takes.
 * Context: loop thread.
 * Since: 0.1
 */
EVF_API void evf_channel_free(evf_channel *channel);

/*
 * No more items. Receivers get what is left, then -EPIPE; senders -EPIPE. NULL,
 * and closing twice, are fine.
 *
 * Context: loop thread.
 * Since: 0.1
 */
EVF_API void evf_channel_close(evf_channel *channel);

/*
 * Adds an item, from any callback.
 *
 * Returns: 0; -EAGAIN when full; -EPIPE when closed; -EINVAL for a NULL channel
 *   or an item that is no pointer (evf_failed()).
 * Ownership: takes the item if it returns 0.
 * Context: loop thread. Wakes a receiver, never polls inline.
 * Since: 0.1
 */
EVF_API int evf_channel_push(evf_channel *channel, void *item);

/*
 * Adds an item, awaiting room.
 *
 * Returns: the future: 0; -EPIPE. NULL (-ENOMEM), the -EBUSY future, or the
 *   -EINVAL future as evf_channel_push().
 * Ownership: takes the item, on failure too; not for a NULL channel, which does
 *   not know how to free it.
 * Cancellation: an item that was not added is freed.
 * Context: loop thread.
 * Since: 0.1
 */
EVF_API evf_future *evf_channel_send(evf_op *op, evf_channel *channel,
    void *item);

/*
 * Receives the oldest item.
 *
 * Returns: the future: the item; -EPIPE when closed and drained. NULL
 *   (-ENOMEM), the -EBUSY future; the -EINVAL future for a NULL channel.
 * Ownership: the item is the caller's.
 * Cancellation: loses no item: the next receiver gets it.
 * Context: loop thread.
 * Since: 0.1
 */
EVF_API evf_future *evf_channel_recv(evf_op *op, evf_channel *channel);

EVF_C_END

#endif
