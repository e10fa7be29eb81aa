/* SPDX-License-Identifier: BSD-3-Clause */
#include <evfuture/channel.h>

#include "core/alloc-internal.h"
#include "core/future-internal.h"
#include "core/list-internal.h"
#include "core/op-internal.h"
#include "core/waker-internal.h"

/*
 * Items are in one place only, the ring, until a receiver's poll takes them. A
 * receiver that was asked to come holds no item but a claim: the first of these
 * on the first item, and so on. So a receiver that goes away instead loses no
 * item, and changes no order.
 */
struct evf_channel {
    size_t refs; /* the handle, and each operation */
    size_t capacity;
    size_t count; /* items in the ring, claimed ones included */
    size_t head;  /* the oldest item's place */
    size_t claims;
    bool closed;
    bool freed; /* the handle is gone: nobody can ask for an item any more */
    void (*dispose)(void *item);
    struct evfi_list claiming;  /* receivers with a claim; `claims` of them */
    struct evfi_list receivers; /* without one; if any, all items are claimed */
    struct evfi_list senders;   /* waiting for room; if any, the ring is full */
    void *ring[];
};

enum state {
    STARTED, /* has not waited */
    WAITING, /* is in `receivers` or `senders` */
    CLAIMS,  /* a receiver in `claiming` */
    ADDED,   /* a sender whose item is in the ring */
    REFUSED  /* a sender whose item was freed */
};

/* A receiver or a sender. */
struct transfer {
    struct evfi_op op;
    evf_channel *channel; /* owns a reference */
    void *item;           /* a sender's */
    enum state state;
    struct evfi_list link;
    evf_waker waker; /* kept while it waits */
};

EVFI_OP_FITS(struct transfer);

static void **
slot(evf_channel *ch, size_t index)
{
    size_t left = ch->capacity - ch->head;

    return &ch->ring[index < left ? ch->head + index : index - left];
}

static void
put(evf_channel *ch, void *item)
{
    *slot(ch, ch->count++) = item;
}

/* Takes an item out from behind older ones that are claimed. */
static void *
take(evf_channel *ch, size_t index)
{
    void *item = *slot(ch, index);

    for (; index > 0; index--)
        *slot(ch, index) = *slot(ch, index - 1);
    ch->head = ch->head + 1 < ch->capacity ? ch->head + 1 : 0;
    ch->count--;
    return item;
}

static void
unref(evf_channel *ch)
{
    if (--ch->refs == 0)
        evfi_release(ch);
}

static struct transfer *
first_of(const struct evfi_list *list)
{
    struct evfi_list *link = evfi_list_first(list);

    return link != NULL ? evf_container_of(link, struct transfer, link) : NULL;
}

/* Whether a receiver without a claim will never get one. */
static bool
over(const evf_channel *ch)
{
    return ch->freed || (ch->closed && ch->count == 0);
}

/* One step of serve(): whom to wake, or NULL if nobody can go on. */
static struct transfer *
serve_one(evf_channel *ch)
{
    struct transfer *t = first_of(&ch->senders);

    if (t != NULL && ch->count < ch->capacity) {
        evfi_list_remove(&t->link);
        put(ch, t->item);
        t->state = ADDED;
        return t;
    }
    t = first_of(&ch->receivers);
    if (t == NULL)
        return NULL;
    if (ch->count > ch->claims) {
        evfi_list_remove(&t->link);
        evfi_list_append(&ch->claiming, &t->link);
        ch->claims++;
        t->state = CLAIMS;
        return t;
    }
    if (over(ch)) {
        evfi_list_remove(&t->link);
        t->state = STARTED;
        return t;
    }
    return NULL;
}

/*
 * After any change: moves what can be moved, and wakes. A foreign waker may do
 * anything to the channel and to who waits, so all is looked at anew after it.
 */
static void
serve(evf_channel *ch)
{
    struct transfer *t;

    ch->refs++;
    while ((t = serve_one(ch)) != NULL)
        evfi_waker_wake(&t->waker);
    unref(ch);
}

/* Frees what nobody can receive any more. */
static void
discard(evf_channel *ch)
{
    while (ch->count > ch->claims) {
        ch->count--;
        evfi_dispose(ch->dispose, (intptr_t)*slot(ch, ch->count));
    }
}

/* Frees the items of those who wait to send. */
static void
refuse_senders(evf_channel *ch)
{
    struct transfer *t;
    evf_waker waker;

    while ((t = first_of(&ch->senders)) != NULL) {
        evfi_list_remove(&t->link);
        t->state = REFUSED;
        waker = t->waker;
        t->waker = (evf_waker){NULL, NULL};
        evfi_dispose(ch->dispose, (intptr_t)t->item);
        evfi_waker_wake(&waker);
    }
}

evf_channel *
evf_channel_new(size_t capacity, void (*dispose)(void *item))
{
    evf_channel *ch;

    if (capacity == 0 ||
        capacity > (SIZE_MAX - sizeof(*ch)) / sizeof(ch->ring[0]))
        return NULL;
    ch = evfi_allocate(sizeof(*ch) + capacity * sizeof(ch->ring[0]));
    if (ch == NULL)
        return NULL;
    *ch = (evf_channel){.refs = 1, .capacity = capacity, .dispose = dispose};
    evfi_list_init(&ch->claiming);
    evfi_list_init(&ch->receivers);
    evfi_list_init(&ch->senders);
    return ch;
}

