/* SPDX-License-Identifier: BSD-3-Clause */
#include "sweep-run.h"

#include <stdio.h>

/* A run by a plan. The future's owner polls it through `watch`. */
struct run {
    struct sweep s;
    const struct sweep_plan *plan;
    struct sweep_course *course; /* to be recorded, or NULL */
    unsigned moments;            /* so far */
    unsigned wakes_before;
    bool acted;
    bool drop_now; /* the poll that goes on drops it */
    evf_future *future;
    bool polled;
    evf_future watch;
    evf_waker waker; /* of its last poll */
    unsigned polls, polls_before;
    unsigned drops; /* of watch; of the future, if it is held by hand */
    evf_task *owner;
    evf_group *group;
    struct leaf sibling;
    evf_task *other; /* in whose poll it may happen */
    evf_future other_future;
    evf_waker other_waker;
    bool other_acts;
};

/* One at a time; it must not move. */
static struct run run_now;

static const char *const hold_names[] = {"by hand", "in a task", "in a group",
    "in a select"};
static const char *const act_names[] = {"nothing", "drop", "cancel", "free",
    "sibling", "close", "executor"};
static const char *const place_names[] = {"from outside", "from a callback",
    "from another task"};

static bool
in_poll(enum sweep_moment moment)
{
    return moment == SWEEP_IN_POLL || moment == SWEEP_AFTER_POLL;
}

/* evf_task_free() is deferred exactly inside of the task. */
static void
free_owner(struct run *run, bool inside)
{
    evf_task *owner = run->owner;

    run->owner = NULL;
    EXPECT(evf_task_free(owner) == (inside ? 1 : 0));
    EXPECT(run->drops == (inside ? 0 : 1));
}

/* It is refused inside of a poll. */
static void
free_executor(struct run *run, bool inside)
{
    evf_executor *victim = executor;

    if (inside) {
        EXPECT(evf_executor_free(victim) == -EINVAL);
        EXPECT(misuses == 1);
        misuses = 0;
        return;
    }
    executor = NULL;
    EXPECT(evf_executor_free(victim) == 0);
    if (run->plan->hold != SWEEP_HAND)
        EXPECT(run->drops == 1);
}

static void
drop_future(struct run *run)
{
    evf_future *future = run->future;

    run->future = NULL;
    evf_future_drop(future);
}

/* Does what is planned; `own` inside the future's own poll, else any other's. */
static void
act(struct run *run, bool own, bool inside)
{
    switch (run->plan->act) {
    case SWEEP_DROP:
        if (own)
            run->drop_now = true;
        else
            drop_future(run);
        break;
    case SWEEP_CANCEL:
        evf_task_cancel(run->owner);
        break;
    case SWEEP_FREE:
        free_owner(run, own);
        break;
    case SWEEP_SIBLING:
        leaf_finish(&run->sibling, run->plan->hold == SWEEP_GROUP ? -EIO : 0);
        break;
    case SWEEP_CLOSE:
        run->s.closed = true;
        run->s.row->close(&run->s);
        break;
    case SWEEP_EXECUTOR:
        free_executor(run, inside);
        break;
    default:
        break;
    }
}

static void
on_callback(evutil_socket_t fd, short what, void *arg)
{
    struct run *run = arg;

    (void)fd;
    (void)what;
    act(run, false, false);
}

static enum evf_poll
other_poll(evf_future *self, evf_context *cx)
{
    struct run *run = evf_container_of(self, struct run, other_future);

    evf_waker_update(&run->other_waker, evf_context_waker(cx));
    if (run->other_acts) {
        run->other_acts = false;
        act(run, false, true);
    }
    return EVF_PENDING;
}

static void
other_drop(evf_future *self)
{
    struct run *run = evf_container_of(self, struct run, other_future);

    evf_waker_drop(&run->other_waker);
}

static const evf_future_ops other_ops = {
    .size = sizeof(evf_future),
    .name = "other",
    .poll = other_poll,
    .drop = other_drop,
};

