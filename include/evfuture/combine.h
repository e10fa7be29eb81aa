/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef EVFUTURE_COMBINE_H
#define EVFUTURE_COMBINE_H

#include <evfuture/context.h>

EVF_C_BEGIN

/*
 * Several futures as one: the first of a few, or all of them. They are polled
 * in the order of the array, inside the task that awaits them; children with a
 * life of their own go into a group (group.h).
 */

/* How many futures evf_select() takes. */
#define EVF_SELECT_MAX 8

/*
 * The first of up to 8 futures to end. The others are dropped before this
 * future is ready.
 *
 *     EVF_TRY(n, evf_select(&f->op[0], &f->which, 2, (evf_future *[]){
 *         evf_read(&f->op[1], f->peer, f->buf, sizeof(f->buf)),
 *         evf_channel_recv(&f->op[2], f->inbox) }));
 *
 * Of several that are ready the first in the array wins: put a deadline before
 * what may always be ready, or it will not get its turn.
 *
 * A child that ends with the error of the cancel request in force has not won.
 * If all end so, that error is the result, and `*which` is `n`, as it is from
 * the start and on failure.
 *
 * Returns: the future: the winner's result, its index in `*which`. NULL
 *   (-ENOMEM), the -EBUSY future, or the -EINVAL future if `n` is 0 or above 8.
 * Ownership: takes the futures, on failure too; copies the array. `which` is
 *   pinned until the future is dropped, and may be NULL.
 * Cancellation: a request reaches every child. Dropping drops every child.
 * Context: loop thread.
 * Since: 0.1
 */
EVF_API evf_future *evf_select(evf_op *op, unsigned *which, size_t n,
    evf_future *const *futures);

/*
 * All of `n` futures. The result is 0, and each child's own is in `results`.
 *
 * Returns: the future. NULL (-ENOMEM), the -EBUSY future, or the -EINVAL future
 *   if an array is NULL and `n` is not 0.
 * Ownership: takes the futures, on failure too, and overwrites the array; both
 *   arrays are pinned until the future is dropped. What the results stand for
 *   is the caller's when the future was ready.
 * Cancellation: a request reaches every child. Dropped half-way it drops the
 *   children and frees the results that it holds, leaving -ECANCELED there.
 * Context: loop thread.
 * Since: 0.1
 */
EVF_API evf_future *evf_join(evf_op *op, size_t n, evf_future **futures,
    intptr_t *results);

EVF_C_END

#endif
