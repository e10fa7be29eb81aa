/* SPDX-License-Identifier: BSD-3-Clause */
#include "actor.h"

#include <string.h>

static void
free_executor(void)
{
    ck_assert_int_eq(evf_executor_free(executor), 0);
    executor = NULL;
}

START_TEST(free_drops_each_task_once_wherever_it_is) /* F23 */
{
    enum {
        FRESH,
        PENDING,
        QUEUED,
        DAEMON,
        DETACHED,
        N
    };
    struct actor a[N] = {0};
    evf_task *tasks[N];

    for (int i = PENDING; i < N; i++)
        tasks[i] = evf_spawn(executor, actor(&a[i]));
    evf_task_set_daemon(tasks[DAEMON], true);
    evf_task_detach(tasks[DETACHED]);
    run_passes(1);
    tasks[FRESH] = evf_spawn(executor, actor(&a[FRESH]));
    evf_waker_wake_by_ref(&a[QUEUED].waker);
    free_executor();
    for (int i = 0; i < N; i++) {
        ck_assert_uint_eq(a[i].drops, 1);
        ck_assert_uint_eq(a[i].polls, i != FRESH);
        if (i != DETACHED)
            ck_assert_int_eq(evf_task_free(tasks[i]), 0);
    }
    run_passes(2);
}
END_TEST

START_TEST(free_tells_callbacks_that_are_still_due_once) /* F23 */
{
    struct actor pending = {.name = 'A'}, queued = {.name = 'B'};
    struct actor done = {.name = 'C', .ready = true, .result = 3};
    struct told told[3] = {{.name = '1'}, {.name = '2'}, {.name = '3'}};
    evf_task *tasks[3];

    tasks[0] = evf_spawn_then(executor, actor(&pending), tell, &told[0]);
    tasks[1] = evf_spawn_then(executor, actor(&queued), tell, &told[1]);
    tasks[2] = evf_spawn_then(executor, actor(&done), tell, &told[2]);
    run_passes(1);
    ck_assert_traced("ABCc3");
    queued.ready = true;
    evf_waker_wake_by_ref(&queued.waker);
    free_executor();
    ck_assert_traced("a1b2"); /* each after its future was dropped: F17 */
    for (int i = 0; i < 3; i++) {
        ck_assert_uint_eq(told[i].calls, 1);
        ck_assert_int_eq(told[i].result, i == 2 ? 3 : -ESHUTDOWN);
        ck_assert_int_eq(evf_task_free(tasks[i]), 0);
    }
}
END_TEST

static void
frees_handle(struct told *told)
{
    ck_assert_int_eq(evf_task_free(*(evf_task **)told->arg), 0);
}

START_TEST(callbacks_at_shutdown_may_free_their_own_and_others) /* F49 */
{
    struct actor a = {0}, b = {0}, c = {0};
    evf_task *own, *other;
    struct told told[2] = {{.then = frees_handle, .arg = &own},
        {.then = frees_handle, .arg = &other}};

    own = evf_spawn_then(executor, actor(&a), tell, &told[0]);
    evf_task_detach(evf_spawn_then(executor, actor(&b), tell, &told[1]));
    other = evf_spawn(executor, actor(&c));
    free_executor();
    ck_assert_uint_eq(told[0].calls + told[1].calls, 2);
    ck_assert_uint_eq(a.drops + b.drops + c.drops, 3);
}
END_TEST

START_TEST(free_resolves_joins_from_outside) /* F23 */
{
    struct actor a = {0}, b = {0};
    struct probe probe;
    evf_future *waiting, *unpolled;

    probe_init(&probe);
    waiting = evf_task_join(NULL, evf_spawn(executor, actor(&a)));
    unpolled = evf_task_join(NULL, evf_spawn(executor, actor(&b)));
    ck_assert_int_eq(poll_with(waiting, &probe, NULL), EVF_PENDING);
    free_executor();
    ck_assert_uint_eq(probe.wakes, 1);
    ck_assert_int_eq(poll_with(waiting, &probe, NULL), EVF_READY);
    ck_assert_int_eq(evf_future_take(waiting), -ESHUTDOWN);
    ck_assert_int_eq(poll_with(unpolled, &probe, NULL), EVF_READY);
    ck_assert_int_eq(evf_future_take(unpolled), -ESHUTDOWN);
    evf_future_drop(waiting);
    evf_future_drop(unpolled);
    ck_assert_int_eq(probe_live(&probe), 0);
}
END_TEST

