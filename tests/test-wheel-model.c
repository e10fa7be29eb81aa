/* SPDX-License-Identifier: BSD-3-Clause */
#include <check.h>
#include <inttypes.h>
#include <stdlib.h>

#include "reactor/wheel-internal.h"

static struct evfi_wheel wheel;

/* A 64-bit generator (splitmix64) with a seed of ours: every run is alike. */
static uint64_t random_state;

static uint64_t
random_bits(void)
{
    uint64_t z = random_state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static size_t
random_below(size_t limit)
{
    return random_bits() % limit;
}

/* Any order of magnitude is as likely as any other. */
static uint64_t
random_magnitude(void)
{
    return random_bits() >> random_below(64);
}

static uint64_t
saturating_add(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

/*
 * The model: a table of what is armed, searched from end to end for whatever
 * is asked.  `due` marks what the running advance has still to fire.
 */
#define MODEL_TIMERS 32
#define MODEL_SEEDS  10
#define MODEL_ROUNDS 50
#define MODEL_OPS    2000

struct entry {
    struct evfi_timer timer;
    bool armed;
    bool due;
    uint64_t deadline;
    uint64_t serial;
};

static struct entry entries[MODEL_TIMERS];
static uint64_t model_now;
static uint64_t last_serial;
static size_t model_ops;
static int model_seed;

/* Check's own assertions are too slow for millions of them. */
#define REQUIRE(condition)                                                     \
    do {                                                                       \
        if (!(condition))                                                      \
            ck_abort_msg("seed %d, operation %zu: not so: %s", model_seed,     \
                model_ops, #condition);                                        \
    } while (0)

static bool
before(const struct entry *a, const struct entry *b)
{
    if (a->deadline != b->deadline)
        return a->deadline < b->deadline;
    return a->serial < b->serial;
}

static struct entry *
first_entry(bool due_only)
{
    struct entry *first = NULL;

    for (size_t i = 0; i < MODEL_TIMERS; i++) {
        struct entry *entry = &entries[i];

        if ((due_only ? entry->due : entry->armed) &&
            (!first || before(entry, first)))
            first = entry;
    }
    return first;
}

static void
model_arm(struct entry *entry, uint64_t deadline)
{
    entry->armed = true;
    entry->due = false;
    entry->deadline = deadline;
    entry->serial = ++last_serial;
    evfi_wheel_arm(&wheel, &entry->timer, deadline);
}

static void
model_cancel(struct entry *entry)
{
    entry->armed = false;
    entry->due = false;
    evfi_wheel_cancel(&wheel, &entry->timer);
}

/* In the past, beside another timer, or at any distance. */
static uint64_t
random_deadline(void)
{
    uint64_t distance = random_magnitude();

    switch (random_below(8)) {
    case 0:
        return distance > model_now ? 0 : model_now - distance;
    case 1:
    case 2:
        return entries[random_below(MODEL_TIMERS)].deadline;
    case 3:
        return saturating_add(model_now, distance % 200);
    default:
        return saturating_add(model_now, distance);
    }
}

static void
arm_or_cancel_any(void)
{
    struct entry *entry = &entries[random_below(MODEL_TIMERS)];

    model_ops++;
    if (random_below(3))
        model_arm(entry, random_deadline());
    else
        model_cancel(entry);
}

static void
on_entry_fired(struct evfi_timer *timer)
{
    struct entry *entry = evf_container_of(timer, struct entry, timer);

    REQUIRE(entry->due);
    REQUIRE(entry == first_entry(true));
    entry->armed = false;
    entry->due = false;
    for (size_t i = random_below(4); i > 1; i--)
        arm_or_cancel_any();
    if (!random_below(8))
        model_arm(entry, random_deadline());
}

static void
model_advance(uint64_t now)
{
    model_ops++;
    if (now > model_now)
        model_now = now;
    for (size_t i = 0; i < MODEL_TIMERS; i++)
        entries[i].due = entries[i].armed && entries[i].deadline <= model_now;
    evfi_wheel_advance(&wheel, now);
    REQUIRE(!first_entry(true));
    REQUIRE(wheel.now == model_now);
}

/* Where the wheel has to look next on the way to its first deadline. */
static uint64_t
expected_next(uint64_t deadline)
{
    if (deadline <= model_now)
        return model_now;
    for (unsigned bits = 6; bits <= 36; bits += 6)
        if (deadline >> bits == model_now >> bits)
            return deadline >> (bits - 6) << (bits - 6);
    return deadline >> 36 << 36;
}

static void
compare_with_model(void)
{
    const struct entry *first = first_entry(false);
    uint64_t tick = 0, expected;

    for (size_t i = 0; i < MODEL_TIMERS; i++)
        REQUIRE(evfi_timer_armed(&entries[i].timer) == entries[i].armed);
    REQUIRE(evfi_wheel_empty(&wheel) == !first);
    REQUIRE(evfi_wheel_next(&wheel, &tick) == !!first);
    if (!first)
        return;
    expected = expected_next(first->deadline);
    if (expected >> 36 == model_now >> 36)
        REQUIRE(tick == expected);
    else
        REQUIRE(tick > model_now && tick <= expected);
}

static void
advance_somehow(void)
{
    uint64_t tick = model_now;

    switch (random_below(8)) {
    case 0:
        /* Not so far that a round is over at once. */
        model_advance(saturating_add(model_now, random_magnitude() >> 8));
        break;
    case 1:
        model_advance(random_magnitude());
        break;
    case 2:
        model_advance(saturating_add(model_now, random_below(5000)));
        break;
    default:
        evfi_wheel_next(&wheel, &tick);
        model_advance(saturating_add(tick, random_below(2)));
        break;
    }
}

static void
run_round(void)
{
    size_t end = model_ops + MODEL_OPS;

    model_now = random_below(8) ? random_magnitude() >> 1
                                : UINT64_MAX - random_magnitude() / 2;
    evfi_wheel_init(&wheel, model_now);
    for (size_t i = 0; i < MODEL_TIMERS; i++)
        entries[i] = (struct entry){.timer.fired = on_entry_fired};
    while (model_ops < end) {
        if (random_below(4))
            arm_or_cancel_any();
        else
            advance_somehow();
        compare_with_model();
    }
    for (size_t i = 0; i < MODEL_TIMERS; i++)
        model_cancel(&entries[i]);
    compare_with_model();
}

/* Ten seeds of 100,000 operations each.  F43 */
START_TEST(random_operations_agree_with_the_model)
{
    model_seed = _i;
    random_state = (uint64_t)_i;
    for (int round = 0; round < MODEL_ROUNDS; round++)
        run_round();
}
END_TEST

#define MANY 100000

/* The width of a slot of the last level. */
#define WIDTH (UINT64_C(1) << 30)

static uint64_t last_deadline;
static size_t many_fired;

static void
expect_ascending(struct evfi_timer *timer)
{
    if (timer->deadline < last_deadline)
        ck_abort_msg("%" PRIu64 " fired after %" PRIu64, timer->deadline,
            last_deadline);
    last_deadline = timer->deadline;
    many_fired++;
}

/* All in one slot: sorting by insertion would exceed the time limit. */
START_TEST(jump_over_many_timers_fires_all_by_deadline)
{
    struct evfi_timer *timers = calloc(MANY, sizeof(*timers));

    ck_assert_ptr_nonnull(timers);
    evfi_wheel_init(&wheel, 0);
    for (size_t i = 0; i < MANY; i++) {
        timers[i].fired = expect_ascending;
        evfi_wheel_arm(&wheel, &timers[i], WIDTH + random_below(WIDTH));
    }
    evfi_wheel_advance(&wheel, 2 * WIDTH);
    ck_assert_uint_eq(many_fired, MANY);
    ck_assert(evfi_wheel_empty(&wheel));
    free(timers);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("wheel-model");
    TCase *model = tcase_create("model");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_loop_test(model, random_operations_agree_with_the_model, 0,
        MODEL_SEEDS);
    tcase_add_test(model, jump_over_many_timers_fires_all_by_deadline);
    suite_add_tcase(suite, model);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
