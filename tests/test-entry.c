/* SPDX-License-Identifier: BSD-3-Clause */
#include "sockets.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "core/alloc-internal.h"
#include "io/operation-internal.h"

/*
 * The entries of sockets of ours: when they are armed, what they expect, how
 * they end. Those of the program's fds are test-interest's.
 */

static struct evfi_entry *
entry_of(evf_socket *socket)
{
    return &socket->entry;
}

/* How libevent sees a fd of ours: one event, and for what. */
static void
assert_armed(evf_socket *socket, uint32_t signals)
{
    ck_assert_uint_eq(entry_of(socket)->armed, signals);
    ck_assert_uint_eq(events_on_fd(base, evf_socket_fd(socket)),
        signals != 0 ? 1 : 0);
    if (signals != 0)
        ck_assert_int_eq(event_get_events(&entry_of(socket)->event) &
                (EV_READ | EV_WRITE),
            (signals & EVF_READABLE ? EV_READ : 0) |
                (signals & EVF_WRITABLE ? EV_WRITE : 0));
}

START_TEST(armed_by_the_first_wait_and_stays_armed)
{
    struct hand h = {0};
    char buf[8];
    int peer;
    evf_socket *socket = adopt_pair(&peer);

    assert_armed(socket, 0);
    grasp(&h, evf_read(&h.op, socket, buf, sizeof(buf)));
    assert_armed(socket, 0);
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    assert_armed(socket, EVF_READABLE);
    say(peer, "x");
    pass_once();
    ck_assert_uint_eq(h.probe.wakes, 1);
    ck_assert_int_eq(hand_poll(&h), EVF_READY);
    let_go(&h);
    assert_armed(socket, EVF_READABLE);
    grasp(&h, evf_read(&h.op, socket, buf, sizeof(buf)));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    assert_armed(socket, EVF_READABLE);
    let_go(&h);
    assert_armed(socket, EVF_READABLE); /* until something comes for nobody */
    evf_socket_close(socket);
    close(peer);
}
END_TEST

START_TEST(task_that_waits_has_its_socket_armed) /* F7 */
{
    char buf[8];
    int peer;
    evf_socket *socket = adopt_pair(&peer);
    evf_task *task = evf_spawn(executor,
        evf_read(NULL, socket, buf, sizeof(buf)));

    run_passes(2);
    assert_armed(socket, EVF_READABLE);
    say(peer, "x");
    run();
    evf_task_free(task);
    evf_socket_close(socket);
    close(peer);
}
END_TEST

START_TEST(disarmed_when_it_occurs_with_nobody_waiting)
{
    struct hand h = {0};
    char buf[8];
    int peer;
    evf_socket *socket = adopt_pair(&peer);

    grasp(&h, evf_read(&h.op, socket, buf, sizeof(buf)));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    let_go(&h);
    say(peer, "x");
    pass();
    assert_armed(socket, 0);
    ck_assert(entry_of(socket)->hint & EVF_READABLE);
    grasp(&h, evf_read(&h.op, socket, buf, sizeof(buf)));
    ck_assert_int_eq(hand_poll(&h), EVF_READY);
    let_go(&h);
    assert_armed(socket, 0);
    evf_socket_close(socket);
    close(peer);
}
END_TEST

/* A reader that was woken but has not run yet: the bytes are still there. */
START_TEST(ready_twice_before_the_reader_runs_is_one_wake) /* F3 */
{
    struct hand h = {0};
    char buf[8];
    int peer;
    evf_socket *socket = adopt_pair(&peer);

    grasp(&h, evf_read(&h.op, socket, buf, sizeof(buf)));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    say(peer, "x");
    pass_once();
    pass_once();
    say(peer, "y");
    pass();
    ck_assert_uint_eq(h.probe.wakes, 1);
    ck_assert_int_eq(hand_end(&h), 2);
    evf_socket_close(socket);
    close(peer);
}
END_TEST

START_TEST(writable_is_armed_only_after_eagain)
{
    struct hand h = {0};
    size_t n;
    int peer;
    evf_socket *socket = adopt_pair(&peer);

    grasp(&h, evf_write_all(&h.op, socket, "x", 1));
    ck_assert_int_eq(hand_poll(&h), EVF_READY);
    let_go(&h);
    assert_armed(socket, 0);
    n = stuff(evf_socket_fd(socket));
    grasp(&h, evf_write_all(&h.op, socket, "x", 1));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    assert_armed(socket, EVF_WRITABLE);
    ck_assert(!hand_woken(&h));
    ck_assert_uint_eq(drain(peer), n + 1);
    ck_assert_int_eq(hand_end(&h), 1);
    pass();
    assert_armed(socket, 0); /* it is writable, and nobody waits for that */
    evf_socket_close(socket);
    close(peer);
}
END_TEST