struct joins {
    evf_task *task;
    evf_future *join;
};

static void
joins_itself(struct actor *self)
{
    struct joins *j = self->arg;

    j->join = evf_task_join(NULL, j->task);
}

START_TEST(join_made_by_the_dying_task_is_resolved_too) /* F23 */
{
    struct joins j = {0};
    struct actor a = {.dropped = joins_itself, .arg = &j};
    struct probe probe;

    probe_init(&probe);
    j.task = evf_spawn(executor, actor(&a));
    free_executor();
    ck_assert_int_eq(poll_with(j.join, &probe, NULL), EVF_READY);
    ck_assert_int_eq(evf_future_take(j.join), -ESHUTDOWN);
    evf_future_drop(j.join);
}
END_TEST

static void
polls_its_join(struct actor *self)
{
    struct joins *j = self->arg;
    struct probe probe;

    probe_init(&probe);
    ck_assert_int_eq(poll_with(j->join, &probe, NULL), EVF_READY);
    ck_assert_int_eq(evf_future_take(j->join), -ESHUTDOWN);
    evf_future_drop(j->join);
}

START_TEST(join_polled_by_the_dying_task_says_so) /* F16 F23 */
{
    struct joins j = {0};
    struct actor a = {.dropped = polls_its_join, .arg = &j};

    j.join = evf_task_join(NULL, evf_spawn(executor, actor(&a)));
    free_executor();
    ck_assert_uint_eq(a.drops, 1);
}
END_TEST

START_TEST(free_resolves_groups_from_outside) /* F23 F45 */
{
    struct actor running = {0}, waiting = {0};
    evf_group *group = evf_group_new(
        &(evf_group_options){.max_running = 1, .open = true});
    evf_future *future = evf_group_future(group);
    evf_future *room = evf_group_room(NULL, group);
    struct probe probe, outside;

    probe_init(&probe);
    probe_init(&outside);
    evf_group_add(group, actor(&running));
    evf_group_add(group, actor(&waiting));
    ck_assert_int_eq(poll_with(future, &probe, executor), EVF_PENDING);
    ck_assert_int_eq(poll_with(room, &outside, NULL), EVF_PENDING);
    run_passes(1);
    ck_assert_uint_eq(running.polls, 1);
    free_executor();
    ck_assert_uint_eq(running.drops, 1);
    ck_assert_uint_eq(waiting.drops, 1);
    ck_assert_uint_eq(probe.wakes, 1);
    ck_assert_uint_eq(outside.wakes, 1);
    ck_assert_int_eq(evf_group_add(group, NULL), -ESHUTDOWN);
    ck_assert_int_eq(poll_with(future, &probe, NULL), EVF_READY);
    ck_assert_int_eq(evf_future_take(future), -ESHUTDOWN);
    ck_assert_int_eq(poll_with(room, &outside, NULL), EVF_READY);
    ck_assert_int_eq(evf_future_take(room), -ESHUTDOWN);
    evf_future_drop(future);
    evf_future_drop(room);
    evf_group_free(group);
    ck_assert_int_eq(probe_live(&probe) + probe_live(&outside), 0);
}
END_TEST

static void
spawns_and_wakes(struct actor *self)
{
    struct actor *heir = self->arg;

    ck_assert_ptr_null(evf_spawn(executor, actor(heir)));
    ck_assert_ptr_null(evf_spawn_then(executor, actor(heir), tell, NULL));
    ck_assert_int_eq(evf_block_on(executor, actor(heir)), -EDEADLK);
    evf_waker_wake_by_ref(&heir[1].waker);
    evf_waker_wake_by_ref(&heir[2].waker);
}

