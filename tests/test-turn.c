/* SPDX-License-Identifier: BSD-3-Clause */
#include "actor.h"

#include <string.h>

START_TEST(tasks_are_polled_in_the_order_of_their_spawns) /* F21 */
{
    struct actor a[4] = {{.name = 'A'}, {.name = 'B'}, {.name = 'C'},
        {.name = 'D'}};

    for (int i = 0; i < 4; i++)
        evf_task_detach(evf_spawn(executor, actor(&a[i])));
    run_passes(1);
    ck_assert_traced("ABCD");
    executor_done();
    ck_assert_traced("abcd");
}
END_TEST

START_TEST(tasks_are_polled_in_the_order_of_their_wakes) /* F21 F3 */
{
    static const char orders[][5] = {"ABCD", "DCBA", "BDAC", "CCAB", "DADA"};
    struct actor a[4] = {{.name = 'A'}, {.name = 'B'}, {.name = 'C'},
        {.name = 'D'}};

    for (int i = 0; i < 4; i++)
        evf_task_detach(evf_spawn(executor, actor(&a[i])));
    run_passes(1);
    trace_take();
    for (size_t i = 0; i < sizeof(orders) / sizeof(*orders); i++) {
        char expected[5] = "";
        size_t length = 0;

        for (const char *c = orders[i]; *c != 0; c++) {
            evf_waker_wake_by_ref(&a[*c - 'A'].waker);
            if (strchr(expected, *c) == NULL)
                expected[length++] = *c;
        }
        run_passes(1);
        ck_assert_traced(expected);
    }
    executor_done();
}
END_TEST

START_TEST(wakes_before_a_poll_are_one_poll) /* F3 */
{
    struct actor a = {0};
    evf_task *task = evf_spawn(executor, actor(&a));
    evf_waker clone;

    run_passes(2);
    ck_assert_uint_eq(a.polls, 1); /* never without a wake */
    for (int i = 0; i < 10; i++)
        evf_waker_wake_by_ref(&a.waker);
    clone = evf_waker_clone(&a.waker);
    evf_waker_wake(&clone);
    ck_assert_ptr_null(clone.ops);
    run_passes(3);
    ck_assert_uint_eq(a.polls, 2);
    evf_task_free(task);
}
END_TEST

static void
wakes_itself(struct actor *self)
{
    evf_waker clone;

    if (self->polls > 1)
        return;
    for (int i = 0; i < 3; i++)
        evf_waker_wake_by_ref(evf_context_waker(self->cx));
    clone = evf_waker_clone(&self->waker);
    evf_waker_wake(&clone);
}

START_TEST(wake_in_its_own_poll_is_one_later_poll) /* F4 F21 */
{
    struct actor a = {.name = 'A', .acts = wakes_itself}, b = {.name = 'B'};

    evf_task_detach(evf_spawn(executor, actor(&a)));
    evf_task_detach(evf_spawn(executor, actor(&b)));
    run_passes(3);
    ck_assert_traced("ABA"); /* behind what was queued before */
    executor_done();
}
END_TEST

START_TEST(wake_in_the_poll_that_ends_it_is_forgotten) /* F4 F6 */
{
    struct actor a = {.name = 'A', .acts = wakes_itself, .ready = true};

    evf_task_detach(evf_spawn(executor, actor(&a)));
    run();
    ck_assert_traced("Aa");
}
END_TEST

static void
wakes_the_other(struct actor *self)
{
    evf_waker_wake_by_ref(&((struct actor *)self->arg)->waker);
}

START_TEST(turn_goes_on_with_what_was_woken_in_it) /* F21 */
{
    struct actor b = {.name = 'B'}, c = {.name = 'C'};
    struct actor a = {.name = 'A', .acts = wakes_the_other, .arg = &b};

    evf_task_detach(evf_spawn(executor, actor(&b)));
    evf_task_detach(evf_spawn(executor, actor(&a)));
    evf_task_detach(evf_spawn(executor, actor(&c)));
    ck_assert_int_eq(event_base_loop(base, EVLOOP_ONCE), 0);
    ck_assert_traced("BACB");
    executor_done();
}
END_TEST

