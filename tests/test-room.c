/* SPDX-License-Identifier: BSD-3-Clause */
#include "actor.h"

#include <string.h>

/* A group that a task awaits, with room for `max` children. */
static evf_group *
spawn_group(size_t max, struct told *told)
{
    evf_group *group = evf_group_new(
        &(evf_group_options){.max_running = max, .open = true});

    evf_task_detach(
        evf_spawn_then(executor, evf_group_future(group), tell, told));
    run_passes(2);
    return group;
}

/* Ends its children too, so that a case may go. */
static void
end_group(evf_group *group)
{
    evf_group_free(group);
    executor_done();
}

static enum evf_poll
poll_room(evf_future *room, struct probe *probe)
{
    return poll_with(room, probe, NULL);
}

START_TEST(room_is_ready_while_there_is_a_slot)
{
    struct actor a[2] = {0};
    struct told told = {0};
    struct probe probe;
    evf_group *group = spawn_group(2, &told);
    evf_op op = {0};

    probe_init(&probe);
    for (int i = 0; i < 2; i++) {
        evf_future *room = evf_group_room(&op, group);

        ck_assert_int_eq(poll_room(room, &probe), EVF_READY);
        ck_assert_int_eq(evf_future_take(room), 0);
        evf_future_drop(room);
        evf_group_add(group, actor(&a[i]));
    }
    ck_assert_int_eq(poll_room(evf_group_room(&op, group), &probe),
        EVF_PENDING);
    actor_finish(&a[0], 0); /* not polled yet: the slot is still taken */
    ck_assert_int_eq(poll_room(&op.future, &probe), EVF_PENDING);
    run_passes(2);
    actor_finish(&a[0], 0);
    run_passes(2);
    ck_assert_uint_eq(probe.wakes, 1);
    ck_assert_int_eq(poll_room(&op.future, &probe), EVF_READY);
    evf_future_drop(&op.future);
    ck_assert_int_eq(probe_live(&probe), 0);
    end_group(group);
}
END_TEST

START_TEST(room_without_a_limit_is_always_ready)
{
    struct actor a = {0};
    struct probe probe;
    struct told told = {0};
    evf_group *group = spawn_group(0, &told);
    evf_future *room = evf_group_room(NULL, group);

    probe_init(&probe);
    evf_group_add(group, actor(&a));
    ck_assert_int_eq(poll_room(room, &probe), EVF_READY);
    evf_future_drop(room);
    end_group(group);
}
END_TEST

START_TEST(children_that_wait_are_served_before_rooms)
{
    struct actor a[3] = {{.name = 'A'}, {.name = 'B'}, {.name = 'C'}};
    struct probe probe;
    struct told told = {0};
    evf_group *group = spawn_group(1, &told);
    evf_future *room = evf_group_room(NULL, group);

    probe_init(&probe);
    evf_group_add(group, actor(&a[0]));
    evf_group_add(group, actor(&a[1]));
    ck_assert_int_eq(poll_room(room, &probe), EVF_PENDING);
    run_passes(2);
    actor_finish(&a[0], 0);
    run_passes(2);
    ck_assert_traced("AAaB");
    ck_assert_uint_eq(probe.wakes, 0);
    actor_finish(&a[1], 0);
    run_passes(2);
    ck_assert_uint_eq(probe.wakes, 1);
    evf_future_drop(room);
    end_group(group);
}
END_TEST