static void
act_from(struct run *run, enum sweep_place place)
{
    struct event *callback;

    switch (place) {
    case SWEEP_CALLBACK:
        callback = event_new(base, -1, 0, on_callback, run);
        event_active(callback, EV_TIMEOUT, 1);
        sweep_settle();
        event_free(callback);
        break;
    case SWEEP_OTHER:
        run->other_acts = true;
        evf_waker_wake_by_ref(&run->other_waker);
        sweep_settle();
        EXPECT(!run->other_acts);
        break;
    default:
        act(run, false, false);
        break;
    }
}

/* The run has come to its next moment, which may be the planned one. */
static void
moment(struct run *run, enum sweep_moment which)
{
    unsigned at = run->moments++;

    if (run->course != NULL) {
        EXPECT(at < SWEEP_MOMENTS);
        run->course->moment[at] = which;
        run->course->count = at + 1;
    }
    if (run->plan->act == SWEEP_NOTHING || run->plan->at != at)
        return;
    run->acted = true;
    if (in_poll(which))
        act(run, true, true);
    else
        act_from(run, run->plan->place);
}

static enum evf_poll
watch_poll(evf_future *self, evf_context *cx)
{
    struct run *run = evf_container_of(self, struct run, watch);
    void (*dispose)(void *result);
    intptr_t result;

    evf_waker_update(&run->waker, evf_context_waker(cx));
    run->polls++;
    moment(run, SWEEP_IN_POLL);
    if (evf_future_poll_child(run->future, cx, &run->polled, &result,
            &dispose) == EVF_READY) {
        run->future = NULL;
        run->s.ended = true;
        run->s.result = result;
        self->dispose = dispose;
        return evf_future_ready(self, result);
    }
    moment(run, SWEEP_AFTER_POLL);
    if (!run->drop_now)
        return EVF_PENDING;
    drop_future(run);
    return evf_future_ready(self, -ECANCELED);
}

static void
watch_drop(evf_future *self)
{
    struct run *run = evf_container_of(self, struct run, watch);

    run->drops++;
    evf_waker_drop(&run->waker);
    drop_future(run);
}

static const evf_future_ops watch_ops = {
    .size = sizeof(evf_future),
    .name = "watch",
    .flags = EVF_PASSES_CANCEL,
    .poll = watch_poll,
    .drop = watch_drop,
};

/* Gives the future to whoever is going to hold it. */
static void
hold(struct run *run)
{
    evf_future *held = &run->watch;

    evf_future_init(held, &watch_ops);
    if (run->plan->hold == SWEEP_GROUP) {
        run->group = evf_group_new(NULL);
        evf_group_add(run->group, held);
        evf_group_add(run->group, leaf(&run->sibling));
        held = evf_group_future(run->group);
        evf_group_free(run->group);
    } else if (run->plan->hold == SWEEP_SELECT) {
        held = evf_select(NULL, NULL, 2,
            (evf_future *[]){held, leaf(&run->sibling)});
    }
    run->owner = evf_spawn(executor, held);
}

static void
step(struct run *run)
{
    struct sweep *s = &run->s;

    EXPECT(s->stepped < s->row->steps || run->plan->fail > 0);
    if (s->stepped == s->row->steps)
        return;
    s->row->step(s, s->stepped++);
}

static bool
polled_again(const void *arg)
{
    const struct run *run = arg;

    return run->polls != run->polls_before || run->drops > 0;
}

static void
drive_task(struct run *run)
{
    hold(run);
    moment(run, SWEEP_IDLE);
    sweep_settle();
    while (!run->acted && run->drops == 0) {
        moment(run, SWEEP_IDLE);
        if (run->acted)
            return;
        /* F2: a wake for nothing. */
        evf_waker_wake_by_ref(&run->waker);
        sweep_settle();
        if (run->acted)
            return;
        run->polls_before = run->polls;
        step(run);
        moment(run, SWEEP_WOKEN);
        if (!run->acted)
            EXPECT(sweep_look(polled_again, run) || run->plan->fail > 0);
    }
}

/* Polls while it is woken; whether it goes on waiting. */
static bool
poll_by_hand(struct run *run)
{
    struct sweep *s = &run->s;
    unsigned wakes;

    do {
        wakes = s->probe.wakes;
        if (poll_with(run->future, &s->probe, executor) == EVF_READY) {
            s->ended = true;
            s->result = evf_future_take(run->future);
            sweep_dispose(s->row, s->result);
            drop_future(run);
            return false;
        }
    } while (s->probe.wakes != wakes);
    return true;
}

