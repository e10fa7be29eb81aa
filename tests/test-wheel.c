/* SPDX-License-Identifier: BSD-3-Clause */
#include <check.h>
#include <stdlib.h>

#include "reactor/wheel-internal.h"

/* The first distance for which the wheel has no level. */
#define SPAN (UINT64_C(1) << 36)

/* From the overflow list down to the deadline: one step for each level. */
#define MAX_STEPS 7

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* A timer that writes its number into the log, then does what it is told. */
struct probe {
    struct evfi_timer timer;
    int id;
    void (*then)(struct probe *probe);
    struct probe *other;
    uint64_t deadline;
};

static struct evfi_wheel wheel;
static struct probe probes[16];
static int fired[64];
static size_t fired_count;

static void
on_fired(struct evfi_timer *timer)
{
    struct probe *probe = evf_container_of(timer, struct probe, timer);

    ck_assert(!evfi_timer_armed(timer));
    ck_assert_uint_lt(fired_count, COUNT(fired));
    fired[fired_count++] = probe->id;
    if (probe->then)
        probe->then(probe);
}

static void
start_at(uint64_t now)
{
    evfi_wheel_init(&wheel, now);
    fired_count = 0;
    for (size_t i = 0; i < COUNT(probes); i++)
        probes[i] = (struct probe){.timer.fired = on_fired, .id = (int)i};
}

static void
start(void)
{
    start_at(0);
}

static void
arm(size_t id, uint64_t deadline)
{
    evfi_wheel_arm(&wheel, &probes[id].timer, deadline);
    ck_assert(evfi_timer_armed(&probes[id].timer));
    ck_assert(!evfi_wheel_empty(&wheel));
}

static void
arm_all(size_t count, const uint64_t *deadlines)
{
    for (size_t i = 0; i < count; i++)
        arm(i, deadlines[i]);
}

/* Arms the probes from 0 on, in their order, for the deadlines given. */
#define ARM_ALL(...)                                                           \
    arm_all(COUNT(((const uint64_t[]){__VA_ARGS__})),                          \
        (const uint64_t[]){__VA_ARGS__})

static void
cancel(size_t id)
{
    evfi_wheel_cancel(&wheel, &probes[id].timer);
    ck_assert(!evfi_timer_armed(&probes[id].timer));
}

static void
when_fired(size_t id, void (*then)(struct probe *probe), size_t other)
{
    probes[id].then = then;
    probes[id].other = &probes[other];
}

static void
assert_fired(size_t count, const int *ids)
{
    ck_assert_uint_eq(fired_count, count);
    for (size_t i = 0; i < count; i++)
        ck_assert_int_eq(fired[i], ids[i]);
    fired_count = 0;
}

/* Advances, and expects the probes given to fire, in their order. */
#define ADVANCE_FIRES(tick, ...)                                               \
    do {                                                                       \
        evfi_wheel_advance(&wheel, tick);                                      \
        assert_fired(COUNT(((const int[]){__VA_ARGS__})),                      \
            (const int[]){__VA_ARGS__});                                       \
    } while (0)

static void
advance_idle(uint64_t tick)
{
    evfi_wheel_advance(&wheel, tick);
    assert_fired(0, NULL);
}

static void
assert_next(uint64_t expected)
{
    uint64_t tick = ~expected;

    ck_assert(evfi_wheel_next(&wheel, &tick));
    ck_assert_uint_eq(tick, expected);
}

static void
assert_empty(void)
{
    uint64_t tick = 4711;

    ck_assert(evfi_wheel_empty(&wheel));
    ck_assert(!evfi_wheel_next(&wheel, &tick));
    ck_assert_uint_eq(tick, 4711);
}

/* Follows evfi_wheel_next() until something fires; returns when. */
static uint64_t
run_until_fired(void)
{
    uint64_t tick, last = wheel.now;

    ck_assert_uint_eq(fired_count, 0);
    for (int steps = 0; steps < MAX_STEPS && !fired_count; steps++) {
        ck_assert(evfi_wheel_next(&wheel, &tick));
        ck_assert_uint_gt(tick, last);
        evfi_wheel_advance(&wheel, tick);
        last = tick;
    }
    ck_assert_uint_gt(fired_count, 0);
    return last;
}

