/* SPDX-License-Identifier: BSD-3-Clause */
#include "sweep-row.h"

/* Rows of what makes a future of nothing, of time, or of other futures. */

static evf_future *
ready(struct sweep *s, evf_op *op)
{
    return evf_ready(op, (intptr_t)gift_give(s, 0), gift_dispose);
}

static enum evf_poll
poll_fn_fn(void *arg, evf_context *cx, intptr_t *result)
{
    struct sweep *s = arg;

    s->calls++;
    if (s->stepped == 2) {
        *result = 7;
        return EVF_READY;
    }
    evf_waker_update(&s->waker, evf_context_waker(cx));
    return EVF_PENDING;
}

static evf_future *
poll_fn(struct sweep *s, evf_op *op)
{
    return evf_poll_fn(op, poll_fn_fn, s);
}

static void
poll_fn_step(struct sweep *s, unsigned n)
{
    (void)n;
    evf_waker_wake(&s->waker);
}

/* Nothing frees what the function keeps, and nobody calls it any more. */
static void
poll_fn_check(struct sweep *s)
{
    unsigned calls = s->calls;

    evf_waker_wake(&s->waker);
    run_passes(1);
    EXPECT(s->calls == calls);
}

static evf_future *
poll_fn_refused(struct sweep *s, unsigned i, intptr_t *result)
{
    (void)i;
    *result = -EINVAL;
    return evf_poll_fn(&s->op[0], NULL, NULL);
}

static evf_future *
sleep_ms(struct sweep *s, evf_op *op)
{
    (void)s;
    return evf_sleep(op, 10);
}

static evf_future *
sleep_until(struct sweep *s, evf_op *op)
{
    (void)s;
    return evf_sleep_until(op, evf_executor_now(executor) + 10);
}

/* The clock stands still but for a pass in which nothing else is to be done. */
static void
time_passes(struct sweep *s, unsigned n)
{
    (void)s;
    (void)n;
}

static evf_future *
yield(struct sweep *s, evf_op *op)
{
    (void)s;
    return evf_yield(op);
}

static void
tick_make(struct sweep *s)
{
    EXPECT(evf_interval_init(&s->interval, 10, EVF_INTERVAL_SKIP) == 0);
}

static evf_future *
tick(struct sweep *s, evf_op *op)
{
    return evf_interval_tick(op, &s->interval);
}

/* A tick that was not taken stays to be taken. */
static void
tick_check(struct sweep *s)
{
    uint64_t next = s->interval.next;

    if (executor == NULL || next == 0 || s->ended)
        return;
    EXPECT(evf_block_on(executor, evf_interval_tick(NULL, &s->interval)) == 1);
    EXPECT(evf_executor_now(executor) == next);
}

static evf_future *
tick_refused(struct sweep *s, unsigned i, intptr_t *result)
{
    static evf_interval not_set_up;

    *result = -EINVAL;
    return evf_interval_tick(&s->op[0], i == 0 ? NULL : &not_set_up);
}

static evf_future *
timeout(struct sweep *s, evf_op *op)
{
    return evf_timeout(op, 1000, gift_future(s, 0));
}

static evf_future *
shield(struct sweep *s, evf_op *op)
{
    return evf_shield(op, 1000, gift_future(s, 0));
}

static void
let_gift(struct sweep *s, unsigned n)
{
    gift_let(s, n, 0);
}

/* A NULL child is one that fails with -ENOMEM, a failed one with its error. */
static evf_future *
bad_child(unsigned i, intptr_t *result)
{
    *result = i == 0 ? -ENOMEM : -EIO;
    return i == 0 ? NULL : evf_future_failed(-EIO);
}

static evf_future *
timeout_refused(struct sweep *s, unsigned i, intptr_t *result)
{
    return evf_timeout(&s->op[0], 10, bad_child(i, result));
}

static evf_future *
shield_refused(struct sweep *s, unsigned i, intptr_t *result)
{
    return evf_shield(&s->op[0], 10, bad_child(i, result));
}

/* The one in the middle wins. */
static evf_future *
select_three(struct sweep *s, evf_op *op)
{
    evf_future *futures[] = {gift_future(s, 1), gift_future(s, 0),
        gift_future(s, 2)};

    s->which = 99;
    return evf_select(op, &s->which, 3, futures);
}

static void
select_check(struct sweep *s)
{
    bool won = s->ended && !evf_failed(s->result);

    EXPECT(s->which == (won ? 1 : 3));
}

