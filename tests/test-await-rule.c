/* SPDX-License-Identifier: BSD-3-Clause */
#include "support.h"

#include <stdio.h>
#include <string.h>

#include "core/context-internal.h"
#include "core/future-internal.h"

/*
 * The await rule as a table, and every combination of what it depends on
 * against that table: by way of evf_future_poll_child(), and by way of a frame,
 * which has a short cut of its own.
 */

enum {
    LEAF = 1u << 0, /* neither flag */
    PASSES = 1u << 1,
    STARTS = 1u << 2,
    BOTH = 1u << 3,
    NONE = 1u << 4,   /* NULL */
    FAILED = 1u << 5, /* an error in the place of a future */
    REAL = LEAF | PASSES | STARTS | BOTH,
    UNREAL = NONE | FAILED,
    ALL = REAL | UNREAL
};

enum outcome {
    YIELDS, /* pending, the child untouched, oneself woken */
    STALLS, /* the same without the wake, since nobody will poll again */
    FAILS,  /* ready with the child's own error */
    WAITS,  /* polled with the context as it is, pending */
    ENDS,   /* polled with the context as it is, ready and dropped */
    ENDED,  /* not polled, dropped, ready with the request */
    WINS,   /* polled for the last time, ready with its result and dropped */
    LOSES   /* polled for the last time, pending, dropped: the request */
};

static const char *const outcome_names[] = {"yields", "stalls", "fails",
    "waits", "ends", "is ended", "wins", "loses"};

#define ANY 2

/* A rule holds for the combinations that have its values. */
struct rule {
    int request;   /* in force */
    int first;     /* this is the child's first poll */
    unsigned kind; /* the child's */
    int ready;     /* the child would be ready if it were polled */
    int budget;    /* something of it is left */
    int last;      /* the context is an operation's last */
    enum outcome outcome;
};

static const struct rule rules[] = {
    /* request, first, kind, ready, budget, last */
    {ANY, 1, ALL, ANY, 0, 0, YIELDS},
    {ANY, 1, ALL, ANY, 0, 1, STALLS},
    {ANY, 1, UNREAL, ANY, 1, ANY, FAILS},
    {ANY, 0, UNREAL, ANY, ANY, ANY, FAILS},
    {0, 1, REAL, 0, 1, ANY, WAITS},
    {0, 1, REAL, 1, 1, ANY, ENDS},
    {0, 0, REAL, 0, ANY, ANY, WAITS},
    {0, 0, REAL, 1, ANY, ANY, ENDS},
    {1, 1, LEAF | PASSES, ANY, 1, ANY, ENDED},
    {1, 1, BOTH, 0, 1, ANY, WAITS},
    {1, 1, BOTH, 1, 1, ANY, ENDS},
    {1, 1, STARTS, 0, 1, ANY, LOSES},
    {1, 1, STARTS, 1, 1, ANY, WINS},
    {1, 0, PASSES | BOTH, 0, ANY, ANY, WAITS},
    {1, 0, PASSES | BOTH, 1, ANY, ANY, ENDS},
    {1, 0, LEAF | STARTS, 0, ANY, ANY, LOSES},
    {1, 0, LEAF | STARTS, 1, ANY, ANY, WINS},
};

/* A combination: what a rule says, without ANY and with one kind. */
struct row {
    int request, first;
    unsigned kind;
    int ready, budget, last;
};

static bool
is(int wanted, int value)
{
    return wanted == ANY || wanted == value;
}

static bool
holds(const struct rule *rule, const struct row *row)
{
    return is(rule->request, row->request) && is(rule->first, row->first) &&
        (rule->kind & row->kind) != 0 && is(rule->ready, row->ready) &&
        is(rule->budget, row->budget) && is(rule->last, row->last);
}

/* The rules are complete and do not contradict each other. */
static enum outcome
outcome_of(const struct row *row)
{
    enum outcome outcome = YIELDS;
    unsigned n = 0;

    for (size_t i = 0; i < sizeof(rules) / sizeof(*rules); i++) {
        if (!holds(&rules[i], row))
            continue;
        outcome = rules[i].outcome;
        n++;
    }
    ck_assert_uint_eq(n, 1);
    return outcome;
}

/* A child that notes the context that it was polled with. */
struct spy {
    evf_future future;
    bool ready;
    unsigned polls, drops;
    const evf_context *cx;
    evf_waker waker;
    evf_executor *executor;
    int request;
    bool last;
    uint32_t budget;
};

