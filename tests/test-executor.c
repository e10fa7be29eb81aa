/* SPDX-License-Identifier: BSD-3-Clause */
#include "actor.h"

START_TEST(new_needs_a_base_and_memory) /* F28 */
{
    ck_assert_ptr_null(evf_executor_new(NULL));
    heap_fail_at(1);
    ck_assert_ptr_null(evf_executor_new(base));
    ck_assert_int_eq(evf_executor_free(NULL), 0);
}
END_TEST

START_TEST(idle_executor_leaves_the_base_alone)
{
    ck_assert_uint_eq(events_on(base), 0);
    ck_assert_int_eq(event_base_dispatch(base), 1); /* nothing to do */
    ck_assert_ptr_eq(evf_executor_base(executor), base);
    ck_assert_ptr_nonnull(evf_executor_reactor(executor));
}
END_TEST

static void
looks_around(struct actor *self)
{
    ck_assert_ptr_eq(evf_executor_current(), self->arg);
    ck_assert_ptr_eq(evf_context_executor(self->cx), self->arg);
}

static void
looks_from_outside(void *arg)
{
    (void)arg;
    ck_assert_ptr_null(evf_executor_current());
}

START_TEST(current_is_the_one_that_polls)
{
    evf_executor *second = evf_executor_new(base);
    struct actor a = {.acts = looks_around, .arg = executor, .ready = true};
    struct actor b = {.acts = looks_around, .arg = second, .ready = true};

    looks_from_outside(NULL);
    evf_task_detach(evf_spawn(executor, actor(&a)));
    evf_task_detach(evf_spawn(second, actor(&b)));
    host_calls(looks_from_outside, NULL);
    run();
    ck_assert_uint_eq(a.polls + b.polls, 2);
    looks_from_outside(NULL);
    ck_assert_int_eq(evf_executor_free(second), 0);
}
END_TEST

START_TEST(priority_is_lowered_to_one_that_the_base_has)
{
    struct actor a = {.again = true};
    evf_task *task;

    use_priorities(3);
    ck_assert_int_eq(evf_executor_set_priority(executor, -1), -EINVAL);
    ck_assert_int_eq(evf_executor_set_priority(NULL, 0), -EINVAL);
    task = evf_spawn(executor, actor(&a));
    for (int i = 0; i < 10; i++) {
        unsigned polls = a.polls;

        ck_assert_int_eq(evf_executor_set_priority(executor, i), 0);
        for (int passes = 0; passes < 20; passes++)
            event_base_loop(base, EVLOOP_ONCE);
        ck_assert_uint_gt(a.polls, polls);
    }
    evf_task_free(task);
}
END_TEST

static void
on_host_event(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    trace(*(char *)arg);
}

/* Two events of the host's and a task, all active in one pass. */
static const char *
order_at(int priority)
{
    struct actor a = {.name = 'T', .ready = true};
    char high = 'H', low = 'L';
    struct event *events[2];
    evf_task *task;

    use_priorities(5);
    ck_assert_int_eq(evf_executor_set_priority(executor, priority), 0);
    events[0] = event_new(base, -1, 0, on_host_event, &high);
    events[1] = event_new(base, -1, 0, on_host_event, &low);
    event_priority_set(events[0], 1);
    event_priority_set(events[1], 3);
    task = evf_spawn(executor, actor(&a));
    event_active(events[0], EV_TIMEOUT, 1);
    event_active(events[1], EV_TIMEOUT, 1);
    run();
    evf_task_free(task);
    event_free(events[0]);
    event_free(events[1]);
    return trace_take();
}

START_TEST(tasks_run_at_the_executors_priority) /* L25 */
{
    if (!INTERNAL_EVENTS)
        return;
    ck_assert_str_eq(order_at(0), "TtHL");
    ck_assert_str_eq(order_at(2), "HTtL");
    ck_assert_str_eq(order_at(4), "HLTt");
}
END_TEST

static void
host_finishes(void *arg)
{
    actor_finish(arg, 0);
}

START_TEST(live_task_holds_dispatch) /* L9 */
{
    struct actor a = {0};
    evf_task *task = evf_spawn(executor, actor(&a));

    run_passes(1);
    host_calls(host_finishes, &a); /* it waits on what libevent cannot know */
    ck_assert_int_eq(event_base_dispatch(base), 1);
    ck_assert_uint_eq(a.polls, 2);
    evf_task_free(task);
    ck_assert_int_eq(event_base_dispatch(base), 1);
}
END_TEST

static void
host_frees(void *arg)
{
    trace('(');
    ck_assert_int_eq(evf_task_free(arg), 0);
    trace(')');
}

