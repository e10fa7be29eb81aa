/* SPDX-License-Identifier: BSD-3-Clause */
#include "actor.h"

/*
 * What contains what: a join, and a group, is part of the task that polled it
 * last, and ending that waits until what runs inside of it has returned.
 */
static evf_future *
joined(evf_future *future)
{
    return evf_task_join(NULL, evf_spawn(executor, future));
}

/* Polls a future by hand, as part of its task. */
static void
polls_another(struct actor *self)
{
    evf_future *other = self->arg;

    if (!self->ready)
        ck_assert_int_eq(evf_future_poll(other, self->cx), EVF_PENDING);
}

START_TEST(container_is_who_polled_last) /* F8 F49 */
{
    struct frees f = {0};
    struct actor b = {.name = 'B', .acts = acts_and_frees, .arg = &f};
    evf_future *join = joined(actor(&b));
    struct actor one = {.name = '1', .acts = polls_another, .arg = join};
    struct actor two = {.name = '2', .acts = polls_another, .arg = join};
    evf_task *first = evf_spawn(executor, actor(&one));
    evf_task *second = evf_spawn(executor, actor(&two));

    run_passes(4);
    ck_assert_traced("B12");
    f.task = first;
    evf_waker_wake_by_ref(&b.waker);
    run_passes(4);
    ck_assert_traced("B(1)"); /* it was handed on: no part of the first */
    ck_assert_int_eq(f.got, 0);
    f.task = second;
    evf_waker_wake_by_ref(&b.waker);
    run_passes(4);
    ck_assert_traced("B()2");
    ck_assert_int_eq(f.got, 1);
    evf_future_drop(join);
    ck_assert_traced("b");
}
END_TEST

static void
joins(struct actor *self)
{
    evf_future **join = self->arg;

    if (self->polls == 1)
        *join = evf_task_join(NULL, (evf_task *)*join);
}

START_TEST(container_is_who_made_the_join_before_it_is_polled) /* F49 */
{
    struct frees f = {0};
    struct actor b = {.name = 'B', .acts = acts_and_frees, .arg = &f};
    void *slot;
    struct actor a = {.name = 'A', .acts = joins, .arg = &slot};

    f.task = evf_spawn(executor, actor(&a));
    slot = evf_spawn(executor, actor(&b));
    run_passes(4);
    ck_assert_traced("AB()a");
    ck_assert_int_eq(f.got, 1);
    evf_future_drop(slot);
    ck_assert_traced("b");
}
END_TEST

START_TEST(containment_reaches_across_executors) /* F46 F49 */
{
    evf_executor *second = evf_executor_new(base);
    struct frees f = {0};
    struct owner o;
    struct actor a = {.name = 'A', .acts = acts_and_frees, .arg = &f};
    evf_task *inner = evf_spawn(second, actor(&a));
    evf_task *outer = evf_spawn(executor,
        owner(&o, 'o', evf_task_join(NULL, inner)));

    run_passes(4);
    ck_assert_str_eq(trace_take(), "A");
    f.task = outer;
    evf_waker_wake_by_ref(&a.waker);
    run();
    ck_assert_traced("A()ao");
    ck_assert_int_eq(f.got, 1);
    ck_assert_int_eq(evf_executor_free(second), 0);
}
END_TEST

static void
frees_an_executor(struct actor *self)
{
    evf_executor **other = self->arg;
    int freed;

    if (*other == NULL)
        return;
    freed = evf_executor_free(*other);
    trace(freed == 0 ? '0' : 'E');
    if (freed == 0)
        *other = NULL;
}

START_TEST(executor_whose_task_contains_the_caller_is_not_freed) /* F46 F49 */
{
    evf_executor *second = evf_executor_new(base);
    evf_executor *victim = executor;
    struct owner o;
    struct actor a = {.name = 'A', .acts = frees_an_executor, .arg = &victim};
    evf_task *outer = evf_spawn(executor,
        owner(&o, 'o', evf_task_join(NULL, evf_spawn(second, actor(&a)))));

    victim = NULL;
    run_passes(4);
    ck_assert_traced("A");
    victim = executor;
    evf_waker_wake_by_ref(&a.waker);
    run_passes(4);
    ck_assert_traced("AE");
    ck_assert_misuse(1);
    evf_task_free(outer);
    ck_assert_traced("ao");
    ck_assert_int_eq(evf_executor_free(second), 0);
}
END_TEST