static bool
woken(const void *arg)
{
    const struct run *run = arg;

    return run->s.probe.wakes != run->wakes_before;
}

static void
drive_by_hand(struct run *run)
{
    sweep_settle();
    moment(run, SWEEP_IDLE);
    while (!run->acted && poll_by_hand(run)) {
        moment(run, SWEEP_IDLE);
        if (run->acted)
            return;
        EXPECT(poll_by_hand(run)); /* F2 */
        run->wakes_before = run->s.probe.wakes;
        step(run);
        moment(run, SWEEP_WOKEN);
        if (run->acted)
            return;
        EXPECT(sweep_look(woken, run) || run->plan->fail > 0);
    }
}

/* What each act promises once the loop is at rest again. */
static void
check_act(struct run *run)
{
    const struct row *row = run->s.row;
    bool ends = false;

    switch (run->plan->act) {
    case SWEEP_DROP:
    case SWEEP_FREE:
        ends = true;
        break;
    case SWEEP_CANCEL:
        ends = !row->stubborn;
        break;
    case SWEEP_SIBLING:
        ends = !row->stubborn || run->plan->hold == SWEEP_SELECT;
        break;
    case SWEEP_CLOSE:
        ends = !row->close_goes_on;
        break;
    case SWEEP_EXECUTOR:
        ends = executor == NULL && run->plan->hold != SWEEP_HAND;
        break;
    default:
        EXPECT(run->s.ended || run->plan->fail > 0);
        EXPECT(run->plan->fail > 0 || sweep_expected(&run->s, run->s.result));
        return;
    }
    if (ends && run->plan->hold != SWEEP_HAND)
        EXPECT(run->drops == 1);
    if (run->s.ended && run->plan->act == SWEEP_CANCEL)
        EXPECT(run->s.result == -ECANCELED ||
            sweep_expected(&run->s, run->s.result));
}

/* Held by hand, it outlives the executor, and tells it. */
static void
check_by_hand(struct run *run)
{
    const struct row *row = run->s.row;
    bool ends = (executor == NULL && row->ends_with_it) ||
        (run->s.closed && !row->close_goes_on);

    if (run->future == NULL)
        return;
    /* Before its first poll it has nobody to wake. */
    if (run->acted && ends && run->s.probe.clones > 0) {
        EXPECT(run->s.probe.wakes > 0);
        EXPECT(!poll_by_hand(run));
        EXPECT(evf_failed(run->s.result) ||
            sweep_expected(&run->s, run->s.result));
    }
    if (run->future != NULL)
        drop_future(run);
}

static void
name_run(const struct sweep_plan *plan, char *name, size_t size)
{
    snprintf(name, size, "%s, %s at moment %u %s%s, allocation %zu fails",
        hold_names[plan->hold], act_names[plan->act], plan->at,
        place_names[plan->place], plan->late ? ", executor first" : "",
        plan->fail);
}

static void
spawn_other(struct run *run)
{
    if (run->plan->place != SWEEP_OTHER)
        return;
    evf_future_init(&run->other_future, &other_ops);
    run->other = evf_spawn(executor, &run->other_future);
}

bool
sweep_run(const struct row *row, const struct sweep_plan *plan,
    struct sweep_course *course)
{
    struct run *run = &run_now;
    char name[128];
    size_t before;
    bool asked;

    name_run(plan, name, sizeof(name));
    *run = (struct run){.plan = plan, .course = course};
    sweep_begin(&run->s, row, name);
    spawn_other(run);
    before = heap_allocations();
    heap_fail_at(plan->fail);
    run->future = row->future(&run->s, NULL);
    if (plan->hold == SWEEP_HAND)
        drive_by_hand(run);
    else
        drive_task(run);
    asked = heap_allocations() - before >= plan->fail;
    heap_fail_at(0);
    sweep_settle();
    check_act(run);
    check_by_hand(run);
    evf_task_free(run->owner);
    evf_task_free(run->other);
    EXPECT(plan->hold == SWEEP_HAND || run->drops == 1);
    EXPECT(run->sibling.drops == (plan->hold >= SWEEP_GROUP ? 1 : 0));
    sweep_end(&run->s, plan->late);
    return asked;
}
