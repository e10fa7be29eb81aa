/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CHANNEL_SUPPORT_H
#define CHANNEL_SUPPORT_H

#include <string.h>

#include "support.h"

/*
 * What the channel's tests share: one channel of things, and operations on it
 * that are polled by hand, each with a waker of its own.
 */
#define THINGS 8

static struct thing things[THINGS];
static evf_channel *channel;

/* An operation with storage and a waker of its own. */
struct operation {
    evf_op op;
    evf_future *future; /* NULL once dropped */
    struct probe probe;
};

static inline void
open_channel(size_t capacity)
{
    memset(things, 0, sizeof(things));
    channel = evf_channel_new(capacity, thing_dispose);
    ck_assert_ptr_nonnull(channel);
}

static inline int
push(int i)
{
    return evf_channel_push(channel, &things[i]);
}

static inline void
receiver(struct operation *o)
{
    memset(o, 0, sizeof(*o));
    probe_init(&o->probe);
    o->future = evf_channel_recv(&o->op, channel);
}

static inline void
sender(struct operation *o, int i)
{
    memset(o, 0, sizeof(*o));
    probe_init(&o->probe);
    o->future = evf_channel_send(&o->op, channel, &things[i]);
}

static inline enum evf_poll
poll_one(struct operation *o)
{
    return poll_with(o->future, &o->probe, NULL); /* F40 */
}

static inline void
drop(struct operation *o)
{
    evf_future_drop(o->future);
    o->future = NULL;
    ck_assert_int_eq(probe_live(&o->probe), 0);
}

/* A receiver that waits. */
static inline void
wait_to_receive(struct operation *o)
{
    receiver(o);
    ck_assert_int_eq(poll_one(o), EVF_PENDING);
}

/* A sender that waits. */
static inline void
wait_to_send(struct operation *o, int i)
{
    sender(o, i);
    ck_assert_int_eq(poll_one(o), EVF_PENDING);
}

/* Polls an operation that must be ready, and ends it. */
static inline intptr_t
finish(struct operation *o)
{
    intptr_t result;

    ck_assert_int_eq(poll_one(o), EVF_READY);
    result = evf_future_take(o->future);
    drop(o);
    return result;
}

/* What a fresh receiver gets at once: the number of a thing, or an error. */
static inline int
next(void)
{
    struct operation o;
    intptr_t result;

    receiver(&o);
    result = finish(&o);
    if (evf_failed(result))
        return (int)result;
    return (int)((struct thing *)result - things);
}

static inline int
number(intptr_t result)
{
    ck_assert(!evf_failed(result));
    return (int)((struct thing *)result - things);
}

static inline unsigned
disposals(void)
{
    unsigned sum = 0;

    for (int i = 0; i < THINGS; i++) {
        ck_assert_uint_le(things[i].disposals, 1);
        sum += things[i].disposals;
    }
    return sum;
}

#endif
