/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef EVFUTURE_EXECUTOR_H
#define EVFUTURE_EXECUTOR_H

#include <stdio.h>
#include <evfuture/context.h>

EVF_C_BEGIN

struct event_base;
typedef struct evf_reactor evf_reactor;

/*
 * An executor polls tasks from the loop of an event base that the program owns
 * and runs. It attaches to the base and changes nothing of it: which loop call,
 * which flags, how many priorities, loopbreak and loopexit stay the program's.
 * Tasks are polled in the order in which they were woken, never inside
 * somebody's callback, at most 128 before the loop goes on.
 *
 *     executor = evf_executor_new(base);
 *     evf_task_detach(evf_spawn(executor, serve(listener)));
 *     event_base_dispatch(base);
 *     evf_executor_free(executor);
 *     event_base_free(base);
 *
 * While a task lives that is no daemon (task.h), event_base_dispatch() does not
 * return; nothing else of the library holds it.
 *
 * Everything belongs to the thread that runs the loop. Several executors on
 * one base, and one executor on each of several bases, are legal.
 */

/*
 * Returns: the executor; NULL if memory is out or `base` is NULL.
 * Ownership: returns owned; `base` is pinned until evf_executor_free().
 * Context: the thread that runs the loop, before or while it runs. The base's
 *   priorities may still be set up afterwards.
 * Since: 0.1
 */
EVF_API evf_executor *evf_executor_new(struct event_base *base);

/*
 * Ends everything: each task's future is dropped, each event of the library
 * deleted, callbacks of evf_spawn_then() that are still due run with
 * -ESHUTDOWN, and so end joins from outside. Handles, sockets and listeners
 * stay valid, to be freed and closed; spawning from a destructor is refused.
 *
 * Returns: 0; -EINVAL inside a poll, a drop or an EVF_FINALLY of one of its
 *   tasks, which is misuse. NULL is fine.
 * Ownership: takes.
 * Context: loop thread; from an evf_spawn_then() callback too. Before
 *   event_base_free().
 * Since: 0.1
 */
EVF_API int evf_executor_free(evf_executor *executor);

/*
 * The executor whose turn is running, in its polls and its evf_spawn_then()
 * callbacks; or NULL.
 *
 * Ownership: borrowed.
 * Context: any thread; each has its own.
 * Since: 0.1
 */
EVF_API evf_executor *evf_executor_current(void);

/*
 * The base that the executor is attached to, for the callback APIs which an
 * async function is about to start.
 *
 * Ownership: borrowed.
 * Context: loop thread.
 * Since: 0.1
 */
EVF_API struct event_base *evf_executor_base(const evf_executor *executor);

/*
 * The registry of (fd, event id), for futures written by hand (reactor.h).
 *
 * Ownership: borrowed, as long as the executor lives.
 * Context: loop thread.
 * Since: 0.1
 */
EVF_API evf_reactor *evf_executor_reactor(evf_executor *executor);

/*
 * The libevent priority at which tasks run: 0 is the most urgent; the default
 * is half of the base's number. A number that the base does not have (yet) is
 * lowered to its last.
 *
 * Returns: 0; -EINVAL if `priority` is negative.
 * Context: loop thread. It holds from the next turn on.
 * Since: 0.1
 */
EVF_API int evf_executor_set_priority(evf_executor *executor, int priority);

/*
 * Holds the loop as a live task does, until released as often: for work that
 * will spawn later from a source which libevent does not know.
 *
 * Returns: 0; -EINVAL for NULL; release: -EINVAL if nothing is held, which is
 *   misuse.
 * Context: loop thread.
 * Since: 0.1
 */
EVF_API int evf_executor_hold(evf_executor *executor);
EVF_API int evf_executor_release(evf_executor *executor);

/*
 * Runs the loop until `future` has ended: for main() and for tests.
 *
 * Returns: the result. -EDEADLK if the loop is running already, -EINTR after a
 *   loopbreak or loopexit; the future is dropped then.
 * Ownership: takes the future; returns owned.
 * Context: loop thread, outside of the loop. Everything else on the base runs.
 * Since: 0.1
 */
EVF_API intptr_t evf_block_on(evf_executor *executor, evf_future *future);

/*
 * Milliseconds of the executor's clock: CLOCK_MONOTONIC, rounded down.
 *
 * Context: loop thread.
 * Since: 0.1
 */
EVF_API uint64_t evf_executor_now(const evf_executor *executor);

/*
 * For tests: from here on the clock stands still, and whenever nothing else on
 * the base can run it jumps to the next deadline. A test of an hour's timeouts
 * takes no time and gives the same order each run.
 *
 * Returns: 0; -EINVAL for NULL.
 * Context: loop thread.
 * Since: 0.1
 */
EVF_API int evf_executor_pause_clock(evf_executor *executor);

/*
 * Writes what a person wants to know at 3 a.m.: each live task with its async
 * backtrace, and the last failures that EVF_TRY returned, with function, line
 * and error.
 *
 *     task 0x55d0c8a0: pending for 2.300 s
 *         struct echo
 *             echo_run at echo.c:31
 *             read
 *                 fd 17
 *
 * Context: loop thread, not inside a drop; also from gdb, on a stopped process:
 *   `call evf_executor_dump(executor, stderr)`.
 * Since: 0.1
 */
EVF_API void evf_executor_dump(evf_executor *executor, FILE *out);

EVF_C_END

#endif
