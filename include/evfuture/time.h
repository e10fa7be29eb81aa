/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef EVFUTURE_TIME_H
#define EVFUTURE_TIME_H

#include <evfuture/context.h>

EVF_C_BEGIN

/*
 * Time: sleeping, ticking, deadlines, and the place where clean-up may await.
 *
 * Times are milliseconds of the executor's monotonic clock. A deadline never
 * fires early; equal deadlines fire in the order in which they were armed. How
 * late one may be is up to the base's clock: event_base_new() takes one that
 * steps with the kernel's timer, by 4 ms at 250 Hz; with
 * EVENT_BASE_FLAG_PRECISE_TIMER it steps by less than 1 ms.
 *
 * Under a foreign executor all of it fails with -ENOTSUP.
 */

/*
 * Ends `ms` milliseconds after its first poll, with 0; never, if that is beyond
 * the clock's range, as for UINT64_MAX.
 *
 * Returns: the future; NULL (-ENOMEM) or the -EBUSY future on failure.
 * Cancellation: nothing is left behind.
 * Context: loop thread.
 * Since: 0.1
 */
EVF_API evf_future *evf_sleep(evf_op *op, uint64_t ms);

/*
 * Ends when evf_executor_now() has reached `deadline`, with 0.
 *
 * As evf_sleep() otherwise.
 * Since: 0.1
 */
EVF_API evf_future *evf_sleep_until(evf_op *op, uint64_t deadline);

/*
 * Wakes its task, and ends at the next poll, with 0: whatever was ready before
 * that wake runs in between, once.
 *
 * As evf_sleep() otherwise; works under any executor.
 * Since: 0.1
 */
EVF_API evf_future *evf_yield(evf_op *op);

/* What an interval does with ticks that nobody was there to take. */
enum evf_interval_policy {
    EVF_INTERVAL_BURST, /* takes them all, one at each call, at once */
    EVF_INTERVAL_DELAY, /* the next tick is a period after the late one */
    EVF_INTERVAL_SKIP   /* drops them, and stays on the grid */
};

/* A periodic tick. The fields are the library's. */
typedef struct evf_interval {
    uint64_t period;
    uint64_t next; /* deadline of the next tick; 0 before the first */
    enum evf_interval_policy policy;
} evf_interval;

/*
 * Sets up an interval of `ms` milliseconds, at least 1. Its first tick comes a
 * period after the first evf_interval_tick() was polled.
 *
 * Returns: 0; -EINVAL if `ms` is 0 or `policy` is none of the three.
 * Ownership: the caller's storage; nothing to be released.
 * Context: loop thread.
 * Since: 0.1
 */
EVF_API int evf_interval_init(evf_interval *interval, uint64_t ms,
    enum evf_interval_policy policy);

/*
 * Awaits the next tick. The result is the number of periods that have passed
 * since the tick before: 1, or more where ticks were missed (BURST: always 1).
 *
 * Returns: the future; NULL (-ENOMEM), the -EBUSY future, or the -EINVAL future
 *   if `interval` is NULL or was not set up.
 * Ownership: `interval` is borrowed until the future is dropped.
 * Cancellation: a tick that was not taken stays to be taken.
 * Context: loop thread.
 * Since: 0.1
 */
EVF_API evf_future *evf_interval_tick(evf_op *op, evf_interval *interval);

/*
 * `future` with a deadline `ms` milliseconds after the first poll. At the
 * deadline the future gets the request -ETIMEDOUT, as if by evf_task_cancel():
 * async functions unwind, operations end unless their result is there.
 *
 * Returns: the future: what `future` yields, or what it makes of -ETIMEDOUT.
 *   NULL (-ENOMEM) or the -EBUSY future.
 * Ownership: takes `future`, on failure too.
 * Cancellation: a request is handed on; dropping drops `future`.
 * Context: loop thread.
 * Since: 0.1
 */
EVF_API evf_future *evf_timeout(evf_op *op, uint64_t ms, evf_future *future);

/*
 * For clean-up that must await: `future` is started and runs although a request
 * is in force outside, and sees none, until its own deadline `ms` milliseconds
 * after the first poll; then it gets -ETIMEDOUT.
 *
 *     EVF_AWAIT(n, evf_shield(&f->op[0], 500, say_goodbye(f->peer)));
 *
 * As evf_timeout() otherwise; dropping it drops `future`.
 * Since: 0.1
 */
EVF_API evf_future *evf_shield(evf_op *op, uint64_t ms, evf_future *future);

EVF_C_END

#endif