/* One turn: EVLOOP_ONCE returns after it. */
static void
pass(void)
{
    static unsigned passes;

    ck_assert_uint_lt(passes++, 10000);
    ck_assert(work_is_queued());
    ck_assert_int_eq(event_base_loop(base, EVLOOP_ONCE), 0);
}

/* The polls of a turn. */
static unsigned
polls_of_a_pass(const struct actor *a, size_t n)
{
    unsigned before = 0, after = 0;

    for (size_t i = 0; i < n; i++)
        before += a[i].polls;
    pass();
    for (size_t i = 0; i < n; i++)
        after += a[i].polls;
    return after - before;
}

START_TEST(turn_polls_128_tasks) /* F19 */
{
    enum {
        N = 300
    };
    static struct actor a[N];

    for (int i = 0; i < N; i++)
        evf_task_detach(evf_spawn(executor, actor(&a[i])));
    if (INTERNAL_EVENTS) {
        ck_assert_uint_eq(polls_of_a_pass(a, N), 128);
        ck_assert_uint_eq(polls_of_a_pass(a, N), 128);
        ck_assert_uint_eq(polls_of_a_pass(a, N), 44);
    }
    while (a[N - 1].polls == 0)
        ck_assert_uint_le(polls_of_a_pass(a, N), 128);
    for (int i = 0; i < N; i++)
        ck_assert_uint_eq(a[i].polls, 1);
    executor_done();
}
END_TEST

START_TEST(yielders_share_a_turn_fairly) /* F19 F21 */
{
    enum {
        N = 5
    };
    struct actor a[N] = {0};
    unsigned polls = 0;

    for (int i = 0; i < N; i++) {
        a[i].again = true;
        evf_task_detach(evf_spawn(executor, actor(&a[i])));
    }
    while (polls < 1000)
        polls += polls_of_a_pass(a, N);
    for (int i = 0; i < N; i++) {
        ck_assert_uint_ge(a[i].polls, polls / N);
        ck_assert_uint_le(a[i].polls, polls / N + 1);
    }
    executor_done();
}
END_TEST

/* Awaits what is ready, for ever. */
struct busy {
    evf_frame frame;
    evf_op op[4];
    unsigned which;
    unsigned awaits;
    evf_future *(*make)(struct busy *busy);
};

static enum evf_poll
busy_run(evf_future *self, evf_context *cx)
{
    struct busy *b = evf_frame_of(self, struct busy);
    intptr_t n;

    EVF_BEGIN(self, cx);
    for (;;) {
        EVF_TRY(n, b->make(b));
        (void)n;
        b->awaits++;
    }
    EVF_FINALLY;
    EVF_END;
}

static const evf_frame_ops busy_ops = EVF_FRAME_OPS(struct busy, busy_run);

static evf_future *
busy_ready(struct busy *b)
{
    return evf_ready(&b->op[0], 0, NULL);
}

static evf_future *
busy_select(struct busy *b)
{
    return evf_select(&b->op[0], &b->which, 2,
        (evf_future *[]){evf_ready(&b->op[1], 0, NULL),
            evf_ready(&b->op[2], 0, NULL)});
}

static evf_future *
busy_group(struct busy *b)
{
    evf_group *group = evf_group_new(NULL);
    evf_future *future = evf_group_future(group);

    evf_group_add(group, evf_ready(&b->op[1], 0, NULL));
    evf_group_free(group);
    return future;
}

