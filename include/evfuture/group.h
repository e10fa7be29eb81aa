/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef EVFUTURE_GROUP_H
#define EVFUTURE_GROUP_H

#include <evfuture/context.h>

EVF_C_BEGIN

/*
 * A group is one future with any number of children, which live only while it
 * does: a server's connections, the parts of a request. Each child runs as a
 * task does, with its own place in the executor's queue.
 *
 *     group = evf_group_new(&(evf_group_options){ .max_running = 8 });
 *     for (i = 0; i < n; i++)
 *         evf_group_add(group, fetch(urls[i]));
 *     EVF_TRY(n, evf_group_future(group));
 *
 * The future is ready when all children have ended. By default the first
 * failure cancels the others and is the result; results that are no failures
 * are freed. Children are added from anywhere on the loop's thread, also from
 * plain callbacks.
 */
typedef struct evf_group evf_group;

typedef struct evf_group_options {
    size_t max_running; /* more children wait for a slot; 0: no limit */
    bool keep_going;    /* a failure does not cancel the others */
    bool open;          /* not ready before evf_group_close() */
} evf_group_options;

/*
 * Returns: the handle; NULL if memory is out. Every function takes NULL.
 * Ownership: returns owned; `options` is copied, and NULL means all zero.
 * Context: loop thread.
 * Since: 0.1
 */
EVF_API evf_group *evf_group_new(const evf_group_options *options);

/*
 * Releases the handle: no more children. The future, if it was taken, goes on
 * as after evf_group_close(); otherwise the children are dropped.
 *
 * Ownership: takes. NULL is fine.
 * Context: loop thread, also inside a child.
 * Since: 0.1
 */
EVF_API void evf_group_free(evf_group *group);

/*
 * The group as a future, to be awaited or spawned, once.
 *
 * Returns: the future: 0, or the first failure. NULL for NULL; the -EBUSY
 *   future if it was taken before.
 * Ownership: returns owned; independent of the handle.
 * Cancellation: a request reaches every child, and ends the wait of an open
 *   group for more. Dropping it drops every child, at once, except one that is
 *   being polled, which is dropped when its poll returns.
 * Context: loop thread.
 * Since: 0.1
 */
EVF_API evf_future *evf_group_future(evf_group *group);

/*
 * Adds a child. It starts when the group is polled, or in the loop's next turn
 * if that has happened, and if there is a slot.
 *
 * Returns: 0; -ESHUTDOWN after the future has ended, evf_group_close() or the
 *   first failure; -ENOMEM; -EINVAL for a NULL group.
 * Ownership: takes the future, on failure too.
 * Cancellation: see evf_group_future().
 * Context: loop thread.
 * Since: 0.1
 */
EVF_API int evf_group_add(evf_group *group, evf_future *future);

/*
 * No more children: an open group becomes ready when those it has are done.
 *
 * Context: loop thread. NULL, and closing twice, are fine.
 * Since: 0.1
 */
EVF_API void evf_group_close(evf_group *group);

/*
 * Awaits a slot below `max_running`, in the order of asking: backpressure for
 * whoever adds.
 *
 * Returns: the future: 0; -ESHUTDOWN if the group has ended, failed or was
 *   closed. NULL (-ENOMEM), the -EBUSY future; the -EINVAL future for NULL.
 * Ownership: holds a reference; the group's handle may be freed meanwhile.
 * Cancellation: dropped after its turn has come, it passes the turn on.
 * Context: loop thread.
 * Since: 0.1
 */
EVF_API evf_future *evf_group_room(evf_op *op, evf_group *group);

EVF_C_END

#endif
