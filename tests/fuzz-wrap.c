/* SPDX-License-Identifier: BSD-3-Clause */
#include "fuzz-leaf.h"

#include <stdlib.h>

/* A composite of one child, as a user would write it. */
struct wrap {
    evf_future future;
    evf_future *child; /* NULL once it has ended */
    bool polled;
    unsigned executor, fd; /* a wait's */
    bool live;             /* a wait that is pending */
};

static struct wrap *
wrap_of(evf_future *self)
{
    return evf_container_of(self, struct wrap, future);
}

static enum evf_poll
wrap_poll_in(struct wrap *wrap, evf_context *cx)
{
    void (*dispose)(void *result);
    intptr_t result;

    if (evf_future_poll_child(wrap->child, cx, &wrap->polled, &result,
            &dispose) == EVF_PENDING)
        return EVF_PENDING;
    wrap->child = NULL;
    wrap->future.dispose = dispose;
    return evf_future_ready(&wrap->future, result);
}

static enum evf_poll
wrap_poll(evf_future *self, evf_context *cx)
{
    return wrap_poll_in(wrap_of(self), cx);
}

static void
wrap_drop(evf_future *self)
{
    struct wrap *wrap = wrap_of(self);
    evf_future *child = wrap->child;

    wrap->child = NULL; /* nobody visits it any more */
    evf_future_drop(child);
    free(wrap);
}

static void
wrap_visit(evf_future *self, evf_visit_fn *fn, void *arg)
{
    if (wrap_of(self)->child != NULL)
        fn(arg, wrap_of(self)->child, NULL);
}

/* Takes the child, on failure too. */
static struct wrap *
wrap_new(const evf_future_ops *ops, evf_future *child)
{
    struct wrap *wrap = calloc(1, sizeof(*wrap));

    REQUIRE(wrap != NULL, "the fuzz is out of memory");
    evf_future_init(&wrap->future, ops);
    wrap->child = child;
    return wrap;
}

static const evf_future_ops opaque_ops = {
    .size = sizeof(struct wrap),
    .name = "opaque",
    .poll = wrap_poll,
    .drop = wrap_drop,
    .visit = wrap_visit,
};

evf_future *
opaque_new(evf_future *child)
{
    return &wrap_new(&opaque_ops, child)->future;
}

static enum evf_poll
abroad_poll(evf_future *self, evf_context *cx)
{
    evf_context foreign;

    evf_context_init(&foreign, evf_context_waker(cx), NULL);
    return wrap_poll_in(wrap_of(self), &foreign);
}

static const evf_future_ops abroad_ops = {
    .size = sizeof(struct wrap),
    .name = "abroad",
    .poll = abroad_poll,
    .drop = wrap_drop,
    .visit = wrap_visit,
};

evf_future *
abroad_new(evf_future *child)
{
    return &wrap_new(&abroad_ops, child)->future;
}

static void
stash_drop(evf_future *self)
{
    struct wrap *wrap = wrap_of(self);
    struct fuzz_orphan *orphan = &fuzz.orphan[below(FUZZ_ORPHANS)];

    if (wrap->child != NULL && orphan->future == NULL && !fuzz.draining) {
        *orphan = (struct fuzz_orphan){wrap->child, wrap->polled};
        wrap->child = NULL;
    }
    wrap_drop(self);
}

static const evf_future_ops stash_ops = {
    .size = sizeof(struct wrap),
    .name = "stash",
    .flags = EVF_PASSES_CANCEL,
    .poll = wrap_poll,
    .drop = stash_drop,
    .visit = wrap_visit,
};

evf_future *
stash_new(evf_future *child)
{
    return &wrap_new(&stash_ops, child)->future;
}

static struct fuzz_orphan *
some_orphan(void)
{
    unsigned at = below(FUZZ_ORPHANS);

    for (unsigned i = 0; i < FUZZ_ORPHANS; i++)
        if (fuzz.orphan[(at + i) % FUZZ_ORPHANS].future != NULL)
            return &fuzz.orphan[(at + i) % FUZZ_ORPHANS];
    return NULL;
}