START_TEST(always_ready_futures_are_made_to_yield) /* F20 */
{
    evf_future *(*makes[])(
        struct busy *) = {busy_ready, busy_select, busy_group};

    for (size_t i = 0; i < sizeof(makes) / sizeof(*makes); i++) {
        struct busy b = {0};
        struct actor other = {.again = true};
        evf_task *tasks[2];

        evf_frame_init(&b, &busy_ops);
        b.make = makes[i];
        tasks[0] = evf_spawn(executor, &b.frame.future);
        tasks[1] = evf_spawn(executor, actor(&other));
        while (other.polls < 10)
            pass();
        /* In each of its polls as many awaits as the budget has, no more. */
        ck_assert_uint_gt(b.awaits, 0);
        ck_assert_uint_le(b.awaits, (other.polls + 1) * 128);
        evf_task_free(tasks[0]);
        evf_task_free(tasks[1]);
    }
}
END_TEST

START_TEST(group_of_always_ready_children_yields) /* F20 */
{
    enum {
        N = 1000
    };
    struct actor other = {.again = true};
    static struct actor children[N];
    evf_group *group = evf_group_new(NULL);
    struct told told = {0};
    evf_task *tasks[2];

    for (int i = 0; i < N; i++) {
        children[i].ready = true;
        evf_group_add(group, actor(&children[i]));
    }
    tasks[0] = evf_spawn_then(executor, evf_group_future(group), tell, &told);
    tasks[1] = evf_spawn(executor, actor(&other));
    evf_group_free(group);
    pass();
    ck_assert_uint_eq(told.calls, 0);
    ck_assert_uint_eq(other.polls, 1);
    while (told.calls == 0)
        pass();
    for (int i = 0; i < N; i++)
        ck_assert_uint_eq(children[i].polls, 1);
    ck_assert_uint_ge(other.polls, 1);
    evf_task_free(tasks[0]);
    evf_task_free(tasks[1]);
}
END_TEST

/* Wakes at random from polls, drops and the host; counts them. */
struct noisy {
    struct actor actor;
    unsigned wakes;
    evf_task *task;
};

static struct noisy crowd[40];
static uint32_t seed = 1;

static uint32_t
dice(uint32_t sides)
{
    seed = seed * 1664525 + 1013904223;
    return (seed >> 8) % sides;
}

static void
wakes_some(struct actor *self)
{
    (void)self;
    for (uint32_t n = dice(3); n > 0; n--) {
        struct noisy *other = &crowd[dice(40)];

        evf_waker_wake_by_ref(&other->actor.waker);
        other->wakes++;
    }
}

static void
host_wakes_some(void *arg)
{
    (void)arg;
    for (int i = 0; i < 10; i++)
        wakes_some(NULL);
}

START_TEST(tasks_are_polled_at_most_once_a_wake) /* F3 */
{
    for (int i = 0; i < 40; i++) {
        crowd[i].actor.acts = wakes_some;
        crowd[i].task = evf_spawn(executor, actor(&crowd[i].actor));
    }
    for (int round = 0; round < 200; round++) {
        int i = (int)dice(40);

        host_calls(host_wakes_some, NULL);
        event_base_loop(base, EVLOOP_ONCE);
        if (dice(20) == 0) {
            evf_task_free(crowd[i].task);
            crowd[i].task = NULL;
        }
    }
    for (int i = 0; i < 40; i++) {
        ck_assert_uint_le(crowd[i].actor.polls, crowd[i].wakes + 1);
        ck_assert_uint_eq(crowd[i].actor.drops, crowd[i].task == NULL);
        evf_task_free(crowd[i].task);
        ck_assert_uint_eq(crowd[i].actor.drops, 1);
    }
}
END_TEST

TEST_MAIN("turn", tasks_are_polled_in_the_order_of_their_spawns,
    tasks_are_polled_in_the_order_of_their_wakes,
    wakes_before_a_poll_are_one_poll, wake_in_its_own_poll_is_one_later_poll,
    wake_in_the_poll_that_ends_it_is_forgotten,
    turn_goes_on_with_what_was_woken_in_it, turn_polls_128_tasks,
    yielders_share_a_turn_fairly, always_ready_futures_are_made_to_yield,
    group_of_always_ready_children_yields, tasks_are_polled_at_most_once_a_wake)
