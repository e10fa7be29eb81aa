/* SPDX-License-Identifier: BSD-3-Clause */
#include "support.h"

#include <string.h>
#include <evfuture.h>

#include "core/context-internal.h"

/*
 * Foreign wakers are arbitrary code: cloning, waking and dropping one may touch
 * the very thing that is waited for. Each acts once.
 */
struct acting {
    evf_waker waker;
    void (*cloned)(void *arg), (*woken)(void *arg), (*dropped)(void *arg);
    void *arg;
    unsigned wakes;
    int live; /* clones that are out */
};

static void
act(void (**what)(void *arg), void *arg)
{
    void (*fn)(void *arg) = *what;

    *what = NULL;
    if (fn != NULL)
        fn(arg);
}

static void *
clone(void *data)
{
    struct acting *acting = data;

    acting->live++;
    act(&acting->cloned, acting->arg);
    return data;
}

static void
wake_by_ref(void *data)
{
    struct acting *acting = data;

    acting->wakes++;
    act(&acting->woken, acting->arg);
}

static void
drop(void *data)
{
    struct acting *acting = data;

    acting->live--;
    act(&acting->dropped, acting->arg);
}

static void
wake(void *data)
{
    struct acting *acting = data;

    acting->live--;
    wake_by_ref(data);
}

static const evf_waker_ops acting_ops = {
    .clone = clone,
    .wake = wake,
    .wake_by_ref = wake_by_ref,
    .drop = drop,
};

static struct acting
acting(void *arg)
{
    return (struct acting){.arg = arg};
}

static enum evf_poll
poll_on(evf_executor *on, evf_future *future, struct acting *by)
{
    evf_context cx;

    by->waker = (evf_waker){&acting_ops, by};
    evf_context_init(&cx, &by->waker, on);
    return evf_future_poll(future, &cx);
}

static enum evf_poll
poll_by(evf_future *future, struct acting *by)
{
    return poll_on(NULL, future, by);
}

/* Ready it is, or says so by a wake and then is. */
static void
expect_told(evf_future *future, struct acting *by)
{
    if (poll_by(future, by) == EVF_PENDING) {
        ck_assert_uint_ge(by->wakes, 1);
        ck_assert_int_eq(poll_by(future, by), EVF_READY);
    }
    evf_future_drop(future);
    ck_assert_int_eq(by->live, 0);
}

static struct acting *inline_waker;
static evf_future *inline_root;

/* An executor without a queue: who is woken is polled at once, and ended. */
static void
polls_at_once(void *arg)
{
    (void)arg;
    if (poll_by(inline_root, inline_waker) == EVF_READY) {
        evf_future_drop(inline_root);
        inline_root = NULL;
    }
}

START_TEST(child_that_is_polled_inside_its_wake) /* F12 F40 F45 */
{
    evf_group *group = evf_group_new(NULL);
    evf_completer *c = evf_completer_new(NULL);
    struct acting by = acting(NULL);

    evf_group_add(group, evf_completer_future(c));
    inline_root = evf_group_future(group);
    inline_waker = &by;
    evf_group_free(group);
    ck_assert_int_eq(poll_by(inline_root, &by), EVF_PENDING);
    by.woken = polls_at_once;
    evf_complete(c, 0);
    ck_assert_ptr_null(inline_root);
    ck_assert_int_eq(by.live, 0);
}
END_TEST

static void
closes(void *arg)
{
    evf_channel_close(arg);
}

static struct thing things[3];

static void
pushes(void *arg)
{
    ck_assert_int_eq(evf_channel_push(arg, &things[0]), 0);
}

START_TEST(sender_whose_last_waker_closes_the_channel) /* F12 F44 */
{
    evf_channel *ch = evf_channel_new(1, thing_dispose);
    struct acting last = acting(ch), by = acting(ch);
    evf_future *send;

    memset(things, 0, sizeof(things));
    ck_assert_int_eq(evf_channel_push(ch, &things[1]), 0);
    send = evf_channel_send(NULL, ch, &things[2]);
    ck_assert_int_eq(poll_by(send, &last), EVF_PENDING);
    last.dropped = closes;
    expect_told(send, &by);
    ck_assert_uint_eq(things[2].disposals, 1);
    evf_channel_free(ch);
    ck_assert_uint_eq(things[1].disposals, 1);
}
END_TEST

