/* SPDX-License-Identifier: BSD-3-Clause */
#include "fuzz-tree.h"

#include "fuzz-act.h"
#include "fuzz-leaf.h"
#include "fuzz-link.h"
#include "fuzz-root.h"

struct fuzz_frame {
    evf_frame frame;
    struct fuzz_frame_record *record;
    struct fuzz_handle own; /* a task that it owns */
    unsigned steps, depth;
    int expected;   /* what the await must end with, or 0 */
    unsigned which; /* a select's */
    evf_interval interval;
    evf_op ops[4];
};

/* Storage of the program's, which is used again and again. */
static struct fuzz_frame storage[16];

static void
finish_frame(struct fuzz_frame *f)
{
    REQUIRE(++f->record->finals == 1, "EVF_FINALLY ran twice");
    root_free(&f->own);
    fuzz_act(25);
}

/* F35: under a request what is about to be awaited does not start. */
static evf_future *
await(struct fuzz_frame *f, const evf_context *cx)
{
    evf_future *child = grow(f, f->depth);

    f->expected = 0;
    if (child != NULL && !evf_failed(child) &&
        (child->ops->flags & EVF_STARTS) == 0)
        f->expected = evf_context_cancelled(cx);
    return child;
}

static void
awaited(struct fuzz_frame *f, const evf_context *cx, intptr_t result)
{
    if (f->expected != 0 && evf_context_cancelled(cx) == f->expected)
        REQUIRE(result == f->expected, "something started under a request");
    for (size_t i = 0; i < sizeof(f->ops) / sizeof(*f->ops); i++)
        REQUIRE(f->ops[i].future.ops == NULL, "storage was not given back");
    token_end(result);
}

static void
spawn_own(struct fuzz_frame *f)
{
    if (f->own.task == NULL && f->depth > 0 && chance(25))
        f->own = root_spawn(grow(NULL, f->depth - 1), chance(30));
}

static enum evf_poll
frame_run(evf_future *self, evf_context *cx)
{
    struct fuzz_frame *f = evf_frame_of(self, struct fuzz_frame);
    intptr_t r;

    EVF_BEGIN(self, cx);
    for (; f->steps > 0; f->steps--) {
        fuzz_act(30);
        spawn_own(f);
        if (chance(25))
            EVF_TRY(r, await(f, cx));
        else
            EVF_AWAIT(r, await(f, cx));
        awaited(f, cx, r);
        if (evf_context_cancelled(cx) != 0 && chance(50))
            break;
    }
    if (chance(30)) {
        EVF_AWAIT(r, evf_shield(&f->ops[0], below(20), grow(NULL, f->depth)));
        token_end(r);
    }
    EVF_RETURN(some_result());
    EVF_FINALLY;
    finish_frame(f);
    EVF_END;
}

static const evf_frame_ops frame_ops = EVF_FRAME_OPS(struct fuzz_frame,
    frame_run, .dispose = token_dispose);

static evf_future *
frame_new(unsigned depth)
{
    struct fuzz_frame *f = NULL;

    if (chance(30))
        f = &storage[below(sizeof(storage) / sizeof(*storage))];
    if (fuzz.frames == FUZZ_FRAMES ||
        (f != NULL && f->frame.future.ops != NULL))
        return NULL;
    f = evf_frame_init(f, &frame_ops);
    if (f == NULL)
        return NULL;
    f->record = &fuzz.frame[fuzz.frames++];
    f->steps = 1 + below(4);
    f->depth = depth;
    evf_interval_init(&f->interval, 1 + below(20), EVF_INTERVAL_SKIP);
    return &f->frame.future;
}

/* NULL, or an evf_op of the frame's, which may be in use: then -EBUSY. */
static evf_op *
some_op(struct fuzz_frame *frame)
{
    if (frame == NULL || chance(40))
        return NULL;
    return &frame->ops[below(sizeof(frame->ops) / sizeof(*frame->ops))];
}

static enum evf_poll
count_down(void *arg, evf_context *cx, intptr_t *result)
{
    (void)arg;
    fuzz_act(12);
    if (chance(50)) {
        *result = (intptr_t)below(5);
        return EVF_READY;
    }
    evf_waker_wake_by_ref(evf_context_waker(cx));
    return EVF_PENDING;
}

/* What ends by itself, at once or in time. */
static evf_future *
grow_short(struct fuzz_frame *frame)
{
    evf_op *op = some_op(frame);

    switch (below(8)) {
    case 0:
        return evf_ready(op, token_new(), token_dispose);
    case 1:
        return evf_ready(op, some_result(), token_dispose);
    case 2:
        return evf_yield(op);
    case 3:
        return evf_poll_fn(op, count_down, NULL);
    case 4:
        return evf_sleep(op, below(50));
    case 5:
        return evf_sleep_until(op, below(100));
    case 6:
        if (frame != NULL)
            return evf_interval_tick(op, &frame->interval);
        return evf_yield(op);
    default:
        return chance(50) ? NULL : evf_future_failed(-EIO);
    }
}

/* Read into by all, and written by all, which nobody looks at. */
static char sink[100];
static const char source[300000];