START_TEST(executor_of_strangers_may_be_freed_in_a_poll) /* F46 F49 */
{
    evf_executor *second = evf_executor_new(base);
    struct actor b = {.name = 'B'}, joined_one = {.name = 'J'};
    struct told told = {.name = 'T'};
    struct owner o;
    struct actor a = {.name = 'A', .acts = frees_an_executor, .arg = &second};
    evf_task *then = evf_spawn_then(second, actor(&b), tell, &told);
    evf_task *task = evf_spawn(executor,
        owner(&o, 'o',
            evf_task_join(NULL, evf_spawn(second, actor(&joined_one)))));

    run_passes(4);
    trace_take();
    evf_task_detach(evf_spawn(executor, actor(&a)));
    run_passes(4);
    ck_assert_traced("AbTj0o"); /* o: the join is over */
    ck_assert_int_eq(told.result, -ESHUTDOWN);
    ck_assert_int_eq(o.got, -ESHUTDOWN);
    evf_task_free(then);
    evf_task_free(task);
    executor_done();
    ck_assert_traced("a");
}
END_TEST

START_TEST(tasks_that_join_each_other_stop_nobody_else)
{
    struct frees f = {0};
    void *to_first, *to_second;
    struct actor one = {.name = '1', .acts = joins, .arg = &to_second};
    struct actor two = {.name = '2', .acts = joins, .arg = &to_first};
    struct actor stranger = {.name = 'S'};
    struct actor three = {.name = '3', .acts = acts_and_frees, .arg = &f};
    evf_task *task;

    to_first = evf_spawn(executor, actor(&one));
    to_second = evf_spawn(executor, actor(&two));
    run_passes(4); /* each is what contains the other */
    one.acts = NULL;
    f.task = evf_spawn(executor, actor(&stranger));
    task = evf_spawn(executor, actor(&three));
    run_passes(4);
    ck_assert_traced("12S3(s)");
    ck_assert_int_eq(f.got, 0);
    f.task = task;
    two.acts = acts_and_frees;
    two.arg = &f;
    evf_waker_wake_by_ref(&two.waker); /* a walk around the circle */
    run_passes(4);
    ck_assert_traced("2(3)");
    evf_future_drop(to_first);
    evf_future_drop(to_second);
    ck_assert_traced("12");
}
END_TEST

START_TEST(chain_of_joins_ends_from_its_innermost_task) /* F49 */
{
    enum {
        LENGTH = 300
    };
    static struct owner o[LENGTH];
    struct frees f = {0};
    struct actor a = {.name = 'A', .acts = acts_and_frees, .arg = &f};
    evf_future *inner = actor(&a);
    evf_task *outermost;

    for (int i = 0; i < LENGTH - 1; i++)
        inner = joined(owner(&o[i], 0, inner));
    outermost = evf_spawn(executor, owner(&o[LENGTH - 1], 'o', inner));
    settle();
    ck_assert_traced("A");
    f.task = outermost;
    evf_waker_wake_by_ref(&a.waker);
    run();
    ck_assert_traced("A()ao");
    ck_assert_int_eq(f.got, 1);
    for (int i = 0; i < LENGTH; i++)
        ck_assert_uint_eq(o[i].finallies, 1);
}
END_TEST

struct nested {
    struct event_base *base;
    evf_executor *executor;
    struct actor inner;
    intptr_t got;
};

static void
runs_a_loop(struct actor *self)
{
    struct nested *n = self->arg;

    trace('[');
    n->got = evf_block_on(n->executor, actor(&n->inner));
    ck_assert_ptr_eq(evf_executor_current(), executor);
    trace(']');
}

START_TEST(task_ended_in_a_loop_inside_its_poll_ends_after_that) /* F49 */
{
    struct frees f = {0};
    struct nested n = {.base = event_base_new(),
        .inner = {.name = 'I', .acts = acts_and_frees, .arg = &f}};
    struct actor a = {.name = 'A', .acts = runs_a_loop, .arg = &n};

    n.executor = evf_executor_new(n.base);
    n.inner.ready = true;
    f.task = evf_spawn(executor, actor(&a));
    run();
    ck_assert_traced("A[I()i]a");
    ck_assert_int_eq(f.got, 1);
    ck_assert_int_eq(n.got, 0);
    ck_assert_int_eq(evf_executor_free(n.executor), 0);
    event_base_free(n.base);
}
END_TEST

/* Nobody knows of a join that was not polled whose it is, before it is dropped. */
START_TEST(task_with_an_unpolled_join_of_the_caller) /* F38 F49 */
{
    struct frees f = {0};
    struct actor b = {.name = 'B', .acts = acts_and_frees, .arg = &f};

    f.task = evf_spawn(executor, evf_timeout(NULL, 10, joined(actor(&b))));
    run_passes(1);
    ck_assert_traced("B()b");
    ck_assert_int_eq(f.got, 1);
}
END_TEST

TEST_MAIN("end-container", task_with_an_unpolled_join_of_the_caller,
    container_is_who_polled_last,
    container_is_who_made_the_join_before_it_is_polled,
    containment_reaches_across_executors,
    executor_whose_task_contains_the_caller_is_not_freed,
    executor_of_strangers_may_be_freed_in_a_poll,
    tasks_that_join_each_other_stop_nobody_else,
    chain_of_joins_ends_from_its_innermost_task,
    task_ended_in_a_loop_inside_its_poll_ends_after_that)
