/* SPDX-License-Identifier: BSD-3-Clause */
#include "sweep-row.h"

/* Rows of what stands between callbacks and tasks: completers and channels. */

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

const struct row bridge_rows[] = {
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
