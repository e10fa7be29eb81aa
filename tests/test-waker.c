/* SPDX-License-Identifier: BSD-3-Clause */
#include "support.h"

#include "core/waker-internal.h"

START_TEST(zeroed_waker_wakes_nobody)
{
    evf_waker none = {NULL, NULL}, clone, slot = {NULL, NULL};

    clone = evf_waker_clone(&none);
    ck_assert_ptr_null(clone.ops);
    evf_waker_wake_by_ref(&none);
    evf_waker_wake(&none);
    evf_waker_drop(&none);
    evf_waker_update(&slot, &none);
    ck_assert_ptr_null(slot.ops);
    ck_assert(evf_waker_will_wake(&none, &clone));
}
END_TEST

START_TEST(clone_is_another_waker_of_the_same_task)
{
    struct probe probe;
    evf_waker clone;

    probe_init(&probe);
    clone = evf_waker_clone(&probe.waker);
    ck_assert(evf_waker_will_wake(&clone, &probe.waker));
    ck_assert_uint_eq(probe.clones, 1);
    evf_waker_wake_by_ref(&clone);
    ck_assert_uint_eq(probe.wakes, 1);
    ck_assert_int_eq(probe_live(&probe), 1);
    evf_waker_drop(&clone);
    ck_assert_int_eq(probe_live(&probe), 0);
    ck_assert_uint_eq(probe.wakes, 1);
}
END_TEST

START_TEST(wake_gives_up_the_clone_and_empties_it)
{
    struct probe probe;
    evf_waker clone;

    probe_init(&probe);
    clone = evf_waker_clone(&probe.waker);
    evf_waker_wake(&clone);
    ck_assert_uint_eq(probe.wakes, 1);
    ck_assert_int_eq(probe_live(&probe), 0);
    ck_assert_ptr_null(clone.ops);
    evf_waker_wake(&clone);
    evf_waker_drop(&clone);
    ck_assert_uint_eq(probe.wakes, 1);
    ck_assert_uint_eq(probe.drops, 1);
}
END_TEST

START_TEST(drop_empties_the_waker)
{
    struct probe probe;
    evf_waker clone;

    probe_init(&probe);
    clone = evf_waker_clone(&probe.waker);
    evf_waker_drop(&clone);
    evf_waker_drop(&clone);
    ck_assert_uint_eq(probe.drops, 1);
    ck_assert_ptr_null(clone.ops);
}
END_TEST

/* F8 */
START_TEST(update_with_a_waker_of_the_same_task_does_not_clone)
{
    struct probe probe;
    evf_waker slot = {NULL, NULL};

    probe_init(&probe);
    evf_waker_update(&slot, &probe.waker);
    ck_assert_uint_eq(probe.clones, 1);
    evf_waker_update(&slot, &probe.waker);
    evf_waker_update(&slot, &slot);
    ck_assert_uint_eq(probe.clones, 1);
    ck_assert_uint_eq(probe.drops, 0);
    evf_waker_drop(&slot);
}
END_TEST

/* F8 */
START_TEST(update_replaces_the_waker_of_another_task)
{
    struct probe a, b;
    evf_waker slot = {NULL, NULL}, none = {NULL, NULL};

    probe_init(&a);
    probe_init(&b);
    evf_waker_update(&slot, &a.waker);
    evf_waker_update(&slot, &b.waker);
    ck_assert_int_eq(probe_live(&a), 0);
    ck_assert_int_eq(probe_live(&b), 1);
    evf_waker_wake_by_ref(&slot);
    ck_assert_uint_eq(a.wakes, 0);
    ck_assert_uint_eq(b.wakes, 1);
    evf_waker_update(&slot, &none);
    ck_assert_int_eq(probe_live(&b), 0);
    ck_assert_ptr_null(slot.ops);
}
END_TEST

START_TEST(wakers_of_different_tasks_or_kinds_do_not_wake_the_same)
{
    static const evf_waker_ops other_ops;
    struct probe a, b;
    evf_waker other;

    probe_init(&a);
    probe_init(&b);
    other = (evf_waker){&other_ops, &a};
    ck_assert(evf_waker_will_wake(&a.waker, &a.waker));
    ck_assert(!evf_waker_will_wake(&a.waker, &b.waker));
    ck_assert(!evf_waker_will_wake(&a.waker, &other));
}
END_TEST

/* A waker whose code looks at the slot that it was kept in. F12 */
struct nosy {
    evf_waker *slot;
    const evf_waker_ops *seen; /* what the slot held when we were called */
    unsigned calls;
};

