/* SPDX-License-Identifier: BSD-3-Clause */
#include "actor.h"

#include <string.h>

START_TEST(null_groups_are_fine) /* F47 */
{
    struct actor a = {0};

    evf_group_free(NULL);
    evf_group_close(NULL);
    ck_assert_ptr_null(evf_group_future(NULL));
    ck_assert_int_eq(evf_group_add(NULL, actor(&a)), -EINVAL);
    ck_assert_uint_eq(a.drops, 1);
    ck_assert_ptr_eq(evf_group_room(NULL, NULL), evf_future_failed(-EINVAL));
}
END_TEST

START_TEST(group_without_memory) /* F28 */
{
    struct actor a = {0}, b = {0};
    struct told told = {0};
    evf_group *group;

    heap_fail_at(1);
    ck_assert_ptr_null(evf_group_new(NULL));
    group = evf_group_new(NULL);
    heap_fail_at(1);
    ck_assert_int_eq(evf_group_add(group, actor(&a)), -ENOMEM);
    ck_assert_uint_eq(a.drops, 1);
    ck_assert_int_eq(evf_group_add(group, actor(&b)), 0);
    heap_fail_at(1);
    ck_assert_ptr_null(evf_group_room(NULL, group));
    actor_finish(&b, 0);
    evf_task_detach(
        evf_spawn_then(executor, evf_group_future(group), tell, &told));
    run();
    ck_assert_int_eq(told.result, 0); /* the group itself has not failed */
    evf_group_free(group);
}
END_TEST

START_TEST(group_future_is_taken_once) /* F34 */
{
    evf_group *group = evf_group_new(NULL);
    evf_future *future = evf_group_future(group);

    ck_assert_ptr_eq(evf_group_future(group), evf_future_failed(-EBUSY));
    evf_future_drop(future);
    ck_assert_ptr_eq(evf_group_future(group), evf_future_failed(-EBUSY));
    evf_group_free(group);
}
END_TEST

START_TEST(group_that_was_never_awaited_drops_its_children) /* F1 F30 */
{
    struct actor a = {0}, b = {0};
    evf_group *first = evf_group_new(NULL), *second = evf_group_new(NULL);
    evf_future *future = evf_group_future(second);

    evf_group_add(first, actor(&a));
    evf_group_add(second, actor(&b));
    run_passes(2);
    evf_group_free(first);
    ck_assert_uint_eq(a.drops, 1);
    evf_group_free(second);
    ck_assert_uint_eq(b.drops, 0); /* the future lives */
    evf_future_drop(future);
    ck_assert_uint_eq(b.drops, 1);
    ck_assert_uint_eq(a.polls + b.polls, 0);
}
END_TEST

/* Awaits a group by hand, so that its polls can be counted. */
static void
polls_group(struct actor *self)
{
    evf_future *future = self->arg;

    if (evf_future_poll(future, self->cx) == EVF_READY) {
        self->ready = true;
        self->result = evf_future_take(future);
    }
}

static void
drops_group(struct actor *self)
{
    evf_future_drop(self->arg);
}

static evf_task *
spawn_counted(struct actor *owner, evf_group *group, struct told *told)
{
    owner->acts = polls_group;
    owner->dropped = drops_group;
    owner->arg = evf_group_future(group);
    return evf_spawn_then(executor, actor(owner), tell, told);
}

START_TEST(children_run_as_tasks_do) /* F21 F27 */
{
    struct actor owner = {.name = 'O'}, a = {.name = 'A'}, b = {.name = 'B'};
    struct actor other = {.name = 'X'};
    struct told told = {.name = 'T'};
    evf_group *group = evf_group_new(NULL);
    evf_task *task, *others;

    evf_group_add(group, actor(&a));
    evf_group_add(group, actor(&b));
    task = spawn_counted(&owner, group, &told);
    others = evf_spawn(executor, actor(&other));
    run_passes(2);
    ck_assert_traced("OXAB"); /* behind what was queued before */
    evf_waker_wake_by_ref(&b.waker);
    evf_waker_wake_by_ref(&other.waker);
    evf_waker_wake_by_ref(&a.waker);
    run_passes(2);
    ck_assert_traced("BXA"); /* each at its own place; the group is not */
    actor_finish(&b, 0);
    run_passes(2);
    ck_assert_traced("Bb");
    actor_finish(&a, 0);
    run_passes(2);
    ck_assert_traced("AaOoT");
    ck_assert_int_eq(told.result, 0);
    evf_task_free(task);
    evf_task_free(others);
    evf_group_free(group);
}
END_TEST

