/* SPDX-License-Identifier: BSD-3-Clause */
#include "actor.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static struct thing thing;

START_TEST(block_on_returns_the_result) /* F33 */
{
    struct actor a = {.name = 'A', .ready = true};

    a.result = (intptr_t)&thing;
    a.dispose = thing_dispose;
    ck_assert_int_eq(evf_block_on(executor, actor(&a)), (intptr_t)&thing);
    ck_assert_traced("Aa");
    ck_assert_uint_eq(thing.disposals, 0); /* it is the caller's */
    ck_assert_int_eq(evf_block_on(executor, NULL), -ENOMEM);
    ck_assert_int_eq(evf_block_on(executor, evf_future_failed(-EPIPE)),
        -EPIPE); /* F47 */
    ck_assert_int_eq(event_base_dispatch(base), 1);
}
END_TEST

START_TEST(block_on_nothing_drops_the_future) /* F28 F47 */
{
    struct actor a = {0};

    ck_assert_int_eq(evf_block_on(NULL, actor(&a)), -EINVAL);
    ck_assert_uint_eq(a.drops, 1);
    heap_fail_at(1);
    ck_assert_int_eq(evf_block_on(executor, actor(&a)), -ENOMEM);
    ck_assert_uint_eq(a.drops, 2);
    ck_assert_uint_eq(a.polls, 0);
}
END_TEST

static void
host_finishes(void *arg)
{
    trace('H');
    actor_finish(arg, 11);
}

START_TEST(everything_else_on_the_base_runs_meanwhile)
{
    struct actor a = {.name = 'A'}, other = {.name = 'O', .ready = true};
    struct actor pending = {.name = 'P'};
    evf_task *task = evf_spawn(executor, actor(&pending));

    evf_task_detach(evf_spawn(executor, actor(&other)));
    run_passes(1);
    host_calls(host_finishes, &a);
    ck_assert_int_eq(evf_block_on(executor, actor(&a)), 11);
    ck_assert_traced("POoHAa");
    evf_task_free(task); /* which may go on waiting */
}
END_TEST

static int64_t
now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* A sleep that takes its own time, from its first poll to its last. */
struct timed {
    struct actor actor;
    evf_future *sleep;
    int64_t began, ended;
};

static void
polls_sleep(struct actor *self)
{
    struct timed *t = self->arg;

    if (self->polls == 1)
        t->began = now_ns();
    self->ready = evf_future_poll(t->sleep, self->cx) == EVF_READY;
    t->ended = now_ns();
}

static void
drops_sleep(struct actor *self)
{
    evf_future_drop(((struct timed *)self->arg)->sleep);
}

static evf_future *
timed(struct timed *t, uint64_t ms)
{
    *t = (struct timed){.actor = {.acts = polls_sleep, .dropped = drops_sleep}};
    t->actor.arg = t;
    t->sleep = evf_sleep(NULL, ms);
    return actor(&t->actor);
}

START_TEST(block_on_waits_for_time) /* L23 */
{
    struct timed t;

    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(evf_block_on(executor, timed(&t, 3)), 0);
        ck_assert_int_ge(t.ended - t.began, 3000000);
    }
}
END_TEST

static void
burns_time(void *arg)
{
    int64_t end = now_ns() + 8000000;

    while (now_ns() < end)
        continue;
    evf_task_detach(evf_spawn(executor, timed(arg, 4)));
}

START_TEST(sleep_is_not_early_where_libevents_time_is_stale) /* L23 */
{
    struct actor yielder = {.again = true};
    struct timed t = {.ended = 0};
    evf_task *busy = evf_spawn(executor, actor(&yielder));

    run_passes(1);
    host_calls(burns_time, &t);
    while (t.actor.drops == 0)
        event_base_loop(base, EVLOOP_ONCE);
    ck_assert_int_ge(t.ended - t.began, 4000000);
    evf_task_free(busy);
}
END_TEST

static void
host_breaks(void *arg)
{
    (void)arg;
    event_base_loopbreak(base);
}

static void
host_exits(void *arg)
{
    (void)arg;
    event_base_loopexit(base, NULL);
}

START_TEST(loopbreak_and_loopexit_interrupt_it) /* L15 */
{
    struct actor a = {0}, b = {0}, done = {.ready = true, .result = 5};

    host_calls(host_breaks, NULL);
    ck_assert_int_eq(evf_block_on(executor, actor(&a)), -EINTR);
    ck_assert_uint_eq(a.drops, 1);
    host_calls(host_exits, NULL);
    ck_assert_int_eq(evf_block_on(executor, actor(&b)), -EINTR);
    ck_assert_uint_eq(b.drops, 1);
    /* What was asked before concerns nobody any more. */
    event_base_loopbreak(base);
    ck_assert_int_eq(evf_block_on(executor, actor(&done)), 5);
}
END_TEST