START_TEST(destructors_at_shutdown_may_wake_but_not_spawn) /* F16 */
{
    struct actor heir[3] = {0}; /* what is spawned; two that are woken */
    struct actor a = {.dropped = spawns_and_wakes, .arg = heir};

    evf_task_detach(evf_spawn(executor, actor(&heir[1]))); /* ends before */
    evf_task_detach(evf_spawn(executor, actor(&a)));
    evf_task_detach(evf_spawn(executor, actor(&heir[2]))); /* and after it */
    run_passes(1);
    free_executor();
    ck_assert_uint_eq(heir[0].polls, 0);
    ck_assert_uint_eq(heir[0].drops, 3);
    ck_assert_uint_eq(heir[1].polls + heir[2].polls, 2);
    ck_assert_uint_eq(heir[1].drops + heir[2].drops, 2);
}
END_TEST

static void
frees_the_executor_too(struct told *told)
{
    (void)told;
    ck_assert_int_eq(evf_executor_free(executor), -EINVAL);
}

START_TEST(free_inside_of_itself_is_misuse) /* F49 F14 */
{
    struct actor a = {0};
    struct told told = {.then = frees_the_executor_too};

    evf_task_detach(evf_spawn_then(executor, actor(&a), tell, &told));
    free_executor();
    ck_assert_uint_eq(told.calls, 1);
    ck_assert_misuse(1);
}
END_TEST

static void
ends_everything(struct told *told)
{
    (void)told;
    free_executor();
}

START_TEST(callback_may_free_the_executor_in_the_middle_of_a_batch) /* F49 */
{
    struct actor a = {.name = 'A', .ready = true}, b = {.name = 'B'};
    struct actor c = {.name = 'C'};
    struct told told = {.name = 'T', .then = ends_everything};
    struct told late = {.name = 'L'};

    evf_task_detach(evf_spawn(executor, actor(&c)));
    evf_task_detach(evf_spawn_then(executor, actor(&a), tell, &told));
    evf_task_detach(evf_spawn_then(executor, actor(&b), tell, &late));
    run();
    ck_assert_traced("CAaTcbL"); /* B is dropped unpolled */
    ck_assert_int_eq(late.result, -ESHUTDOWN);
}
END_TEST

static void
host_ends_everything(void *arg)
{
    (void)arg;
    free_executor();
}

START_TEST(host_callback_may_free_the_executor) /* F24 */
{
    struct actor a = {.name = 'A', .again = true};

    evf_task_detach(evf_spawn(executor, actor(&a)));
    event_base_loop(base, EVLOOP_ONCE);
    a.name = 0;
    host_calls(host_ends_everything, NULL);
    run();
    ck_assert_uint_eq(a.drops, 1);
    trace_take();
}
END_TEST

START_TEST(wakers_outlive_task_executor_and_base) /* F6 */
{
    struct actor a = {0}, b = {0};
    evf_waker wakers[3];

    evf_task_detach(evf_spawn(executor, actor(&a)));
    evf_task_detach(evf_spawn(executor, actor(&b)));
    run_passes(1);
    wakers[0] = evf_waker_clone(&a.waker);
    wakers[1] = evf_waker_clone(&b.waker);
    executor_done();
    wakers[2] = evf_waker_clone(&wakers[1]);
    ck_assert(evf_waker_will_wake(&wakers[1], &wakers[2]));
    evf_waker_wake_by_ref(&wakers[0]);
    evf_waker_wake(&wakers[0]);
    evf_waker_drop(&wakers[1]);
    evf_waker_wake(&wakers[2]);
    ck_assert_uint_eq(a.polls + b.polls, 2);
}
END_TEST