START_TEST(completion_of_a_child_costs_what_was_woken) /* F27 */
{
    enum {
        N = 2000
    };
    static struct actor a[N];
    struct actor owner = {0};
    struct told told = {0};
    evf_group *group = evf_group_new(NULL);
    evf_task *task;
    unsigned polls = 0;

    for (int i = 0; i < N; i++)
        evf_group_add(group, actor(&a[i]));
    task = spawn_counted(&owner, group, &told);
    while (a[N - 1].polls == 0)
        run_passes(1);
    for (int i = 0; i < N - 1; i++)
        actor_finish(&a[N - 1 - i], 0);
    while (a[1].drops == 0)
        run_passes(1);
    ck_assert_uint_eq(owner.polls, 1);
    actor_finish(&a[0], 0);
    run();
    ck_assert_uint_eq(owner.polls, 2);
    for (int i = 0; i < N; i++)
        polls += a[i].polls;
    ck_assert_uint_eq(polls, 2 * N);
    evf_task_free(task);
    evf_group_free(group);
}
END_TEST

static void
host_adds(void *arg)
{
    struct actor *late = arg;

    ck_assert_int_eq(evf_group_add(late->arg, actor(late)), 0);
    ck_assert_uint_eq(late->polls, 0); /* never inside somebody's callback */
    evf_group_close(late->arg);
}

START_TEST(children_are_added_from_plain_callbacks) /* F24 */
{
    struct actor late = {.name = 'L', .ready = true};
    struct told told = {.name = 'T'};
    evf_group *group = evf_group_new(&(evf_group_options){.open = true});

    late.arg = group;
    evf_task_detach(
        evf_spawn_then(executor, evf_group_future(group), tell, &told));
    run_passes(2);
    host_calls(host_adds, &late);
    run();
    ck_assert_traced("LlT");
    evf_group_free(group);
}
END_TEST

START_TEST(results_of_children_are_freed) /* F33 */
{
    enum {
        N = 5
    };
    struct thing things[N] = {0};
    struct actor a[N] = {0};
    struct told told = {0};
    evf_group *group = evf_group_new(NULL);

    for (int i = 0; i < N; i++) {
        a[i].dispose = thing_dispose;
        evf_group_add(group, actor(&a[i]));
        actor_finish(&a[i], (intptr_t)&things[i]);
    }
    evf_task_detach(
        evf_spawn_then(executor, evf_group_future(group), tell, &told));
    run();
    for (int i = 0; i < N; i++)
        ck_assert_uint_eq(things[i].disposals, 1);
    ck_assert_int_eq(told.result, 0);
    evf_group_free(group);
}
END_TEST

/* A composite, so that it is told of requests. */
struct sees {
    evf_future future;
    struct actor *leaf;
    bool polled;
    int request; /* the last that was in force */
};

static enum evf_poll
sees_poll(evf_future *self, evf_context *cx)
{
    struct sees *s = evf_container_of(self, struct sees, future);

    s->request = evf_context_cancelled(cx);
    if (!s->leaf->ready)
        return evf_future_poll(&s->leaf->future, cx);
    return evf_future_ready(self, s->leaf->result);
}

static void
sees_drop(evf_future *self)
{
    evf_future_drop(&evf_container_of(self, struct sees, future)->leaf->future);
}

static const evf_future_ops sees_ops = {
    .size = sizeof(struct sees),
    .name = "sees",
    .flags = EVF_PASSES_CANCEL,
    .poll = sees_poll,
    .drop = sees_drop,
};

static evf_future *
sees(struct sees *s, struct actor *leaf)
{
    evf_future_init(&s->future, &sees_ops);
    actor(leaf);
    s->leaf = leaf;
    return &s->future;
}

START_TEST(failure_asks_the_others_to_end_and_waits_for_them) /* F31 F45 */
{
    struct actor leaf = {.name = 'L'}, a = {.name = 'A'};
    struct sees s = {0};
    struct told told = {.name = 'T'};
    evf_group *group = evf_group_new(NULL);

    evf_group_add(group, sees(&s, &leaf));
    evf_group_add(group, actor(&a));
    evf_task_detach(
        evf_spawn_then(executor, evf_group_future(group), tell, &told));
    run_passes(2);
    ck_assert_int_eq(s.request, 0);
    actor_finish(&a, -EPIPE);
    run_passes(2);
    ck_assert_traced("LAAaL"); /* asked, and taking its time */
    ck_assert_int_eq(s.request, -ECANCELED);
    ck_assert_int_eq(evf_group_add(group, NULL), -ESHUTDOWN);
    actor_finish(&leaf, -EIO); /* not the first failure */
    run();
    ck_assert_traced("lT");
    ck_assert_int_eq(told.result, -EPIPE);
    evf_group_free(group);
}
END_TEST

START_TEST(deadline_reaches_every_child_with_its_error) /* F31 */
{
    struct actor leaves[2] = {0};
    struct sees s[2] = {0};
    struct told told = {0};
    evf_group *group = evf_group_new(
        &(evf_group_options){.keep_going = true, .open = true});

    for (int i = 0; i < 2; i++)
        evf_group_add(group, sees(&s[i], &leaves[i]));
    evf_executor_pause_clock(executor);
    evf_task_detach(evf_spawn_then(executor,
        evf_timeout(NULL, 100, evf_group_future(group)), tell, &told));
    while (s[1].request == 0)
        event_base_loop(base, EVLOOP_ONCE);
    ck_assert_int_eq(s[0].request, -ETIMEDOUT);
    ck_assert_int_eq(s[1].request, -ETIMEDOUT);
    actor_finish(&leaves[0], 0);
    actor_finish(&leaves[1], -ETIMEDOUT);
    run(); /* the request ends the wait of an open group too */
    ck_assert_int_eq(told.result, -ETIMEDOUT);
    evf_group_free(group);
}
END_TEST