static void
breaks_and_ends(struct actor *self)
{
    event_base_loopbreak(base);
    self->ready = true;
}

START_TEST(result_that_is_there_beats_the_interruption)
{
    struct actor a = {.acts = breaks_and_ends, .result = 8};

    ck_assert_int_eq(evf_block_on(executor, actor(&a)), 8);
}
END_TEST

static intptr_t nested;
static struct actor nested_actor;

static void
blocks(struct actor *self)
{
    (void)self;
    nested = evf_block_on(executor, actor(&nested_actor));
}

START_TEST(block_on_inside_a_poll_and_a_drop_is_refused) /* F22 */
{
    struct actor polls = {.acts = blocks, .ready = true};
    struct actor drops = {.dropped = blocks};
    evf_task *task;

    nested_actor = (struct actor){.ready = true};
    ck_assert_int_eq(evf_block_on(executor, actor(&polls)), 0);
    ck_assert_int_eq(nested, -EDEADLK);
    ck_assert_uint_eq(nested_actor.drops, 1);
    task = evf_spawn(executor, actor(&drops));
    run_passes(1);
    nested = 0;
    evf_task_free(task); /* not even outside of the loop */
    ck_assert_int_eq(nested, -EDEADLK);
    ck_assert_uint_eq(nested_actor.drops, 2);
    ck_assert_uint_eq(nested_actor.polls, 0);
}
END_TEST

static void
callback_blocks(struct told *told)
{
    (void)told;
    nested = evf_block_on(executor, actor(&nested_actor));
}

START_TEST(block_on_inside_a_callback_of_ours_is_refused) /* F22 */
{
    struct told told = {.then = callback_blocks};

    nested_actor = (struct actor){.ready = true};
    evf_task_detach(evf_spawn_then(executor, NULL, tell, &told));
    run();
    ck_assert_int_eq(nested, -EDEADLK);
    ck_assert_uint_eq(nested_actor.drops, 1);
}
END_TEST

static unsigned warnings;

static void
count_warnings(int severity, const char *message)
{
    if (severity >= EVENT_LOG_WARN && strstr(message, "reentrant") != NULL)
        warnings++;
}

static void
host_blocks(void *arg)
{
    (void)arg;
    nested = evf_block_on(executor, actor(&nested_actor));
}

START_TEST(block_on_inside_a_callback_of_the_hosts_is_refused) /* F22 */
{
    nested_actor = (struct actor){.ready = true};
    event_set_log_callback(count_warnings);
    host_calls(host_blocks, NULL);
    run();
    ck_assert_int_eq(nested, -EDEADLK);
    ck_assert_uint_eq(nested_actor.drops, 1);
    ck_assert_uint_eq(nested_actor.polls, 0);
    ck_assert_uint_eq(warnings, 1); /* libevent's own */
    run();
}
END_TEST

static void
host_frees_the_executor(void *arg)
{
    (void)arg;
    ck_assert_int_eq(evf_executor_free(executor), 0);
    executor = NULL;
}

START_TEST(executor_freed_meanwhile_ends_it) /* F23 F24 */
{
    struct actor a = {0};

    host_calls(host_frees_the_executor, NULL);
    ck_assert_int_eq(evf_block_on(executor, actor(&a)), -ESHUTDOWN);
    ck_assert_uint_eq(a.drops, 1);
}
END_TEST

START_TEST(block_on_may_be_called_again_and_again) /* L8 */
{
    struct actor yielder = {.again = true};
    evf_task *task = evf_spawn(executor, actor(&yielder));

    for (intptr_t i = 0; i < 20; i++) {
        struct actor a = {.ready = true, .result = i};

        ck_assert_int_eq(evf_block_on(executor, actor(&a)), i);
    }
    ck_assert_uint_ge(yielder.polls, 20);
    evf_task_free(task);
}
END_TEST

TEST_MAIN("block-on", block_on_returns_the_result,
    block_on_nothing_drops_the_future,
    everything_else_on_the_base_runs_meanwhile, block_on_waits_for_time,
    sleep_is_not_early_where_libevents_time_is_stale,
    loopbreak_and_loopexit_interrupt_it,
    result_that_is_there_beats_the_interruption,
    block_on_inside_a_poll_and_a_drop_is_refused,
    block_on_inside_a_callback_of_ours_is_refused,
    block_on_inside_a_callback_of_the_hosts_is_refused,
    executor_freed_meanwhile_ends_it, block_on_may_be_called_again_and_again)
