/* SPDX-License-Identifier: BSD-3-Clause */
#include "support.h"

#include <string.h>

#include "core/context-internal.h"
#include "reactor/reactor-internal.h"

static bool
nothing_armed(void)
{
    return evfi_wheel_empty(&evf_executor_reactor(executor)->wheel);
}

/* Lets time pass, on a clock that stands still otherwise. */
static void
pass(uint64_t ms)
{
    ck_assert_int_eq(evf_block_on(executor, evf_sleep(NULL, ms)), 0);
}

static evf_context context;

static evf_context *
requested(struct probe *probe, int request)
{
    evfi_context_init_root(&context, &probe->waker, executor, request);
    return &context;
}

static void
note(intptr_t result, void *arg)
{
    *(intptr_t *)arg = result;
}

/* What an async function sees of requests, and the operation it awaits. */
struct eye {
    int seen;
    unsigned polls;
    bool done;
};

static enum evf_poll
look(void *arg, evf_context *cx, intptr_t *result)
{
    struct eye *eye = arg;

    (void)cx;
    eye->polls++;
    *result = 9;
    return eye->done ? EVF_READY : EVF_PENDING;
}

/* An async function that looks at each poll, since frames do see requests. */
struct watcher {
    evf_frame frame;
    struct eye *eye;
    evf_op op;
};

static enum evf_poll
watch(evf_future *self, evf_context *cx)
{
    struct watcher *w = evf_frame_of(self, struct watcher);
    intptr_t n;

    if (cx != NULL)
        w->eye->seen = evf_context_cancelled(cx);
    EVF_BEGIN(self, cx);
    EVF_TRY(n, evf_poll_fn(&w->op, look, w->eye));
    EVF_RETURN(n);
    EVF_FINALLY;
    EVF_END;
}

static const evf_frame_ops watcher_ops = EVF_FRAME_OPS(struct watcher, watch);

static evf_future *
watcher(struct eye *eye)
{
    struct watcher *w = evf_frame_init(NULL, &watcher_ops);

    w->eye = eye;
    return &w->frame.future;
}

START_TEST(shield_starts_and_runs_under_a_request) /* F35 F31 */
{
    struct probe probe;
    struct eye eye = {0};
    evf_future *shield = evf_shield(NULL, 100, watcher(&eye));
    void (*dispose)(void *);
    intptr_t result;
    bool polled = false;

    evfi_stress = false; /* awaits are counted */
    probe_init(&probe);
    evf_executor_pause_clock(executor);
    for (unsigned i = 1; i <= 3; i++) {
        ck_assert_int_eq(evf_future_poll_child(shield,
                             requested(&probe, -ECANCELED), &polled, &result,
                             &dispose),
            EVF_PENDING);
        ck_assert_uint_eq(eye.polls, i);
        ck_assert_int_eq(eye.seen, 0);
    }
    eye.done = true;
    ck_assert_int_eq(evf_future_poll_child(shield,
                         requested(&probe, -ECANCELED), &polled, &result,
                         &dispose),
        EVF_READY);
    ck_assert_int_eq(result, 9);
    ck_assert(nothing_armed());
}
END_TEST

START_TEST(shield_without_a_request_is_transparent)
{
    struct probe probe;
    struct eye eye = {0};
    evf_future *shield = evf_shield(NULL, 100, watcher(&eye));

    probe_init(&probe);
    ck_assert_int_eq(poll_with(shield, &probe, executor), EVF_PENDING);
    eye.done = true;
    ck_assert_int_eq(poll_with(shield, &probe, executor), EVF_READY);
    ck_assert_int_eq(evf_future_take(shield), 9);
    evf_future_drop(shield);
}
END_TEST