START_TEST(new_wheel_is_empty)
{
    assert_empty();
    advance_idle(100);
    ck_assert_uint_eq(wheel.now, 100);
    assert_empty();
}
END_TEST

/* Distances on either side of each level's end, and what lies beyond. */
static const uint64_t distances[] = {1, 2, 62, 63, 64, 65, 4095, 4096, 4097,
    262143, 262144, 262145, 16777215, 16777216, 16777217, 1073741823,
    1073741824, 1073741825, SPAN - 1, SPAN, SPAN + 1, 5 * SPAN + 12345,
    UINT64_MAX / 2};

static const uint64_t starts[] = {0, 1, 63, 64, 4000, 4095, 262143, 16777215,
    1073741823, SPAN - 1, SPAN, 7 * SPAN - 2, UINT64_MAX / 2};

/* F43 */
START_TEST(timer_fires_at_its_deadline)
{
    for (size_t i = 0; i < COUNT(distances); i++) {
        uint64_t deadline = starts[_i] + distances[i];

        start_at(starts[_i]);
        arm(0, deadline);
        advance_idle(deadline - 1);
        assert_next(deadline);
        ADVANCE_FIRES(deadline, 0);
        assert_empty();

        /* By the way that next shows, it is the same tick. */
        start_at(starts[_i]);
        arm(0, deadline);
        ck_assert_uint_eq(run_until_fired(), deadline);
        assert_empty();
    }
}
END_TEST

START_TEST(next_is_exact_within_the_first_level)
{
    ARM_ALL(40, 63, 7);
    assert_next(7);
    advance_idle(6);
    assert_next(7);
    ADVANCE_FIRES(7, 2);
    assert_next(40);
    cancel(0);
    assert_next(63);
}
END_TEST

START_TEST(next_after_the_nearest_overflow_was_cancelled)
{
    uint64_t tick;

    ARM_ALL(3 * SPAN + 1, 9 * SPAN + 1);
    cancel(0);
    ck_assert(evfi_wheel_next(&wheel, &tick));
    ck_assert_uint_le(tick, 9 * SPAN + 1);
    advance_idle(tick);
    assert_next(9 * SPAN);
    ADVANCE_FIRES(9 * SPAN + 1, 1);

    /* What an emptied overflow list knew is of no use to its next member. */
    arm(0, 20 * SPAN);
    cancel(0);
    arm(1, 30 * SPAN);
    assert_next(30 * SPAN);
}
END_TEST

START_TEST(time_going_backwards_is_ignored)
{
    advance_idle(5000);
    ARM_ALL(5010, 4990);
    ADVANCE_FIRES(17, 1);
    ck_assert_uint_eq(wheel.now, 5000);
    assert_next(5010);
    ADVANCE_FIRES(5010, 0);
}
END_TEST

START_TEST(deadlines_at_the_end_of_time)
{
    ARM_ALL(UINT64_MAX, UINT64_MAX - 1);
    ck_assert_uint_eq(run_until_fired(), UINT64_MAX - 1);
    ADVANCE_FIRES(0, 1);
    arm(2, UINT64_MAX);
    assert_next(UINT64_MAX);
    ADVANCE_FIRES(UINT64_MAX, 0, 2);
    arm(1, UINT64_MAX);
    assert_next(UINT64_MAX);
    ADVANCE_FIRES(UINT64_MAX, 1);
    assert_empty();
}
END_TEST

/* F43 */
START_TEST(cancelled_timer_does_not_fire_wherever_it_lies)
{
    cancel(0);
    for (size_t i = 0; i < COUNT(distances); i++) {
        /* The nearest ones are overdue. */
        start_at(1000);
        arm(0, distances[i]);
        cancel(0);
        assert_empty();
        cancel(0);
        assert_empty();
        advance_idle(1000 + distances[i]);
    }
}
END_TEST

