/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef EVFUTURE_TASK_H
#define EVFUTURE_TASK_H

#include <evfuture/executor.h>

EVF_C_BEGIN

/*
 * A task is a future that an executor polls. Its handle owns it, and ends in
 * one of four ways: evf_task_free() ends the task now, evf_task_join() awaits
 * it, evf_task_detach() lets it run, and evf_spawn_then()'s callback frees it
 * when it has been told the result.
 *
 *     session->query = evf_spawn_then(executor, query(db, "select 1"),
 *         on_answer, session);
 *     ...
 *     evf_task_free(session->query);       on_answer will not be called
 *
 * Ending a task is like event_free(): when evf_task_free() returns 0, nothing
 * of it runs any more, so a task may borrow whatever its owner owns.
 * evf_task_cancel() only asks: the innermost await of the task fails, and its
 * code unwinds, cleans up and ends.
 *
 * Inside a poll any task ends at once except the one that is being polled, and
 * those which contain it through a group or a join: they end when that poll
 * returns, before anything else is polled, and evf_task_free() returns 1.
 */
typedef struct evf_task evf_task;

/*
 * Queues a task; its first poll comes from the loop.
 *
 * Returns: the handle; NULL if memory is out, the executor is NULL or is being
 *   freed: the future has been dropped.
 * Ownership: takes the future, on failure too; returns owned.
 * Cancellation: freeing the handle drops the future.
 * Context: loop thread.
 * Since: 0.1
 */
EVF_API evf_task *evf_spawn(evf_executor *executor, evf_future *future);

/*
 * As evf_spawn(), and calls `done(result, arg)` from the loop when the future
 * has ended and has been dropped. It is never called after evf_task_free(), nor
 * if NULL was returned. It runs exactly once otherwise: with -ESHUTDOWN if the
 * executor is freed first.
 *
 * Returns: as evf_spawn(). A NULL `done` is misuse: NULL.
 * Ownership: takes the future, on failure too; `arg` is borrowed until `done`
 *   has run. `done` owns the result, and may free the handle and the executor.
 * Cancellation: freeing the handle drops the future; `done` is forgotten.
 * Context: loop thread.
 * Since: 0.1
 */
EVF_API evf_task *evf_spawn_then(evf_executor *executor, evf_future *future,
    void (*done)(intptr_t result, void *arg), void *arg);

/*
 * Ends the task, if it has not ended, and releases the handle. A result that
 * nobody took is freed. What is dropped may run code of yours that looks at the
 * handle: set the variable to NULL before.
 *
 * Returns: 0 if nothing of the task runs any more; 1 if it contains the code
 *   that is running, and ends when that returns: what it borrows must live
 *   until then. NULL: 0.
 * Ownership: takes.
 * Cancellation: drops the future wherever it is.
 * Context: loop thread; inside any poll, drop, callback or EVF_FINALLY; after
 *   the executor is gone.
 * Since: 0.1
 */
EVF_API int evf_task_free(evf_task *task);

/*
 * Asks the task to end: its innermost await fails with -ECANCELED, and so does
 * every later one outside of a shield. A result that is there already wins. A
 * task that was never polled is dropped, and ends with -ECANCELED, unless its
 * future has to start all the same (a shield, a group, a join). After the end it
 * does nothing; NULL is fine.
 *
 * Ownership: borrows.
 * Context: loop thread. Never runs the task inline.
 * Since: 0.1
 */
EVF_API void evf_task_cancel(evf_task *task);

/*
 * Lets the task run without a handle; its result is freed. NULL is fine.
 *
 * Ownership: takes.
 * Context: loop thread.
 * Since: 0.1
 */
EVF_API void evf_task_detach(evf_task *task);

/*
 * A future that ends when the task does, with its result. A cancel request to
 * whoever awaits it is passed on to the task.
 *
 * Returns: the future; -ESHUTDOWN is its result if the executor is freed first.
 *   NULL (-ENOMEM) for NULL, so that evf_spawn() need not be checked. The
 *   -EINVAL future for a task with a callback, which is misuse and leaves the
 *   handle alone.
 * Ownership: takes the handle, on -EBUSY (storage in use) and NULL (memory is
 *   out) too.
 * Cancellation: dropping it ends the task.
 * Context: loop thread.
 * Since: 0.1
 */
EVF_API evf_future *evf_task_join(evf_op *op, evf_task *task);

/*
 * Says whether the task is a daemon, which does not keep the loop running: a
 * reaper, a ticker. Tasks are not, at first. Where only daemons are left,
 * event_base_dispatch() returns, and they go on when it is called again with
 * something to do. NULL is fine.
 *
 * Context: loop thread.
 * Since: 0.1
 */
EVF_API void evf_task_set_daemon(evf_task *task, bool daemon);

EVF_C_END

#endif
