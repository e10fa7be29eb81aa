/* SPDX-License-Identifier: BSD-3-Clause */
#include "actor.h"

#include <string.h>

START_TEST(spawn_does_nothing_before_the_loop_runs) /* F1 */
{
    struct actor a = {.name = 'A', .ready = true};
    struct told told = {.name = 'T'};
    evf_task *task = evf_spawn_then(executor, actor(&a), tell, &told);

    ck_assert_traced("");
    run();
    ck_assert_traced("AaT");
    ck_assert_int_eq(evf_task_free(task), 0);
}
END_TEST

START_TEST(spawn_then_reports_the_result_from_the_loop)
{
    struct actor a = {0};
    struct told told = {0};
    evf_task *task = evf_spawn_then(executor, actor(&a), tell, &told);

    ck_assert_uint_eq(a.polls, 0);
    actor_finish(&a, 42);
    run();
    ck_assert_uint_eq(told.calls, 1);
    ck_assert_int_eq(told.result, 42);
    ck_assert_uint_eq(a.drops, 1);
    ck_assert_int_eq(evf_task_free(task), 0);
}
END_TEST

START_TEST(future_is_dropped_before_its_callback_sees_the_result) /* F17 */
{
    struct thing thing = {0};
    struct actor a = {.name = 'A',
        .ready = true,
        .result = (intptr_t)&thing,
        .dispose = thing_dispose};
    struct told told = {.name = 'T'};
    evf_task *task = evf_spawn_then(executor, actor(&a), tell, &told);

    run();
    ck_assert_traced("AaT");
    ck_assert_int_eq(told.result, (intptr_t)&thing);
    ck_assert_int_eq(evf_task_free(task), 0);
    ck_assert_uint_eq(thing.disposals, 0); /* F33: the callback owns it */
}
END_TEST

START_TEST(failed_futures_may_be_spawned) /* F47 */
{
    static const int errors[] = {-EBUSY, -ENOMEM, -EINVAL};
    struct told told = {0};
    evf_task *task;

    for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++) {
        evf_future *future = errors[i] == -ENOMEM
            ? NULL
            : evf_future_failed(errors[i]);

        task = evf_spawn_then(executor, future, tell, &told);
        run();
        ck_assert_uint_eq(told.calls, i + 1);
        ck_assert_int_eq(told.result, errors[i]);
        evf_task_free(task);
    }
    evf_task_detach(evf_spawn(executor, NULL));
    ck_assert_int_eq(evf_task_free(evf_spawn(executor, NULL)), 0);
    run();
}
END_TEST

START_TEST(spawn_without_an_executor_drops_the_future) /* F47 */
{
    struct actor a = {0};
    struct told told = {0};

    ck_assert_ptr_null(evf_spawn(NULL, actor(&a)));
    ck_assert_ptr_null(evf_spawn_then(NULL, actor(&a), tell, &told));
    ck_assert_uint_eq(a.polls, 0);
    ck_assert_uint_eq(a.drops, 2);
    ck_assert_uint_eq(told.calls, 0);
}
END_TEST

START_TEST(spawn_without_memory_drops_the_future) /* F28 */
{
    struct actor a = {0};
    struct told told = {0};

    heap_fail_at(1);
    ck_assert_ptr_null(evf_spawn(executor, actor(&a)));
    heap_fail_at(1);
    ck_assert_ptr_null(evf_spawn_then(executor, actor(&a), tell, &told));
    ck_assert_uint_eq(a.drops, 2);
    run(); /* nothing holds it */
    ck_assert_uint_eq(told.calls, 0);
}
END_TEST

START_TEST(spawn_then_needs_a_function) /* F47 */
{
    struct actor a = {0};

    ck_assert_ptr_null(evf_spawn_then(executor, actor(&a), NULL, NULL));
    ck_assert_uint_eq(misuses, 1);
    misuses = 0;
    ck_assert_uint_eq(a.drops, 1);
    run(); /* nothing holds it */
}
END_TEST

START_TEST(null_handles_are_fine)
{
    ck_assert_int_eq(evf_task_free(NULL), 0);
    evf_task_cancel(NULL);
    evf_task_detach(NULL);
    evf_task_set_daemon(NULL, true);
}
END_TEST

START_TEST(free_ends_a_task_at_once_wherever_it_is) /* F37 */
{
    struct thing thing = {0};
    struct actor fresh = {0}, pending = {0}, queued = {0}, done = {0};
    evf_task *tasks[3];

    tasks[0] = evf_spawn(executor, actor(&pending));
    tasks[1] = evf_spawn(executor, actor(&queued));
    done.dispose = thing_dispose;
    tasks[2] = evf_spawn(executor, actor(&done));
    actor_finish(&done, (intptr_t)&thing);
    run_passes(1);
    evf_waker_wake_by_ref(&queued.waker);
    ck_assert_uint_eq(done.drops, 1);
    ck_assert_uint_eq(thing.disposals, 0);

    ck_assert_int_eq(evf_task_free(evf_spawn(executor, actor(&fresh))), 0);
    ck_assert_uint_eq(fresh.polls, 0);
    ck_assert_uint_eq(fresh.drops, 1);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(evf_task_free(tasks[i]), 0);
    ck_assert_uint_eq(pending.drops, 1);
    ck_assert_uint_eq(queued.drops, 1);
    ck_assert_uint_eq(done.drops, 1);
    ck_assert_uint_eq(thing.disposals, 1); /* F33 */
    run();
    ck_assert_uint_eq(pending.polls, 1);
    ck_assert_uint_eq(queued.polls, 1);
}
END_TEST

