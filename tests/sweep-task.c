/* SPDX-License-Identifier: BSD-3-Clause */
#include "sweep-row.h"

/* Rows of what stands between tasks: joins and groups. */

static void
let_gift(struct sweep *s, unsigned n)
{
    gift_let(s, n, 0);
}

/* The task. Who takes the handle takes its end. */
static void
join_make(struct sweep *s)
{
    s->task = evf_spawn(executor, gift_future(s, 0));
    EXPECT(s->task != NULL);
}

static evf_future *
join_task(struct sweep *s, evf_op *op)
{
    evf_task *task = s->task;

    s->task = NULL;
    return evf_task_join(op, task);
}

static void
join_check(struct sweep *s)
{
    EXPECT(s->gift[0].drops == 1);
}

static void
join_done(struct sweep *s)
{
    evf_task_free(s->task);
}

static void
forget(intptr_t result, void *arg)
{
    (void)result;
    (void)arg;
}

static evf_future *
join_refused(struct sweep *s, unsigned i, intptr_t *result)
{
    evf_task *with_callback = NULL;
    evf_future *future;

    if (i == 1)
        with_callback = evf_spawn_then(executor, gift_future(s, 1), forget,
            NULL);
    future = evf_task_join(&s->op[0], with_callback);
    evf_task_free(with_callback); /* the handle is still the caller's */
    EXPECT(misuses == i);
    misuses = 0;
    *result = i == 0 ? -ENOMEM : -EINVAL;
    return future;
}

static void
group_make(struct sweep *s)
{
    s->group = evf_group_new(NULL);
    EXPECT(evf_group_add(s->group, gift_future(s, 0)) == 0);
    EXPECT(evf_group_add(s->group, gift_future(s, 1)) == 0);
}

static void
open_group_make(struct sweep *s)
{
    s->group = evf_group_new(&(evf_group_options){.open = true});
    EXPECT(evf_group_add(s->group, gift_future(s, 0)) == 0);
}

static evf_future *
group_future(struct sweep *s, evf_op *op)
{
    (void)op;
    return evf_group_future(s->group);
}

/* Its children end, and it is told of the last one. */
static void
group_step(struct sweep *s, unsigned n)
{
    gift_let(s, n, 0);
    gift_let(s, n + 1, 0);
}

static void
open_group_step(struct sweep *s, unsigned n)
{
    gift_let(s, n, 0);
    evf_group_close(s->group);
}

static void
group_close(struct sweep *s)
{
    evf_group *group = s->group;

    s->group = NULL;
    evf_group_free(group);
}

/* Its children live only while it does; nobody is added after its end. */
static void
group_check(struct sweep *s)
{
    EXPECT(s->gift[0].drops == 1);
    if (s->group == NULL)
        return;
    EXPECT(evf_group_add(s->group, gift_future(s, 2)) == -ESHUTDOWN);
    EXPECT(s->gift[2].drops == 1);
}

static evf_future *
group_refused(struct sweep *s, unsigned i, intptr_t *result)
{
    (void)s;
    (void)i;
    *result = -ENOMEM;
    return evf_group_future(NULL);
}

/* One child runs, and one may: the future waits for the other's end. */
static void
room_make(struct sweep *s)
{
    s->group = evf_group_new(
        &(evf_group_options){.max_running = 1, .open = true});
    EXPECT(evf_group_add(s->group, gift_future(s, 0)) == 0);
    s->task = evf_spawn(executor, evf_group_future(s->group));
    EXPECT(s->task != NULL);
    run_passes(1);
}

static evf_future *
room(struct sweep *s, evf_op *op)
{
    return evf_group_room(op, s->group);
}

static void
room_close(struct sweep *s)
{
    evf_group_close(s->group);
}

/* Its turn passes on: who asks now has room, if there is some. */
static void
room_check(struct sweep *s)
{
    intptr_t result;

    run_passes(1);
    result = poll_now(s, evf_group_room(&s->op[0], s->group));
    if (executor == NULL || s->closed)
        EXPECT(result == -ESHUTDOWN);
    else
        EXPECT(result == (s->stepped == 1 ? 0 : EVF_RESULT_PENDING));
}

static void
room_done(struct sweep *s)
{
    evf_task_free(s->task);
    evf_group_free(s->group);
}

static evf_future *
room_refused(struct sweep *s, unsigned i, intptr_t *result)
{
    (void)s;
    (void)i;
    *result = -EINVAL;
    return evf_group_room(&s->op[0], NULL);
}

static void
group_done(struct sweep *s)
{
    evf_group_free(s->group);
}

const struct row task_rows[] = {
    {.name = "evf_task_join",
        .steps = 1,
        .ends_with_it = true,
        .gives = true,
        .make = join_make,
        .future = join_task,
        .step = let_gift,
        .check = join_check,
        .done = join_done,
        .refusals = 2,
        .refused = join_refused},
    {.name = "evf_group_future",
        .steps = 1,
        .no_op = true,
        .ends_with_it = true,
        .close_goes_on = true,
        .make = group_make,
        .future = group_future,
        .step = group_step,
        .close = group_close,
        .check = group_check,
        .done = group_done,
        .refusals = 1,
        .refused = group_refused},
    {.name = "evf_group_future",
        .variant = "open",
        .steps = 1,
        .no_op = true,
        .ends_with_it = true,
        .close_goes_on = true,
        .make = open_group_make,
        .future = group_future,
        .step = open_group_step,
        .close = group_close,
        .check = group_check,
        .done = group_done},
    {.name = "evf_group_room",
        .steps = 1,
        .ends_with_it = true,
        .make = room_make,
        .future = room,
        .step = let_gift,
        .close = room_close,
        .check = room_check,
        .done = room_done,
        .refusals = 1,
        .refused = room_refused},
    {.name = NULL},
};
