/* SPDX-License-Identifier: BSD-3-Clause */
#include "actor.h"
#include "foreign.h"

#include <string.h>

/* What children do to their own group; and groups that are handed around. */

struct inside {
    evf_group *group;
    evf_future *future;
    struct actor *late;
    int added;
};

static void
adds_another(struct actor *self)
{
    struct inside *in = self->arg;

    if (in->late == NULL)
        return;
    in->added = evf_group_add(in->group, actor(in->late));
    in->late = NULL;
}

static void
closes(struct actor *self)
{
    struct inside *in = self->arg;

    evf_group_close(in->group);
}

static void
frees_handle(struct actor *self)
{
    struct inside *in = self->arg;

    evf_group_free(in->group);
    in->group = NULL;
}

static void
drops_future(struct actor *self)
{
    struct inside *in = self->arg;

    if (in->future == NULL)
        return;
    trace('(');
    evf_future_drop(in->future);
    in->future = NULL;
    trace(')');
}

START_TEST(child_may_add_another_in_its_poll_and_its_drop) /* F45 */
{
    for (int in_drop = 0; in_drop < 2; in_drop++) {
        struct actor late = {.name = 'L', .ready = true};
        struct inside in = {.late = &late, .added = 1};
        struct actor a = {.name = 'A', .arg = &in, .ready = true};
        struct told told = {.name = 'T'};

        in.group = evf_group_new(&(evf_group_options){.max_running = 1});
        if (in_drop)
            a.dropped = adds_another;
        else
            a.acts = adds_another;
        evf_group_add(in.group, actor(&a));
        evf_task_detach(
            evf_spawn_then(executor, evf_group_future(in.group), tell, &told));
        run();
        ck_assert_traced("AaLlT");
        ck_assert_int_eq(in.added, 0);
        evf_group_free(in.group);
    }
}
END_TEST

START_TEST(child_may_close_and_free_its_group_in_its_poll) /* F45 F49 */
{
    struct inside in = {
        .group = evf_group_new(&(evf_group_options){.open = true})};
    struct actor a = {.name = 'A', .arg = &in, .acts = closes, .ready = true};
    struct actor b = {.name = 'B',
        .arg = &in,
        .acts = frees_handle,
        .ready = true};
    struct told told = {.name = 'T'};

    evf_group_add(in.group, actor(&a));
    evf_group_add(in.group, actor(&b));
    evf_task_detach(
        evf_spawn_then(executor, evf_group_future(in.group), tell, &told));
    run();
    ck_assert_traced("AaBbT");
    ck_assert_ptr_null(in.group);
}
END_TEST

START_TEST(child_that_is_dropped_may_add_but_it_is_refused) /* F45 F49 */
{
    struct actor late = {.name = 'L'};
    struct inside in = {.late = &late};
    struct actor a = {.name = 'A', .arg = &in, .dropped = adds_another};
    evf_task *task;

    in.group = evf_group_new(&(evf_group_options){.open = true});
    evf_group_add(in.group, actor(&a));
    task = evf_spawn(executor, evf_group_future(in.group));
    run_passes(2);
    evf_task_free(task);
    ck_assert_traced("Aal");
    ck_assert_int_eq(in.added, -ESHUTDOWN);
    evf_group_free(in.group);
}
END_TEST

START_TEST(child_dropped_unstarted_may_not_add_for_ever) /* F32 F45 */
{
    struct actor late = {.name = 'L'};
    struct inside in = {.late = &late, .added = 1};
    struct actor a = {.name = 'A'};
    struct actor waiting = {.name = 'W', .arg = &in, .dropped = adds_another};
    struct told told = {.name = 'T'};
    evf_task *task;

    in.group = evf_group_new(&(evf_group_options){.max_running = 1});
    evf_group_add(in.group, actor(&a));
    evf_group_add(in.group, actor(&waiting));
    task = evf_spawn_then(executor, evf_group_future(in.group), tell, &told);
    run_passes(2);
    evf_task_cancel(task);
    run();
    ck_assert_traced("AwlAaT"); /* a group that ends takes no more */
    ck_assert_int_eq(in.added, -ESHUTDOWN);
    evf_task_free(task);
    evf_group_free(in.group);
}
END_TEST