struct host {
    struct actor *actor;
    evf_task *task;
    int freed;
};

static void
host_frees(void *arg)
{
    struct host *host = arg;

    trace('(');
    host->freed = evf_task_free(host->task);
    trace(')');
}

START_TEST(free_from_a_plain_callback_is_final) /* F24 F37 */
{
    struct actor a = {.name = 'A', .again = true};
    struct told told = {.name = 'T'};
    struct host host = {&a, NULL, -1};

    host.task = evf_spawn_then(executor, actor(&a), tell, &told);
    a.again = false;
    host_calls(host_frees, &host);
    run();
    ck_assert_int_eq(host.freed, 0);
    ck_assert_str_eq(strchr(trace_take(), '('), "(a)");
    evf_waker_wake(&a.waker); /* F6 */
    run_passes(2);
    ck_assert_traced("");
    ck_assert_uint_eq(told.calls, 0);
}
END_TEST

START_TEST(callback_is_forgotten_when_the_handle_is_freed_meanwhile) /* F37 */
{
    struct thing thing = {0};
    struct actor a = {.dispose = thing_dispose};
    struct told told = {0};
    evf_task *task = evf_spawn_then(executor, actor(&a), tell, &told);

    run_passes(1);
    actor_finish(&a, (intptr_t)&thing); /* queued, with its result there */
    ck_assert_int_eq(evf_task_free(task), 0);
    run();
    ck_assert_uint_eq(a.polls, 1);
    ck_assert_uint_eq(a.drops, 1);
    ck_assert_uint_eq(told.calls, 0);
    ck_assert_uint_eq(thing.disposals, 0); /* it was never the task's */
}
END_TEST

static void
frees_its_handle(struct told *told)
{
    ck_assert_int_eq(evf_task_free(*(evf_task **)told->arg), 0);
}

START_TEST(callback_may_free_its_own_handle) /* F49 */
{
    struct actor a = {.ready = true};
    evf_task *task;
    struct told told = {.then = frees_its_handle, .arg = &task};

    task = evf_spawn_then(executor, actor(&a), tell, &told);
    run();
    ck_assert_uint_eq(told.calls, 1);
}
END_TEST

static void
detaches_its_handle(struct told *told)
{
    evf_task *task = *(evf_task **)told->arg;

    evf_task_cancel(task);
    evf_task_set_daemon(task, true);
    evf_task_detach(task);
}

START_TEST(callback_may_use_and_detach_its_own_handle)
{
    struct actor a = {.ready = true};
    evf_task *task;
    struct told told = {.then = detaches_its_handle, .arg = &task};

    task = evf_spawn_then(executor, actor(&a), tell, &told);
    run();
    ck_assert_uint_eq(told.calls, 1);
}
END_TEST

static void
spawns_another(struct told *told)
{
    evf_task_detach(evf_spawn_then(executor, NULL, tell, told->arg));
}

START_TEST(callback_may_spawn)
{
    struct told second = {.name = '2'};
    struct told first = {.name = '1', .then = spawns_another, .arg = &second};

    evf_task_detach(evf_spawn_then(executor, NULL, tell, &first));
    run();
    ck_assert_traced("12");
    ck_assert_int_eq(second.result, -ENOMEM);
}
END_TEST

START_TEST(detached_task_runs_and_its_result_is_freed) /* F33 */
{
    struct thing early = {0}, late = {0};
    struct actor a = {.dispose = thing_dispose}, b = {.dispose = thing_dispose};
    evf_task *task = evf_spawn(executor, actor(&b));

    actor_finish(&b, (intptr_t)&early);
    run_passes(1); /* it has ended, and the handle holds the result */
    ck_assert_uint_eq(early.disposals, 0);
    evf_task_detach(task);
    ck_assert_uint_eq(early.disposals, 1);

    evf_task_detach(evf_spawn(executor, actor(&a)));
    run_passes(1);
    actor_finish(&a, (intptr_t)&late);
    ck_assert_uint_eq(late.disposals, 0);
    run();
    ck_assert_uint_eq(late.disposals, 1);
    ck_assert_uint_eq(a.drops, 1);
}
END_TEST

START_TEST(detached_task_keeps_its_callback)
{
    struct actor a = {0};
    struct told told = {0};

    evf_task_detach(evf_spawn_then(executor, actor(&a), tell, &told));
    run_passes(1);
    actor_finish(&a, 7);
    run();
    ck_assert_uint_eq(told.calls, 1);
    ck_assert_int_eq(told.result, 7);
}
END_TEST