START_TEST(cancel_keeps_the_neighbours_in_the_slot)
{
    ARM_ALL(30, 30, 30, 30);
    cancel(1);
    cancel(3);
    cancel(0);
    ADVANCE_FIRES(30, 2);
}
END_TEST

/* F43 */
START_TEST(overdue_timers_fire_at_the_next_advance_by_deadline)
{
    start_at(1000);
    ARM_ALL(1000, 0, 999, 999);
    assert_next(1000);
    ck_assert_uint_eq(fired_count, 0);
    ADVANCE_FIRES(1000, 1, 2, 3, 0);
    assert_empty();
}
END_TEST

/*
 * Arms two more timers for the same deadline whenever the time has come so
 * near that they belong on the next lower level.  F43
 */
START_TEST(equal_deadlines_fire_in_arming_order_across_levels)
{
    uint64_t deadline = 3 * SPAN + UINT64_C(0x5a5a5a5a5);
    size_t count = 0;

    arm(count++, deadline);
    arm(count++, deadline);
    for (unsigned bits = 36; bits > 0; bits -= 6) {
        advance_idle((deadline >> bits << bits) - 1);
        advance_idle(deadline >> bits << bits);
        arm(count++, deadline);
        arm(count++, deadline);
    }
    advance_idle(deadline - 1);
    arm(count++, deadline);
    ADVANCE_FIRES(deadline, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14);
}
END_TEST

/* F43 */
START_TEST(jump_over_all_levels_fires_in_order)
{
    ARM_ALL(5 * SPAN, 70, 3, SPAN, 70, 262144, 69, 5 * SPAN, UINT64_MAX - 1);
    ADVANCE_FIRES(UINT64_MAX - 1, 2, 6, 1, 4, 5, 3, 0, 7, 8);
    assert_empty();
}
END_TEST

START_TEST(jump_into_a_slot_fires_its_due_part_only)
{
    ARM_ALL(4096 + 900, 4096 + 500, 4096 + 901, 4096 + 20);
    ADVANCE_FIRES(4096 + 900, 3, 1, 0);
    assert_next(4096 + 901);
    ADVANCE_FIRES(4096 + 901, 2);
}
END_TEST

START_TEST(rearming_counts_as_the_latest_arming)
{
    ARM_ALL(500, 500, 500);
    arm(0, 500);
    arm(1, 20);
    assert_next(20);
    ADVANCE_FIRES(500, 1, 2, 0);
}
END_TEST

static void
cancel_both(struct probe *probe)
{
    evfi_wheel_cancel(&wheel, &probe->timer);
    evfi_wheel_cancel(&wheel, &probe->other->timer);
    ck_assert(!evfi_timer_armed(&probe->other->timer));
}

static void
arm_other(struct probe *probe)
{
    evfi_wheel_arm(&wheel, &probe->other->timer, probe->deadline);
}

/* F43 */
START_TEST(callback_cancels_timers_due_in_the_same_advance)
{
    ARM_ALL(10, 10, 10, 70, 70);
    when_fired(0, cancel_both, 1);
    when_fired(2, cancel_both, 4);
    ADVANCE_FIRES(100, 0, 2, 3);
    assert_empty();

    /* The only other one. */
    ARM_ALL(110, 111);
    ADVANCE_FIRES(111, 0);
    assert_empty();
}
END_TEST

/* F43 */
START_TEST(callback_rearming_itself_as_due_fires_once_per_advance)
{
    static const uint64_t due[] = {5, 10, 15, 20};

    arm(0, 10);
    when_fired(0, arm_other, 0);
    for (size_t i = 0; i < COUNT(due); i++) {
        probes[0].deadline = due[i];
        ADVANCE_FIRES(20, 0);
        ck_assert(evfi_timer_armed(&probes[0].timer));
        assert_next(20);
    }
}
END_TEST