START_TEST(group_dropped_in_a_childs_poll_keeps_that_child_till_then) /* F38 */
{
    struct inside in = {.group = evf_group_new(NULL)};
    struct actor a = {.name = 'A', .arg = &in};
    struct actor b = {.name = 'B', .arg = &in, .acts = drops_future};
    struct actor c = {.name = 'C'}, next = {.name = 'N'};
    struct probe probe;
    evf_task *task;

    probe_init(&probe);
    evf_group_add(in.group, actor(&a));
    evf_group_add(in.group, actor(&b));
    evf_group_add(in.group, actor(&c));
    in.future = evf_group_future(in.group);
    ck_assert_int_eq(poll_with(in.future, &probe, executor), EVF_PENDING);
    task = evf_spawn(executor, actor(&next));
    run_passes(3);
    ck_assert_traced("AB(ac)bN");
    ck_assert_int_eq(probe_live(&probe), 0);
    evf_task_free(task);
    evf_group_free(in.group);
}
END_TEST

START_TEST(child_that_ends_in_the_poll_that_dropped_its_group) /* F33 F38 */
{
    struct thing thing = {0};
    struct inside in = {.group = evf_group_new(NULL)};
    struct actor a = {.name = 'A', .arg = &in, .acts = drops_future};
    struct probe probe;

    probe_init(&probe);
    a.ready = true;
    a.result = (intptr_t)&thing;
    a.dispose = thing_dispose;
    evf_group_add(in.group, actor(&a));
    in.future = evf_group_future(in.group);
    ck_assert_int_eq(poll_with(in.future, &probe, executor), EVF_PENDING);
    evf_executor_hold(executor);
    run_passes(2);
    ck_assert_traced("A()a");
    ck_assert_uint_eq(thing.disposals, 1);
    ck_assert_uint_eq(probe.wakes, 0);
    evf_group_free(in.group);
    evf_executor_release(executor);
}
END_TEST

/* Under a foreign executor. */

START_TEST(foreign_executor_polls_the_children_that_were_woken) /* F40 F27 */
{
    struct foreign on = FOREIGN_INITIALIZER(on);
    struct foreign_task task;
    struct actor a[3] = {{.name = 'A'}, {.name = 'B'}, {.name = 'C'}};
    evf_group *group = evf_group_new(&(evf_group_options){.max_running = 2});

    for (int i = 0; i < 3; i++)
        evf_group_add(group, actor(&a[i]));
    foreign_spawn(&on, &task, evf_group_future(group));
    foreign_run(&on);
    ck_assert_traced("AB");
    evf_waker_wake_by_ref(&a[1].waker);
    evf_waker_wake_by_ref(&a[0].waker);
    evf_waker_wake_by_ref(&a[1].waker);
    foreign_run(&on);
    ck_assert_traced("BA"); /* F3 F21 */
    actor_finish(&a[0], 0);
    foreign_run(&on);
    ck_assert_traced("AaC");
    actor_finish(&a[2], 0);
    actor_finish(&a[1], 0);
    foreign_run(&on);
    ck_assert_traced("CcBb");
    ck_assert(task.ended);
    ck_assert_int_eq(task.result, 0);
    foreign_end(&task);
    ck_assert_uint_eq(task.wakers, 0);
    evf_group_free(group);
    run_passes(1);
}
END_TEST