START_TEST(request_ends_an_open_group_without_children) /* F31 F35 */
{
    for (int keep_going = 0; keep_going < 2; keep_going++) {
        struct told told = {0};
        evf_group *group = evf_group_new(
            &(evf_group_options){.keep_going = keep_going != 0, .open = true});
        evf_task *task = evf_spawn_then(executor, evf_group_future(group), tell,
            &told);

        run_passes(2);
        ck_assert_uint_eq(told.calls, 0);
        evf_task_cancel(task);
        run_passes(3);
        ck_assert_int_eq(told.result, -ECANCELED);
        ck_assert_int_eq(evf_group_add(group, NULL), -ESHUTDOWN);
        evf_task_free(task);
        evf_group_free(group);
    }
}
END_TEST

START_TEST(waiting_shields_start_under_a_request) /* F31 F35 */
{
    struct actor first = {.name = 'A'}, bye = {.name = 'B'};
    struct actor plain = {.name = 'P'};
    struct told told = {.name = 'T'};
    evf_group *group = evf_group_new(&(evf_group_options){.max_running = 1});
    evf_task *task;

    evf_group_add(group, actor(&first));
    evf_group_add(group, actor(&plain));
    evf_group_add(group, evf_shield(NULL, 1000, actor(&bye)));
    task = evf_spawn_then(executor, evf_group_future(group), tell, &told);
    run_passes(2);
    evf_task_cancel(task);
    run_passes(3);
    ck_assert_traced("ApAaB"); /* P need not start, and does not */
    actor_finish(&bye, 0);
    run();
    ck_assert_traced("BbT");
    ck_assert_int_eq(told.result, -ECANCELED);
    evf_task_free(task);
    evf_group_free(group);
}
END_TEST

START_TEST(group_starts_under_a_request) /* F35 */
{
    struct actor a = {.name = 'A'}, bye = {.name = 'B', .ready = true};
    struct told told = {.name = 'T'};
    evf_group *group = evf_group_new(NULL);
    evf_task *task;

    evf_group_add(group, actor(&a));
    evf_group_add(group, evf_shield(NULL, 1000, actor(&bye)));
    task = evf_spawn_then(executor, evf_group_future(group), tell, &told);
    evf_task_cancel(task); /* before its first poll */
    run_passes(4);
    ck_assert_traced("aBbT");
    ck_assert_int_eq(told.result, -ECANCELED);
    evf_task_free(task);
    evf_group_free(group);
}
END_TEST

START_TEST(child_added_under_a_request_does_not_start) /* F31 F35 */
{
    struct actor bye = {.name = 'B'}, late = {.name = 'L'};
    struct told told = {.name = 'T'};
    evf_group *group = evf_group_new(&(evf_group_options){.keep_going = true});
    evf_task *task;

    evf_group_add(group, evf_shield(NULL, 1000, actor(&bye)));
    task = evf_spawn_then(executor, evf_group_future(group), tell, &told);
    run_passes(2);
    evf_task_cancel(task);
    run_passes(2);
    ck_assert_int_eq(evf_group_add(group, actor(&late)), 0);
    run_passes(2);
    ck_assert_traced("BBl");
    actor_finish(&bye, 0);
    run_passes(3);
    ck_assert_traced("BbT");
    ck_assert_int_eq(told.result, -ECANCELED);
    evf_task_free(task);
    evf_group_free(group);
}
END_TEST

START_TEST(children_do_not_hold_the_loop) /* L9 */
{
    struct actor a = {0};
    struct probe probe;
    evf_group *group = evf_group_new(NULL);
    evf_future *future = evf_group_future(group);

    probe_init(&probe);
    evf_group_add(group, actor(&a));
    ck_assert_int_eq(poll_with(future, &probe, executor), EVF_PENDING);
    run_passes(1);
    ck_assert_uint_eq(a.polls, 1);
    ck_assert_int_eq(event_base_dispatch(base), 1);
    evf_future_drop(future);
    ck_assert_uint_eq(a.drops, 1);
    ck_assert_int_eq(probe_live(&probe), 0);
    evf_group_free(group);
}
END_TEST

TEST_MAIN("group", null_groups_are_fine, group_without_memory,
    group_future_is_taken_once, group_that_was_never_awaited_drops_its_children,
    children_run_as_tasks_do, completion_of_a_child_costs_what_was_woken,
    children_are_added_from_plain_callbacks, results_of_children_are_freed,
    failure_asks_the_others_to_end_and_waits_for_them,
    deadline_reaches_every_child_with_its_error,
    request_ends_an_open_group_without_children,
    waiting_shields_start_under_a_request, group_starts_under_a_request,
    child_added_under_a_request_does_not_start, children_do_not_hold_the_loop)
