/* SPDX-License-Identifier: BSD-3-Clause */
#include <evfuture/group.h>

#include "core/alloc-internal.h"
#include "core/context-internal.h"
#include "core/future-internal.h"
#include "task/group-internal.h"
#include "task/room-internal.h"

static const evf_future_ops group_ops;

evf_group *
evf_group_new(const evf_group_options *options)
{
    evf_group *group = evfi_new(sizeof(*group));

    if (group == NULL)
        return NULL;
    if (options != NULL) {
        group->max_running = options->max_running;
        group->keep_going = options->keep_going;
        group->open = options->open;
    }
    evf_future_init(&group->future, &group_ops);
    group->refs = 1;
    group->ready_tail = &group->ready;
    evfi_list_init(&group->children);
    evfi_list_init(&group->waiting);
    evfi_list_init(&group->rooms);
    return group;
}

void
evfi_group_unref(evf_group *group)
{
    if (--group->refs == 0)
        evfi_release(group);
}

/* Nothing may be added any more. */
bool
evfi_group_is_shut(const evf_group *group)
{
    return group->ended || group->closed ||
        (group->failure != 0 && !group->keep_going);
}

/* It has no children, and waits for more. */
static bool
waits_open(const evf_group *group)
{
    return group->open && !evfi_group_is_shut(group);
}

/* A request ends the wait for more, as it does any other. */
static bool
complete(const evf_group *group)
{
    if (group->running > 0 || group->queued > 0)
        return false;
    return !waits_open(group) || group->request != 0;
}

/* Wakes whoever awaits the group, if there is something to be seen. */
static void
tell(evf_group *group)
{
    if (complete(group) || group->ready != NULL)
        evfi_waker_wake(&group->waker);
}

/* What a child is asked: the outermost error, or to make way for a failure. */
static int
request_of(const evf_group *group)
{
    if (group->request != 0)
        return group->request;
    return group->failure != 0 && !group->keep_going ? -ECANCELED : 0;
}

/* Under a foreign executor; whoever called tells the group's waker. */
void
evfi_group_child_woken(evf_group *group, evf_task *child)
{
    child->next = NULL;
    *group->ready_tail = child;
    group->ready_tail = &child->next;
    if (!group->busy)
        evfi_waker_wake(&group->waker);
}

static void
start_children(evf_group *group)
{
    struct evfi_list *link;
    evf_task *child;

    while ((link = evfi_list_first(&group->waiting)) != NULL) {
        if (group->max_running > 0 && group->running >= group->max_running)
            return;
        child = evf_container_of(link, evf_task, link);
        evfi_list_remove(link);
        evfi_list_append(&group->children, link);
        group->queued--;
        group->running++;
        child->request = request_of(group);
        evfi_task_wake(child);
    }
}

/*
 * It is of this group until its drop returns, so that what that drop ends knows
 * what contains it.
 */
static void
end_child(evf_task *child)
{
    child->counted.refs++;
    evfi_task_end(child);
    child->group = NULL;
    evfi_task_unref(child);
}

static bool
must_start(const evf_task *child)
{
    return evfi_future_is_real(child->future) &&
        (child->future->ops->flags & EVF_STARTS) != 0;
}

/*
 * Children that have not started, and need not, end where they are. Their drops
 * may add others, or be the end of the group, so those which stay go round in
 * the list itself.
 */
static void
drop_waiting(evf_group *group, int error)
{
    struct evfi_list *link;
    evf_task *child;

    for (size_t n = group->queued; n > 0; n--) {
        link = evfi_list_first(&group->waiting);
        if (link == NULL)
            return;
        child = evf_container_of(link, evf_task, link);
        evfi_list_remove(link);
        if (must_start(child)) {
            evfi_list_append(&group->waiting, link);
            continue;
        }
        group->queued--;
        if (group->failure == 0)
            group->failure = error;
        end_child(child);
    }
}