START_TEST(foreign_child_that_always_yields_does_not_hang_its_group) /* F20 */
{
    struct actor a = {.again = true}, b = {.ready = true, .result = -EIO};
    struct probe probe;
    evf_group *group = evf_group_new(NULL);
    evf_future *future = evf_group_future(group);

    probe_init(&probe);
    evf_group_add(group, actor(&a));
    ck_assert_int_eq(poll_with(future, &probe, NULL), EVF_PENDING);
    ck_assert_uint_eq(a.polls, 1);
    ck_assert_uint_eq(probe.wakes, 1);
    evf_group_add(group, actor(&b)); /* it fails, and A is asked to end */
    ck_assert_int_eq(poll_with(future, &probe, NULL), EVF_PENDING);
    ck_assert_uint_eq(b.drops, 1);
    ck_assert_int_eq(poll_with(future, &probe, NULL), EVF_READY);
    ck_assert_int_eq(evf_future_take(future), -EIO);
    evf_future_drop(future);
    ck_assert_uint_eq(a.drops, 1);
    ck_assert_int_eq(probe_live(&probe), 0);
    evf_group_free(group);
}
END_TEST

static void
frees_task(struct actor *self)
{
    evf_task **task = self->arg;

    if (*task == NULL)
        return;
    trace('(');
    ck_assert_int_eq(evf_task_free(*task), 1);
    trace(')');
    *task = NULL;
}

static void
polls_without_executor(struct actor *self)
{
    struct inside *in = self->arg;
    evf_context cx;

    evf_context_init(&cx, evf_context_waker(self->cx), NULL);
    ck_assert_int_eq(evf_future_poll(in->future, &cx), EVF_PENDING);
}

START_TEST(foreign_child_inside_a_task_may_free_that_task) /* F38 F49 */
{
    evf_task *task;
    struct inside in = {.group = evf_group_new(NULL)};
    struct actor outer = {.name = 'O',
        .acts = polls_without_executor,
        .arg = &in};
    struct actor a = {.name = 'A', .acts = frees_task, .arg = &task};

    in.future = evf_group_future(in.group);
    evf_group_add(in.group, actor(&a));
    task = evf_spawn(executor, actor(&outer));
    run();
    ck_assert_traced("OA()o"); /* once the poll of O has returned */
    evf_future_drop(in.future);
    ck_assert_traced("a");
    evf_group_free(in.group);
}
END_TEST

/* Groups that move between executors take their children along. */

START_TEST(group_moves_from_a_foreign_executor_to_ours) /* F8 F18 */
{
    struct actor a = {.name = 'A'}, b = {.name = 'B'}, w = {.name = 'W'};
    struct probe probe;
    struct told told = {.name = 'T'};
    evf_group *group = evf_group_new(&(evf_group_options){.max_running = 2});
    evf_future *future = evf_group_future(group);

    probe_init(&probe);
    evf_group_add(group, actor(&a));
    evf_group_add(group, actor(&b));
    evf_group_add(group, actor(&w));
    ck_assert_int_eq(poll_with(future, &probe, NULL), EVF_PENDING);
    ck_assert_traced("AB");
    evf_waker_wake_by_ref(&b.waker); /* and polled by nobody yet */
    evf_task_detach(evf_spawn_then(executor, future, tell, &told));
    run_passes(3);
    ck_assert_traced("B");
    ck_assert_int_eq(probe_live(&probe), 0);
    actor_finish(&a, 0);
    run_passes(2);
    ck_assert_traced("AaW");
    actor_finish(&w, 0);
    actor_finish(&b, 0);
    run();
    ck_assert_traced("WwBbT");
    evf_group_free(group);
}
END_TEST

