/* SPDX-License-Identifier: BSD-3-Clause */
#include "fuzz-leaf.h"

#include <stdlib.h>

#include "fuzz-act.h"

struct fuzz_leaf {
    evf_future future;
    evf_waker waker; /* owned */
    unsigned place;
    bool ready;
};

static enum evf_poll
leaf_poll(evf_future *self, evf_context *cx)
{
    struct fuzz_leaf *leaf = evf_container_of(self, struct fuzz_leaf, future);

    /* What passes no request on is not shown one. */
    if ((self->ops->flags & EVF_PASSES_CANCEL) == 0)
        REQUIRE(evf_context_cancelled(cx) == 0, "a leaf was shown a request");
    evf_waker_update(&leaf->waker, evf_context_waker(cx));
    fuzz_act(12);
    if (!leaf->ready)
        return EVF_PENDING;
    self->dispose = token_dispose;
    return evf_future_ready(self, some_result());
}

static void
leaf_drop(evf_future *self)
{
    struct fuzz_leaf *leaf = evf_container_of(self, struct fuzz_leaf, future);

    fuzz.leaf[leaf->place] = NULL;
    evf_waker_drop(&leaf->waker);
    fuzz_act(12);
    free(leaf);
}

static const evf_future_ops leaf_ops = {
    .size = sizeof(struct fuzz_leaf),
    .name = "leaf",
    .poll = leaf_poll,
    .drop = leaf_drop,
};

static const evf_future_ops stubborn_leaf_ops = {
    .size = sizeof(struct fuzz_leaf),
    .name = "stubborn leaf",
    .flags = EVF_PASSES_CANCEL | EVF_STARTS,
    .poll = leaf_poll,
    .drop = leaf_drop,
};

evf_future *
fuzz_leaf_new(bool stubborn)
{
    struct fuzz_leaf *leaf = NULL;
    unsigned place = below(FUZZ_LEAVES);

    if (fuzz.leaf[place] == NULL)
        leaf = calloc(1, sizeof(*leaf));
    if (leaf == NULL)
        return NULL;
    evf_future_init(&leaf->future, stubborn ? &stubborn_leaf_ops : &leaf_ops);
    leaf->place = place;
    fuzz.leaf[place] = leaf;
    return &leaf->future;
}

struct fuzz_leaf *
fuzz_leaf_some(void)
{
    unsigned at = below(FUZZ_LEAVES);

    for (unsigned i = 0; i < FUZZ_LEAVES; i++)
        if (fuzz.leaf[(at + i) % FUZZ_LEAVES] != NULL)
            return fuzz.leaf[(at + i) % FUZZ_LEAVES];
    return NULL;
}

void
fuzz_leaf_finish(struct fuzz_leaf *leaf)
{
    leaf->ready = true;
    evf_waker_wake(&leaf->waker);
}

void
fuzz_leaf_disturb(struct fuzz_leaf *leaf)
{
    evf_waker_wake_by_ref(&leaf->waker);
}

/* Whether the callback will never come. It may come from inside. */
static int
completer_cancel(void *request)
{
    struct fuzz_completer *c = request;
    evf_completer *completer = c->completer;
    int answer = c->answer;

    fuzz_act(12);
    if (c->completer == completer && chance(30))
        completer_call((unsigned)(c - fuzz.completer));
    if (c->completer == completer && answer == 1)
        c->completer = NULL;
    return answer;
}

void
completer_call(unsigned i)
{
    evf_completer *completer = fuzz.completer[i].completer;

    if (completer == NULL)
        return;
    fuzz.completer[i].completer = NULL;
    evf_complete(completer, some_result());
}

evf_future *
completer_new(void)
{
    struct fuzz_completer *c = &fuzz.completer[below(FUZZ_COMPLETERS)];
    evf_completer *completer;

    if (c->completer != NULL)
        return NULL;
    c->completer = completer = evf_completer_new(token_dispose);
    if (completer == NULL)
        return NULL;
    c->answer = chance(50);
    if (chance(10))
        completer_call((unsigned)(c - fuzz.completer));
    if (chance(70))
        evf_completer_set_cancel(completer, completer_cancel, c);
    return evf_completer_future(completer);
}
