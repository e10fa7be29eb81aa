/* SPDX-License-Identifier: BSD-3-Clause */
#include "support.h"

#include <stdlib.h>
#include <string.h>

#include "core/context-internal.h"

static struct probe probe;
static struct thing thing;

/* A callback API, and the hook that stops it. */
static struct api {
    evf_completer *completer; /* its callback's argument; NULL once called */
    int answer;
    bool inside; /* the hook calls back */
    unsigned hooks;
} api;

static void
call_back(intptr_t result)
{
    evf_completer *c = api.completer;

    api.completer = NULL;
    evf_complete(c, result);
}

static int
hook(void *request)
{
    struct api *a = request;

    ck_assert_ptr_eq(a, &api);
    a->hooks++;
    if (a->inside)
        call_back((intptr_t)&thing);
    if (a->answer)
        a->completer = NULL;
    return a->answer;
}

static evf_completer *
start(void)
{
    memset(&api, 0, sizeof(api));
    memset(&thing, 0, sizeof(thing));
    probe_init(&probe);
    api.completer = evf_completer_new(thing_dispose);
    ck_assert_ptr_nonnull(api.completer);
    return api.completer;
}

START_TEST(completion_at_every_moment_before_the_drop) /* F39 L12 F40 */
{
    evf_future *future;
    evf_completer *c;

    /* Inside the start; then before the first poll; then while pending. */
    for (int when = 0; when < 3; when++) {
        for (int taken = 0; taken <= 1; taken++) {
            c = start();
            if (when == 0)
                call_back((intptr_t)&thing);
            evf_completer_set_cancel(c, hook, &api);
            future = evf_completer_future(c);
            if (when == 1)
                call_back((intptr_t)&thing);
            if (when == 2) {
                ck_assert_int_eq(poll_with(future, &probe, NULL), EVF_PENDING);
                call_back((intptr_t)&thing);
            }
            ck_assert_uint_eq(probe.wakes, when == 2);
            ck_assert_int_eq(poll_with(future, &probe, NULL), EVF_READY);
            if (taken)
                ck_assert_ptr_eq((void *)evf_future_take(future), &thing);
            evf_future_drop(future);
            ck_assert_uint_eq(thing.disposals, !taken); /* F33 */
            ck_assert_uint_eq(api.hooks, 0);
            ck_assert_uint_eq(heap_blocks(), 1); /* the executor */
        }
    }
}
END_TEST

START_TEST(completed_and_dropped_before_it_was_polled) /* F39 F33 */
{
    for (int polls = 0; polls <= 1; polls++) {
        evf_completer *c = start();
        evf_future *future = evf_completer_future(c);

        evf_completer_set_cancel(c, hook, &api);
        if (polls > 0)
            ck_assert_int_eq(poll_with(future, &probe, executor), EVF_PENDING);
        call_back((intptr_t)&thing);
        evf_future_drop(future);
        ck_assert_uint_eq(thing.disposals, 1);
        ck_assert_uint_eq(api.hooks, 0);
        ck_assert_int_eq(probe_live(&probe), 0);
    }
}
END_TEST

START_TEST(drop_before_completion_with_every_hook) /* F39 L13 F13 */
{
    static const struct {
        bool hooked, inside;
        int answer;
        bool later; /* the callback still comes */
    } rows[] = {{false, false, 0, true}, {true, false, 0, true},
        {true, false, 1, false}, {true, true, 0, false},
        {true, true, 1, false}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        for (int polls = 0; polls <= 1; polls++) {
            evf_completer *c = start();
            evf_future *future = evf_completer_future(c);
            size_t blocks = heap_blocks();

            api.answer = rows[i].answer;
            api.inside = rows[i].inside;
            if (rows[i].hooked)
                evf_completer_set_cancel(c, hook, &api);
            if (polls > 0)
                ck_assert_int_eq(poll_with(future, &probe, executor),
                    EVF_PENDING);
            evf_future_drop(future);
            ck_assert_uint_eq(api.hooks, rows[i].hooked);
            ck_assert_uint_eq(thing.disposals, rows[i].inside);
            ck_assert_int_eq(probe_live(&probe), 0);
            ck_assert_uint_eq(heap_blocks(), blocks - !rows[i].later);
            if (rows[i].later) {
                call_back((intptr_t)&thing);
                ck_assert_uint_eq(thing.disposals, 1);
            }
            ck_assert_uint_eq(probe.wakes, 0);
            ck_assert_uint_eq(heap_blocks(), blocks - 1);
        }
    }
}
END_TEST