#define RESULT 77

static unsigned disposals;

static void
spy_dispose(void *result)
{
    (void)result;
    disposals++;
}

static enum evf_poll
spy_poll(evf_future *self, evf_context *cx)
{
    struct spy *spy = evf_container_of(self, struct spy, future);

    spy->polls++;
    spy->cx = cx;
    spy->waker = *evf_context_waker(cx);
    spy->executor = evf_context_executor(cx);
    spy->request = evf_context_cancelled(cx);
    spy->last = evfi_context_is_last(cx);
    spy->budget = cx->budget->credit + cx->budget->reserve;
    self->dispose = spy_dispose;
    return spy->ready ? evf_future_ready(self, RESULT) : EVF_PENDING;
}

static void
spy_drop(evf_future *self)
{
    evf_container_of(self, struct spy, future)->drops++;
}

#define SPY_OPS(kind)                                                          \
    {                                                                          \
        .size = sizeof(struct spy), .name = "spy", .flags = (kind),            \
        .poll = spy_poll, .drop = spy_drop                                     \
    }

/* In the order of the kinds. */
static const evf_future_ops spy_ops[] = {SPY_OPS(0), SPY_OPS(EVF_PASSES_CANCEL),
    SPY_OPS(EVF_STARTS), SPY_OPS(EVF_PASSES_CANCEL | EVF_STARTS)};

static evf_future *
child_of(const struct row *row, struct spy *spy)
{
    unsigned i = 0;

    memset(spy, 0, sizeof(*spy));
    spy->ready = row->ready != 0;
    if (row->kind == NONE)
        return NULL;
    if (row->kind == FAILED)
        return evf_future_failed(-EBUSY);
    while (1u << i != row->kind)
        i++;
    evf_future_init(&spy->future, &spy_ops[i]);
    return &spy->future;
}

#define REQUEST (-ETIMEDOUT)
#define LEFT    3u

/* The budget is where the library has it: a request moves it out of sight. */
static void
context_of(const struct row *row, evf_context *cx, struct probe *probe)
{
    uint32_t left = row->budget ? LEFT : 0;

    probe_init(probe);
    evf_context_init(cx, &probe->waker, executor);
    cx->request = row->request ? REQUEST : 0;
    cx->flags = row->last ? EVFI_LAST_POLL : 0;
    cx->own.credit = row->request ? 0 : left;
    cx->own.reserve = row->request ? left : 0;
}

/* What came of one combination. */
struct seen {
    enum evf_poll poll;
    intptr_t result;
    bool polled; /* as the await rule sees it */
};

static char where[160];

#define CHECK(condition) ck_assert_msg(condition, "%s: %s", where, #condition)

static void
describe(const char *by, const struct row *row, enum outcome outcome)
{
    snprintf(where, sizeof(where),
        "%s: request %d, first %d, kind %#x, ready %d, budget %d, last %d: %s",
        by, row->request, row->first, row->kind, row->ready, row->budget,
        row->last, outcome_names[outcome]);
}

/* The context that the child saw, if it was polled. */
static void
check_context(const struct row *row, enum outcome outcome,
    const struct spy *spy, const evf_context *cx)
{
    bool last = outcome == WINS || outcome == LOSES;

    CHECK(evf_waker_will_wake(&spy->waker, &cx->waker));
    CHECK(spy->executor == executor);
    CHECK((spy->cx == cx) != last);
    CHECK(spy->request == (row->request && !last ? REQUEST : 0));
    CHECK(spy->last == (row->last || last));
    if (last)
        CHECK(spy->budget == EVFI_BUDGET);
}

static void
check_row(const struct row *row, const struct seen *seen, const struct spy *spy,
    const evf_context *cx, const struct probe *probe)
{
    enum outcome outcome = outcome_of(row);
    bool pending = outcome == YIELDS || outcome == STALLS || outcome == WAITS;
    bool dropped = !pending && outcome != FAILS;
    bool polled = outcome == WAITS || outcome == ENDS || outcome == WINS ||
        outcome == LOSES;
    uint32_t left = cx->own.credit + cx->own.reserve;
    intptr_t result = RESULT;

    if (outcome == FAILS)
        result = row->kind == NONE ? -ENOMEM : -EBUSY;
    else if (outcome == ENDED || outcome == LOSES)
        result = REQUEST;
    CHECK(seen->poll == (pending ? EVF_PENDING : EVF_READY));
    CHECK(pending || seen->result == result);
    CHECK(spy->polls == (polled ? 1 : 0));
    CHECK(spy->drops == (dropped ? 1 : 0));
    CHECK(disposals == 0);
    CHECK(probe->wakes == (outcome == YIELDS ? 1 : 0));
    CHECK(left == (row->budget ? LEFT : 0) - (row->first && row->budget));
    CHECK(seen->polled == (outcome != YIELDS && outcome != STALLS));
    if (polled)
        check_context(row, outcome, spy, cx);
}