START_TEST(both_directions_share_one_event)
{
    struct hand r = {0}, w = {0};
    char buf[8];
    int peer;
    evf_socket *socket = adopt_pair(&peer);

    stuff(evf_socket_fd(socket));
    grasp(&r, evf_read(&r.op, socket, buf, sizeof(buf)));
    grasp(&w, evf_write(&w.op, socket, "x", 1));
    ck_assert_int_eq(hand_poll(&r), EVF_PENDING);
    ck_assert_int_eq(hand_poll(&w), EVF_PENDING);
    assert_armed(socket, EVF_READABLE | EVF_WRITABLE);
    say(peer, "abc");
    pass();
    ck_assert_uint_eq(r.probe.wakes, 1);
    ck_assert_uint_eq(w.probe.wakes, 0);
    ck_assert_int_eq(hand_end(&r), 3);
    assert_armed(socket, EVF_WRITABLE); /* ready for nobody, for a while */
    drain(peer);
    ck_assert_int_eq(hand_end(&w), 1);
    evf_socket_close(socket);
    close(peer);
}
END_TEST

START_TEST(hint_follows_what_was_read)
{
    struct hand h = {0};
    char buf[4];
    int peer;
    evf_socket *socket = adopt_pair(&peer);

    ck_assert_uint_eq(entry_of(socket)->hint, EVF_WRITABLE);
    say(peer, "1234567");
    grasp(&h, evf_read(&h.op, socket, buf, 4));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    ck_assert(hand_woken(&h));
    ck_assert(entry_of(socket)->hint & EVF_READABLE);
    ck_assert_int_eq(hand_end(&h), 4);
    /* All that was asked for: there may be more, and there is. */
    ck_assert(entry_of(socket)->hint & EVF_READABLE);
    grasp(&h, evf_read(&h.op, socket, buf, 4));
    ck_assert_int_eq(hand_poll(&h), EVF_READY);
    ck_assert_int_eq(evf_future_take(h.future), 3);
    let_go(&h);
    /* Less: drained. */
    ck_assert(!(entry_of(socket)->hint & EVF_READABLE));
    evf_socket_close(socket);
    close(peer);
}
END_TEST

START_TEST(wrong_hint_costs_a_call_and_no_data)
{
    struct hand h = {0};
    char buf[8];
    int peer;
    evf_socket *socket = adopt_pair(&peer);

    entry_of(socket)->hint = EVF_READABLE | EVF_WRITABLE;
    grasp(&h, evf_read(&h.op, socket, buf, sizeof(buf)));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    ck_assert(!(entry_of(socket)->hint & EVF_READABLE));
    say(peer, "x");
    entry_of(socket)->hint = 0;
    ck_assert_int_eq(hand_end(&h), 1);
    entry_of(socket)->hint = 0;
    grasp(&h, evf_write_all(&h.op, socket, "y", 1));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    ck_assert_int_eq(hand_end(&h), 1);
    hear(peer, "y");
    evf_socket_close(socket);
    close(peer);
}
END_TEST

START_TEST(second_waiter_on_what_is_ready_needs_no_new_data) /* L6 */
{
    struct hand a = {0}, b = {0};
    char buf[1];
    int peer;
    evf_socket *socket = adopt_pair(&peer);

    grasp(&a, evf_read(&a.op, socket, buf, 1));
    ck_assert_int_eq(hand_poll(&a), EVF_PENDING);
    say(peer, "xy");
    pass_once();
    grasp(&b, evf_read(&b.op, socket, buf, 1));
    ck_assert_int_eq(hand_end(&a), 1);
    entry_of(socket)->hint = 0;
    ck_assert_int_eq(hand_end(&b), 1);
    evf_socket_close(socket);
    close(peer);
}
END_TEST

START_TEST(many_readers_of_a_socket_are_served_in_their_order) /* F9 */
{
    struct hand readers[16];
    char buf[16] = "";
    int peer;
    evf_socket *socket = adopt_pair(&peer);

    memset(readers, 0, sizeof(readers));
    for (int i = 0; i < 16; i++) {
        grasp(&readers[i], evf_read(&readers[i].op, socket, &buf[i], 1));
        ck_assert_int_eq(hand_poll(&readers[i]), EVF_PENDING);
    }
    say(peer, "abcdefgh");
    for (int served = 0; served < 8;) {
        pass();
        for (int i = served; i < 16; i++)
            if (readers[i].probe.wakes > readers[i].seen) {
                readers[i].seen = readers[i].probe.wakes;
                if (hand_poll(&readers[i]) == EVF_READY)
                    ck_assert_int_eq(i, served++);
            }
    }
    say(peer, "ijklmnop");
    for (int i = 8; i < 16; i++)
        ck_assert_int_eq(hand_end(&readers[i]), 1);
    ck_assert_int_eq(memcmp(buf, "abcdefghijklmnop", 16), 0);
    for (int i = 0; i < 8; i++)
        let_go(&readers[i]);
    evf_socket_close(socket);
    close(peer);
}
END_TEST