START_TEST(rooms_are_granted_in_the_order_of_asking) /* F21 */
{
    struct actor a[2] = {0};
    struct probe probes[3];
    evf_future *rooms[3];
    struct told told = {0};
    evf_group *group = spawn_group(2, &told);

    evf_group_add(group, actor(&a[0]));
    evf_group_add(group, actor(&a[1]));
    run_passes(2);
    for (int i = 0; i < 3; i++) {
        probe_init(&probes[i]);
        rooms[i] = evf_group_room(NULL, group);
    }
    for (int i = 2; i >= 0; i--) /* the first poll is the asking: F1 */
        ck_assert_int_eq(poll_room(rooms[i], &probes[i]), EVF_PENDING);
    ck_assert_int_eq(poll_room(rooms[0], &probes[0]), EVF_PENDING); /* F2 */
    actor_finish(&a[0], 0);
    run_passes(2);
    ck_assert_uint_eq(probes[2].wakes, 1);
    ck_assert_uint_eq(probes[1].wakes + probes[0].wakes, 0);
    ck_assert_int_eq(poll_room(rooms[1], &probes[1]), EVF_PENDING);
    actor_finish(&a[1], 0);
    run_passes(2);
    ck_assert_uint_eq(probes[1].wakes, 1);
    ck_assert_uint_eq(probes[0].wakes, 0);
    for (int i = 0; i < 3; i++) {
        evf_future_drop(rooms[i]);
        ck_assert_int_eq(probe_live(&probes[i]), 0);
    }
    end_group(group);
}
END_TEST

START_TEST(granted_room_that_is_dropped_passes_its_turn_on) /* F13 F26 */
{
    struct actor a = {0};
    struct probe probes[3];
    evf_future *rooms[3];
    struct told told = {0};
    evf_group *group = spawn_group(1, &told);

    evf_group_add(group, actor(&a));
    run_passes(2);
    for (int i = 0; i < 3; i++) {
        probe_init(&probes[i]);
        rooms[i] = evf_group_room(NULL, group);
        ck_assert_int_eq(poll_room(rooms[i], &probes[i]), EVF_PENDING);
    }
    evf_future_drop(rooms[1]); /* a waiting one is only unlinked */
    actor_finish(&a, 0);
    run_passes(2);
    ck_assert_uint_eq(probes[0].wakes, 1);
    ck_assert_uint_eq(probes[2].wakes, 0);
    evf_future_drop(rooms[0]);
    ck_assert_uint_eq(probes[2].wakes, 1);
    ck_assert_int_eq(poll_room(rooms[2], &probes[2]), EVF_READY);
    ck_assert_int_eq(evf_future_take(rooms[2]), 0);
    evf_future_drop(rooms[2]);
    ck_assert_uint_eq(probes[1].wakes, 0);
    end_group(group);
}
END_TEST

START_TEST(newcomers_do_not_overtake_a_granted_room) /* F26 */
{
    struct actor a = {0};
    struct probe first, second;
    struct told told = {0};
    evf_group *group = spawn_group(1, &told);
    evf_future *waits = evf_group_room(NULL, group);
    evf_future *late = evf_group_room(NULL, group);

    probe_init(&first);
    probe_init(&second);
    evf_group_add(group, actor(&a));
    run_passes(2);
    ck_assert_int_eq(poll_room(waits, &first), EVF_PENDING);
    actor_finish(&a, 0);
    run_passes(2);
    ck_assert_uint_eq(first.wakes, 1);
    ck_assert_int_eq(poll_room(late, &second), EVF_PENDING);
    ck_assert_int_eq(poll_room(waits, &first), EVF_READY);
    evf_future_drop(waits);
    ck_assert_uint_eq(second.wakes, 1); /* it has not been used */
    ck_assert_int_eq(poll_room(late, &second), EVF_READY);
    evf_future_drop(late);
    end_group(group);
}
END_TEST

START_TEST(slot_taken_by_another_makes_a_granted_room_the_first_again) /* F26 */
{
    struct actor a = {0}, intruder = {0};
    struct probe first, second;
    struct told told = {0};
    evf_group *group = spawn_group(1, &told);
    evf_future *rooms[2] = {evf_group_room(NULL, group),
        evf_group_room(NULL, group)};

    probe_init(&first);
    probe_init(&second);
    evf_group_add(group, actor(&a));
    run_passes(2);
    ck_assert_int_eq(poll_room(rooms[0], &first), EVF_PENDING);
    ck_assert_int_eq(poll_room(rooms[1], &second), EVF_PENDING);
    actor_finish(&a, 0);
    run_passes(2);
    ck_assert_uint_eq(first.wakes, 1);
    evf_group_add(group, actor(&intruder)); /* without asking */
    ck_assert_int_eq(poll_room(rooms[0], &first), EVF_PENDING);
    run_passes(2);
    actor_finish(&intruder, 0);
    run_passes(2);
    ck_assert_uint_eq(first.wakes, 2);
    ck_assert_uint_eq(second.wakes, 0);
    ck_assert_int_eq(poll_room(rooms[0], &first), EVF_READY);
    evf_future_drop(rooms[0]);
    evf_future_drop(rooms[1]);
    ck_assert_int_eq(probe_live(&first) + probe_live(&second), 0);
    end_group(group);
}
END_TEST