static evf_future *
select_refused(struct sweep *s, unsigned i, intptr_t *result)
{
    evf_future *futures[EVF_SELECT_MAX + 1] = {NULL};
    const size_t counts[] = {0, EVF_SELECT_MAX + 1, 1, 2};

    if (i == 1)
        futures[EVF_SELECT_MAX] = gift_future(s, 0);
    if (i == 3) {
        futures[0] = gift_future(s, 0);
        futures[1] = evf_future_failed(-EIO);
    }
    *result = i == 3 ? -EIO : -EINVAL;
    return evf_select(&s->op[0], NULL, counts[i], i == 2 ? NULL : futures);
}

static evf_future *
join_two(struct sweep *s, evf_op *op)
{
    evf_future *future;

    s->futures[0] = gift_future(s, 0);
    s->futures[1] = gift_future(s, 1);
    future = evf_join(op, 2, s->futures, s->results);
    s->calls = future != NULL && !evf_failed(future);
    return future;
}

/* Ready, the results are the caller's; dropped half-way there are none left. */
static void
join_check(struct sweep *s)
{
    for (unsigned i = 0; i < 2; i++) {
        if (s->ended && s->result == 0)
            gift_end(s->results[i]);
        else if (s->calls == 1)
            EXPECT(s->results[i] == -ECANCELED);
    }
}

static evf_future *
join_refused(struct sweep *s, unsigned i, intptr_t *result)
{
    s->futures[0] = i == 1 ? gift_future(s, 0) : NULL;
    *result = i < 2 ? -EINVAL : 0;
    if (i == 0)
        return evf_join(&s->op[0], 1, NULL, s->results);
    if (i == 1)
        return evf_join(&s->op[0], 1, s->futures, NULL);
    if (i == 2)
        return evf_join(&s->op[0], 0, NULL, NULL);
    return evf_join(&s->op[0], 1, s->futures, s->results);
}

const struct row core_rows[] = {
    {.name = "evf_ready", .gives = true, .future = ready},
    {.name = "evf_poll_fn",
        .steps = 2,
        .expected = 7,
        .future = poll_fn,
        .step = poll_fn_step,
        .check = poll_fn_check,
        .refusals = 1,
        .refused = poll_fn_refused},
    {.name = "evf_sleep",
        .steps = 1,
        .needs_executor = true,
        .ends_with_it = true,
        .future = sleep_ms,
        .step = time_passes},
    {.name = "evf_sleep_until",
        .steps = 1,
        .needs_executor = true,
        .ends_with_it = true,
        .future = sleep_until,
        .step = time_passes},
    {.name = "evf_yield", .future = yield},
    {.name = "evf_interval_tick",
        .steps = 1,
        .needs_executor = true,
        .ends_with_it = true,
        .expected = 1,
        .make = tick_make,
        .future = tick,
        .step = time_passes,
        .check = tick_check,
        .refusals = 2,
        .refused = tick_refused},
    {.name = "evf_timeout",
        .steps = 1,
        .needs_executor = true,
        .ends_with_it = true,
        .gives = true,
        .future = timeout,
        .step = let_gift,
        .refusals = 2,
        .refused = timeout_refused},
    {.name = "evf_timeout",
        .variant = "at its deadline",
        .steps = 1,
        .needs_executor = true,
        .ends_with_it = true,
        .expected = -ETIMEDOUT,
        .future = timeout,
        .step = time_passes},
    {.name = "evf_shield",
        .steps = 1,
        .needs_executor = true,
        .ends_with_it = true,
        .stubborn = true,
        .gives = true,
        .future = shield,
        .step = let_gift,
        .refusals = 2,
        .refused = shield_refused},
    {.name = "evf_shield",
        .variant = "at its deadline",
        .steps = 1,
        .needs_executor = true,
        .ends_with_it = true,
        .stubborn = true,
        .expected = -ETIMEDOUT,
        .future = shield,
        .step = time_passes},
    {.name = "evf_select",
        .steps = 1,
        .gives = true,
        .future = select_three,
        .step = let_gift,
        .check = select_check,
        .refusals = 4,
        .refused = select_refused},
    {.name = "evf_join",
        .steps = 2,
        .future = join_two,
        .step = let_gift,
        .check = join_check,
        .refusals = 4,
        .refused = join_refused},
    {.name = NULL},
};
