/* SPDX-License-Identifier: BSD-3-Clause */
#include "actor.h"

#include <string.h>

START_TEST(join_yields_the_result_and_its_owner) /* F33 */
{
    struct thing thing = {0};
    struct actor a = {.ready = true,
        .result = (intptr_t)&thing,
        .dispose = thing_dispose};
    struct told told = {0};
    evf_future *join = evf_task_join(NULL, evf_spawn(executor, actor(&a)));
    evf_task *task = evf_spawn_then(executor, join, tell, &told);

    run();
    ck_assert_int_eq(told.result, (intptr_t)&thing);
    ck_assert_uint_eq(thing.disposals, 0);
    evf_task_free(task);
}
END_TEST

START_TEST(future_is_dropped_before_the_joiner_sees_the_result) /* F17 */
{
    struct actor a = {.name = 'A', .ready = true};
    struct told told = {.name = 'T'};
    evf_future *join = evf_task_join(NULL, evf_spawn(executor, actor(&a)));

    evf_task_detach(evf_spawn_then(executor, join, tell, &told));
    run();
    ck_assert_traced("AaT");
}
END_TEST

START_TEST(join_of_an_ended_task_is_ready_at_once) /* F47 */
{
    struct actor a = {.ready = true, .result = 9};
    evf_task *task = evf_spawn(executor, actor(&a));
    struct probe probe;
    evf_future *join;

    run();
    probe_init(&probe);
    join = evf_task_join(NULL, task);
    ck_assert_int_eq(poll_with(join, &probe, executor), EVF_READY);
    ck_assert_int_eq(evf_future_take(join), 9);
    evf_future_drop(join);
    ck_assert_uint_eq(probe.clones, 0);
}
END_TEST

START_TEST(join_is_lazy_and_the_task_is_not) /* F1 */
{
    struct actor a = {0};
    evf_future *join = evf_task_join(NULL, evf_spawn(executor, actor(&a)));

    run_passes(1);
    ck_assert_uint_eq(a.polls, 1); /* it runs whether it is joined or not */
    evf_future_drop(join);
    ck_assert_uint_eq(a.drops, 1);
}
END_TEST

START_TEST(dropping_a_join_ends_its_task) /* F33 */
{
    struct thing thing = {0};
    struct actor pending = {0}, done = {.ready = true};
    struct probe probe;
    evf_future *joins[2];

    probe_init(&probe);
    done.result = (intptr_t)&thing;
    done.dispose = thing_dispose;
    joins[0] = evf_task_join(NULL, evf_spawn(executor, actor(&pending)));
    joins[1] = evf_task_join(NULL, evf_spawn(executor, actor(&done)));
    ck_assert_int_eq(poll_with(joins[0], &probe, executor), EVF_PENDING);
    run_passes(1);
    evf_future_drop(joins[0]);
    ck_assert_uint_eq(pending.drops, 1);
    ck_assert_int_eq(probe_live(&probe), 0);
    ck_assert_uint_eq(probe.wakes, 0);
    ck_assert_uint_eq(thing.disposals, 0);
    evf_future_drop(joins[1]); /* its result was there, and never taken */
    ck_assert_uint_eq(thing.disposals, 1);
    run();
}
END_TEST

START_TEST(join_that_was_ready_and_not_taken_frees_the_result) /* F33 */
{
    struct thing thing = {0};
    struct actor a = {.ready = true,
        .result = (intptr_t)&thing,
        .dispose = thing_dispose};
    struct probe probe;
    evf_future *join = evf_task_join(NULL, evf_spawn(executor, actor(&a)));

    probe_init(&probe);
    run();
    ck_assert_int_eq(poll_with(join, &probe, executor), EVF_READY);
    ck_assert_uint_eq(thing.disposals, 0);
    evf_future_drop(join);
    ck_assert_uint_eq(thing.disposals, 1);
}
END_TEST