void
evf_channel_free(evf_channel *ch)
{
    if (ch == NULL)
        return;
    ch->freed = true;
    evf_channel_close(ch);
    discard(ch);
    unref(ch);
}

void
evf_channel_close(evf_channel *ch)
{
    if (ch == NULL)
        return;
    ch->refs++;
    ch->closed = true;
    refuse_senders(ch);
    serve(ch);
    unref(ch);
}

static int
check(const evf_channel *ch, const void *item)
{
    return ch != NULL && !evf_failed(item) ? 0 : -EINVAL;
}

static int
push(evf_channel *ch, void *item)
{
    if (ch->closed)
        return -EPIPE;
    if (ch->count == ch->capacity)
        return -EAGAIN;
    put(ch, item);
    serve(ch);
    return 0;
}

int
evf_channel_push(evf_channel *ch, void *item)
{
    int err = check(ch, item);

    return err < 0 ? err : push(ch, item);
}

/*
 * Waits at the end of the list, or goes on waiting in its place. Taking the
 * waker may run foreign code, by which the wait is over already.
 */
static enum evf_poll
wait_in(struct evfi_list *list, struct transfer *t, evf_context *cx)
{
    if (t->state != WAITING)
        evfi_list_append(list, &t->link);
    t->state = WAITING;
    evfi_waker_update(&t->waker, &cx->waker);
    if (t->state != WAITING)
        evfi_waker_wake(&t->waker);
    return EVF_PENDING;
}

/* What the drop of either ends with. */
static void
release(struct transfer *t)
{
    evf_channel *ch = t->channel;

    evfi_waker_drop(&t->waker);
    evfi_op_release(&t->op);
    unref(ch);
}

static evf_future *
transfer_new(evf_op *op, const evf_future_ops *ops, evf_channel *ch)
{
    struct transfer *t = evfi_op_claim(op, ops);

    if (!evfi_future_is_real(t))
        return (evf_future *)t;
    t->channel = ch;
    ch->refs++;
    return &t->op.future;
}

static enum evf_poll
send_poll(evf_future *self, evf_context *cx)
{
    struct transfer *t = (struct transfer *)self;
    int err = 0;

    if (t->state == WAITING)
        return wait_in(&t->channel->senders, t, cx);
    if (t->state == REFUSED)
        err = -EPIPE;
    if (t->state == STARTED) {
        err = push(t->channel, t->item);
        if (err == -EAGAIN)
            return wait_in(&t->channel->senders, t, cx);
        if (err == 0)
            t->state = ADDED;
    }
    return evf_future_ready(self, err);
}

static void
send_drop(evf_future *self)
{
    struct transfer *t = (struct transfer *)self;
    bool kept = t->state == STARTED || t->state == WAITING;

    evfi_list_remove(&t->link);
    t->state = REFUSED;
    if (kept)
        evfi_dispose(t->channel->dispose, (intptr_t)t->item);
    release(t);
}

static const evf_future_ops send_ops = {
    .size = sizeof(struct transfer),
    .name = "channel_send",
    .poll = send_poll,
    .drop = send_drop,
};

evf_future *
evf_channel_send(evf_op *op, evf_channel *ch, void *item)
{
    int err = check(ch, item);
    evf_future *future;

    if (err < 0)
        return evf_future_failed(err);
    future = transfer_new(op, &send_ops, ch);
    if (evfi_future_is_real(future))
        ((struct transfer *)future)->item = item;
    else
        evfi_dispose(ch->dispose, (intptr_t)item);
    return future;
}

/* Gives up a claim, and tells on which item it was. */
static size_t
unclaim(struct transfer *t)
{
    const struct evfi_list *head = &t->channel->claiming;
    const struct evfi_list *link = t->link.prev;
    size_t index = 0;

    for (; link != head; link = link->prev)
        index++;
    evfi_list_remove(&t->link);
    t->state = STARTED;
    t->channel->claims--;
    return index;
}

static enum evf_poll
recv_poll(evf_future *self, evf_context *cx)
{
    struct transfer *t = (struct transfer *)self;
    evf_channel *ch = t->channel;
    void *item;

    if (t->state == CLAIMS)
        item = take(ch, unclaim(t));
    else if (ch->count > ch->claims && evfi_list_empty(&ch->receivers))
        item = take(ch, ch->claims);
    else if (t->state != WAITING && over(ch))
        return evf_future_ready(self, -EPIPE);
    else
        return wait_in(&ch->receivers, t, cx);
    evf_future_ready(self, (intptr_t)item);
    serve(ch);
    return EVF_READY;
}

static void
recv_drop(evf_future *self)
{
    struct transfer *t = (struct transfer *)self;
    evf_channel *ch = t->channel;

    if (t->state == CLAIMS) {
        unclaim(t);
        serve(ch);
        if (ch->freed)
            discard(ch);
    } else {
        evfi_list_remove(&t->link);
    }
    release(t);
}

static const evf_future_ops recv_ops = {
    .size = sizeof(struct transfer),
    .name = "channel_recv",
    .poll = recv_poll,
    .drop = recv_drop,
};

evf_future *
evf_channel_recv(evf_op *op, evf_channel *ch)
{
    evf_future *future;

    if (ch == NULL)
        return evf_future_failed(-EINVAL);
    future = transfer_new(op, &recv_ops, ch);
    if (evfi_future_is_real(future))
        future->dispose = ch->dispose;
    return future;
}
