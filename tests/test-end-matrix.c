/* SPDX-License-Identifier: BSD-3-Clause */
#include "actor.h"

#include <string.h>

/*
 * F49 F15: from each place in a task's life {its poll, a drop, EVF_FINALLY, its
 * callback}, on each way that leads there, and at each depth of containment,
 * the end of {itself, its owner, a sibling, a stranger, the executor}.
 */
enum place {
    IN_POLL,
    IN_DROP_WHEN_READY, /* inside the poll that ends it */
    IN_FINALLY_WHEN_READY,
    IN_DROP_WHEN_FREED, /* the host frees the owner */
    IN_FINALLY_WHEN_FREED,
    IN_DROP_AT_SHUTDOWN,
    IN_FINALLY_AT_SHUTDOWN,
    IN_CALLBACK,
    PLACES
};

enum relation {
    A_ROOT,
    IN_GROUP,         /* the owner awaits a group with the task in it */
    IN_JOIN,          /* the owner joins the task */
    IN_GROUP_IN_JOIN, /* the owner joins a task which awaits such a group */
    RELATIONS
};

enum target {
    ONESELF,
    OWNER,
    SIBLING,
    STRANGER,
    EXECUTOR,
    TARGETS
};

struct world;

/* An async function that awaits what it is given. */
struct node {
    evf_frame frame;
    struct world *world;
    evf_future *inner;
    char name;
    unsigned finallies;
};

struct world {
    enum place place;
    enum relation relation;
    enum target target;
    bool armed;
    int got;           /* what ending it returned */
    unsigned finished; /* the target's EVF_FINALLY had run by then */
    struct node self, middle, owner, sibling, stranger;
    struct actor leaf, side, sibling_leaf, stranger_leaf, next;
    evf_group *group;
    evf_task *handles[TARGETS], *next_handle;
    struct told told;
};

static struct node *
target_of(struct world *w)
{
    switch (w->target) {
    case ONESELF:
        return &w->self;
    case OWNER:
        return &w->owner;
    case SIBLING:
        return &w->sibling;
    default:
        return &w->stranger;
    }
}

static void
act(struct world *w, enum place place)
{
    evf_task *handle = w->handles[w->target];

    if (!w->armed || place != w->place)
        return;
    w->armed = false;
    trace('(');
    if (w->target == EXECUTOR) {
        w->got = evf_executor_free(executor);
        if (w->got == 0)
            executor = NULL;
    } else {
        w->handles[w->target] = NULL;
        w->got = evf_task_free(handle);
        w->finished = target_of(w)->finallies;
    }
    trace(')');
}

static bool
when_ready(const struct world *w)
{
    return w->place == IN_DROP_WHEN_READY || w->place == IN_FINALLY_WHEN_READY;
}

static bool
at_shutdown(const struct world *w)
{
    return w->place == IN_DROP_AT_SHUTDOWN ||
        w->place == IN_FINALLY_AT_SHUTDOWN;
}

static evf_future *
take(evf_future **future)
{
    evf_future *taken = *future;

    *future = NULL;
    return taken;
}

static enum evf_poll
node_run(evf_future *self, evf_context *cx)
{
    struct node *node = evf_frame_of(self, struct node);
    struct world *w = node->world;
    intptr_t n;

    EVF_BEGIN(self, cx);
    EVF_AWAIT(n, take(&node->inner));
    EVF_RETURN(n);
    EVF_FINALLY;
    node->finallies++;
    trace(node->name);
    if (node->inner != NULL)
        evf_future_drop(node->inner);
    if (node == &w->self) {
        act(w, IN_FINALLY_WHEN_READY);
        act(w, IN_FINALLY_WHEN_FREED);
        act(w, IN_FINALLY_AT_SHUTDOWN);
    }
    EVF_END;
}

static const evf_frame_ops node_ops = EVF_FRAME_OPS(struct node, node_run);

static evf_future *
node(struct node *self, struct world *w, char name, evf_future *inner)
{
    evf_frame_init(self, &node_ops);
    self->world = w;
    self->name = name;
    self->inner = inner;
    return &self->frame.future;
}

static void
leaf_acts(struct actor *leaf)
{
    act(leaf->arg, IN_POLL);
}

static void
leaf_dropped(struct actor *leaf)
{
    act(leaf->arg, IN_DROP_WHEN_READY);
    act(leaf->arg, IN_DROP_WHEN_FREED);
    act(leaf->arg, IN_DROP_AT_SHUTDOWN);
}

static void
called_back(struct told *told)
{
    act(told->arg, IN_CALLBACK);
}

/* The group, with a second child that is of no importance. */
static evf_future *
grouped(struct world *w, evf_future *child)
{
    w->group = evf_group_new(NULL);
    ck_assert_int_eq(evf_group_add(w->group, child), 0);
    ck_assert_int_eq(evf_group_add(w->group, actor(&w->side)), 0);
    return evf_group_future(w->group);
}