START_TEST(errors_are_results_that_nobody_frees)
{
    evf_completer *c = start();
    evf_future *future = evf_completer_future(c);

    call_back(-EPIPE);
    ck_assert_int_eq(evf_block_on(executor, future), -EPIPE);
    c = start();
    evf_future_drop(evf_completer_future(c));
    call_back(-EPIPE);
    c = evf_completer_new(NULL); /* and results that need not be freed */
    future = evf_completer_future(c);
    evf_complete(c, 12);
    evf_future_drop(future);
    ck_assert_uint_eq(thing.disposals, 0);
}
END_TEST

START_TEST(second_completion_is_misuse_and_its_result_is_freed) /* F39 */
{
    struct thing second = {0};
    evf_completer *c = start();
    evf_future *future = evf_completer_future(c);

    ck_assert_int_eq(poll_with(future, &probe, NULL), EVF_PENDING);
    evf_complete(c, (intptr_t)&thing);
    evf_complete(c, (intptr_t)&second);
    ck_assert_misuse(1);
    ck_assert_uint_eq(second.disposals, 1);
    evf_complete(c, (intptr_t)&thing); /* the very same: it is the future's */
    ck_assert_misuse(1);
    evf_complete(c, -EIO);
    ck_assert_misuse(1);
    ck_assert_uint_eq(probe.wakes, 1);
    ck_assert_int_eq(poll_with(future, &probe, NULL), EVF_READY);
    evf_complete(c, (intptr_t)&thing);
    ck_assert_misuse(1);
    ck_assert_uint_eq(thing.disposals, 0);
    ck_assert_ptr_eq((void *)evf_future_take(future), &thing);
    evf_future_drop(future);
    ck_assert_uint_eq(thing.disposals, 0);
}
END_TEST

START_TEST(future_is_there_once) /* F34 */
{
    evf_completer *c = start();
    evf_future *future = evf_completer_future(c);

    ck_assert_ptr_eq(evf_completer_future(c), evf_future_failed(-EBUSY));
    call_back(5);
    ck_assert_ptr_eq(evf_completer_future(c), evf_future_failed(-EBUSY));
    ck_assert_int_eq(evf_block_on(executor, future), 5);
}
END_TEST

START_TEST(hook_is_what_was_set_last)
{
    evf_completer *c = start();
    evf_future *future = evf_completer_future(c);

    api.answer = 1;
    evf_completer_set_cancel(c, hook, NULL);
    evf_completer_set_cancel(c, hook, &api);
    evf_completer_set_cancel(c, NULL, NULL);
    evf_future_drop(future);
    ck_assert_uint_eq(api.hooks, 0);
    evf_completer_set_cancel(c, hook, &api); /* too late: F39 */
    ck_assert_uint_eq(api.hooks, 0);
    call_back((intptr_t)&thing);
    ck_assert_uint_eq(thing.disposals, 1);
}
END_TEST

START_TEST(null_everywhere) /* F39 F47 F28 */
{
    evf_complete(NULL, 1);
    evf_completer_set_cancel(NULL, hook, NULL);
    ck_assert_ptr_null(evf_completer_future(NULL));
    heap_fail_at(1);
    ck_assert_ptr_null(evf_completer_new(free));
}
END_TEST

START_TEST(spurious_polls_and_another_waker) /* F2 F8 F6 */
{
    struct probe other;
    evf_completer *c = start();
    evf_future *future = evf_completer_future(c);

    probe_init(&other);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(poll_with(future, &probe, NULL), EVF_PENDING);
    ck_assert_uint_eq(probe.clones, 1);
    ck_assert_int_eq(poll_with(future, &other, executor), EVF_PENDING);
    ck_assert_int_eq(probe_live(&probe), 0);
    call_back((intptr_t)&thing);
    ck_assert_uint_eq(probe.wakes, 0);
    ck_assert_uint_eq(other.wakes, 1);
    ck_assert_int_eq(probe_live(&other), 0);
    evf_future_drop(future);
}
END_TEST