/* What waits for the world. */
static evf_future *
grow_long(struct fuzz_frame *frame)
{
    static const uint32_t signals[] = {EVF_READABLE,
        EVF_READABLE | EVF_WRITABLE, EVF_READABLE | EVF_CLOSED};
    evf_op *op = some_op(frame);
    struct fuzz_group *group;

    switch (below(10)) {
    case 0:
        return fuzz_leaf_new(true);
    case 1:
        return completer_new();
    case 2:
        return evf_channel_recv(op, fuzz.channel);
    case 3:
        if (fuzz.channel == NULL)
            return NULL; /* it could not dispose of the item */
        return evf_channel_send(op, fuzz.channel, (void *)token_new());
    case 4:
        group = &fuzz.group[below(FUZZ_GROUPS)];
        return link_room(group->link, evf_group_room(op, group->group));
    case 5:
        return wait_new(op, below(3), below(2), signals[below(3)]);
    case 6:
        return evf_read(op, fuzz.socket[below(2)], sink, 1 + below(100));
    case 7:
        return evf_write_all(op, fuzz.socket[below(2)], source,
            below(sizeof(source)));
    default:
        return fuzz_leaf_new(false);
    }
}

static evf_future *
grow_leaf(struct fuzz_frame *frame)
{
    return fuzz.draining || chance(35) ? grow_short(frame) : grow_long(frame);
}

static unsigned
grow_some(evf_future **futures, unsigned n, struct fuzz_frame *frame,
    unsigned depth)
{
    for (unsigned i = 0; i < n; i++)
        futures[i] = grow(frame, depth);
    return n;
}

/* A group with a few children, which nobody has taken yet. */
static struct fuzz_group
make_group(unsigned depth)
{
    evf_group_options options = {below(3), chance(50), chance(40)};
    struct fuzz_group made = {evf_group_new(&options), NULL, false};
    struct fuzz_root *root;
    evf_future *child;

    made.link = link_new(options.keep_going);
    for (unsigned n = below(5); n > 0; n--) {
        child = root_new(grow(NULL, depth), &root);
        if (evf_group_add(made.group, child) == 0)
            root->link = made.link;
    }
    return made;
}

/* The handle goes to a free place, or is freed. */
static void
keep_group(const struct fuzz_group *made)
{
    struct fuzz_group *place = &fuzz.group[below(FUZZ_GROUPS)];

    if (place->group == NULL && !fuzz.draining) {
        *place = *made;
        fuzz.groups++;
    } else {
        evf_group_free(made->group);
    }
}

evf_future *
grow_group(unsigned depth)
{
    struct fuzz_group made = make_group(depth);
    evf_future *future = evf_group_future(made.group);

    made.handed = true;
    future = link_through(made.link, future);
    keep_group(&made);
    return future;
}

void
grow_group_alone(unsigned depth)
{
    struct fuzz_group made = make_group(depth);

    keep_group(&made);
}

/* A task of one's own, or in some seeds anybody's, oneself included. */
static evf_future *
grow_join(struct fuzz_frame *frame, unsigned depth)
{
    struct fuzz_handle *handle = &fuzz.handle[below(FUZZ_HANDLES)], spawned;
    evf_op *op = some_op(frame);
    struct fuzz_link *link;
    evf_future *join;
    evf_task *task;

    if (frame != NULL && frame->own.task != NULL && chance(70)) {
        handle = &frame->own;
    } else if (!fuzz.cycles || handle->task == NULL) {
        spawned = root_spawn(grow(NULL, depth), false);
        handle = &spawned;
    }
    task = handle->task;
    if (task != NULL && handle->root->then)
        fuzz.misuses++;
    else
        handle->task = NULL;
    join = evf_task_join(op, task);
    if (join == NULL || evf_failed(join))
        return join;
    link = handle->root->link = link_new(true);
    return link_through(link, join);
}

static evf_future *
grow_tree(struct fuzz_frame *frame, unsigned depth)
{
    evf_op *op = some_op(frame);
    evf_future *futures[EVF_SELECT_MAX];
    unsigned n;

    switch (below(12)) {
    case 0:
    case 1:
        n = grow_some(futures, 1 + below(4), frame, depth);
        return evf_select(op, frame != NULL ? &frame->which : NULL, n, futures);
    case 2:
        n = grow_some(futures, below(5), frame, depth);
        return box_new(op, n, futures);
    case 3:
        return evf_timeout(op, below(60), grow(frame, depth));
    case 4:
        return evf_shield(op, below(60), grow(frame, depth));
    case 5:
    case 6:
        return grow_group(depth);
    case 7:
        return grow_join(frame, depth);
    case 8:
        return opaque_new(grow(frame, depth));
    case 9:
        return abroad_new(grow(frame, depth));
    case 10:
        return fuzz.exact ? grow_group(depth) : stash_new(grow(NULL, depth));
    default:
        return frame_new(depth);
    }
}

evf_future *
grow(struct fuzz_frame *frame, unsigned depth)
{
    if (depth == 0 || fuzz.room == 0)
        return grow_leaf(frame);
    fuzz.room--;
    if (chance(30))
        return grow_leaf(frame);
    return chance(40) ? frame_new(depth - 1) : grow_tree(frame, depth - 1);
}