START_TEST(request_to_the_joiner_is_passed_on) /* F31 */
{
    struct actor a = {.name = 'A'};
    struct told told = {.name = 'T'};
    evf_future *join = evf_task_join(NULL, evf_spawn(executor, actor(&a)));
    evf_task *task = evf_spawn_then(executor, join, tell, &told);

    run_passes(1);
    evf_task_cancel(task);
    run_passes(4);
    ck_assert_traced("AAaT");
    ck_assert_int_eq(told.result, -ECANCELED);
    evf_task_free(task);
}
END_TEST

START_TEST(request_before_the_joiner_begins_reaches_the_task) /* F31 F35 */
{
    struct actor a = {.name = 'A'};
    struct told told = {.name = 'T'};
    evf_task *joined = evf_spawn(executor, actor(&a));
    evf_task *task;

    run_passes(1);
    task = evf_spawn_then(executor, evf_task_join(NULL, joined), tell, &told);
    evf_task_cancel(task); /* a join STARTS, since its task may clean up */
    run_passes(4);
    ck_assert_traced("AAaT");
    ck_assert_int_eq(told.result, -ECANCELED);
    evf_task_free(task);
}
END_TEST

START_TEST(deadline_of_the_joiner_reaches_the_task) /* F31 */
{
    struct actor a = {.name = 'A'};
    struct told told = {.name = 'T'};
    evf_future *join = evf_task_join(NULL, evf_spawn(executor, actor(&a)));

    evf_executor_pause_clock(executor);
    evf_task_detach(
        evf_spawn_then(executor, evf_timeout(NULL, 50, join), tell, &told));
    run();
    ck_assert_traced("AAaT");
    ck_assert_int_eq(told.result, -ETIMEDOUT);
}
END_TEST

START_TEST(join_needs_a_handle_without_a_callback) /* F47 F14 */
{
    struct actor a = {0};
    struct told told = {0};
    evf_task *task = evf_spawn_then(executor, actor(&a), tell, &told);
    evf_op op = {0};

    ck_assert_ptr_eq(evf_task_join(&op, task), evf_future_failed(-EINVAL));
    ck_assert_misuse(1);
    ck_assert_ptr_null(evf_task_join(&op, NULL)); /* a spawn that failed */
    ck_assert_misuse(0);
    ck_assert_ptr_null(op.future.ops);
    actor_finish(&a, 4); /* the handle was left alone */
    run();
    ck_assert_int_eq(told.result, 4);
    ck_assert_ptr_eq(evf_task_join(&op, task), evf_future_failed(-EINVAL));
    ck_assert_misuse(1);
    evf_task_free(task);
}
END_TEST

START_TEST(join_without_storage_takes_the_handle_all_the_same) /* F28 F34 */
{
    struct actor a = {0}, b = {0}, c = {0};
    evf_op op = {0};
    evf_future *join;

    heap_fail_at(2); /* the task's, and then the join's */
    ck_assert_ptr_null(evf_task_join(NULL, evf_spawn(executor, actor(&a))));
    ck_assert_uint_eq(a.drops, 1);
    join = evf_task_join(&op, evf_spawn(executor, actor(&b)));
    ck_assert_ptr_eq(join, &op.future);
    ck_assert_ptr_eq(evf_task_join(&op, evf_spawn(executor, actor(&c))),
        evf_future_failed(-EBUSY));
    ck_assert_uint_eq(c.drops, 1);
    ck_assert_uint_eq(b.drops, 0); /* and harms nobody */
    evf_future_drop(join);
    ck_assert_uint_eq(b.drops, 1);
    ck_assert_ptr_null(op.future.ops);
}
END_TEST

START_TEST(latest_poll_of_a_join_is_the_one_that_is_woken) /* F8 F2 */
{
    struct actor a = {0};
    struct probe first, second;
    evf_future *join = evf_task_join(NULL, evf_spawn(executor, actor(&a)));

    probe_init(&first);
    probe_init(&second);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(poll_with(join, &first, executor), EVF_PENDING);
    ck_assert_uint_eq(first.clones, 1);
    ck_assert_int_eq(poll_with(join, &second, NULL), EVF_PENDING);
    ck_assert_int_eq(probe_live(&first), 0);
    run_passes(1);
    ck_assert_uint_eq(second.wakes, 0);
    actor_finish(&a, 1);
    run();
    ck_assert_uint_eq(first.wakes, 0);
    ck_assert_uint_eq(second.wakes, 1);
    ck_assert_int_eq(probe_live(&second), 0);
    ck_assert_int_eq(poll_with(join, &first, executor), EVF_READY);
    ck_assert_int_eq(evf_future_take(join), 1);
    evf_future_drop(join);
}
END_TEST

