/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The operations of evfuture itself.
 */
#include "micro.h"

#include <stdlib.h>
#include <time.h>

#include <event2/event.h>
#include <evfuture.h>

static uint64_t left;

static evf_executor *
executor_of(struct event_base *base)
{
    evf_executor *executor = evf_executor_new(base);

    if (executor == NULL)
        micro_fail("out of memory");
    return executor;
}

/* Runs the loop until no task is left. */
static void
run_tasks(struct event_base *base)
{
    if (event_base_dispatch(base) < 0)
        micro_fail("the loop failed");
    if (left != 0)
        micro_fail("the loop ended too early");
}

/* Spawn: a future of the user's, in the user's memory. */

static enum evf_poll
ready_poll(evf_future *self, evf_context *cx)
{
    (void)cx;
    left--;
    return evf_future_ready(self, 0);
}

static void
ready_drop(evf_future *self)
{
    (void)self;
}

static const evf_future_ops ready_ops = {
    .size = sizeof(evf_future),
    .name = "ready",
    .poll = ready_poll,
    .drop = ready_drop,
};

static void
run_spawn(struct event_base *base, uint64_t count, unsigned pending)
{
    static evf_future futures[MICRO_BATCH];
    evf_executor *executor = executor_of(base);

    (void)pending;
    micro_start();
    while (count > 0) {
        left = count < MICRO_BATCH ? count : MICRO_BATCH;
        count -= left;
        for (uint64_t i = left; i > 0; i--) {
            evf_future_init(&futures[i - 1], &ready_ops);
            evf_task_detach(evf_spawn(executor, &futures[i - 1]));
        }
        run_tasks(base);
    }
    micro_stop();
    evf_executor_free(executor);
}

/* Spawn-frame: an async function on the heap. */

struct empty {
    evf_frame frame;
};

static enum evf_poll
empty_run(evf_future *self, evf_context *cx)
{
    EVF_BEGIN(self, cx);
    left--;
    EVF_FINALLY;
    EVF_END;
}

static const evf_frame_ops empty_ops = EVF_FRAME_OPS(struct empty, empty_run);

static void
run_spawn_frame(struct event_base *base, uint64_t count, unsigned pending)
{
    evf_executor *executor = executor_of(base);

    (void)pending;
    micro_start();
    while (count > 0) {
        left = count < MICRO_BATCH ? count : MICRO_BATCH;
        count -= left;
        for (uint64_t i = left; i > 0; i--) {
            struct empty *f = evf_frame_init(NULL, &empty_ops);

            if (f == NULL)
                micro_fail("out of memory");
            evf_task_detach(evf_spawn(executor, &f->frame.future));
        }
        run_tasks(base);
    }
    micro_stop();
    evf_executor_free(executor);
}

/* Yield. */

struct yielder {
    evf_frame frame;
    evf_op op;
};

static enum evf_poll
yielder_run(evf_future *self, evf_context *cx)
{
    struct yielder *y = evf_frame_of(self, struct yielder);
    intptr_t n;

    EVF_BEGIN(self, cx);
    while (left > 0) {
        EVF_TRY(n, evf_yield(&y->op));
        (void)n;
        left--;
    }
    EVF_FINALLY;
    EVF_END;
}

static const evf_frame_ops yielder_ops = EVF_FRAME_OPS(struct yielder,
    yielder_run);

static void
run_yield(struct event_base *base, uint64_t count, unsigned pending)
{
    static struct yielder yielder;
    evf_executor *executor = executor_of(base);

    (void)pending;
    left = count;
    evf_frame_init(&yielder, &yielder_ops);
    evf_task_detach(evf_spawn(executor, &yielder.frame.future));
    micro_start();
    run_tasks(base);
    micro_stop();
    evf_executor_free(executor);
}

/*
 * Wake: a callback of the host's wakes hand-written futures, a turn polls them,
 * and they stay pending.
 */

#define WOKEN 100

struct woken {
    evf_future future;
    evf_waker waker;
};

