/* SPDX-License-Identifier: BSD-3-Clause */
#include "sweep-row.h"

/* Rows of what stands between tasks, and between callbacks and tasks. */

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
    EXPECT(misuses == 1);
    misuses = 0;
    *result = -EINVAL;
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
completer_make(struct sweep *s)
{
    s->completer = evf_completer_new(gift_dispose);
    EXPECT(s->completer != NULL);
}

/* An API that is cancelled, and one that calls back all the same. */
static int
cancelled(void *arg)
{
    struct sweep *s = arg;

    s->calls++;
    s->completer = NULL;
    return 1;
}

static void
cancel_make(struct sweep *s)
{
    completer_make(s);
    evf_completer_set_cancel(s->completer, cancelled, s);
}

static evf_future *
completer_future(struct sweep *s, evf_op *op)
{
    (void)op;
    return evf_completer_future(s->completer);
}

static void
complete(struct sweep *s, unsigned n)
{
    evf_completer *completer = s->completer;

    (void)n;
    s->completer = NULL;
    evf_complete(completer, (intptr_t)gift_give(s, 0));
}

static void
completer_close(struct sweep *s)
{
    evf_completer *completer = s->completer;

    s->completer = NULL;
    evf_complete(completer, -EPIPE);
}

/* What arrives after the drop is freed. */
static void
completer_check(struct sweep *s)
{
    if (s->completer != NULL)
        complete(s, 0);
}

/* The hook has run exactly if it was dropped before its completion. */
static void
cancel_check(struct sweep *s)
{
    EXPECT(s->completer == NULL);
    EXPECT(s->calls == (s->stepped == 0 && !s->closed));
}

/* Where nobody has used it. */
static void
completer_done(struct sweep *s)
{
    evf_future *future;

    if (s->completer == NULL)
        return;
    future = evf_completer_future(s->completer);
    completer_close(s);
    evf_future_drop(future);
}

static evf_future *
completer_refused(struct sweep *s, unsigned i, intptr_t *result)
{
    (void)s;
    (void)i;
    *result = -ENOMEM;
    return evf_completer_future(NULL);
}

static void
channel_make(struct sweep *s)
{
    s->channel = evf_channel_new(1, gift_dispose);
    EXPECT(s->channel != NULL);
}

static void
full_channel_make(struct sweep *s)
{
    channel_make(s);
    EXPECT(evf_channel_push(s->channel, gift_give(s, 0)) == 0);
}

static evf_future *
channel_send(struct sweep *s, evf_op *op)
{
    return evf_channel_send(op, s->channel, gift_give(s, 1));
}

/* Makes room. */
static void
receive_one(struct sweep *s, unsigned n)
{
    (void)n;
    gift_end(poll_now(s, evf_channel_recv(&s->op[0], s->channel)));
}

static evf_future *
channel_recv(struct sweep *s, evf_op *op)
{
    return evf_channel_recv(op, s->channel);
}

static void
push_one(struct sweep *s, unsigned n)
{
    (void)n;
    EXPECT(evf_channel_push(s->channel, gift_give(s, 0)) == 0);
}

static void
channel_close(struct sweep *s)
{
    evf_channel_close(s->channel);
}

static void
channel_free(struct sweep *s)
{
    evf_channel *channel = s->channel;

    s->channel = NULL;
    evf_channel_free(channel);
}

/*
 * An item that was sent is there. One that waited has got its place with the
 * room that was made for it, or it is gone.
 */
static void
send_check(struct sweep *s)
{
    intptr_t next;

    if (s->channel == NULL)
        return;
    if (s->stepped == 0)
        receive_one(s, 0);
    next = poll_now(s, evf_channel_recv(&s->op[0], s->channel));
    if (s->ended && s->result == 0)
        EXPECT(!evf_failed(next));
    EXPECT(evf_failed(next) || next == (intptr_t)&s->gift[1]);
    gift_end(next);
}

/* An item that nobody received goes to the next who asks. */
static void
recv_check(struct sweep *s)
{
    intptr_t next;

    if (s->channel == NULL)
        return;
    next = poll_now(s, evf_channel_recv(&s->op[0], s->channel));
    if (s->stepped == 1 && !(s->ended && !evf_failed(s->result)))
        EXPECT(next == (intptr_t)&s->gift[0]);
    else
        EXPECT(next == (s->closed ? -EPIPE : EVF_RESULT_PENDING));
    gift_end(next);
}

static void
channel_done(struct sweep *s)
{
    evf_channel_free(s->channel);
}

static evf_future *
send_refused(struct sweep *s, unsigned i, intptr_t *result)
{
    *result = -EINVAL;
    if (i == 0)
        return evf_channel_send(&s->op[0], NULL, NULL);
    return evf_channel_send(&s->op[0], s->channel, (void *)(intptr_t)-EIO);
}

static evf_future *
recv_refused(struct sweep *s, unsigned i, intptr_t *result)
{
    (void)s;
    (void)i;
    *result = -EINVAL;
    return evf_channel_recv(&s->op[0], NULL);
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
    {.name = "evf_completer_future",
        .variant = "without a hook",
        .steps = 1,
        .no_op = true,
        .gives = true,
        .make = completer_make,
        .future = completer_future,
        .step = complete,
        .close = completer_close,
        .check = completer_check,
        .done = completer_done,
        .refusals = 1,
        .refused = completer_refused},
    {.name = "evf_completer_future",
        .variant = "with a hook",
        .steps = 1,
        .no_op = true,
        .gives = true,
        .make = cancel_make,
        .future = completer_future,
        .step = complete,
        .close = completer_close,
        .check = cancel_check},
    {.name = "evf_channel_send",
        .variant = "to be closed",
        .steps = 1,
        .make = full_channel_make,
        .future = channel_send,
        .step = receive_one,
        .close = channel_close,
        .check = send_check,
        .done = channel_done,
        .refusals = 2,
        .refused = send_refused},
    {.name = "evf_channel_send",
        .variant = "to be freed",
        .steps = 1,
        .make = full_channel_make,
        .future = channel_send,
        .step = receive_one,
        .close = channel_free,
        .check = send_check,
        .done = channel_done},
    {.name = "evf_channel_recv",
        .variant = "to be closed",
        .steps = 1,
        .gives = true,
        .make = channel_make,
        .future = channel_recv,
        .step = push_one,
        .close = channel_close,
        .check = recv_check,
        .done = channel_done,
        .refusals = 1,
        .refused = recv_refused},
    {.name = "evf_channel_recv",
        .variant = "to be freed",
        .steps = 1,
        .gives = true,
        .make = channel_make,
        .future = channel_recv,
        .step = push_one,
        .close = channel_free,
        .check = recv_check,
        .done = channel_done},
    {.name = NULL},
};
