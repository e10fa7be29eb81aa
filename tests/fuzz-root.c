/* SPDX-License-Identifier: BSD-3-Clause */
#include "fuzz-root.h"

#include <stdlib.h>

#include "fuzz-act.h"
#include "fuzz-link.h"

/* Polls of a seed after which it is not coming to its end. */
#define POLLS_MAX 200000

/* A foreign waker: it counts, and hands on to the latest poll's. */
struct bell {
    unsigned refs;
    evf_waker inner;
    struct fuzz_root *root;
};

struct meter {
    evf_future future;
    evf_future *child;
    bool polled;
    struct fuzz_root *root;
    struct bell *bell; /* NULL for a native one */
};

static void *
bell_clone(void *data)
{
    struct bell *bell = data;

    bell->refs++;
    return bell;
}

static void
bell_drop(void *data)
{
    struct bell *bell = data;

    if (--bell->refs > 0)
        return;
    fuzz.bells--;
    free(bell);
}

static void
bell_wake_by_ref(void *data)
{
    struct bell *bell = data;

    bell->root->wakes++;
    bell->root->woken = true;
    evf_waker_wake_by_ref(&bell->inner);
}

static void
bell_wake(void *data)
{
    bell_wake_by_ref(data);
    bell_drop(data);
}

static const evf_waker_ops bell_ops = {
    .clone = bell_clone,
    .wake = bell_wake,
    .wake_by_ref = bell_wake_by_ref,
    .drop = bell_drop,
};

static struct bell *
bell_new(struct fuzz_root *root)
{
    struct bell *bell = calloc(1, sizeof(*bell));

    REQUIRE(bell != NULL, "the fuzz is out of memory");
    bell->refs = 1;
    bell->root = root;
    fuzz.bells++;
    return bell;
}

/* What the executor owes when it polls. */
static void
check_poll(struct fuzz_root *root, const evf_context *cx)
{
    int request = evf_context_cancelled(cx);

    REQUIRE(!root->dropped, "a root was polled after its drop");
    REQUIRE(++fuzz.polls < POLLS_MAX, "the seed polls for ever");
    if (fuzz.running == NULL)
        REQUIRE(fuzz.doomed == 0, "something is polled before the doomed end");
    /* F3: no poll without a wake; a cancel request is one. */
    if (!root->native && root->polls > 0 && !root->woken) {
        REQUIRE(request != 0, "a root was polled without a wake");
        root->requests++;
    }
    root->woken = false;
    root->request = request;
    root->stranded = evf_context_executor(cx) == NULL;
    root->polls++;
}

static void
enter(struct fuzz_running *running, struct fuzz_root *root, evf_executor *by)
{
    running->root = root;
    running->executor = by;
    running->previous = fuzz.running;
    fuzz.running = running;
}

static void
leave(const struct fuzz_running *running)
{
    fuzz.running = running->previous;
}

static enum evf_poll
poll_inner(struct meter *m, evf_context *cx)
{
    struct fuzz_link *link = m->root->link;
    void (*dispose)(void *result);
    intptr_t result;

    if (evf_future_poll_child(m->child, cx, &m->polled, &result, &dispose) ==
        EVF_PENDING)
        return EVF_PENDING;
    if (link != NULL && !link->keep_going && evf_failed(result))
        link->failed = true;
    m->child = NULL;
    m->future.dispose = dispose;
    return evf_future_ready(&m->future, result);
}

static enum evf_poll
meter_poll(evf_future *self, evf_context *cx)
{
    struct meter *m = evf_container_of(self, struct meter, future);
    evf_waker waker = {&bell_ops, m->bell};
    struct fuzz_running running;
    evf_context counted;
    enum evf_poll poll;

    fuzz_say("poll root %d, request %d", (int)(m->root - fuzz.root),
        evf_context_cancelled(cx));
    check_poll(m->root, cx);
    enter(&running, m->root, evf_context_executor(cx));
    if (m->bell != NULL) {
        evf_waker_update(&m->bell->inner, evf_context_waker(cx));
        evf_context_with_waker(&counted, cx, &waker);
        cx = &counted;
    }
    poll = poll_inner(m, cx);
    leave(&running);
    return poll;
}