START_TEST(future_handed_from_one_task_to_another_wakes_the_latter) /* F8 */
{
    struct probe second;
    struct hand h = {0};
    char buf[8];
    int peer;
    evf_socket *socket = adopt_pair(&peer);

    probe_init(&second);
    grasp(&h, evf_read(&h.op, socket, buf, sizeof(buf)));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    ck_assert_uint_eq(h.probe.clones, 1); /* it would wake the same task */
    ck_assert_int_eq(poll_with(h.future, &second, executor), EVF_PENDING);
    ck_assert_int_eq(probe_live(&h.probe), 0);
    say(peer, "x");
    pass();
    ck_assert_uint_eq(h.probe.wakes, 0);
    ck_assert_uint_eq(second.wakes, 1);
    ck_assert_int_eq(poll_with(h.future, &second, executor), EVF_READY);
    let_go(&h);
    evf_socket_close(socket);
    close(peer);
}
END_TEST

START_TEST(poll_in_vain_keeps_the_place_in_the_queue) /* F2 F9 */
{
    struct probe other;
    struct hand a = {0}, b = {0};
    char buf[2] = "";
    int peer;
    evf_socket *socket = adopt_pair(&peer);

    probe_init(&other);
    grasp(&a, evf_read(&a.op, socket, &buf[0], 1));
    grasp(&b, evf_read(&b.op, socket, &buf[1], 1));
    ck_assert_int_eq(hand_poll(&a), EVF_PENDING);
    ck_assert_int_eq(hand_poll(&b), EVF_PENDING);
    ck_assert_int_eq(poll_with(a.future, &other, executor), EVF_PENDING);
    ck_assert_ptr_eq(evfi_list_first(&entry_of(socket)->interests),
        &((struct evfi_operation *)a.future)->interest.link);
    let_go(&a);
    ck_assert_int_eq(probe_live(&other), 0);
    let_go(&b);
    evf_socket_close(socket);
    close(peer);
}
END_TEST

START_TEST(muted_entry_is_armed_for_nothing) /* L20 */
{
    struct hand a = {0}, b = {0};
    char buf[8];
    int peer;
    evf_socket *socket = adopt_pair(&peer);

    grasp(&a, evf_read(&a.op, socket, buf, sizeof(buf)));
    ck_assert_int_eq(hand_poll(&a), EVF_PENDING);
    evfi_entry_mute(entry_of(socket));
    assert_armed(socket, 0);
    grasp(&b, evf_read(&b.op, socket, buf, sizeof(buf)));
    ck_assert_int_eq(hand_poll(&b), EVF_PENDING);
    assert_armed(socket, 0);
    say(peer, "x");
    ck_assert(!hand_woken(&a));
    ck_assert(!hand_woken(&b));
    evfi_entry_unmute(entry_of(socket));
    ck_assert_uint_eq(a.probe.wakes, 1);
    ck_assert_uint_eq(b.probe.wakes, 1);
    ck_assert_int_eq(hand_end(&a), 1);
    ck_assert_int_eq(hand_poll(&b), EVF_PENDING);
    assert_armed(socket, EVF_READABLE);
    let_go(&b);
    evf_socket_close(socket);
    close(peer);
}
END_TEST

START_TEST(wait_of_the_programs_uses_the_entry_of_a_socket)
{
    struct hand r = {0}, w = {0};
    char buf[8];
    int peer;
    evf_socket *socket = adopt_pair(&peer);

    grasp(&r, evf_read(&r.op, socket, buf, sizeof(buf)));
    grasp(&w, evf_wait_fd(&w.op, NULL, evf_socket_fd(socket), EVF_READABLE));
    ck_assert_int_eq(hand_poll(&r), EVF_PENDING);
    ck_assert_int_eq(hand_poll(&w), EVF_PENDING);
    assert_armed(socket, EVF_READABLE);
    say(peer, "x");
    pass();
    ck_assert_uint_eq(r.probe.wakes, 1);
    ck_assert_uint_eq(w.probe.wakes, 1);
    ck_assert_int_eq(hand_end(&w), EVF_READABLE);
    ck_assert_int_eq(hand_end(&r), 1);
    grasp(&w, evf_wait_fd(&w.op, NULL, evf_socket_fd(socket), EVF_READABLE));
    ck_assert_int_eq(hand_poll(&w), EVF_PENDING);
    evf_socket_close(socket);
    ck_assert_int_eq(hand_end(&w), -EBADF);
    close(peer);
}
END_TEST

TEST_MAIN("entry", armed_by_the_first_wait_and_stays_armed,
    task_that_waits_has_its_socket_armed,
    disarmed_when_it_occurs_with_nobody_waiting,
    ready_twice_before_the_reader_runs_is_one_wake,
    writable_is_armed_only_after_eagain, both_directions_share_one_event,
    hint_follows_what_was_read, wrong_hint_costs_a_call_and_no_data,
    second_waiter_on_what_is_ready_needs_no_new_data,
    many_readers_of_a_socket_are_served_in_their_order,
    future_handed_from_one_task_to_another_wakes_the_latter,
    poll_in_vain_keeps_the_place_in_the_queue, muted_entry_is_armed_for_nothing,
    wait_of_the_programs_uses_the_entry_of_a_socket)
