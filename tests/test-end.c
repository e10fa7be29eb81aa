/* SPDX-License-Identifier: BSD-3-Clause */
#include "actor.h"

#include <stdlib.h>

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

START_TEST(child_may_free_the_owner_of_its_group) /* F38 */
{
    struct frees f = {0};
    struct owner o;
    struct actor a = {.name = 'A', .acts = acts_and_frees, .arg = &f};
    struct actor next = {.name = 'N'};
    evf_task *task = evf_spawn(executor, owner(&o, 'o', group_of(actor(&a))));
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

START_TEST(task_that_ends_and_frees_itself_frees_its_result) /* F15 F33 F37 */
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

    outer.task = evf_spawn(executor,
        owner(&o, 's', owner(&a, 'a', actor(&leaf))));
    inner.task = evf_spawn(executor,
        owner(&p, 'p', group_of(actor(&leaf_of_p))));
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

    f.task = evf_spawn(executor, owner(&o, 'o', evf_group_future(group)));
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

TEST_MAIN("end", child_may_free_the_owner_of_its_group,
    task_that_ends_and_frees_itself_frees_its_result, task_may_detach_itself,
    deferred_end_comes_when_the_inner_drop_returns,
    child_dropped_unstarted_may_free_the_owner_of_its_group,
    group_of_100000_is_dropped_without_recursion)