START_TEST(handles_outlive_executor_and_base) /* F23 */
{
    struct actor a = {0}, b = {0}, c = {0};
    struct told told = {0};
    evf_task *first = evf_spawn(executor, actor(&a));
    evf_task *second = evf_spawn_then(executor, actor(&b), tell, &told);
    evf_task *third = evf_spawn(executor, actor(&c));
    evf_future *join;
    struct probe probe;

    executor_done();
    probe_init(&probe);
    evf_task_cancel(first);
    evf_task_set_daemon(first, true);
    evf_task_detach(first);
    ck_assert_int_eq(evf_task_free(second), 0);
    join = evf_task_join(NULL, third);
    ck_assert_int_eq(poll_with(join, &probe, NULL), EVF_READY);
    ck_assert_int_eq(evf_future_take(join), -ESHUTDOWN);
    evf_future_drop(join);
}
END_TEST

/* Leaves the executor with each of its events where it may be. */
static void
leave_events(int state)
{
    static struct actor a, b;

    memset(&a, 0, sizeof(a));
    memset(&b, 0, sizeof(b));
    a.again = state != 2;
    evf_task_detach(evf_spawn(executor, actor(&a))); /* 0: kick is armed */
    if (state == 0)
        return;
    evf_task_detach(evf_spawn(executor, evf_sleep(NULL, 5000)));
    event_base_loop(base, EVLOOP_ONCE); /* 1: tick armed, kick for the rest */
    if (state == 2)
        evf_waker_wake_by_ref(&a.waker); /* run is active */
}

START_TEST(free_leaves_no_event_behind) /* L15 L29 */
{
    for (int state = 0; state < 3; state++) {
        leave_events(state);
        ck_assert_uint_gt(events_on(base) +
                event_base_get_num_events(base, EVENT_BASE_COUNT_ADDED),
            0);
        free_executor();
        ck_assert_uint_eq(events_on(base), 0);
        ck_assert_int_eq(event_base_get_num_events(base,
                             EVENT_BASE_COUNT_ADDED),
            0);
        ck_assert_int_eq(event_base_get_num_events(base,
                             EVENT_BASE_COUNT_ACTIVE),
            0);
        ck_assert_int_eq(event_base_dispatch(base), 1);
        executor = evf_executor_new(base);
    }
}
END_TEST

static void *
inline_clone(void *data)
{
    return data;
}

static void
inline_drop(void *data)
{
    (void)data;
}

static void
inline_frees(void *data)
{
    (void)data;
    if (executor != NULL)
        free_executor();
}

static const evf_waker_ops frees_when_woken = {
    .clone = inline_clone,
    .wake = inline_frees,
    .wake_by_ref = inline_frees,
    .drop = inline_drop,
};

START_TEST(foreign_waker_may_free_the_executor_in_a_turn) /* F12 F49 */
{
    const evf_waker waker = {&frees_when_woken, NULL};
    evf_future *first = evf_sleep(NULL, 10), *second = evf_sleep(NULL, 10);
    evf_context cx;

    evf_executor_pause_clock(executor);
    evf_executor_hold(executor);
    evf_context_init(&cx, &waker, executor);
    ck_assert_int_eq(evf_future_poll(first, &cx), EVF_PENDING);
    ck_assert_int_eq(evf_future_poll(second, &cx), EVF_PENDING);
    run();
    ck_assert_ptr_null(executor);
    evf_future_drop(first);
    evf_future_drop(second);
}
END_TEST

TEST_MAIN("executor-free", free_drops_each_task_once_wherever_it_is,
    free_tells_callbacks_that_are_still_due_once,
    callbacks_at_shutdown_may_free_their_own_and_others,
    free_resolves_joins_from_outside,
    join_made_by_the_dying_task_is_resolved_too,
    join_polled_by_the_dying_task_says_so, free_resolves_groups_from_outside,
    destructors_at_shutdown_may_wake_but_not_spawn,
    free_inside_of_itself_is_misuse,
    callback_may_free_the_executor_in_the_middle_of_a_batch,
    host_callback_may_free_the_executor, wakers_outlive_task_executor_and_base,
    handles_outlive_executor_and_base, free_leaves_no_event_behind,
    foreign_waker_may_free_the_executor_in_a_turn)