static void
meter_drop(evf_future *self)
{
    struct meter *m = evf_container_of(self, struct meter, future);
    evf_future *child = m->child;
    struct fuzz_root *root = m->root;
    struct fuzz_running running;

    fuzz_say("drop root %d", (int)(root - fuzz.root));
    REQUIRE(!root->dropped, "a root was dropped twice");
    enter(&running, root, NULL);
    m->child = NULL;
    evf_future_drop(child);
    leave(&running);
    if (m->bell != NULL) {
        evf_waker_drop(&m->bell->inner);
        bell_drop(m->bell);
    }
    root->dropped = true;
    root->future = NULL;
    fuzz.doomed -= root->doomed;
    free(m);
}

static void
meter_visit(evf_future *self, evf_visit_fn *fn, void *arg)
{
    struct meter *m = evf_container_of(self, struct meter, future);

    if (m->child != NULL)
        fn(arg, m->child, NULL);
}

static const evf_future_ops meter_ops = {
    .size = sizeof(struct meter),
    .name = "meter",
    .flags = EVF_PASSES_CANCEL,
    .poll = meter_poll,
    .drop = meter_drop,
    .visit = meter_visit,
};

static const evf_future_ops starting_meter_ops = {
    .size = sizeof(struct meter),
    .name = "starting meter",
    .flags = EVF_PASSES_CANCEL | EVF_STARTS,
    .poll = meter_poll,
    .drop = meter_drop,
    .visit = meter_visit,
};

bool
root_is_meter(const evf_future *future)
{
    return future->ops->poll == meter_poll;
}

static bool
starts(const evf_future *future)
{
    return future != NULL && !evf_failed(future) &&
        (future->ops->flags & EVF_STARTS);
}

evf_future *
root_new(evf_future *child, struct fuzz_root **root)
{
    struct meter *m = NULL;

    if (fuzz.roots < FUZZ_ROOTS)
        m = calloc(1, sizeof(*m));
    if (m == NULL) {
        evf_future_drop(child);
        *root = NULL;
        return NULL;
    }
    evf_future_init(&m->future,
        starts(child) ? &starting_meter_ops : &meter_ops);
    m->child = child;
    m->root = *root = &fuzz.root[fuzz.roots++];
    m->root->future = &m->future;
    m->root->native = chance(40);
    if (!m->root->native)
        m->bell = bell_new(m->root);
    fuzz_say("made root %u", fuzz.roots - 1);
    return &m->future;
}

/* F17, F37: when a callback comes, and that it does not. */
static void
done(intptr_t result, void *arg)
{
    struct fuzz_root *root = arg;

    fuzz_say("callback of root %d", (int)(root - fuzz.root));
    REQUIRE(!root->silent, "the callback of a freed task was called");
    REQUIRE(root->calls++ == 0, "a callback was called twice");
    REQUIRE(root->dropped, "a callback came before the drop");
    token_end(result);
    fuzz_act(50);
}

struct fuzz_handle
root_spawn(evf_future *child, bool then)
{
    evf_executor *executor = fuzz.executors[chance(15)];
    struct fuzz_root *root;
    evf_future *future = root_new(child, &root);
    struct fuzz_handle handle = {NULL, root};

    if (root == NULL)
        return handle;
    root->then = then;
    handle.task = then ? evf_spawn_then(executor, future, done, root)
                       : evf_spawn(executor, future);
    fuzz_say("spawned root %d", (int)(root - fuzz.root));
    if (handle.task == NULL) {
        REQUIRE(root->dropped, "spawn failed, and did not drop");
        root->then = false;
    }
    return handle;
}

void
root_free(struct fuzz_handle *handle)
{
    struct fuzz_root *root = handle->root;
    evf_task *task = handle->task;
    int deferred;
    bool inside;

    handle->task = NULL;
    if (task == NULL)
        return;
    fuzz_say("free root %d", (int)(root - fuzz.root));
    root->silent = root->calls == 0;
    inside = !root->dropped && link_contains(root);
    deferred = evf_task_free(task);
    /* It may be, too, in a join that was not polled; only its drop can tell. */
    REQUIRE(!inside || deferred != 0 || !fuzz.exact,
        "a free was not deferred, and what runs is inside");
    if (deferred == 0) {
        REQUIRE(root->dropped, "a task was freed, and runs");
        return;
    }
    REQUIRE(fuzz.running != NULL, "a free was deferred for nobody");
    if (!root->dropped && !root->doomed) {
        root->doomed = true;
        fuzz.doomed++;
    }
}
