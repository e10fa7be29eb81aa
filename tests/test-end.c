/* SPDX-License-Identifier: BSD-3-Clause */
#include "actor.h"

#include <stdlib.h>
#include <string.h>

/* What an actor is given to free, and what came of that. */
struct frees {
    evf_task *task;
    int got;
};

static void
frees(struct frees *f)
{
    evf_task *task = f->task;

    f->task = NULL;
    if (task == NULL)
        return;
    trace('(');
    f->got = evf_task_free(task);
    trace(')');
}

static void
acts_and_frees(struct actor *self)
{
    frees(self->arg);
}

/* Awaits the futures it is given, one after the other. */
struct owner {
    evf_frame frame;
    evf_future *awaits[2];
    intptr_t got[2];
    unsigned i, finallies;
    char name;
};

static evf_future *
next_of(struct owner *o)
{
    evf_future *next = o->awaits[o->i];

    o->awaits[o->i] = NULL;
    return next;
}

static enum evf_poll
owner_run(evf_future *self, evf_context *cx)
{
    struct owner *o = evf_frame_of(self, struct owner);

    EVF_BEGIN(self, cx);
    for (; o->i < 2; o->i++)
        EVF_AWAIT(o->got[o->i], next_of(o));
    EVF_FINALLY;
    evf_future_drop(o->awaits[0]);
    evf_future_drop(o->awaits[1]);
    o->finallies++;
    trace(o->name);
    EVF_END;
}

static const evf_frame_ops owner_ops = EVF_FRAME_OPS(struct owner, owner_run);

/* It awaits `first`, and then `second`; what it never came to it drops. */
static evf_future *
owner(struct owner *o, char name, evf_future *first, evf_future *second)
{
    memset(o, 0, sizeof(*o));
    evf_frame_init(o, &owner_ops);
    o->name = name;
    o->awaits[0] = first;
    o->awaits[1] = second;
    return &o->frame.future;
}

/* A group of one, whose handle is gone. */
static evf_future *
group_of(evf_future *child)
{
    evf_group *group = evf_group_new(NULL);
    evf_future *future = evf_group_future(group);

    ck_assert_int_eq(evf_group_add(group, child), 0);
    evf_group_free(group);
    return future;
}

static evf_future *
joined(evf_future *future)
{
    return evf_task_join(NULL, evf_spawn(executor, future));
}

START_TEST(child_may_free_the_owner_of_its_group) /* F38 */
{
    struct frees f = {0};
    struct owner o;
    struct actor a = {.name = 'A', .acts = acts_and_frees, .arg = &f};
    struct actor next = {.name = 'N'};
    evf_task *task = evf_spawn(
        executor, owner(&o, 'o', group_of(actor(&a)), NULL));
    evf_task *other = evf_spawn(executor, actor(&next));

    run_passes(4);
    ck_assert_traced("NA");
    f.task = task;
    evf_waker_wake_by_ref(&a.waker);
    evf_waker_wake_by_ref(&next.waker);
    run_passes(4);
    ck_assert_traced("A()aoN");
    ck_assert_int_eq(f.got, 1);
    evf_task_free(other);
}
END_TEST

START_TEST(task_that_ends_and_frees_itself_frees_its_result) /* F15 F33 */
{
    struct thing thing = {0};
    struct frees f = {0};
    struct actor a = {.name = 'A',
        .acts = acts_and_frees,
        .arg = &f,
        .ready = true,
        .result = (intptr_t)&thing,
        .dispose = thing_dispose};
    struct told told = {0};

    f.task = evf_spawn_then(executor, actor(&a), tell, &told);
    run();
    ck_assert_traced("A()a");
    ck_assert_int_eq(f.got, 1);
    ck_assert_uint_eq(thing.disposals, 1);
    ck_assert_uint_eq(told.calls, 0);
}
END_TEST

static void
detaches(struct actor *self)
{
    evf_task **task = self->arg;

    if (self->polls == 1)
        evf_task_detach(*task);
}

START_TEST(task_may_detach_itself) /* F15 */
{
    struct thing thing = {0};
    evf_task *task;
    struct actor a = {.acts = detaches, .arg = &task, .dispose = thing_dispose};

    task = evf_spawn(executor, actor(&a));
    run_passes(2);
    ck_assert_uint_eq(a.drops, 0);
    actor_finish(&a, (intptr_t)&thing);
    run();
    ck_assert_uint_eq(a.drops, 1);
    ck_assert_uint_eq(thing.disposals, 1);
}
END_TEST