START_TEST(deadline_of_the_shield_gets_through) /* F31 */
{
    struct probe probe;
    struct eye eye;
    evf_future *shield;
    void (*dispose)(void *);
    intptr_t result;
    bool polled;

    evfi_stress = false; /* awaits are counted */
    probe_init(&probe);
    evf_executor_pause_clock(executor);
    for (int request = -ECANCELED; request <= 0; request += ECANCELED) {
        memset(&eye, 0, sizeof(eye));
        polled = false;
        shield = evf_shield(NULL, 100, watcher(&eye));
        ck_assert_int_eq(evf_future_poll_child(shield,
                             requested(&probe, request), &polled, &result,
                             &dispose),
            EVF_PENDING);
        pass(99);
        ck_assert_int_eq(evf_future_poll_child(shield,
                             requested(&probe, request), &polled, &result,
                             &dispose),
            EVF_PENDING);
        ck_assert_int_eq(eye.seen, 0);
        pass(1);
        ck_assert_int_eq(evf_future_poll_child(shield,
                             requested(&probe, request), &polled, &result,
                             &dispose),
            EVF_READY);
        ck_assert_int_eq(eye.seen, -ETIMEDOUT);
        ck_assert_int_eq(result, -ETIMEDOUT);
    }
    ck_assert_uint_eq(probe.wakes, 2);
    ck_assert_int_eq(probe_live(&probe), 0);
}
END_TEST

START_TEST(innermost_shield_decides) /* F31 */
{
    /* A shield in a timeout in a shield: which deadlines have passed, seen. */
    static const struct {
        uint64_t outer, middle, inner;
        int seen;
    } rows[] = {{5, 50, 50, 0}, {50, 5, 50, 0}, {50, 50, 5, -ETIMEDOUT},
        {5, 5, 50, 0}, {5, 5, 5, -ETIMEDOUT}};
    struct probe probe;

    probe_init(&probe);
    evf_executor_pause_clock(executor);
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct eye eye = {0};
        evf_future *all = evf_shield(NULL, rows[i].outer,
            evf_timeout(NULL, rows[i].middle,
                evf_shield(NULL, rows[i].inner, watcher(&eye))));

        ck_assert_int_eq(evf_future_poll(all, requested(&probe, -ECANCELED)),
            EVF_PENDING);
        ck_assert_int_eq(eye.seen, 0);
        pass(10);
        ck_assert_int_eq(evf_future_poll(all, requested(&probe, -ECANCELED)),
            rows[i].seen != 0 ? EVF_READY : EVF_PENDING);
        ck_assert_int_eq(eye.seen, rows[i].seen);
        evf_future_drop(all);
    }
}
END_TEST

START_TEST(timeout_in_a_shield_still_works) /* F31 */
{
    struct probe probe;
    struct eye eye = {0};
    evf_future *shield = evf_shield(NULL, 50,
        evf_timeout(NULL, 5, watcher(&eye)));

    probe_init(&probe);
    evf_executor_pause_clock(executor);
    ck_assert_int_eq(evf_future_poll(shield, requested(&probe, -ECANCELED)),
        EVF_PENDING);
    pass(5);
    ck_assert_int_eq(evf_future_poll(shield, requested(&probe, -ECANCELED)),
        EVF_READY);
    ck_assert_int_eq(evf_future_take(shield), -ETIMEDOUT);
    evf_future_drop(shield);
}
END_TEST

/* A cancelled async function that says goodbye. */
struct polite {
    evf_frame frame;
    char log[64];
    evf_op op[2];
};

static enum evf_poll
polite_run(evf_future *self, evf_context *cx)
{
    struct polite *p = evf_frame_of(self, struct polite);
    intptr_t n;

    EVF_BEGIN(self, cx);
    EVF_AWAIT(n, evf_sleep(&p->op[0], 1000));
    if (n == -ECANCELED)
        strcat(p->log, "cancelled ");
    EVF_AWAIT(n, evf_sleep(&p->op[0], 1));
    if (n == -ECANCELED)
        strcat(p->log, "still ");
    EVF_AWAIT(n, evf_shield(&p->op[0], 50, evf_sleep(&p->op[1], 20)));
    if (n == 0)
        strcat(p->log, "goodbye ");
    EVF_AWAIT(n, evf_shield(&p->op[0], 50, evf_sleep(&p->op[1], 80)));
    if (n == -ETIMEDOUT)
        strcat(p->log, "enough ");
    EVF_AWAIT(n, evf_sleep(&p->op[0], 1));
    EVF_RETURN(n);
    EVF_FINALLY;
    strcat(p->log, "finally");
    EVF_END;
}

static const evf_frame_ops polite_ops = EVF_FRAME_OPS(struct polite,
    polite_run);