START_TEST(receiver_whose_last_waker_pushes) /* F12 F44 */
{
    evf_channel *ch = evf_channel_new(4, thing_dispose);
    struct acting last = acting(ch), by = acting(ch);
    evf_future *recv = evf_channel_recv(NULL, ch), *later;

    memset(things, 0, sizeof(things));
    ck_assert_int_eq(poll_by(recv, &last), EVF_PENDING);
    last.dropped = pushes;
    expect_told(recv, &by);
    ck_assert_uint_eq(things[0].disposals, 1); /* it was not taken */
    later = evf_channel_recv(NULL, ch);
    ck_assert_int_eq(poll_by(later, &by), EVF_PENDING);
    ck_assert_int_eq(evf_channel_push(ch, &things[1]), 0);
    ck_assert_int_eq(poll_by(later, &by), EVF_READY);
    ck_assert_int_eq(evf_future_take(later), (intptr_t)&things[1]);
    evf_future_drop(later);
    evf_channel_free(ch);
}
END_TEST

START_TEST(clone_that_changes_the_channel) /* F7 F12 F44 */
{
    evf_channel *ch = evf_channel_new(1, thing_dispose);
    struct acting by = acting(ch);

    memset(things, 0, sizeof(things));
    by.cloned = pushes;
    expect_told(evf_channel_recv(NULL, ch), &by);
    ck_assert_int_eq(evf_channel_push(ch, &things[1]), 0);
    by = acting(ch);
    by.cloned = closes;
    expect_told(evf_channel_send(NULL, ch, &things[2]), &by);
    ck_assert_uint_eq(things[2].disposals, 1);
    evf_channel_free(ch);
}
END_TEST

static void
completes(void *arg)
{
    evf_complete(arg, 7);
}

START_TEST(clone_that_completes) /* F7 F12 F39 */
{
    evf_completer *c = evf_completer_new(NULL);
    struct acting by = acting(c);

    by.cloned = completes;
    expect_told(evf_completer_future(c), &by);
}
END_TEST

static void
closes_group(void *arg)
{
    evf_group_close(arg);
}

START_TEST(clone_that_closes_the_group) /* F7 F12 F45 */
{
    evf_group *group = evf_group_new(&(evf_group_options){.max_running = 1});
    struct acting by = acting(group);

    evf_group_add(group, evf_ready(NULL, 0, NULL));
    by.cloned = closes_group;
    expect_told(evf_group_room(NULL, group), &by);
    evf_group_free(group);
}
END_TEST

static void
frees_the_executor(void *arg)
{
    (void)arg;
    executor_done();
}

START_TEST(clone_that_ends_the_joined_task) /* F7 F12 F23 */
{
    struct leaf never = {0};
    struct acting by = acting(NULL);
    evf_future *join = evf_task_join(NULL, evf_spawn(executor, leaf(&never)));

    by.cloned = frees_the_executor;
    expect_told(join, &by);
}
END_TEST

struct late {
    evf_future *future;
    struct acting by;
    enum evf_poll poll;
};

static void
polls_on_what_goes(void *arg)
{
    struct late *late = arg;

    late->poll = poll_on(executor, late->future, &late->by);
}

START_TEST(wake_that_begins_a_group_on_an_executor_that_goes) /* F12 F16 F23 */
{
    evf_group *group = evf_group_new(NULL);
    evf_future *sleep = evf_sleep(NULL, 1000);
    struct late late = {.future = evf_group_future(group)};
    struct acting by = acting(&late);

    evf_group_add(group, evf_yield(NULL));
    evf_group_add(group, evf_yield(NULL));
    ck_assert_int_eq(poll_on(executor, sleep, &by), EVF_PENDING);
    by.woken = polls_on_what_goes;
    executor_done();
    ck_assert_int_eq(late.poll, EVF_READY);
    ck_assert_int_eq(evf_future_take(late.future), -ESHUTDOWN);
    evf_future_drop(late.future);
    evf_future_drop(sleep);
    evf_group_free(group);
    ck_assert_int_eq(by.live + late.by.live, 0);
}
END_TEST

TEST_MAIN("waker-acts", wake_that_begins_a_group_on_an_executor_that_goes,
    child_that_is_polled_inside_its_wake,
    sender_whose_last_waker_closes_the_channel,
    receiver_whose_last_waker_pushes, clone_that_changes_the_channel,
    clone_that_completes, clone_that_closes_the_group,
    clone_that_ends_the_joined_task)