START_TEST(dispatch_returns_when_the_last_task_is_freed) /* L9 */
{
    struct actor a = {.name = 'A'}, b = {.name = 'B'};
    evf_task *first = evf_spawn(executor, actor(&a));
    evf_task *second = evf_spawn(executor, actor(&b));

    run_passes(1);
    host_calls(host_frees, first);
    ck_assert_int_eq(evf_task_free(second), 0);
    run();
    ck_assert_traced("ABb(a)");
}
END_TEST

/* The events that hold dispatch. */
static int
holding(void)
{
    return event_base_get_num_events(base, EVENT_BASE_COUNT_ADDED);
}

START_TEST(daemons_do_not_hold_dispatch) /* L9 */
{
    struct actor a = {0}, b = {0};
    struct told told = {0};
    evf_task *task = evf_spawn(executor, actor(&a));
    evf_task *then = evf_spawn_then(executor, actor(&b), tell, &told);

    run_passes(1);
    evf_task_set_daemon(task, true);
    evf_task_set_daemon(task, true);
    evf_task_set_daemon(then, true);
    ck_assert_int_eq(holding(), 0);
    ck_assert(host_is_done());

    evf_task_set_daemon(task, false);
    evf_task_set_daemon(task, false);
    host_calls(host_finishes, &a);
    ck_assert(host_is_done());
    ck_assert_uint_eq(a.drops, 1);
    ck_assert_uint_eq(b.polls, 1);
    evf_task_set_daemon(task, true); /* it has ended: nothing is counted */

    actor_finish(&b, 0);
    run_passes(1);
    ck_assert_uint_eq(told.calls, 1);
    evf_task_free(task);
    evf_task_free(then);
    ck_assert_int_eq(holding(), 0);
    ck_assert(host_is_done());
    ck_assert_uint_eq(events_on(base), 0);
}
END_TEST

static void
becomes_a_daemon(struct actor *self)
{
    evf_task_set_daemon(*(evf_task **)self->arg, self->polls % 2 == 1);
    if (self->polls == 2)
        host_calls(host_finishes, self);
}

START_TEST(task_may_become_a_daemon_in_its_own_poll) /* F15 */
{
    evf_task *task;
    struct actor a = {.acts = becomes_a_daemon, .arg = &task};

    task = evf_spawn(executor, actor(&a));
    ck_assert(host_is_done());
    ck_assert_uint_eq(a.polls, 1);
    evf_waker_wake_by_ref(&a.waker);
    ck_assert(host_is_done());
    ck_assert_uint_eq(a.polls, 3);
    evf_task_free(task);
}
END_TEST

static void
host_releases(void *arg)
{
    ck_assert_int_eq(evf_executor_release(arg), 0);
}

START_TEST(hold_keeps_dispatch_until_released_as_often)
{
    ck_assert_int_eq(evf_executor_hold(NULL), -EINVAL);
    ck_assert_int_eq(evf_executor_hold(executor), 0);
    ck_assert_int_eq(evf_executor_hold(executor), 0);
    ck_assert_int_eq(holding(), 1);
    host_calls(host_releases, executor);
    host_calls(host_releases, executor);
    ck_assert_int_eq(event_base_dispatch(base), 1);
    ck_assert_int_eq(holding(), 0);
    ck_assert_int_eq(evf_executor_release(executor), -EINVAL);
    ck_assert_misuse(1);
    ck_assert_int_eq(evf_executor_hold(executor), 0); /* freed while held */
}
END_TEST

START_TEST(idle_leftovers_do_not_hold_dispatch) /* L9 L29 */
{
    struct actor a = {0};
    evf_task *sleeper, *daemon;

    if (!INTERNAL_EVENTS)
        return;
    sleeper = evf_spawn(executor, evf_sleep(NULL, 3600 * 1000));
    daemon = evf_spawn(executor, evf_sleep(NULL, 7200 * 1000));
    evf_task_set_daemon(daemon, true);
    run_passes(2);
    evf_task_free(sleeper); /* its deadline stays in the evtimer */
    evf_task_detach(evf_spawn(executor, actor(&a)));
    run_passes(1);
    actor_finish(&a, 0);
    ck_assert(host_is_done());
    evf_task_free(daemon);
    ck_assert(host_is_done());
}
END_TEST