START_TEST(join_may_be_moved_before_its_first_poll) /* F18 */
{
    struct actor a = {0};
    struct told told = {0};
    evf_op from = {0}, to;

    ck_assert_ptr_eq(evf_task_join(&from, evf_spawn(executor, actor(&a))),
        &from.future);
    memcpy(&to, &from, sizeof(to));
    memset(&from, 0xee, sizeof(from));
    evf_task_detach(evf_spawn_then(executor, &to.future, tell, &told));
    run_passes(2);
    actor_finish(&a, 6);
    run();
    ck_assert_int_eq(told.result, 6);
}
END_TEST

static void
joins_and_drops(struct actor *self)
{
    evf_task **task = self->arg;

    if (*task != NULL)
        evf_future_drop(evf_task_join(NULL, *task));
    *task = NULL;
}

START_TEST(task_that_drops_its_own_join_ends_when_its_poll_returns) /* F15 */
{
    evf_task *task;
    struct actor a = {.name = 'A', .acts = joins_and_drops, .arg = &task};
    struct actor next = {.name = 'N', .ready = true};

    task = evf_spawn(executor, actor(&a));
    evf_task_detach(evf_spawn(executor, actor(&next)));
    run();
    ck_assert_traced("AaNn");
}
END_TEST

START_TEST(joined_task_still_holds_the_loop) /* L9 */
{
    struct actor a = {0};
    evf_future *join = evf_task_join(NULL, evf_spawn(executor, actor(&a)));

    run_passes(1);
    ck_assert_int_eq(event_base_get_num_events(base, EVENT_BASE_COUNT_ADDED),
        1);
    evf_future_drop(join);
    ck_assert_int_eq(event_base_dispatch(base), 1);
}
END_TEST

static enum evf_poll
yields_it(void *arg, evf_context *cx, intptr_t *result)
{
    (void)cx;
    *result = *(int *)arg;
    return EVF_READY;
}

START_TEST(many_tasks_may_be_joined_by_one) /* F33 */
{
    enum {
        N = 50
    };
    static int values[N];
    evf_future *joins[N];
    intptr_t results[N];
    struct told told = {0};

    for (int i = 0; i < N; i++) {
        values[i] = i;
        joins[i] = evf_task_join(NULL,
            evf_spawn(executor, evf_poll_fn(NULL, yields_it, &values[i])));
    }
    evf_task_detach(evf_spawn_then(executor, evf_join(NULL, N, joins, results),
        tell, &told));
    run();
    ck_assert_uint_eq(told.calls, 1);
    for (int i = 0; i < N; i++)
        ck_assert_int_eq(results[i], i);
}
END_TEST

TEST_MAIN("join-task", join_yields_the_result_and_its_owner,
    future_is_dropped_before_the_joiner_sees_the_result,
    join_of_an_ended_task_is_ready_at_once, join_is_lazy_and_the_task_is_not,
    dropping_a_join_ends_its_task,
    join_that_was_ready_and_not_taken_frees_the_result,
    request_to_the_joiner_is_passed_on,
    request_before_the_joiner_begins_reaches_the_task,
    deadline_of_the_joiner_reaches_the_task,
    join_needs_a_handle_without_a_callback,
    join_without_storage_takes_the_handle_all_the_same,
    latest_poll_of_a_join_is_the_one_that_is_woken,
    join_may_be_moved_before_its_first_poll,
    task_that_drops_its_own_join_ends_when_its_poll_returns,
    joined_task_still_holds_the_loop, many_tasks_may_be_joined_by_one)