evf_future *
adopt_new(void)
{
    struct fuzz_orphan *orphan = some_orphan();
    struct wrap *wrap;

    if (orphan == NULL)
        return NULL;
    wrap = wrap_new(&stash_ops, orphan->future);
    wrap->polled = orphan->polled;
    orphan->future = NULL;
    return &wrap->future;
}

void
orphan_drop(unsigned i)
{
    evf_future *future = fuzz.orphan[i].future;

    fuzz.orphan[i].future = NULL;
    evf_future_drop(future);
}

static void
wait_live(struct wrap *wrap, bool live)
{
    if (live != wrap->live)
        fuzz.waits[wrap->executor][wrap->fd] += live ? 1u : -1u;
    wrap->live = live;
}

static enum evf_poll
wait_poll(evf_future *self, evf_context *cx)
{
    struct wrap *wrap = wrap_of(self);
    enum evf_poll poll = wrap_poll_in(wrap, cx);

    /* It stays with the executor that polled it first. */
    if (wrap->executor == FUZZ_EXECUTORS)
        wrap->executor = evf_context_executor(cx) == fuzz.executors[1];
    wait_live(wrap, poll == EVF_PENDING && wrap->polled);
    return poll;
}

static void
wait_drop(evf_future *self)
{
    wait_live(wrap_of(self), false);
    wrap_drop(self);
}

static const evf_future_ops wait_ops = {
    .size = sizeof(struct wrap),
    .name = "wait",
    .poll = wait_poll,
    .drop = wait_drop,
    .visit = wrap_visit,
};

evf_future *
wait_new(evf_op *op, unsigned on, unsigned fd, uint32_t signals)
{
    evf_executor *executor = NULL;
    struct wrap *wrap;

    /* One that is named is borrowed, and must not be freed meanwhile. */
    if (fuzz.shutdown)
        on = FUZZ_EXECUTORS;
    if (on < FUZZ_EXECUTORS)
        executor = fuzz.executors[on];
    wrap = wrap_new(&wait_ops,
        evf_wait_fd(op, executor, fuzz.fds[fd], signals));
    wrap->executor = on;
    wrap->fd = fd;
    return &wrap->future;
}

struct box {
    evf_future future;
    evf_future *join; /* NULL once it has ended */
    bool polled;
    unsigned n;
    evf_future *futures[4];
    intptr_t results[4];
};

static enum evf_poll
box_poll(evf_future *self, evf_context *cx)
{
    struct box *box = evf_container_of(self, struct box, future);
    void (*dispose)(void *result);
    intptr_t result;

    if (evf_future_poll_child(box->join, cx, &box->polled, &result, &dispose) ==
        EVF_PENDING)
        return EVF_PENDING;
    box->join = NULL;
    for (unsigned i = 0; i < box->n; i++)
        if (result == 0)
            token_end(box->results[i]);
        else /* it was refused, or dropped before its end */
            REQUIRE(box->results[i] == 0 || box->results[i] == -ECANCELED,
                "a failed join has left a result");
    return evf_future_ready(self, result);
}

static void
box_drop(evf_future *self)
{
    struct box *box = evf_container_of(self, struct box, future);
    evf_future *join = box->join;
    bool unfinished = join != NULL && !evf_failed(join);

    box->join = NULL;
    evf_future_drop(join);
    for (unsigned i = 0; unfinished && i < box->n; i++)
        REQUIRE(box->results[i] == -ECANCELED, "a dropped join has a result");
    free(box);
}

static void
box_visit(evf_future *self, evf_visit_fn *fn, void *arg)
{
    struct box *box = evf_container_of(self, struct box, future);

    if (box->join != NULL)
        fn(arg, box->join, NULL);
}

static const evf_future_ops box_ops = {
    .size = sizeof(struct box),
    .name = "box",
    .flags = EVF_PASSES_CANCEL,
    .poll = box_poll,
    .drop = box_drop,
    .visit = box_visit,
};

evf_future *
box_new(evf_op *op, unsigned n, evf_future *const *futures)
{
    struct box *box = calloc(1, sizeof(*box));

    REQUIRE(box != NULL, "the fuzz is out of memory");
    evf_future_init(&box->future, &box_ops);
    box->n = n;
    for (unsigned i = 0; i < n; i++)
        box->futures[i] = futures[i];
    box->join = evf_join(op, n, box->futures, box->results);
    return &box->future;
}