/* Makes the request in force be every child's. */
static void
pass_request(evf_group *group)
{
    int request = request_of(group);
    struct evfi_list *link;
    evf_task *child;

    evfi_list_for_each(link, &group->children) {
        child = evf_container_of(link, evf_task, link);
        if (child->request == request)
            continue;
        child->request = request;
        if (request != 0)
            evfi_task_wake(child);
    }
    if (request != 0)
        drop_waiting(group, request);
}

/*
 * Between these two nobody foreign is called for the group, which may then be
 * in any state; the second one may be its end.
 */
static bool
begin(evf_group *group)
{
    bool outer = group->busy;

    group->refs++;
    group->busy = true;
    return outer;
}

static void
finish(evf_group *group, bool outer)
{
    group->busy = outer;
    if (!outer) {
        evfi_rooms_grant(group);
        tell(group);
    }
    evfi_group_unref(group);
}

void
evfi_group_child_ended(evf_group *group, evf_task *child, intptr_t result,
    void (*dispose)(void *result))
{
    bool outer = begin(group);

    child->group = NULL;
    group->running--;
    if (evf_failed(result) && group->failure == 0) {
        group->failure = (int)result;
        if (!group->keep_going)
            pass_request(group);
    }
    start_children(group);
    finish(group, outer);
    evfi_dispose(dispose, result);
}

int
evf_group_add(evf_group *group, evf_future *future)
{
    int err = group == NULL ? -EINVAL : 0;
    evf_task *child = NULL;
    bool outer;

    if (err == 0 && evfi_group_is_shut(group))
        err = -ESHUTDOWN;
    if (err == 0) {
        child = evfi_task_new(group->executor, future, EVFI_TASK_CHILD);
        err = child != NULL ? 0 : -ENOMEM;
    }
    if (err < 0) {
        evf_future_drop(future);
        return err;
    }
    outer = begin(group);
    child->group = group;
    evfi_list_append(&group->waiting, &child->link);
    group->queued++;
    if (group->polled)
        start_children(group);
    finish(group, outer);
    return 0;
}

void
evf_group_close(evf_group *group)
{
    if (group == NULL || group->closed)
        return;
    group->closed = true;
    finish(group, begin(group));
}

/* Ends every child at once, but one that is being polled when that returns. */
static void
drop_children(evf_group *group)
{
    struct evfi_list *link;
    evf_task *child;

    evfi_list_splice(&group->waiting, &group->children);
    group->running = 0;
    group->queued = 0;
    while ((link = evfi_list_first(&group->children)) != NULL) {
        child = evf_container_of(link, evf_task, link);
        evfi_list_remove(link);
        end_child(child);
    }
}

/* Those queued under a foreign executor; each has a reference. */
static evf_task *
take_ready(evf_group *group)
{
    evf_task *ready = group->ready;

    group->ready = NULL;
    group->ready_tail = &group->ready;
    return ready;
}

static void
forget_ready(evf_group *group)
{
    evf_task *child, *next = take_ready(group);

    while ((child = next) != NULL) {
        next = child->next;
        child->queued = false;
        evfi_task_unref(child);
    }
}

/* The future is over. What is left are the handle and the rooms. */
static void
end(evf_group *group)
{
    evf_waker waker = group->waker;

    group->ended = true;
    group->waker = (evf_waker){NULL, NULL};
    drop_children(group);
    forget_ready(group);
    evfi_list_remove(&group->link);
    group->executor = NULL;
    evfi_task_set_container(&group->container, NULL);
    evfi_waker_drop(&waker);
    evfi_rooms_grant(group);
}

void
evfi_group_shutdown(evf_group *group)
{
    bool outer = begin(group);

    if (group->failure == 0)
        group->failure = -ESHUTDOWN;
    group->closed = true;
    evfi_list_remove(&group->link);
    drop_children(group);
    group->executor = NULL;
    finish(group, outer);
}

void
evf_group_free(evf_group *group)
{
    if (group == NULL)
        return;
    evf_group_close(group);
    if (!group->handed)
        end(group);
    evfi_group_unref(group);
}