START_TEST(failed_result_is_not_freed) /* F33 */
{
    struct actor a = {.ready = true, .result = -EIO, .dispose = thing_dispose};
    evf_task *task = evf_spawn(executor, actor(&a));

    run();
    ck_assert_int_eq(evf_task_free(task), 0);
    ck_assert_uint_eq(a.drops, 1);
}
END_TEST

static void
wakes_and_spawns(struct actor *self)
{
    static struct actor heir = {.name = 'H', .ready = true};

    evf_waker_wake_by_ref(self->arg);
    evf_task_detach(evf_spawn(executor, actor(&heir)));
}

START_TEST(destructor_may_spawn_and_wake) /* F16 */
{
    struct actor other = {.name = 'O'};
    struct actor a = {.name = 'A',
        .dropped = wakes_and_spawns,
        .arg = &other.waker};
    evf_task *task, *others = evf_spawn(executor, actor(&other));

    task = evf_spawn(executor, actor(&a));
    run_passes(1);
    ck_assert_traced("OA");
    ck_assert_int_eq(evf_task_free(task), 0);
    ck_assert_traced("a");
    run_passes(1);
    ck_assert_traced("OHh");
    ck_assert_int_eq(evf_task_free(others), 0);
}
END_TEST

START_TEST(wakes_after_the_end_do_nothing) /* F6 */
{
    struct actor a = {0}, b = {0};
    evf_waker first, second;
    evf_task *task = evf_spawn(executor, actor(&a));

    evf_task_detach(evf_spawn(executor, actor(&b)));
    run_passes(1);
    first = evf_waker_clone(&a.waker);
    second = evf_waker_clone(&b.waker);
    evf_task_free(task);
    actor_finish(&b, 0);
    run();
    for (int i = 0; i < 3; i++) {
        evf_waker_wake_by_ref(&first);
        evf_waker_wake_by_ref(&second);
    }
    run_passes(2);
    ck_assert_uint_eq(a.polls, 1);
    ck_assert_uint_eq(b.polls, 2);
    evf_waker_wake(&first);
    evf_waker_drop(&second);
}
END_TEST

START_TEST(tasks_and_their_wakes_allocate_once) /* and never when woken */
{
    struct actor a = {0};
    size_t before = heap_allocations();
    evf_task *task = evf_spawn(executor, actor(&a));

    ck_assert_uint_eq(heap_allocations(), before + 1);
    for (int i = 0; i < 10; i++) {
        run_passes(1);
        evf_waker_wake_by_ref(&a.waker);
        evf_task_cancel(NULL);
    }
    ck_assert_uint_eq(heap_allocations(), before + 1);
    evf_task_free(task);
}
END_TEST

static void
host_does_everything(void *arg)
{
    struct host *host = arg;
    struct actor *a = host->actor;

    ck_assert_ptr_null(evf_executor_current());
    evf_task_free(host->task); /* never polled */
    host->task = evf_spawn(executor, actor(a));
    evf_task_cancel(host->task);
    evf_task_detach(host->task);
    evf_task_detach(evf_spawn(executor, actor(a + 1)));
    actor_finish(a + 1, 0);
}

START_TEST(host_callbacks_may_spawn_wake_cancel_and_free) /* F24 */
{
    struct actor a[2] = {{.name = 'A'}, {.name = 'B'}};
    struct actor first = {.name = 'F'};
    struct host host = {a, NULL, 0};

    host_calls(host_does_everything, &host);
    host.task = evf_spawn(executor, actor(&first));
    evf_task_set_daemon(host.task, true);
    run();
    ck_assert_uint_eq(first.drops, 1);
    ck_assert_uint_eq(a[0].polls, 0); /* cancelled before its first poll */
    ck_assert_uint_eq(a[0].drops, 1);
    ck_assert_uint_eq(a[1].drops, 1);
}
END_TEST

TEST_MAIN("task", spawn_does_nothing_before_the_loop_runs,
    spawn_then_reports_the_result_from_the_loop,
    future_is_dropped_before_its_callback_sees_the_result,
    failed_futures_may_be_spawned, spawn_without_an_executor_drops_the_future,
    spawn_without_memory_drops_the_future, spawn_then_needs_a_function,
    null_handles_are_fine, free_ends_a_task_at_once_wherever_it_is,
    free_from_a_plain_callback_is_final,
    callback_is_forgotten_when_the_handle_is_freed_meanwhile,
    callback_may_free_its_own_handle,
    callback_may_use_and_detach_its_own_handle, callback_may_spawn,
    detached_task_runs_and_its_result_is_freed,
    detached_task_keeps_its_callback, failed_result_is_not_freed,
    destructor_may_spawn_and_wake, wakes_after_the_end_do_nothing,
    tasks_and_their_wakes_allocate_once,
    host_callbacks_may_spawn_wake_cancel_and_free)