static struct woken woken[WOKEN];
static unsigned asleep; /* have been polled for the first time */
static struct event *host;
static uint64_t wakes; /* still to come */
static bool woken_enough;

static enum evf_poll
woken_poll(evf_future *self, evf_context *cx)
{
    struct woken *w = evf_container_of(self, struct woken, future);

    if (woken_enough)
        return evf_future_ready(self, 0);
    if (evf_waker_will_wake(&w->waker, evf_context_waker(cx))) {
        left--;
        return EVF_PENDING;
    }
    evf_waker_update(&w->waker, evf_context_waker(cx));
    if (++asleep == WOKEN)
        event_active(host, EV_TIMEOUT, 1);
    return EVF_PENDING;
}

static void
woken_drop(evf_future *self)
{
    struct woken *w = evf_container_of(self, struct woken, future);

    evf_waker_drop(&w->waker);
}

static const evf_future_ops woken_ops = {
    .size = sizeof(struct woken),
    .name = "woken",
    .poll = woken_poll,
    .drop = woken_drop,
};

static void
on_wake(evutil_socket_t fd, short what, void *arg)
{
    uint64_t n = wakes < WOKEN ? wakes : WOKEN;

    (void)fd;
    (void)what;
    (void)arg;
    wakes -= n;
    woken_enough = n == 0;
    if (woken_enough)
        n = WOKEN;
    while (n > 0)
        evf_waker_wake_by_ref(&woken[--n].waker);
    if (!woken_enough)
        event_active(host, EV_TIMEOUT, 1); /* after the turn */
}

static void
run_wake(struct event_base *base, uint64_t count, unsigned pending)
{
    evf_executor *executor = executor_of(base);

    (void)pending;
    host = evtimer_new(base, on_wake, NULL);
    if (host == NULL)
        micro_fail("out of memory");
    left = count;
    wakes = count;
    for (int i = 0; i < WOKEN; i++) {
        evf_future_init(&woken[i].future, &woken_ops);
        evf_task_detach(evf_spawn(executor, &woken[i].future));
    }
    micro_start();
    run_tasks(base);
    micro_stop();
    event_free(host);
    evf_executor_free(executor);
}

/* Ping-pong: two async functions and two channels. */

struct player {
    evf_frame frame;
    evf_op op;
    evf_channel *in;
    evf_channel *out;
    uint64_t balls; /* to be received */
    bool serves;
};

static enum evf_poll
player_run(evf_future *self, evf_context *cx)
{
    struct player *p = evf_frame_of(self, struct player);
    void *ball;
    intptr_t n;

    EVF_BEGIN(self, cx);
    if (p->serves)
        EVF_TRY(n, evf_channel_send(&p->op, p->out, p));
    while (p->balls > 0) {
        EVF_TRY(ball, evf_channel_recv(&p->op, p->in));
        p->balls--;
        if (p->serves)
            left--;
        if (!p->serves || p->balls > 0)
            EVF_TRY(n, evf_channel_send(&p->op, p->out, ball));
        (void)n;
    }
    EVF_FINALLY;
    EVF_END;
}

static const evf_frame_ops player_ops = EVF_FRAME_OPS(struct player,
    player_run);

static void
run_ping_pong(struct event_base *base, uint64_t count, unsigned pending)
{
    static struct player players[2];
    evf_executor *executor = executor_of(base);
    evf_channel *there = evf_channel_new(1, NULL);
    evf_channel *back = evf_channel_new(1, NULL);

    (void)pending;
    if (there == NULL || back == NULL)
        micro_fail("out of memory");
    left = count;
    for (int i = 0; i < 2; i++) {
        evf_frame_init(&players[i], &player_ops);
        players[i].serves = i == 0;
        players[i].balls = count;
        players[i].in = i == 0 ? back : there;
        players[i].out = i == 0 ? there : back;
        evf_task_detach(evf_spawn(executor, &players[i].frame.future));
    }
    micro_start();
    run_tasks(base);
    micro_stop();
    evf_channel_free(there);
    evf_channel_free(back);
    evf_executor_free(executor);
}