START_TEST(callback_rearming_itself_for_later_makes_an_interval)
{
    arm(0, 1000);
    when_fired(0, arm_other, 0);
    for (uint64_t tick = 1000; tick < 50000; tick += 1000) {
        probes[0].deadline = tick + 1000;
        ck_assert_uint_eq(run_until_fired(), tick);
        fired_count = 0;
    }
}
END_TEST

START_TEST(callback_postpones_one_due_in_the_same_advance)
{
    ARM_ALL(10, 10, 10);
    when_fired(0, arm_other, 1);
    probes[0].deadline = 10;
    when_fired(2, arm_other, 0);
    probes[2].deadline = 4000;
    ADVANCE_FIRES(10, 0, 2);
    assert_next(10);
    ADVANCE_FIRES(10, 1);
    advance_idle(3999);
    ADVANCE_FIRES(4000, 0);
}
END_TEST

static void
expect_other_to_fire(struct probe *probe)
{
    ck_assert(!evfi_wheel_empty(&wheel));
    ck_assert(evfi_timer_armed(&probe->other->timer));
    assert_next(300);
}

static void
expect_nothing_more(struct probe *probe)
{
    ck_assert(!evfi_timer_armed(&probe->timer));
    assert_empty();
}

START_TEST(callback_sees_what_is_still_to_fire)
{
    ARM_ALL(100, 200);
    when_fired(0, expect_other_to_fire, 1);
    when_fired(1, expect_nothing_more, 1);
    ADVANCE_FIRES(300, 0, 1);
}
END_TEST

static void
free_both(struct probe *probe)
{
    evfi_wheel_cancel(&wheel, &probe->other->timer);
    free(probe->other);
    free(probe);
}

START_TEST(callback_frees_its_own_timer_and_one_still_to_fire)
{
    struct probe *own = malloc(sizeof(*own));
    struct probe *other = malloc(sizeof(*other));

    ck_assert(own && other);
    *own = probes[1];
    *other = probes[2];
    own->then = free_both;
    own->other = other;
    evfi_wheel_arm(&wheel, &own->timer, 80);
    evfi_wheel_arm(&wheel, &other->timer, 80);
    ADVANCE_FIRES(80, 1);
    assert_empty();
}
END_TEST

static void
add_tests(TCase *tc)
{
    tcase_add_test(tc, new_wheel_is_empty);
    tcase_add_loop_test(tc, timer_fires_at_its_deadline, 0, COUNT(starts));
    tcase_add_test(tc, next_is_exact_within_the_first_level);
    tcase_add_test(tc, next_after_the_nearest_overflow_was_cancelled);
    tcase_add_test(tc, time_going_backwards_is_ignored);
    tcase_add_test(tc, deadlines_at_the_end_of_time);
    tcase_add_test(tc, cancelled_timer_does_not_fire_wherever_it_lies);
    tcase_add_test(tc, cancel_keeps_the_neighbours_in_the_slot);
    tcase_add_test(tc, overdue_timers_fire_at_the_next_advance_by_deadline);
    tcase_add_test(tc, equal_deadlines_fire_in_arming_order_across_levels);
    tcase_add_test(tc, jump_over_all_levels_fires_in_order);
    tcase_add_test(tc, jump_into_a_slot_fires_its_due_part_only);
    tcase_add_test(tc, rearming_counts_as_the_latest_arming);
    tcase_add_test(tc, callback_cancels_timers_due_in_the_same_advance);
    tcase_add_test(tc, callback_rearming_itself_as_due_fires_once_per_advance);
    tcase_add_test(tc, callback_rearming_itself_for_later_makes_an_interval);
    tcase_add_test(tc, callback_postpones_one_due_in_the_same_advance);
    tcase_add_test(tc, callback_sees_what_is_still_to_fire);
    tcase_add_test(tc, callback_frees_its_own_timer_and_one_still_to_fire);
}

int
main(void)
{
    Suite *suite = suite_create("wheel");
    TCase *tc = tcase_create("wheel");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tc, start, NULL);
    add_tests(tc);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