START_TEST(deferred_end_comes_when_the_inner_drop_returns) /* F49 */
{
    struct frees outer = {0}, inner = {0};
    struct owner o, a;
    struct actor leaf = {.name = 'L', .dropped = acts_and_frees, .arg = &inner};
    struct actor x = {.name = 'X', .acts = acts_and_frees, .arg = &outer};
    evf_task *host;

    /* X frees S; a drop inside of S frees P, which awaits another group. */
    struct owner p;
    struct actor leaf_of_p = {.name = 'Q'};

    outer.task = evf_spawn(
        executor, owner(&o, 's', owner(&a, 'a', actor(&leaf), NULL), NULL));
    inner.task = evf_spawn(
        executor, owner(&p, 'p', group_of(actor(&leaf_of_p)), NULL));
    run_passes(4);
    ck_assert_traced("LQ");
    host = evf_spawn(executor, actor(&x));
    run_passes(4);
    ck_assert_traced("X(l(qp)as)");
    ck_assert_int_eq(outer.got, 0);
    ck_assert_int_eq(inner.got, 0);
    evf_task_free(host);
}
END_TEST

START_TEST(child_dropped_unstarted_may_free_the_owner_of_its_group) /* F38 */
{
    struct frees f = {0};
    struct owner o;
    struct actor first = {.name = 'A'}, kept[2] = {{.name = 'K'}, {.name = 0}};
    struct actor last = {.name = 'L', .dropped = acts_and_frees, .arg = &f};
    evf_group *group = evf_group_new(&(evf_group_options){.max_running = 1});

    f.task = evf_spawn(executor, owner(&o, 'o', evf_group_future(group), NULL));
    evf_group_add(group, actor(&first));
    evf_group_add(group, evf_shield(NULL, 1, actor(&kept[0])));
    evf_group_add(group, actor(&last));
    evf_group_add(group, evf_shield(NULL, 1, actor(&kept[1])));
    run_passes(4);
    ck_assert_traced("A");
    actor_finish(&first, -EIO);
    run();
    ck_assert_traced("Aal()ko"); /* L was not started and need not be */
    ck_assert_int_eq(f.got, 1);
    ck_assert_uint_eq(kept[0].drops + kept[1].drops, 2);
    evf_group_free(group);
}
END_TEST

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
    evf_task *outer = evf_spawn(
        executor, owner(&o, 'o', evf_task_join(NULL, inner), NULL));

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
        owner(
            &o, 'o', evf_task_join(NULL, evf_spawn(second, actor(&a))), NULL));

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
            evf_task_join(NULL, evf_spawn(second, actor(&joined_one))), NULL));

    run_passes(4);
    trace_take();
    evf_task_detach(evf_spawn(executor, actor(&a)));
    run_passes(4);
    ck_assert_traced("AbTj0o"); /* o: the join is over */
    ck_assert_int_eq(told.result, -ESHUTDOWN);
    ck_assert_int_eq(o.got[0], -ESHUTDOWN);
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
        inner = joined(owner(&o[i], 0, inner, NULL));
    outermost = evf_spawn(executor, owner(&o[LENGTH - 1], 'o', inner, NULL));
    run_passes(4);
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

/* Drops that note how deep the C stack is. */
struct deep {
    evf_future future;
};

static const char *lowest, *highest;
static unsigned deep_drops;

static enum evf_poll
deep_poll(evf_future *self, evf_context *cx)
{
    (void)self;
    (void)cx;
    return EVF_PENDING;
}

static void
deep_drop(evf_future *self)
{
    const char *here = __builtin_frame_address(0);

    (void)self;
    deep_drops++;
    if (lowest == NULL || here < lowest)
        lowest = here;
    if (highest == NULL || here > highest)
        highest = here;
}

static const evf_future_ops deep_ops = {
    .size = sizeof(struct deep),
    .name = "deep",
    .poll = deep_poll,
    .drop = deep_drop,
};

START_TEST(group_of_100000_is_dropped_without_recursion) /* F38 */
{
    enum {
        N = 100000
    };
    struct deep *children = calloc(N, sizeof(*children));
    evf_group *group = evf_group_new(NULL);
    evf_task *task;

    ck_assert_ptr_nonnull(children);
    for (int i = 0; i < N; i++) {
        evf_future_init(&children[i].future, &deep_ops);
        ck_assert_int_eq(evf_group_add(group, &children[i].future), 0);
    }
    task = evf_spawn(executor, evf_group_future(group));
    evf_group_free(group);
    run_passes(4); /* some have been polled, some not */
    ck_assert_int_eq(evf_task_free(task), 0);
    ck_assert_uint_eq(deep_drops, N);
    ck_assert_int_lt(highest - lowest, 1024);
    run();
    free(children);
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

TEST_MAIN("end", child_may_free_the_owner_of_its_group,
    task_that_ends_and_frees_itself_frees_its_result, task_may_detach_itself,
    deferred_end_comes_when_the_inner_drop_returns,
    child_dropped_unstarted_may_free_the_owner_of_its_group,
    container_is_who_polled_last,
    container_is_who_made_the_join_before_it_is_polled,
    containment_reaches_across_executors,
    executor_whose_task_contains_the_caller_is_not_freed,
    executor_of_strangers_may_be_freed_in_a_poll,
    tasks_that_join_each_other_stop_nobody_else,
    chain_of_joins_ends_from_its_innermost_task,
    group_of_100000_is_dropped_without_recursion,
    task_ended_in_a_loop_inside_its_poll_ends_after_that)
