/* SPDX-License-Identifier: BSD-3-Clause */
#include "actor.h"

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

START_TEST(owner_freed_while_its_child_is_dropped_ends_after_that) /* F49 */
{
    struct frees by_x = {0}, by_a = {0};
    struct owner o, b;
    struct actor a = {.name = 'A', .dropped = acts_and_frees, .arg = &by_a};
    struct actor x = {.name = 'X', .acts = acts_and_frees, .arg = &by_x};
    evf_future *join;
    evf_task *host;

    /* O joins B. X ends B's only await, by a handle: a child of B's group. */
    by_x.task = evf_spawn(executor, owner(&b, 'b', actor(&a), NULL));
    join = joined(group_of(NULL));
    by_a.task = evf_spawn(executor, owner(&o, 'o', join, NULL));
    run_passes(4);
    ck_assert_traced("Aobo");
    (void)host;
    (void)x;
}
END_TEST