/* One of several acceptors: asks for room, and adds at once. */
struct acceptor {
    evf_frame frame;
    evf_op op;
    evf_group *group;
    struct actor *children;
    unsigned *next, *most;
    unsigned left;
};

static unsigned
running(const struct actor *children, unsigned n)
{
    unsigned count = 0;

    for (unsigned i = 0; i < n; i++)
        count += children[i].drops == 0;
    return count;
}

static enum evf_poll
acceptor_run(evf_future *self, evf_context *cx)
{
    struct acceptor *a = evf_frame_of(self, struct acceptor);
    intptr_t n;

    EVF_BEGIN(self, cx);
    for (; a->left > 0; a->left--) {
        EVF_TRY(n, evf_group_room(&a->op, a->group));
        n = (intptr_t)(*a->next)++;
        ck_assert_int_eq(evf_group_add(a->group, actor(&a->children[n])), 0);
        if (running(a->children, *a->next) > *a->most)
            *a->most = running(a->children, *a->next);
    }
    EVF_FINALLY;
    EVF_END;
}

static const evf_frame_ops acceptor_ops = EVF_FRAME_OPS(struct acceptor,
    acceptor_run);

START_TEST(acceptors_that_ask_for_room_never_exceed_it) /* F26 */
{
    enum {
        ACCEPTORS = 3,
        EACH = 20,
        MAX = 2
    };
    static struct actor children[ACCEPTORS * EACH];
    struct acceptor acceptors[ACCEPTORS] = {0};
    struct told told = {0};
    evf_group *group = spawn_group(MAX, &told);
    unsigned next = 0, most = 0;

    for (int i = 0; i < ACCEPTORS; i++) {
        struct acceptor *a = evf_frame_init(&acceptors[i], &acceptor_ops);

        a->group = group;
        a->children = children;
        a->next = &next;
        a->most = &most;
        a->left = EACH;
        evf_task_detach(evf_spawn(executor, &a->frame.future));
    }
    for (unsigned i = 0; i < ACCEPTORS * EACH; i++) {
        run_passes(4);
        ck_assert_uint_eq(next,
            i + MAX < ACCEPTORS * EACH ? i + MAX : ACCEPTORS * EACH);
        actor_finish(&children[i], 0);
    }
    evf_group_close(group);
    run();
    ck_assert_uint_eq(most, MAX);
    ck_assert_uint_eq(told.calls, 1);
    ck_assert_int_eq(told.result, 0);
    evf_group_free(group);
}
END_TEST

START_TEST(rooms_fail_when_the_group_takes_no_more) /* F45 */
{
    for (int how = 0; how < 4; how++) {
        struct actor a = {0};
        struct probe probe;
        struct told told = {0};
        evf_group *group = spawn_group(1, &told);
        evf_future *room = evf_group_room(NULL, group);

        probe_init(&probe);
        evf_group_add(group, actor(&a));
        run_passes(2);
        ck_assert_int_eq(poll_room(room, &probe), EVF_PENDING);
        if (how == 0)
            evf_group_close(group);
        else if (how == 1)
            actor_finish(&a, -EIO);
        else if (how == 2)
            executor_done();
        if (how == 3) {
            evf_group_free(group); /* the room has a reference */
            group = NULL;
        }
        if (how == 1)
            run_passes(2);
        ck_assert_uint_eq(probe.wakes, 1);
        ck_assert_int_eq(poll_room(room, &probe), EVF_READY);
        ck_assert_int_eq(evf_future_take(room), -ESHUTDOWN);
        evf_future_drop(room);
        ck_assert_int_eq(probe_live(&probe), 0);
        evf_group_free(group);
        use_priorities(1);
    }
}
END_TEST