evf_future *
evf_group_future(evf_group *group)
{
    if (group == NULL)
        return NULL;
    if (group->handed)
        return evf_future_failed(-EBUSY);
    group->handed = true;
    group->refs++;
    evfi_task_set_container(&group->container, evfi_task_running());
    return &group->future;
}

/* Takes the children out of an executor's queue: they are ready as those are. */
static void
leave_queue(evf_group *group, evf_executor *executor)
{
    evf_task *task, **place = &executor->head;

    while ((task = *place) != NULL) {
        if (task->kind != EVFI_TASK_CHILD || task->group != group) {
            place = &task->next;
            continue;
        }
        *place = task->next;
        task->next = NULL;
        *group->ready_tail = task;
        group->ready_tail = &task->next;
    }
    executor->tail = place;
}

/* The group is polled on another executor than before, and goes there. */
static void
move(evf_group *group, evf_executor *executor)
{
    struct evfi_list *link;
    evf_task *child, *next;

    if (group->executor != NULL)
        leave_queue(group, group->executor);
    next = take_ready(group);
    group->executor = executor;
    evfi_list_remove(&group->link);
    if (executor != NULL)
        evfi_list_append(&executor->groups, &group->link);
    evfi_list_for_each(link, &group->children)
        evf_container_of(link, evf_task, link)->executor = executor;
    evfi_list_for_each(link, &group->waiting)
        evf_container_of(link, evf_task, link)->executor = executor;
    while ((child = next) != NULL) {
        next = child->next;
        child->queued = false;
        evfi_task_wake(child);
        evfi_task_unref(child);
    }
}

/* Under a foreign executor: each child that was woken, once. */
static void
poll_ready(evf_group *group)
{
    evf_task *child, *next = take_ready(group);
    void (*dispose)(void *result);
    intptr_t result;
    evf_context cx;

    evfi_task_context(&cx, NULL);
    while ((child = next) != NULL) {
        next = child->next;
        child->queued = false;
        if (!child->ended &&
            evfi_task_poll(child, &cx, &result, &dispose) == EVF_READY)
            evfi_task_deliver(child, result, dispose);
        evfi_task_unref(child);
    }
}

static enum evf_poll
group_poll(evf_future *self, evf_context *cx)
{
    evf_group *group = evf_container_of(self, evf_group, future);
    bool outer = begin(group);

    group->polled = true;
    evfi_task_set_container(&group->container, evfi_task_running());
    if (cx->executor != NULL && cx->executor->closing)
        evfi_group_shutdown(group);
    else if (group->executor != cx->executor)
        move(group, cx->executor);
    evfi_waker_update(&group->waker, &cx->waker);
    if (group->request != cx->request) {
        group->request = cx->request;
        pass_request(group);
    }
    start_children(group);
    if (cx->executor == NULL)
        poll_ready(group);
    if (complete(group)) {
        if (waits_open(group) && group->failure == 0)
            group->failure = group->request;
        end(group);
        evf_future_ready(self, group->failure);
        finish(group, outer);
        return EVF_READY;
    }
    finish(group, outer);
    return EVF_PENDING;
}

static void
group_drop(evf_future *self)
{
    evf_group *group = evf_container_of(self, evf_group, future);

    if (!group->ended)
        end(group);
    evfi_group_unref(group);
}

static void
group_visit(evf_future *self, evf_visit_fn *fn, void *arg)
{
    evf_group *group = evf_container_of(self, evf_group, future);
    struct evfi_list *link;
    char note[64];

    snprintf(note, sizeof(note), "%zu running, %zu waiting", group->running,
        group->queued);
    fn(arg, NULL, note);
    evfi_list_for_each(link, &group->children) {
        evf_task *child = evf_container_of(link, evf_task, link);

        if (child->future != NULL)
            fn(arg, child->future, NULL);
    }
}

static const evf_future_ops group_ops = {
    .size = sizeof(evf_group),
    .name = "group",
    .flags = EVF_PASSES_CANCEL | EVF_STARTS,
    .poll = group_poll,
    .drop = group_drop,
    .visit = group_visit,
};