START_TEST(priorities_may_be_set_up_after_the_first_spawn) /* L26 */
{
    static const int numbers[][2] = {{1, 8}, {8, 1}, {3, 2}, {2, 3}, {1, 1}};

    for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
        struct actor a = {0};
        evf_task *task;

        use_priorities(numbers[i][0]);
        task = evf_spawn(executor, actor(&a));
        ck_assert_int_eq(event_base_priority_init(base, numbers[i][1]), 0);
        actor_finish(&a, 0);
        ck_assert_int_eq(event_base_loopexit(base, NULL), 0);
        run();
        ck_assert_uint_eq(a.drops, 1);
        ck_assert(event_base_got_exit(base));
        evf_task_free(task);
    }
}
END_TEST

START_TEST(priorities_may_be_changed_while_tasks_and_timers_wait) /* L26 */
{
    static const int numbers[] = {1, 8, 3, 1, 2};
    struct actor a = {.again = true}, b = {0};
    evf_task *yielder, *waiter, *sleeper;

    use_priorities(2);
    yielder = evf_spawn(executor, actor(&a));
    waiter = evf_spawn(executor, actor(&b));
    sleeper = evf_spawn(executor, evf_sleep(NULL, 3600 * 1000));
    for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
        unsigned polls = a.polls;

        for (int passes = 0; passes < 40; passes++)
            event_base_loop(base, EVLOOP_ONCE);
        ck_assert_uint_gt(a.polls, polls);
        ck_assert_int_eq(event_base_priority_init(base, numbers[i]), 0);
        polls = b.polls;
        event_base_loopexit(base, NULL);
        evf_waker_wake_by_ref(&b.waker);
        run();
        ck_assert(event_base_got_exit(base));
        for (int passes = 0; passes < 40; passes++)
            event_base_loop(base, EVLOOP_ONCE);
        ck_assert_uint_eq(b.polls, polls + 1); /* it was not lost */
    }
    evf_task_free(yielder);
    evf_task_free(waiter);
    evf_task_free(sleeper);
}
END_TEST

START_TEST(paused_clock_jumps_only_when_nothing_else_can_run) /* L23 */
{
    struct told told[3] = {{.name = '1'}, {.name = '2'}, {.name = '3'}};
    struct actor a = {.again = true};
    uint64_t start;
    evf_task *task;

    ck_assert_int_eq(evf_executor_pause_clock(NULL), -EINVAL);
    ck_assert_int_eq(evf_executor_pause_clock(executor), 0);
    start = evf_executor_now(executor);
    evf_task_detach(
        evf_spawn_then(executor, evf_sleep(NULL, 3600 * 1000), tell, &told[2]));
    evf_task_detach(
        evf_spawn_then(executor, evf_sleep(NULL, 10), tell, &told[0]));
    evf_task_detach(
        evf_spawn_then(executor, evf_sleep(NULL, 11), tell, &told[1]));
    task = evf_spawn(executor, actor(&a));
    for (int i = 0; i < 100; i++)
        event_base_loop(base, EVLOOP_ONCE);
    ck_assert_uint_eq(evf_executor_now(executor), start); /* one is busy */
    ck_assert_uint_gt(a.polls, 0);
    evf_task_free(task);
    run();
    ck_assert_traced("123");
    ck_assert_uint_eq(evf_executor_now(executor), start + 3600 * 1000);
}
END_TEST

START_TEST(paused_clock_does_not_jump_to_never) /* L23 */
{
    struct told told = {0};
    evf_task *never = evf_spawn(executor, evf_sleep(NULL, UINT64_MAX));
    uint64_t start;

    evf_executor_pause_clock(executor);
    start = evf_executor_now(executor);
    evf_task_detach(evf_spawn_then(executor, evf_sleep(NULL, 10), tell, &told));
    for (int i = 0; i < 100 && told.calls == 0; i++)
        run_passes(1);
    run_passes(10);
    ck_assert_uint_eq(told.calls, 1);
    ck_assert_uint_eq(evf_executor_now(executor), start + 10);
    ck_assert_int_eq(evf_task_free(never), 0);
}
END_TEST

static void
pauses_the_clock(struct actor *self)
{
    ck_assert_int_eq(evf_executor_pause_clock(self->arg), 0);
}

START_TEST(clock_may_be_paused_in_a_poll) /* L23 */
{
    struct told told = {0};
    struct actor a = {.acts = pauses_the_clock, .ready = true};

    evf_task_detach(
        evf_spawn_then(executor, evf_sleep(NULL, 3600 * 1000), tell, &told));
    run_passes(1);
    a.arg = executor;
    evf_task_detach(evf_spawn(executor, actor(&a)));
    run(); /* and takes no hour */
    ck_assert_uint_eq(told.calls, 1);
}
END_TEST