static void *
nosy_clone(void *data)
{
    return data;
}

/* Whatever it does to the slot works, since nobody is in the middle of that. */
static void
nosy_look(void *data)
{
    struct nosy *nosy = data;

    nosy->calls++;
    nosy->seen = nosy->slot->ops;
    evf_waker_wake(nosy->slot);
}

static const evf_waker_ops nosy_ops = {
    .clone = nosy_clone,
    .wake = nosy_look,
    .wake_by_ref = nosy_look,
    .drop = nosy_look,
};

/* F12 */
START_TEST(wake_and_drop_empty_the_slot_before_they_call_the_waker)
{
    evf_waker slot;
    struct nosy nosy = {&slot, &nosy_ops, 0};

    slot = (evf_waker){&nosy_ops, &nosy};
    evf_waker_wake(&slot);
    ck_assert_uint_eq(nosy.calls, 1);
    ck_assert_ptr_null(nosy.seen);

    slot = (evf_waker){&nosy_ops, &nosy};
    evf_waker_drop(&slot);
    ck_assert_uint_eq(nosy.calls, 2);
    ck_assert_ptr_null(nosy.seen);
}
END_TEST

/* F12: the waker that is replaced finds its successor, and may wake that. */
START_TEST(update_has_stored_the_new_waker_before_it_drops_the_old)
{
    struct probe probe;
    evf_waker slot;
    struct nosy nosy = {&slot, NULL, 0};

    probe_init(&probe);
    slot = (evf_waker){&nosy_ops, &nosy};
    evf_waker_update(&slot, &probe.waker);
    ck_assert_uint_eq(nosy.calls, 1);
    ck_assert_ptr_eq(nosy.seen, probe.waker.ops);
    ck_assert_uint_eq(probe.wakes, 1);
    ck_assert_int_eq(probe_live(&probe), 0);
    ck_assert_ptr_null(slot.ops);
}
END_TEST

static void
counted_wake(void *data)
{
    (void)data;
}

static void
counted_drop(void *data)
{
    ((struct evfi_counted *)data)->refs--;
}

START_TEST(counted_wakers_are_cloned_by_an_increment)
{
    static const evf_waker_ops counted_ops = {
        .clone = evfi_counted_clone,
        .wake = counted_drop,
        .wake_by_ref = counted_wake,
        .drop = counted_drop,
    };
    struct evfi_counted counted = {1};
    evf_waker own = {&counted_ops, &counted}, clone, slot = {NULL, NULL};

    clone = evf_waker_clone(&own);
    ck_assert_uint_eq(counted.refs, 2);
    ck_assert(evf_waker_will_wake(&own, &clone));
    ck_assert_ptr_eq(evfi_counted_clone(&counted), &counted);
    ck_assert_uint_eq(counted.refs, 3);
    evf_waker_update(&slot, &clone);
    ck_assert_uint_eq(counted.refs, 4);
    evf_waker_wake(&slot);
    evf_waker_drop(&clone);
    ck_assert_uint_eq(counted.refs, 2);
}
END_TEST

/*
 * A future that keeps its waker outside, so that a case can wake it at any time,
 * also long after the future is gone.
 */
struct keeper {
    evf_waker kept;
    unsigned polls, wakes_inside;
    unsigned ready_at; /* the poll that ends it */
};

static enum evf_poll
keeper_poll(void *arg, evf_context *cx, intptr_t *result)
{
    struct keeper *k = arg;

    evf_waker_update(&k->kept, evf_context_waker(cx));
    for (unsigned i = 0; k->polls == 0 && i < k->wakes_inside; i++)
        evf_waker_wake_by_ref(evf_context_waker(cx));
    *result = 9;
    return ++k->polls >= k->ready_at ? EVF_READY : EVF_PENDING;
}

/* F3 */
START_TEST(wakes_before_a_poll_coalesce_and_nothing_is_polled_without_one)
{
    struct keeper k = {.ready_at = 3};
    evf_op op = {0};
    evf_task *task = evf_spawn(executor, evf_poll_fn(&op, keeper_poll, &k));

    run_passes(2);
    ck_assert_uint_eq(k.polls, 1);
    run_passes(2);
    ck_assert_uint_eq(k.polls, 1);
    for (int i = 0; i < 100; i++)
        evf_waker_wake_by_ref(&k.kept);
    ck_assert_uint_eq(k.polls, 1);
    run_passes(2);
    ck_assert_uint_eq(k.polls, 2);
    run_passes(2);
    ck_assert_uint_eq(k.polls, 2);
    evf_waker_wake(&k.kept);
    run_passes(2);
    ck_assert_uint_eq(k.polls, 3);
    ck_assert_int_eq(evf_task_free(task), 0);
    evf_waker_drop(&k.kept);
}
END_TEST