START_TEST(cancelled_task_cleans_up_in_a_shield) /* F31 */
{
    static struct polite p;
    intptr_t got = 1;
    evf_task *task;
    uint64_t start;

    memset(&p, 0, sizeof(p));
    evf_executor_pause_clock(executor);
    start = evf_executor_now(executor);
    evf_frame_init(&p, &polite_ops);
    task = evf_spawn_then(executor, &p.frame.future, note, &got);
    pass(10);
    evf_task_cancel(task);
    run();
    ck_assert_str_eq(p.log, "cancelled still goodbye enough finally");
    ck_assert_int_eq(got, -ECANCELED);
    ck_assert_uint_eq(evf_executor_now(executor), start + 10 + 20 + 50);
    evf_task_free(task);
}
END_TEST

/* Awaits futures that are ready at once, inside of the shield. */
struct spinner {
    evf_frame frame;
    unsigned rounds;
    evf_op op;
};

static enum evf_poll
spin(evf_future *self, evf_context *cx)
{
    struct spinner *s = evf_frame_of(self, struct spinner);
    intptr_t n;

    EVF_BEGIN(self, cx);
    for (;;) {
        EVF_TRY(n, evf_ready(&s->op, 0, NULL));
        s->rounds++;
    }
    EVF_FINALLY;
    EVF_END;
}

static const evf_frame_ops spinner_ops = EVF_FRAME_OPS(struct spinner, spin);

START_TEST(shields_share_the_budget_of_the_poll) /* F20 */
{
    struct probe probe;
    struct spinner s[2] = {0};
    evf_future *futures[2], *join;
    intptr_t results[2];

    evfi_stress = false; /* awaits are counted */
    probe_init(&probe);
    for (int i = 0; i < 2; i++) {
        evf_frame_init(&s[i], &spinner_ops);
        futures[i] = evf_shield(NULL, 10, &s[i].frame.future);
    }
    join = evf_join(NULL, 2, futures, results);
    ck_assert_int_eq(evf_future_poll(join, requested(&probe, -ECANCELED)),
        EVF_PENDING);
    ck_assert_uint_gt(s[0].rounds, 100);
    ck_assert_uint_le(s[0].rounds, EVFI_BUDGET);
    ck_assert_uint_eq(s[1].rounds, 0);
    ck_assert_uint_ge(probe.wakes, 1);
    ck_assert_uint_eq(context.own.credit + context.own.reserve, 0);
    evf_future_drop(join);
}
END_TEST

START_TEST(what_a_shield_does_not_spend_is_given_back) /* F20 */
{
    struct probe probe;
    evf_future *shield = evf_shield(NULL, 10, evf_ready(NULL, 1, NULL));

    probe_init(&probe);
    ck_assert_int_eq(evf_future_poll(shield, requested(&probe, -ECANCELED)),
        EVF_READY);
    ck_assert_uint_eq(context.own.reserve, EVFI_BUDGET - 1);
    ck_assert_uint_eq(context.own.credit, 0);
    evf_future_drop(shield);
}
END_TEST

START_TEST(dropped_anywhere) /* F13 */
{
    struct probe probe;
    evf_op op = {0};

    probe_init(&probe);
    evf_executor_pause_clock(executor);
    for (int polls = 0; polls <= 2; polls++) {
        struct leaf l = {0};
        evf_future *shield = evf_shield(&op, 10, leaf(&l));

        for (int i = 0; i < polls; i++)
            ck_assert_int_eq(evf_future_poll(shield,
                                 requested(&probe, -ECANCELED)),
                EVF_PENDING);
        evf_future_drop(shield);
        ck_assert_uint_eq(l.drops, 1);
        ck_assert_ptr_null(op.future.ops);
        ck_assert(nothing_armed());
        ck_assert_int_eq(probe_live(&probe), 0);
    }
}
END_TEST

TEST_MAIN("shield", shield_starts_and_runs_under_a_request,
    shield_without_a_request_is_transparent,
    deadline_of_the_shield_gets_through, innermost_shield_decides,
    timeout_in_a_shield_still_works, cancelled_task_cleans_up_in_a_shield,
    shields_share_the_budget_of_the_poll,
    what_a_shield_does_not_spend_is_given_back, dropped_anywhere)