static void
spawn_family(struct world *w)
{
    evf_future *self = node(&w->self, w, 'a', actor(&w->leaf));
    evf_future *inner = NULL;

    switch (w->relation) {
    case A_ROOT:
        w->handles[ONESELF] = w->place == IN_CALLBACK
            ? evf_spawn_then(executor, self, tell, &w->told)
            : evf_spawn(executor, self);
        return;
    case IN_GROUP:
        inner = grouped(w, self);
        break;
    case IN_JOIN:
        inner = evf_task_join(NULL, evf_spawn(executor, self));
        break;
    default:
        inner = node(&w->middle, w, 'm', grouped(w, self));
        inner = evf_task_join(NULL, evf_spawn(executor, inner));
        break;
    }
    w->handles[OWNER] = evf_spawn(executor, node(&w->owner, w, 'o', inner));
}

static void
begin(struct world *w)
{
    w->leaf =
        (struct actor){.acts = leaf_acts, .dropped = leaf_dropped, .arg = w};
    w->next.name = 'N';
    w->told.then = called_back;
    w->told.arg = w;
    spawn_family(w);
    w->handles[SIBLING] = evf_spawn(executor,
        node(&w->sibling, w, 's', actor(&w->sibling_leaf)));
    w->handles[STRANGER] = evf_spawn(executor,
        node(&w->stranger, w, 't', actor(&w->stranger_leaf)));
    w->next_handle = evf_spawn(executor, actor(&w->next));
    run_passes(5);
    ck_assert_uint_eq(w->leaf.polls, 1);
    trace_take();
}

/* Makes the family reach its place, with another task queued behind it. */
static void
reach(struct world *w)
{
    w->armed = true;
    if (w->place == IN_POLL || when_ready(w) || w->place == IN_CALLBACK) {
        w->leaf.ready = w->place != IN_POLL;
        evf_waker_wake_by_ref(&w->leaf.waker);
        evf_waker_wake_by_ref(&w->next.waker);
        run_passes(5);
    } else if (at_shutdown(w)) {
        ck_assert_int_eq(evf_executor_free(executor), 0);
        executor = NULL;
    } else {
        enum target root = w->relation == A_ROOT ? ONESELF : OWNER;

        ck_assert_int_eq(evf_task_free(w->handles[root]), 0);
        w->handles[root] = NULL;
    }
    ck_assert(!w->armed);
}

/* An assertion that says in which cell of the matrix it failed. */
#define ck_assert_cell(w, condition)                                           \
    ck_assert_msg(condition, "%s: place %d, relation %d, target %d",           \
        #condition, (w)->place, (w)->relation, (w)->target)

static void
check(struct world *w)
{
    bool in_callback = w->place == IN_CALLBACK;
    const char *traced = trace_take(), *first, *next;

    if (w->target == EXECUTOR) {
        ck_assert_cell(w, w->got == (in_callback ? 0 : -EINVAL));
        ck_assert_misuse(in_callback ? 0 : 1);
        return;
    }
    if (in_callback || w->target >= SIBLING) {
        ck_assert_cell(w, w->got == 0); /* nothing of it runs any more */
        ck_assert_cell(w, w->finished == 1);
        return;
    }
    first = strchr(traced, target_of(w)->name);
    next = strchr(traced, 'N');
    ck_assert_cell(w, w->got == 1 && first != NULL);
    if (w->place == IN_POLL || w->target == OWNER) {
        ck_assert_cell(w, w->finished == 0); /* never nested */
        ck_assert_cell(w, first > strchr(traced, ')'));
    }
    /* Before anything else is polled. */
    ck_assert_cell(w, next == NULL || first < next);
}

static void
end(struct world *w)
{
    for (int i = 0; i < TARGETS; i++)
        evf_task_free(w->handles[i]);
    evf_task_free(w->next_handle);
    evf_group_free(w->group);
    ck_assert_cell(w, w->self.finallies == 1); /* F30 */
    ck_assert_cell(w, w->sibling.finallies == 1);
    ck_assert_cell(w, w->stranger.finallies == 1);
    ck_assert_cell(w, w->owner.finallies == (w->relation != A_ROOT));
    ck_assert_cell(w, w->middle.finallies == (w->relation == IN_GROUP_IN_JOIN));
    ck_assert_cell(w, w->side.drops == (w->group != NULL));
    ck_assert_cell(w, w->leaf.drops == 1);
    trace_take();
    use_priorities(1);
    ck_assert_cell(w, heap_blocks() == 1); /* the executor */
}

/* A handle is freed once: not by the host and from inside as well. */
static bool
possible(const struct world *w)
{
    bool freed = w->place == IN_DROP_WHEN_FREED ||
        w->place == IN_FINALLY_WHEN_FREED;

    if (w->place == IN_CALLBACK && w->relation != A_ROOT)
        return false;
    if (w->target == ONESELF)
        return w->relation == A_ROOT && !freed;
    if (w->target == OWNER)
        return w->relation != A_ROOT && !freed;
    return true;
}

START_TEST(everything_may_be_ended_from_everywhere) /* F15 F17 F49 */
{
    static struct world w;
    unsigned done = 0;

    for (int i = 0; i < PLACES * RELATIONS * TARGETS; i++) {
        memset(&w, 0, sizeof(w));
        w.place = i % PLACES;
        w.relation = i / PLACES % RELATIONS;
        w.target = i / PLACES / RELATIONS;
        if (!possible(&w))
            continue;
        begin(&w);
        reach(&w);
        check(&w);
        end(&w);
        done++;
    }
    ck_assert_uint_eq(done, 108);
}
END_TEST

TEST_MAIN("end-matrix", everything_may_be_ended_from_everywhere)