/* Calls `fn` for each combination. */
static void
for_each_row(void (*fn)(const struct row *row))
{
    for (unsigned bits = 0; bits < 32; bits++)
        for (unsigned kind = LEAF; kind <= FAILED; kind <<= 1) {
            struct row row = {
                .request = (bits & 1) != 0,
                .first = (bits & 2) != 0,
                .kind = kind,
                .ready = (bits & 4) != 0,
                .budget = (bits & 8) != 0,
                .last = (bits & 16) != 0,
            };

            fn(&row);
        }
}

typedef enum evf_poll poll_child_fn(evf_future *child, evf_context *cx,
    bool *polled, intptr_t *result, void (**dispose)(void *result));

static void
by(const char *name, poll_child_fn *poll_child, const struct row *row)
{
    void (*dispose)(void *result) = spy_dispose;
    struct probe probe;
    struct spy spy;
    evf_context cx;
    evf_future *child = child_of(row, &spy);
    bool polled = !row->first;
    struct seen seen;

    describe(name, row, outcome_of(row));
    context_of(row, &cx, &probe);
    seen.poll = poll_child(child, &cx, &polled, &seen.result, &dispose);
    seen.polled = polled;
    check_row(row, &seen, &spy, &cx, &probe);
    if (seen.poll == EVF_PENDING)
        return;
    /* What frees the result goes with a result, and with nothing else. */
    if (seen.result == RESULT)
        CHECK(dispose == spy_dispose);
    else
        CHECK(dispose == NULL);
}

static void
by_poll_child(const struct row *row)
{
    by("poll_child", evf_future_poll_child, row);
}

/* The library's own, which has the usual case inlined. */
static void
by_inlined(const struct row *row)
{
    by("inlined", evfi_future_poll_child, row);
}

struct awaiter {
    evf_frame frame;
    evf_future *child;
    intptr_t got;
    unsigned finals;
};

static enum evf_poll
awaiter_run(evf_future *self, evf_context *cx)
{
    struct awaiter *a = evf_frame_of(self, struct awaiter);

    EVF_BEGIN(self, cx);
    EVF_AWAIT(a->got, a->child);
    EVF_FINALLY;
    a->finals++;
    EVF_END;
}

static const evf_frame_ops awaiter_ops = EVF_FRAME_OPS(struct awaiter,
    awaiter_run);

/* A frame that stands at its await, whose child was polled unless it is to be
 * polled first by what follows. */
static struct awaiter *
awaiter_of(const struct row *row, struct awaiter *storage, struct spy *spy)
{
    struct awaiter *a = evf_frame_init(storage, &awaiter_ops);
    struct probe probe;

    ck_assert_ptr_nonnull(a);
    a->child = child_of(row, spy);
    if (row->first)
        return a;
    spy->ready = false;
    probe_init(&probe);
    CHECK(poll_with(&a->frame.future, &probe, executor) == EVF_PENDING);
    CHECK(spy->polls == 1);
    spy->polls = 0;
    spy->ready = row->ready != 0;
    return a;
}

static void
by_frame(const struct row *row)
{
    struct awaiter storage = {0}, *a;
    struct probe probe;
    struct spy spy;
    evf_context cx;
    struct seen seen;

    describe("frame", row, outcome_of(row));
    if (!row->first && (row->kind & UNREAL) != 0)
        return; /* it ends at its first poll */
    a = awaiter_of(row, &storage, &spy);
    context_of(row, &cx, &probe);
    seen.poll = evf_future_poll(&a->frame.future, &cx);
    seen.result = a->got;
    seen.polled = a->frame.polled;
    check_row(row, &seen, &spy, &cx, &probe);
    CHECK(a->finals == (seen.poll == EVF_READY ? 1 : 0));
    evf_future_drop(&a->frame.future);
    CHECK(a->finals == 1);
    CHECK(spy.drops == ((row->kind & REAL) != 0 ? 1 : 0));
}

