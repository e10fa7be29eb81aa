/* SPDX-License-Identifier: BSD-3-Clause */
/* First, since `executor` is the name of a global from there on. */
#include "task/executor-internal.h"

#include "actor.h"

#include <ctype.h>
#include <stdlib.h>

static enum evf_poll
actor_poll(evf_future *future, evf_context *cx)
{
    struct actor *self = evf_container_of(future, struct actor, future);

    self->polls++;
    trace(self->name);
    evf_waker_update(&self->waker, evf_context_waker(cx));
    self->cx = cx;
    if (self->acts != NULL)
        self->acts(self);
    self->cx = NULL;
    if (!self->ready) {
        if (self->again)
            evf_waker_wake_by_ref(evf_context_waker(cx));
        return EVF_PENDING;
    }
    future->dispose = self->dispose;
    return evf_future_ready(future, self->result);
}

static void
actor_drop(evf_future *future)
{
    struct actor *self = evf_container_of(future, struct actor, future);

    self->drops++;
    trace((char)tolower(self->name));
    evf_waker_drop(&self->waker);
    if (self->dropped != NULL)
        self->dropped(self);
}

static const evf_future_ops actor_ops = {
    .size = sizeof(struct actor),
    .name = "actor",
    .poll = actor_poll,
    .drop = actor_drop,
};

evf_future *
actor(struct actor *self)
{
    evf_future_init(&self->future, &actor_ops);
    return &self->future;
}

void
actor_finish(struct actor *self, intptr_t result)
{
    self->ready = true;
    self->result = result;
    evf_waker_wake_by_ref(&self->waker);
}

void
acts_and_frees(struct actor *self)
{
    struct frees *f = self->arg;
    evf_task *task = f->task;

    f->task = NULL;
    if (task == NULL)
        return;
    trace('(');
    f->got = evf_task_free(task);
    trace(')');
}

static evf_future *
await_of(struct owner *self)
{
    evf_future *future = self->awaits;

    self->awaits = NULL;
    return future;
}

static enum evf_poll
owner_run(evf_future *future, evf_context *cx)
{
    struct owner *self = evf_frame_of(future, struct owner);

    EVF_BEGIN(future, cx);
    EVF_AWAIT(self->got, await_of(self));
    EVF_RETURN(self->got);
    EVF_FINALLY;
    evf_future_drop(self->awaits); /* if it never came to that */
    self->finallies++;
    trace(self->name);
    EVF_END;
}

static const evf_frame_ops owner_ops = EVF_FRAME_OPS(struct owner, owner_run);

evf_future *
owner(struct owner *self, char name, evf_future *awaits)
{
    memset(self, 0, sizeof(*self));
    evf_frame_init(self, &owner_ops);
    self->name = name;
    self->awaits = awaits;
    return &self->frame.future;
}

void
tell(intptr_t result, void *arg)
{
    struct told *told = arg;

    told->calls++;
    told->result = result;
    trace(told->name);
    if (told->then != NULL)
        told->then(told);
}

struct host_call {
    void (*fn)(void *arg);
    void *arg;
};

static void
on_host_call(evutil_socket_t fd, short what, void *arg)
{
    struct host_call call = *(struct host_call *)arg;

    (void)fd;
    (void)what;
    free(arg);
    call.fn(call.arg);
}

void
host_calls(void (*fn)(void *arg), void *arg)
{
    const struct timeval soon = {0, 0};
    struct host_call *call = malloc(sizeof(*call));

    ck_assert_ptr_nonnull(call);
    *call = (struct host_call){fn, arg};
    ck_assert_int_eq(event_base_once(base, -1, EV_TIMEOUT, on_host_call, call,
                         &soon),
        0);
}

bool
host_is_done(void)
{
    for (int i = 0; i < 10; i++)
        if (event_base_loop(base, EVLOOP_NONBLOCK) == 1)
            return true;
    return false;
}

bool
work_is_queued(void)
{
    return executor->head != NULL;
}

void
settle(void)
{
    while (work_is_queued())
        ck_assert_int_eq(event_base_loop(base, EVLOOP_ONCE), 0);
}

void
use_priorities(int n)
{
    executor_done();
    base = event_base_new();
    ck_assert_ptr_nonnull(base);
    ck_assert_int_eq(event_base_priority_init(base, n), 0);
    executor = evf_executor_new(base);
    ck_assert_ptr_nonnull(executor);
}