/* F4 */
START_TEST(wakes_during_ones_own_poll_are_exactly_one_later_poll)
{
    struct keeper k = {.ready_at = 3, .wakes_inside = 5};
    evf_op op = {0};
    evf_task *task = evf_spawn(executor, evf_poll_fn(&op, keeper_poll, &k));

    run_passes(2);
    ck_assert_uint_eq(k.polls, 2);
    ck_assert_int_eq(evf_task_free(task), 0);
    evf_waker_drop(&k.kept);
}
END_TEST

/* Wakes in each of the four ways. */
static void
use_late(evf_waker *kept, unsigned polls, const struct keeper *k)
{
    evf_waker clone = evf_waker_clone(kept);

    evf_waker_wake_by_ref(kept);
    evf_waker_wake(&clone);
    clone = evf_waker_clone(kept);
    evf_waker_drop(&clone);
    if (base != NULL)
        run_passes(2);
    ck_assert_uint_eq(k->polls, polls);
}

/* F6 */
START_TEST(waking_after_completion_drop_executor_and_base_is_harmless)
{
    struct keeper ended = {.ready_at = 1}, dropped = {.ready_at = 99};
    struct keeper live = {.ready_at = 99};
    evf_op op[3] = {0};
    evf_task *task;

    evf_task_detach(
        evf_spawn(executor, evf_poll_fn(&op[0], keeper_poll, &ended)));
    task = evf_spawn(executor, evf_poll_fn(&op[1], keeper_poll, &dropped));
    run_passes(2);
    use_late(&ended.kept, 1, &ended);
    ck_assert_int_eq(evf_task_free(task), 0);
    use_late(&dropped.kept, 1, &dropped);

    task = evf_spawn(executor, evf_poll_fn(&op[2], keeper_poll, &live));
    run_passes(2);
    ck_assert_int_eq(evf_executor_free(executor), 0);
    executor = NULL;
    use_late(&live.kept, 1, &live);
    event_base_free(base);
    base = NULL;
    use_late(&live.kept, 1, &live);
    use_late(&ended.kept, 1, &ended);
    ck_assert_int_eq(evf_task_free(task), 0);

    /* The tasks' memory goes with the last waker. */
    evf_waker_wake(&ended.kept);
    evf_waker_wake(&dropped.kept);
    evf_waker_drop(&live.kept);
    ck_assert_uint_eq(heap_blocks(), 0);
}
END_TEST

/* A waker whose clone is code that empties the slot it is meant for. */
static evf_waker emptied;

static void *
emptying_clone(void *data)
{
    evf_waker_drop(&emptied);
    return data;
}

static void
leave_it(void *data)
{
    (void)data;
}

static const evf_waker_ops emptying_ops = {emptying_clone, leave_it, leave_it,
    leave_it};

/* F12 */
START_TEST(update_whose_clone_empties_the_slot_drops_it_once)
{
    struct probe probe;
    evf_waker waker = {&emptying_ops, &probe};

    probe_init(&probe);
    emptied = evf_waker_clone(&probe.waker);
    evf_waker_update(&emptied, &waker);
    ck_assert_int_eq(probe_live(&probe), 0);
    ck_assert(evf_waker_will_wake(&emptied, &waker));
}
END_TEST

TEST_MAIN("waker", update_whose_clone_empties_the_slot_drops_it_once,
    zeroed_waker_wakes_nobody, clone_is_another_waker_of_the_same_task,
    wake_gives_up_the_clone_and_empties_it, drop_empties_the_waker,
    update_with_a_waker_of_the_same_task_does_not_clone,
    update_replaces_the_waker_of_another_task,
    wakers_of_different_tasks_or_kinds_do_not_wake_the_same,
    wake_and_drop_empty_the_slot_before_they_call_the_waker,
    update_has_stored_the_new_waker_before_it_drops_the_old,
    counted_wakers_are_cloned_by_an_increment,
    wakes_before_a_poll_coalesce_and_nothing_is_polled_without_one,
    wakes_during_ones_own_poll_are_exactly_one_later_poll,
    waking_after_completion_drop_executor_and_base_is_harmless)