/* F2, F31, F35, F47 */
START_TEST(poll_child_follows_the_rule_in_every_combination) /* F32 */
{
    for_each_row(by_poll_child);
}
END_TEST

/* F2, F31, F35, F47 */
START_TEST(inlined_poll_child_follows_the_rule_in_every_combination)
{
    for_each_row(by_inlined);
}
END_TEST

/* F2, F31, F35, F47 */
START_TEST(frames_follow_the_rule_in_every_combination)
{
    evfi_stress = false;
    for_each_row(by_frame);
}
END_TEST

/* F20: what the budget held back is started by the next poll, as the first. */
START_TEST(await_that_yielded_is_started_by_the_next_poll)
{
    struct row row = {.first = 1, .kind = LEAF, .budget = 0, .ready = 1};
    struct awaiter storage = {0}, *a;
    struct probe probe;
    struct spy spy;
    evf_context cx;

    evfi_stress = false;
    a = awaiter_of(&row, &storage, &spy);
    context_of(&row, &cx, &probe);
    ck_assert_int_eq(evf_future_poll(&a->frame.future, &cx), EVF_PENDING);
    ck_assert_uint_eq(spy.polls, 0);
    row.budget = 1;
    context_of(&row, &cx, &probe);
    ck_assert_int_eq(evf_future_poll(&a->frame.future, &cx), EVF_READY);
    ck_assert_uint_eq(spy.polls, 1);
    ck_assert_uint_eq(cx.own.credit, LEFT - 1);
    evf_future_drop(&a->frame.future);
}
END_TEST

/*
 * F31, F35: an await that was held back and then started is one that runs: a
 * request gives it its last poll, and does not take it for one that would start.
 */
START_TEST(await_that_yielded_and_was_started_gets_its_last_poll)
{
    struct row row = {.first = 1, .kind = LEAF, .budget = 0};
    struct awaiter storage = {0}, *a;
    struct probe probe;
    struct spy spy;
    evf_context cx;

    evfi_stress = false;
    a = awaiter_of(&row, &storage, &spy);
    context_of(&row, &cx, &probe);
    ck_assert_int_eq(evf_future_poll(&a->frame.future, &cx), EVF_PENDING);
    row.budget = 1;
    context_of(&row, &cx, &probe);
    ck_assert_int_eq(evf_future_poll(&a->frame.future, &cx), EVF_PENDING);
    ck_assert_uint_eq(spy.polls, 1);
    row.request = 1;
    context_of(&row, &cx, &probe);
    spy.ready = true;
    ck_assert_int_eq(evf_future_poll(&a->frame.future, &cx), EVF_READY);
    ck_assert_uint_eq(spy.polls, 2);
    ck_assert_int_eq(a->got, RESULT);
    evf_future_drop(&a->frame.future);
}
END_TEST

/* F31: a request that comes while the budget holds an await back ends it. */
START_TEST(request_reaches_an_await_that_the_budget_held_back)
{
    struct row row = {.first = 1, .kind = LEAF, .budget = 0, .ready = 1};
    struct awaiter storage = {0}, *a;
    struct probe probe;
    struct spy spy;
    evf_context cx;

    a = awaiter_of(&row, &storage, &spy);
    context_of(&row, &cx, &probe);
    ck_assert_int_eq(evf_future_poll(&a->frame.future, &cx), EVF_PENDING);
    row.budget = 1;
    row.request = 1;
    context_of(&row, &cx, &probe);
    ck_assert_int_eq(evf_future_poll(&a->frame.future, &cx), EVF_READY);
    ck_assert_int_eq(a->got, REQUEST);
    ck_assert_uint_eq(spy.polls, 0);
    ck_assert_uint_eq(spy.drops, 1);
    evf_future_drop(&a->frame.future);
}
END_TEST

TEST_MAIN("await-rule", poll_child_follows_the_rule_in_every_combination,
    inlined_poll_child_follows_the_rule_in_every_combination,
    frames_follow_the_rule_in_every_combination,
    await_that_yielded_is_started_by_the_next_poll,
    await_that_yielded_and_was_started_gets_its_last_poll,
    request_reaches_an_await_that_the_budget_held_back)
