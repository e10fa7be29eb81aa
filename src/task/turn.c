/* SPDX-License-Identifier: BSD-3-Clause */
#include "task/executor-internal.h"

#include <string.h>

#include "core/context-internal.h"
#include "reactor/internal-event.h"
#include "task/task-internal.h"

/*
 * The turn: what runs when.
 *
 *     run     ordinary event at the executor's priority: a turn
 *     rest    ordinary event at the base's last priority: what a turn left
 *     kick    internal evtimer of no delay: "queued, but not active"
 *
 * Neither `run` nor `rest` is ever added, only activated, and their priorities
 * are set anew when the base's number has changed, since the host may still be
 * setting its base up. What a turn leaves waits below everything of the host's,
 * so that a task which always yields starves nobody; every eighth pass it is
 * let through, so that a host which is always busy does not starve tasks.
 * EVLOOP_ONCE and EVLOOP_NONBLOCK leave the loop only after a pass with nothing
 * ordinary active, so `rest` is withdrawn for every other pass.
 */

/* Passes in a row that `rest` waits below the host's events. */
#define OVERTAKEN_MAX 8u

/*
 * After so many ms of turns that left something, one pause of so many us, in
 * which a host that pumps with EVLOOP_NONBLOCK alone gets its loop back.
 */
#define STREAK_MS 20u
#define PAUSE_US  1000

static void
arm_kick(evf_executor *executor, enum evfi_kick why, suseconds_t us)
{
    struct timeval delay = {0, us};

    executor->kick_for = why;
    executor->scheduled = true;
    event_add(&executor->kick, &delay);
}

static void
set_priorities(evf_executor *executor)
{
    int n = event_base_get_npriorities(executor->reactor.base), own;

    if (n == executor->priorities)
        return;
    own = executor->priority_set ? executor->priority : n / 2;
    if (event_priority_set(&executor->run, own < n ? own : n - 1) == 0 &&
        event_priority_set(&executor->rest, n - 1) == 0)
        executor->priorities = n;
}

void
evfi_executor_activate(evf_executor *executor)
{
    set_priorities(executor);
    executor->scheduled = true;
    event_active(&executor->run, EV_TIMEOUT, 1);
}

void
evfi_executor_schedule_spawned(evf_executor *executor)
{
    if (executor->turning || executor->scheduled || executor->closing)
        return;
    arm_kick(executor, EVFI_KICK_SPAWN, 0);
}

static void
withdraw_rest(evf_executor *executor)
{
    if (!executor->rest_active)
        return;
    executor->rest_active = false;
    event_del(&executor->rest);
}

static void
disarm_kick(evf_executor *executor)
{
    if (executor->kick_for == EVFI_KICK_NONE)
        return;
    executor->kick_for = EVFI_KICK_NONE;
    event_del(&executor->kick);
}

/* The pass has come to its timers: what is queued gets an event, or waits. */
static void
on_kick(evutil_socket_t fd, short what, void *arg)
{
    evf_executor *executor = arg;
    enum evfi_kick why = executor->kick_for;

    (void)fd;
    (void)what;
    executor->kick_for = EVFI_KICK_NONE;
    if (why == EVFI_KICK_SPAWN) {
        evfi_executor_activate(executor);
        return;
    }
    if (!executor->rest_active) {
        set_priorities(executor);
        executor->rest_active = true;
        event_active(&executor->rest, EV_TIMEOUT, 1);
    } else {
        withdraw_rest(executor);
        if (++executor->overtaken == OVERTAKEN_MAX) {
            evfi_executor_activate(executor);
            return;
        }
    }
    arm_kick(executor, EVFI_KICK_REST, 0);
}

/* What a turn leaves is for the next pass, or after a pause. */
static void
leave_rest(evf_executor *executor)
{
    uint64_t now = evfi_clock_real();

    if (executor->streak == 0)
        executor->streak = now;
    if (now - executor->streak <= STREAK_MS) {
        arm_kick(executor, EVFI_KICK_REST, 0);
        return;
    }
    executor->streak = 0;
    event_base_update_cache_time(executor->reactor.base);
    arm_kick(executor, EVFI_KICK_REST, PAUSE_US);
}

/*
 * Test builds: what an async function left on the stack is not there at its
 * next poll.
 */
static void __attribute__((noinline)) scribble(void)
{
    volatile unsigned char stack[8192];

    for (size_t i = 0; i < sizeof(stack); i++)
        stack[i] = 0xa5;
}

static inline void
run_first(evf_executor *executor, evf_context *cx)
{
    void (*dispose)(void *result);
    evf_task *task = executor->head;
    intptr_t result;

    executor->head = task->next;
    if (executor->head == NULL)
        executor->tail = &executor->head;
    task->queued = false;
    if (!task->ended) {
        task->polled_at = (uint32_t)executor->now;
        if (evfi_task_poll(task, cx, &result, &dispose) == EVF_READY)
            evfi_task_deliver(task, result, dispose);
        if (evfi_thread.doomed != NULL)
            evfi_task_end_doomed();
    }
    evfi_task_unref(task);
}

static void
on_turn(evutil_socket_t fd, short what, void *arg)
{
    evf_executor *executor = arg, *outer = evfi_thread.current;
    evf_context cx;
    unsigned polls = 0;

    (void)fd;
    (void)what;
    executor->refs++;
    executor->turning = true;
    executor->scheduled = false;
    executor->overtaken = 0;
    withdraw_rest(executor);
    disarm_kick(executor);
    executor->now = evfi_clock_coarse(&executor->reactor);
    evfi_reactor_begin(&executor->reactor);
    evfi_task_context(&cx, executor);
    evfi_thread.current = executor;
    while (executor->head != NULL && polls++ < EVFI_TURN) {
        run_first(executor, &cx);
        if (executor->closing || executor->head == NULL ||
            event_base_got_break(executor->reactor.base))
            break;
        if (evfi_stress)
            scribble();
    }
    evfi_thread.current = outer;
    executor->turning = false;
    if (!executor->closing) {
        evfi_reactor_end(&executor->reactor);
        evfi_executor_keep(executor);
        if (executor->head != NULL)
            leave_rest(executor);
        else
            executor->streak = 0;
    }
    evfi_executor_unref(executor);
}

void
evfi_turn_init(evf_executor *executor)
{
    struct event_base *base = executor->reactor.base;

    executor->tail = &executor->head;
    /* Persistent, which spares libevent a deletion each time. */
    event_assign(&executor->run, base, -1, EV_PERSIST, on_turn, executor);
    event_assign(&executor->rest, base, -1, EV_PERSIST, on_turn, executor);
    evfi_internal_event_assign(&executor->kick, base, -1, 0, on_kick, executor);
}

void
evfi_turn_done(evf_executor *executor)
{
    event_del(&executor->run);
    event_del(&executor->rest);
    event_del(&executor->kick);
    event_debug_unassign(&executor->run);
    event_debug_unassign(&executor->rest);
    event_debug_unassign(&executor->kick);
}