START_TEST(latest_poll_of_a_room_is_the_one_that_is_woken) /* F8 */
{
    struct actor a = {0};
    struct probe first, second;
    struct told told = {0};
    evf_group *group = spawn_group(1, &told);
    evf_future *room = evf_group_room(NULL, group);

    probe_init(&first);
    probe_init(&second);
    evf_group_add(group, actor(&a));
    run_passes(2);
    poll_room(room, &first);
    poll_room(room, &first);
    ck_assert_uint_eq(first.clones, 1);
    poll_room(room, &second);
    ck_assert_int_eq(probe_live(&first), 0);
    actor_finish(&a, 0);
    run_passes(2);
    ck_assert_uint_eq(first.wakes, 0);
    ck_assert_uint_eq(second.wakes, 1);
    evf_future_drop(room);
    end_group(group);
}
END_TEST

START_TEST(room_in_used_storage_harms_nobody) /* F34 F18 */
{
    struct actor a = {0};
    struct probe probe;
    struct told told = {0};
    evf_group *group = spawn_group(1, &told);
    evf_op op = {0}, moved;

    probe_init(&probe);
    ck_assert_ptr_eq(evf_group_room(&op, group), &op.future);
    ck_assert_ptr_eq(evf_group_room(&op, group), evf_future_failed(-EBUSY));
    memcpy(&moved, &op, sizeof(moved)); /* it was not polled yet */
    memset(&op, 0, sizeof(op));
    evf_group_add(group, actor(&a));
    ck_assert_int_eq(poll_room(&moved.future, &probe), EVF_PENDING);
    run_passes(2);
    actor_finish(&a, 0);
    run_passes(2);
    ck_assert_int_eq(poll_room(&moved.future, &probe), EVF_READY);
    evf_future_drop(&moved.future);
    ck_assert_ptr_null(moved.future.ops);
    end_group(group);
}
END_TEST

/* A waker that drops the room which woke it, and asks for another. */
struct rude {
    evf_group *group;
    evf_op op;
    unsigned wakes;
};

static void
rude_wakes(void *data)
{
    struct rude *rude = data;
    struct probe probe;

    rude->wakes++;
    evf_future_drop(&rude->op.future);
    probe_init(&probe);
    poll_room(evf_group_room(&rude->op, rude->group), &probe);
    evf_future_drop(&rude->op.future);
    evf_group_close(rude->group);
    evf_group_free(rude->group);
    rude->group = NULL;
}

static void *
rude_clone(void *data)
{
    return data;
}

static void
rude_drop(void *data)
{
    (void)data;
}

static const evf_waker_ops rude_ops = {rude_clone, rude_wakes, rude_wakes,
    rude_drop};

START_TEST(wakers_of_rooms_may_do_as_they_like) /* F12 */
{
    struct actor a = {0};
    struct told told = {0};
    struct rude rude = {.group = spawn_group(1, &told)};
    const evf_waker waker = {&rude_ops, &rude};
    evf_context cx;

    evf_group_add(rude.group, actor(&a));
    run_passes(2);
    evf_context_init(&cx, &waker, NULL);
    ck_assert_int_eq(evf_future_poll(evf_group_room(&rude.op, rude.group), &cx),
        EVF_PENDING);
    actor_finish(&a, 0);
    run();
    ck_assert_uint_eq(rude.wakes, 1);
    ck_assert_uint_eq(told.calls, 1);
    ck_assert_int_eq(told.result, 0);
}
END_TEST

TEST_MAIN("room", room_is_ready_while_there_is_a_slot,
    room_without_a_limit_is_always_ready,
    children_that_wait_are_served_before_rooms,
    rooms_are_granted_in_the_order_of_asking,
    granted_room_that_is_dropped_passes_its_turn_on,
    newcomers_do_not_overtake_a_granted_room,
    slot_taken_by_another_makes_a_granted_room_the_first_again,
    acceptors_that_ask_for_room_never_exceed_it,
    rooms_fail_when_the_group_takes_no_more,
    latest_poll_of_a_room_is_the_one_that_is_woken,
    room_in_used_storage_harms_nobody, wakers_of_rooms_may_do_as_they_like)