START_TEST(request_drops_a_pending_one_and_takes_a_result) /* F31 F35 */
{
    for (int done = 0; done <= 1; done++) {
        evf_completer *c = start();
        evf_future *future = evf_completer_future(c);
        void (*dispose)(void *);
        intptr_t result;
        bool polled = false;
        evf_context cx;

        api.answer = 1;
        evf_completer_set_cancel(c, hook, &api);
        evf_context_init(&cx, &probe.waker, executor);
        ck_assert_int_eq(evf_future_poll_child(future, &cx, &polled, &result,
                             &dispose),
            EVF_PENDING);
        if (done)
            call_back((intptr_t)&thing);
        evfi_context_init_root(&cx, &probe.waker, executor, -ETIMEDOUT);
        ck_assert_int_eq(evf_future_poll_child(future, &cx, &polled, &result,
                             &dispose),
            EVF_READY);
        ck_assert_int_eq(result, done ? (intptr_t)&thing : -ETIMEDOUT);
        ck_assert_uint_eq(api.hooks, !done);
        ck_assert_uint_eq(thing.disposals, 0);
        if (done)
            ck_assert_ptr_eq(dispose, thing_dispose);
    }
}
END_TEST

/* A foreign waker that drops, inline, the future it is to wake; F12. */
static evf_future *victim;

static void *
harsh_clone(void *data)
{
    return data;
}

static void
harsh_wake(void *data)
{
    (*(unsigned *)data)++;
    evf_future_drop(victim);
}

static void
harsh_drop(void *data)
{
    (void)data;
}

static const evf_waker_ops harsh_ops = {harsh_clone, harsh_wake, harsh_wake,
    harsh_drop};

START_TEST(waker_that_drops_the_future_inline) /* F12 */
{
    unsigned wakes = 0;
    evf_waker waker = {&harsh_ops, &wakes};
    evf_completer *c = start();
    evf_context cx;

    victim = evf_completer_future(c);
    evf_context_init(&cx, &waker, NULL);
    ck_assert_int_eq(evf_future_poll(victim, &cx), EVF_PENDING);
    call_back((intptr_t)&thing);
    ck_assert_uint_eq(wakes, 1);
    ck_assert_uint_eq(thing.disposals, 1);
    ck_assert_uint_eq(heap_blocks(), 1);
}
END_TEST

static void
note(intptr_t result, void *arg)
{
    *(intptr_t *)arg = result;
}

static void
call_back_from_loop(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    call_back(*(intptr_t *)arg);
}

START_TEST(task_awaits_a_callback_of_the_loop) /* F24 F37 */
{
    struct timeval soon = {0, 1000};
    evf_task *task;
    intptr_t got;

    for (int ended = 0; ended <= 1; ended++) {
        evf_completer *c = start();
        intptr_t result = (intptr_t)&thing;

        got = 0;
        ck_assert_int_eq(event_base_once(base, -1, EV_TIMEOUT,
                             call_back_from_loop, &result, &soon),
            0);
        task = evf_spawn_then(executor, evf_completer_future(c), note, &got);
        if (ended) {
            ck_assert_int_eq(evf_task_free(task), 0);
            task = NULL;
        }
        run();
        ck_assert_int_eq(got, ended ? 0 : (intptr_t)&thing);
        ck_assert_uint_eq(thing.disposals, (unsigned)ended);
        evf_task_free(task);
    }
}
END_TEST

TEST_MAIN("completer", completion_at_every_moment_before_the_drop,
    completed_and_dropped_before_it_was_polled,
    drop_before_completion_with_every_hook,
    errors_are_results_that_nobody_frees,
    second_completion_is_misuse_and_its_result_is_freed, future_is_there_once,
    hook_is_what_was_set_last, null_everywhere,
    spurious_polls_and_another_waker,
    request_drops_a_pending_one_and_takes_a_result,
    waker_that_drops_the_future_inline, task_awaits_a_callback_of_the_loop)