/* Clock: what each timer pays for its exact deadline. */

static void
run_clock(struct event_base *base, uint64_t count, unsigned pending)
{
    struct timespec now;

    (void)base;
    (void)pending;
    micro_start();
    for (uint64_t i = 0; i < count; i++)
        clock_gettime(CLOCK_MONOTONIC, &now);
    micro_stop();
}

/* Timers: arm one and cancel it, among others. */

struct timer_run {
    uint64_t count;
    uint64_t ms;
    unsigned pending;
    evf_op *others;
};

static void
expect_pending(evf_future *future, evf_context *cx)
{
    if (evf_future_poll(future, cx) != EVF_PENDING)
        micro_fail("a timer ended too early");
}

static enum evf_poll
timer_run_poll(void *arg, evf_context *cx, intptr_t *result)
{
    struct timer_run *r = arg;
    evf_op op = {0};

    for (unsigned i = 0; i < r->pending; i++)
        expect_pending(evf_sleep(&r->others[i], micro_deadline_ms(i)), cx);
    micro_start();
    for (uint64_t i = 0; i < r->count; i++) {
        evf_future *timer = evf_sleep(&op, r->ms);

        expect_pending(timer, cx);
        evf_future_drop(timer);
    }
    micro_stop();
    for (unsigned i = 0; i < r->pending; i++)
        evf_future_drop(&r->others[i].future);
    *result = 0;
    return EVF_READY;
}

static void
run_timer(struct event_base *base, struct timer_run *r)
{
    evf_executor *executor = executor_of(base);

    r->others = calloc(r->pending, sizeof(*r->others));
    if (r->others == NULL)
        micro_fail("out of memory");
    left = 0;
    evf_task_detach(evf_spawn(executor, evf_poll_fn(NULL, timer_run_poll, r)));
    run_tasks(base);
    free(r->others);
    evf_executor_free(executor);
}

static void
run_timer_early(struct event_base *base, uint64_t count, unsigned pending)
{
    struct timer_run r = {count, MICRO_EARLY_MS, pending, NULL};

    run_timer(base, &r);
}

static void
run_timer_late(struct event_base *base, uint64_t count, unsigned pending)
{
    struct timer_run r = {count, MICRO_LATE_MS, pending, NULL};

    run_timer(base, &r);
}

/* Wait: register for a descriptor of the program's, and give it up. */

static void
run_wait(struct event_base *base, uint64_t count, unsigned pending)
{
    evf_executor *executor = executor_of(base);
    evf_reactor *reactor = evf_executor_reactor(executor);
    evf_event event = {0, EVF_READABLE};
    evf_interest interest = {0};
    struct micro_crowd crowd;

    micro_gather(&crowd, base, pending);
    micro_start();
    for (uint64_t i = 0; i < count; i++) {
        if (evf_reactor_add_io_event_interest(reactor, crowd.fd, &interest,
                event, &(evf_waker){NULL, NULL}) < 0)
            micro_fail("no event");
        evf_interest_remove(&interest);
    }
    micro_stop();
    micro_disperse(&crowd);
    evf_executor_free(executor);
}

const struct micro_op micro_evfuture_ops[] = {
    {"spawn", run_spawn, 0},
    {"spawn-frame", run_spawn_frame, 0},
    {"yield", run_yield, 0},
    {"wake", run_wake, 0},
    {"ping-pong", run_ping_pong, 0},
    {"clock", run_clock, 0},
    {"wait-10", run_wait, 10},
    {"wait-1000", run_wait, 1000},
    {"timer-early-10", run_timer_early, 10},
    {"timer-early-1000", run_timer_early, 1000},
    {"timer-early-100000", run_timer_early, 100000},
    {"timer-late-10", run_timer_late, 10},
    {"timer-late-1000", run_timer_late, 1000},
    {"timer-late-100000", run_timer_late, 100000},
    {NULL, NULL, 0},
};