START_TEST(two_executors_share_a_base) /* F46 F19 */
{
    evf_executor *second = evf_executor_new(base);
    struct actor a = {.again = true}, b = {.again = true};
    struct actor c = {.name = 'C', .ready = true};
    unsigned polls;

    evf_task_detach(evf_spawn(executor, actor(&a)));
    evf_task_detach(evf_spawn(second, actor(&b)));
    for (int i = 0; a.polls < 1000 || b.polls < 1000; i++) {
        ck_assert_int_lt(i, 10000); /* neither starves the other */
        event_base_loop(base, EVLOOP_ONCE);
    }
    ck_assert_int_eq(evf_executor_free(second), 0);
    ck_assert_uint_eq(b.drops, 1);
    polls = b.polls;
    evf_task_detach(evf_spawn(executor, actor(&c)));
    while (c.drops == 0)
        event_base_loop(base, EVLOOP_ONCE);
    ck_assert_uint_eq(b.polls, polls);
    ck_assert_uint_eq(a.drops, 0);
    executor_done();
    ck_assert_uint_eq(a.drops, 1);
}
END_TEST

/* Lets no loop run for ever that should have ended long ago. */
static void
gives_up(struct actor *self)
{
    if (self->polls % 1000000 == 0)
        event_base_loopbreak(base);
}

START_TEST(paused_clock_lets_a_pumping_host_have_its_loop_back) /* L8 L23 */
{
    struct actor a = {.again = true, .acts = gives_up};
    uint64_t start;
    evf_task *task, *sleeper;

    evf_executor_pause_clock(executor);
    start = evf_executor_now(executor);
    task = evf_spawn(executor, actor(&a));
    sleeper = evf_spawn(executor, evf_sleep(NULL, 1000));
    for (int i = 0; i < 3; i++) { /* each returns, though one never waits */
        run_passes(1);
        ck_assert(!event_base_got_break(base));
        ck_assert_uint_eq(evf_executor_now(executor), start);
    }
    evf_task_free(task);
    evf_task_free(sleeper);
    ck_assert_uint_gt(a.polls, 0);
}
END_TEST

/* A program that uses all of the room, whatever its allocations come to. */
static void
live_through(size_t failing)
{
    struct actor a[3] = {{.ready = true}, {.ready = true}, {.ready = true}};
    struct told told = {0};
    evf_executor *second;
    evf_group *group;
    evf_task *task, *other;
    evf_future *join = NULL, *room;
    size_t before = heap_blocks();

    heap_fail_at(failing);
    second = evf_executor_new(base);
    group = evf_group_new(NULL);
    room = evf_group_room(NULL, group);
    evf_group_add(group, actor(&a[0]));
    evf_group_add(group, actor(&a[1]));
    task = evf_spawn_then(second, evf_group_future(group), tell, &told);
    other = evf_spawn(second, actor(&a[2]));
    if (other != NULL)
        join = evf_task_join(NULL, other);
    evf_block_on(second, join);
    evf_block_on(second, room);
    evf_group_free(group);
    if (second != NULL)
        run();
    ck_assert_uint_eq(told.calls, task != NULL);
    for (int i = 0; i < 3; i++)
        ck_assert_uint_eq(a[i].drops, 1); /* run or refused, none is lost */
    evf_task_free(task);
    ck_assert_int_eq(evf_executor_free(second), 0);
    ck_assert_uint_eq(heap_blocks(), before);
}

START_TEST(every_allocation_may_fail_in_turn) /* F28 */
{
    size_t before = heap_allocations(), n;

    live_through(0);
    n = heap_allocations() - before;
    ck_assert_uint_ge(n, 9);
    for (size_t i = 1; i <= n; i++)
        live_through(i);
    heap_fail_at(0);
}
END_TEST

TEST_MAIN("executor", new_needs_a_base_and_memory,
    idle_executor_leaves_the_base_alone, current_is_the_one_that_polls,
    priority_is_lowered_to_one_that_the_base_has,
    tasks_run_at_the_executors_priority, live_task_holds_dispatch,
    dispatch_returns_when_the_last_task_is_freed, daemons_do_not_hold_dispatch,
    task_may_become_a_daemon_in_its_own_poll,
    hold_keeps_dispatch_until_released_as_often,
    idle_leftovers_do_not_hold_dispatch,
    priorities_may_be_set_up_after_the_first_spawn,
    priorities_may_be_changed_while_tasks_and_timers_wait,
    paused_clock_jumps_only_when_nothing_else_can_run,
    paused_clock_lets_a_pumping_host_have_its_loop_back,
    paused_clock_does_not_jump_to_never, clock_may_be_paused_in_a_poll,
    two_executors_share_a_base, every_allocation_may_fail_in_turn)
