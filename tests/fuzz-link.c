/* SPDX-License-Identifier: BSD-3-Clause */
#include "fuzz-link.h"

#include <stdlib.h>

struct through {
    evf_future future;
    evf_future *child; /* NULL once it has ended */
    bool polled;
    bool waits; /* a room that does */
    struct fuzz_link *link;
};

static struct through *
through_of(evf_future *self)
{
    return evf_container_of(self, struct through, future);
}

struct fuzz_link *
link_new(bool keep_going)
{
    struct fuzz_link *link;

    if (fuzz.links == FUZZ_LINKS) {
        fuzz.exact = false;
        return NULL;
    }
    link = &fuzz.link[fuzz.links++];
    link->keep_going = keep_going;
    return link;
}

static struct fuzz_root *
running_root(void)
{
    return fuzz.running != NULL ? fuzz.running->root : NULL;
}

static enum evf_poll
poll_inner(struct through *t, evf_context *cx)
{
    void (*dispose)(void *result);
    intptr_t result;

    if (evf_future_poll_child(t->child, cx, &t->polled, &result, &dispose) ==
        EVF_PENDING)
        return EVF_PENDING;
    t->child = NULL;
    t->future.dispose = dispose;
    return evf_future_ready(&t->future, result);
}

static enum evf_poll
through_poll(evf_future *self, evf_context *cx)
{
    struct through *t = through_of(self);
    struct fuzz_link before = *t->link;
    enum evf_poll poll;

    t->link->container = running_root();
    t->link->request = evf_context_cancelled(cx);
    t->link->stranded = evf_context_executor(cx) == NULL;
    poll = poll_inner(t, cx);
    if (!t->polled) {
        t->link->container = before.container;
        t->link->request = before.request;
    }
    t->link->over |= poll == EVF_READY;
    return poll;
}

static void
through_drop(evf_future *self)
{
    struct through *t = through_of(self);
    evf_future *child = t->child;

    t->child = NULL;
    evf_future_drop(child);
    t->link->over = true;
    t->link->container = NULL;
    free(t);
}

static void
through_visit(evf_future *self, evf_visit_fn *fn, void *arg)
{
    if (through_of(self)->child != NULL)
        fn(arg, through_of(self)->child, NULL);
}

static const evf_future_ops through_ops = {
    .size = sizeof(struct through),
    .name = "through",
    .flags = EVF_PASSES_CANCEL | EVF_STARTS,
    .poll = through_poll,
    .drop = through_drop,
    .visit = through_visit,
};

static evf_future *
through_new(const evf_future_ops *ops, struct fuzz_link *link,
    evf_future *child)
{
    struct through *t;

    if (link == NULL || child == NULL || evf_failed(child))
        return child;
    t = calloc(1, sizeof(*t));
    REQUIRE(t != NULL, "the fuzz is out of memory");
    evf_future_init(&t->future, ops);
    t->child = child;
    t->link = link;
    return &t->future;
}

evf_future *
link_through(struct fuzz_link *link, evf_future *future)
{
    if (link != NULL)
        link->container = running_root();
    return through_new(&through_ops, link, future);
}

static void
room_waits(struct through *t, bool waits)
{
    if (waits != t->waits)
        t->link->rooms += waits ? 1u : -1u;
    t->waits = waits;
}

static enum evf_poll
room_poll(evf_future *self, evf_context *cx)
{
    struct through *t = through_of(self);
    enum evf_poll poll = poll_inner(t, cx);

    room_waits(t, poll == EVF_PENDING && t->polled);
    return poll;
}

static void
room_drop(evf_future *self)
{
    struct through *t = through_of(self);
    evf_future *child = t->child;

    room_waits(t, false);
    t->child = NULL;
    evf_future_drop(child);
    free(t);
}

static const evf_future_ops room_ops = {
    .size = sizeof(struct through),
    .name = "waiting room",
    .poll = room_poll,
    .drop = room_drop,
    .visit = through_visit,
};

evf_future *
link_room(struct fuzz_link *link, evf_future *room)
{
    return through_new(&room_ops, link, room);
}

bool
link_contains(const struct fuzz_root *root)
{
    const struct fuzz_running *running = fuzz.running;

    for (; running != NULL; running = running->previous) {
        const struct fuzz_root *outer = running->root;

        /* Tasks that join one another in a ring have no outermost one. */
        for (unsigned n = 0; outer != NULL && n < FUZZ_ROOTS; n++) {
            if (outer == root)
                return true;
            if (outer->dropped || outer->link == NULL)
                break;
            outer = outer->link->container;
        }
    }
    return false;
}

static void
check_idle(const struct fuzz_link *link, unsigned i)
{
    REQUIRE(!link->over || link->rooms == 0,
        "%u rooms wait for the ended group %u", link->rooms, i);
}

void
links_check_idle(void)
{
    for (unsigned i = 0; i < fuzz.links; i++)
        check_idle(&fuzz.link[i], i);
}