START_TEST(group_moves_from_our_executor_to_a_foreign_one) /* F8 */
{
    struct actor a = {.name = 'A'}, b = {.name = 'B'};
    struct probe probe;
    evf_group *group = evf_group_new(NULL);
    evf_future *future = evf_group_future(group);

    probe_init(&probe);
    evf_executor_hold(executor);
    evf_group_add(group, actor(&a));
    evf_group_add(group, actor(&b));
    ck_assert_int_eq(poll_with(future, &probe, executor), EVF_PENDING);
    run_passes(2);
    ck_assert_traced("AB");
    evf_waker_wake_by_ref(&a.waker); /* in our queue while it moves */
    ck_assert_int_eq(poll_with(future, &probe, NULL), EVF_PENDING);
    ck_assert_traced("A");
    run_passes(2);
    ck_assert_traced(""); /* it is there no more */
    b.ready = true;
    evf_waker_wake_by_ref(&b.waker);
    ck_assert_uint_ge(probe.wakes, 1);
    ck_assert_int_eq(poll_with(future, &probe, NULL), EVF_PENDING);
    ck_assert_traced("Bb");
    evf_future_drop(future);
    ck_assert_traced("a");
    ck_assert_int_eq(probe_live(&probe), 0);
    evf_group_free(group);
    evf_executor_release(executor);
}
END_TEST

START_TEST(group_moves_when_its_executor_is_freed) /* F46 F23 */
{
    evf_executor *second = evf_executor_new(base);
    struct actor a = {.name = 'A'};
    struct probe probe;
    evf_group *group = evf_group_new(NULL);
    evf_future *future = evf_group_future(group);

    probe_init(&probe);
    evf_group_add(group, actor(&a));
    evf_executor_hold(executor);
    ck_assert_int_eq(poll_with(future, &probe, second), EVF_PENDING);
    run_passes(2);
    ck_assert_traced("A");
    evf_waker_wake_by_ref(&a.waker); /* in the queue of the second */
    ck_assert_int_eq(poll_with(future, &probe, executor), EVF_PENDING);
    ck_assert_int_eq(evf_executor_free(second), 0);
    run_passes(2);
    ck_assert_traced("A"); /* not lost with that */
    ck_assert_int_eq(evf_executor_release(executor), 0);
    evf_future_drop(future);
    ck_assert_traced("a");
    evf_group_free(group);
}
END_TEST

START_TEST(group_moves_with_what_its_last_executor_has_queued) /* F46 F3 */
{
    struct event_base *elsewhere = event_base_new(); /* and nobody runs it */
    evf_executor *second = evf_executor_new(elsewhere);
    struct actor a = {.name = 'A'}, b = {.name = 'B'}, s = {.name = 'S'};
    struct probe probe;
    evf_group *group = evf_group_new(NULL);
    evf_future *future = evf_group_future(group);

    probe_init(&probe);
    evf_group_add(group, actor(&a));
    evf_group_add(group, actor(&b));
    ck_assert_int_eq(poll_with(future, &probe, second), EVF_PENDING);
    evf_task_detach(evf_spawn(second, actor(&s)));
    ck_assert_int_eq(poll_with(future, &probe, executor), EVF_PENDING);
    evf_executor_hold(executor);
    run_passes(2);
    ck_assert_traced("AB");
    ck_assert_int_ge(event_base_loop(elsewhere, EVLOOP_NONBLOCK), 0);
    ck_assert_traced("S"); /* in its place, and alone */
    evf_future_drop(future);
    ck_assert_traced("ab");
    evf_group_free(group);
    evf_executor_release(executor);
    ck_assert_int_eq(evf_executor_free(second), 0);
    event_base_free(elsewhere);
}
END_TEST

TEST_MAIN("group-inside", group_moves_with_what_its_last_executor_has_queued,
    child_may_add_another_in_its_poll_and_its_drop,
    child_may_close_and_free_its_group_in_its_poll,
    child_that_is_dropped_may_add_but_it_is_refused,
    child_dropped_unstarted_may_not_add_for_ever,
    group_dropped_in_a_childs_poll_keeps_that_child_till_then,
    child_that_ends_in_the_poll_that_dropped_its_group,
    foreign_executor_polls_the_children_that_were_woken,
    foreign_child_that_always_yields_does_not_hang_its_group,
    foreign_child_inside_a_task_may_free_that_task,
    group_moves_from_a_foreign_executor_to_ours,
    group_moves_from_our_executor_to_a_foreign_one,
    group_moves_when_its_executor_is_freed)
