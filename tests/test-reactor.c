/* SPDX-License-Identifier: BSD-3-Clause */
#include "sockets.h"

#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "reactor/alarm-internal.h"
#include "reactor/clock-internal.h"
#include "reactor/entry-internal.h"

/* The reactor as a whole: time and readiness on one base; its end. */

static evf_reactor *
reactor(void)
{
    return evf_executor_reactor(executor);
}

static void
set(struct evfi_alarm *alarm, uint64_t ms, const evf_waker *waker)
{
    evfi_alarm_set(alarm, reactor(), evfi_clock_deadline(reactor(), ms), waker);
}

/* Runs the loop, which the case holds, until a probe was woken n times. */
static void
run_until(const struct probe *probe, unsigned n)
{
    ck_assert_int_eq(evf_executor_hold(executor), 0);
    while (probe->wakes < n)
        ck_assert_int_eq(event_base_loop(base, EVLOOP_ONCE), 0);
    ck_assert_int_eq(evf_executor_release(executor), 0);
}

START_TEST(attaching_adds_nothing_to_the_base)
{
    ck_assert_uint_eq(events_on(base), 0);
    ck_assert_ptr_eq(evf_executor_reactor(executor), reactor());
    pass();
    ck_assert_uint_eq(events_on(base), 0);
}
END_TEST

START_TEST(alarm_rings_once_at_its_time)
{
    struct evfi_alarm alarm = {.rang = 0};
    struct probe probe;
    uint64_t before;

    probe_init(&probe);
    ck_assert_int_eq(evf_executor_pause_clock(executor), 0);
    before = evf_executor_now(executor);
    set(&alarm, 1500, &probe.waker);
    ck_assert_int_eq(evfi_alarm_poll(&alarm, &probe.waker), 0);
    ck_assert_uint_eq(probe.clones, 1);
    run_until(&probe, 1);
    ck_assert_uint_eq(evf_executor_now(executor) - before, 1500);
    ck_assert_int_eq(evfi_alarm_poll(&alarm, &probe.waker), 1);
    ck_assert_int_eq(probe_live(&probe), 0);
    pass();
    ck_assert_uint_eq(probe.wakes, 1);
    evfi_alarm_cancel(&alarm);
}
END_TEST

START_TEST(latest_waker_of_an_alarm_wins) /* F8 */
{
    struct evfi_alarm alarm = {.rang = 0};
    struct probe first, second;

    probe_init(&first);
    probe_init(&second);
    ck_assert_int_eq(evf_executor_pause_clock(executor), 0);
    set(&alarm, 10, &first.waker);
    ck_assert_int_eq(evfi_alarm_poll(&alarm, &second.waker), 0);
    ck_assert_int_eq(probe_live(&first), 0);
    run_until(&second, 1);
    ck_assert_uint_eq(first.wakes, 0);
}
END_TEST

START_TEST(cancelled_alarm_is_silent_and_may_be_set_again) /* F13 */
{
    struct evfi_alarm alarm = {.rang = 0};
    struct probe cancelled, probe;

    probe_init(&cancelled);
    probe_init(&probe);
    ck_assert_int_eq(evf_executor_pause_clock(executor), 0);
    set(&alarm, 10, &cancelled.waker);
    evfi_alarm_cancel(&alarm);
    evfi_alarm_cancel(&alarm);
    ck_assert_int_eq(probe_live(&cancelled), 0);
    ck_assert(evfi_wheel_empty(&reactor()->wheel));
    set(&alarm, 20, &probe.waker);
    run_until(&probe, 1);
    ck_assert_int_eq(alarm.rang, 1);
    ck_assert_uint_eq(cancelled.wakes, 0);
}
END_TEST

START_TEST(
    tick_is_armed_for_the_earliest_and_deleted_at_the_end) /* L29 F23 F43 */
{
    struct evfi_alarm late = {.rang = 0}, early = {.rang = 0};
    struct probe probe;

    probe_init(&probe);
    set(&late, 1000000, &probe.waker);
    ck_assert_uint_eq(events_on(base), 1);
    ck_assert_uint_le(reactor()->tick_at, late.timer.deadline);
    set(&early, 1000, &probe.waker);
    ck_assert_uint_eq(events_on(base), 1);
    ck_assert_uint_le(reactor()->tick_at, early.timer.deadline);
    evfi_alarm_cancel(&early);
    ck_assert_uint_eq(events_on(base), 1); /* it only looks again */
    ck_assert_int_eq(evf_executor_free(executor), 0);
    executor = NULL;
    ck_assert_uint_eq(events_on(base), 0);
    ck_assert_int_eq(late.rang, -ESHUTDOWN);
    ck_assert_int_eq(early.rang, 0);
    ck_assert_uint_eq(probe.wakes, 1);
}
END_TEST

START_TEST(stale_tick_does_not_hold_dispatch) /* L9 */
{
    struct evfi_alarm alarm = {.rang = 0};
    struct probe probe;

    if (!INTERNAL_EVENTS)
        return;
    probe_init(&probe);
    set(&alarm, 3600000, &probe.waker);
    ck_assert_int_eq(event_base_dispatch(base), 1);
    evfi_alarm_cancel(&alarm);
    ck_assert_int_eq(event_base_dispatch(base), 1);
    ck_assert_uint_eq(probe.wakes, 0);
}
END_TEST

START_TEST(deadline_rounds_up_and_now_rounds_down) /* L23 */
{
    for (int i = 0; i < 1000; i++) {
        struct timespec before;
        uint64_t now = evfi_clock_now(reactor()), deadline;

        clock_gettime(CLOCK_MONOTONIC, &before);
        deadline = evfi_clock_deadline(reactor(), 5);
        ck_assert_uint_ge(deadline, now + 5);
        ck_assert_int_ge((int64_t)(deadline - 5) * 1000000,
            (int64_t)before.tv_sec * 1000000000 + before.tv_nsec);
        ck_assert_uint_le(deadline, evfi_clock_now(reactor()) + 6);
    }
    ck_assert_uint_eq(evfi_clock_deadline(reactor(), UINT64_MAX), UINT64_MAX);
    ck_assert_uint_eq(evfi_clock_deadline(reactor(), UINT64_MAX - 1),
        UINT64_MAX);
    ck_assert_int_eq(evf_executor_pause_clock(executor), 0);
    ck_assert_uint_eq(evfi_clock_deadline(reactor(), 7),
        evf_executor_now(executor) + 7);
    ck_assert_uint_eq(evfi_clock_coarse(reactor()), evf_executor_now(executor));
}
END_TEST

START_TEST(real_alarm_is_never_early) /* L23 */
{
    struct evfi_alarm alarm = {.rang = 0};
    struct timespec before, after;
    struct probe probe;
    int64_t ns;

    probe_init(&probe);
    for (unsigned i = 1; i <= 5; i++) {
        clock_gettime(CLOCK_MONOTONIC, &before);
        set(&alarm, i, &probe.waker);
        run_until(&probe, i);
        clock_gettime(CLOCK_MONOTONIC, &after);
        ns = (int64_t)(after.tv_sec - before.tv_sec) * 1000000000 +
            (after.tv_nsec - before.tv_nsec);
        ck_assert_int_ge(ns, (int64_t)i * 1000000);
    }
}
END_TEST

static void
cancel_alarm(void *arg)
{
    evfi_alarm_cancel(arg);
}

START_TEST(alarm_that_cancels_one_that_is_due_with_it) /* F12 F49 */
{
    struct evfi_alarm first = {.rang = 0}, second = {.rang = 0},
                      third = {.rang = 0};
    struct probe cancelled, probe;
    struct trap trap;

    trap_init(&trap, cancel_alarm, &second);
    probe_init(&cancelled);
    probe_init(&probe);
    ck_assert_int_eq(evf_executor_pause_clock(executor), 0);
    set(&first, 5, &trap.waker);
    set(&second, 5, &cancelled.waker);
    set(&third, 5, &probe.waker);
    run_until(&probe, 1);
    ck_assert_uint_eq(trap.wakes, 1);
    ck_assert_uint_eq(cancelled.wakes, 0);
    ck_assert_int_eq(probe_live(&cancelled), 0);
    ck_assert_int_eq(trap.live, 0);
}
END_TEST

static void
free_executor(void *arg)
{
    (void)arg;
    ck_assert_int_eq(evf_executor_free(executor), 0);
    executor = NULL;
}

START_TEST(alarm_that_frees_the_executor) /* F12 F49 */
{
    struct evfi_alarm first = {.rang = 0}, same = {.rang = 0},
                      later = {.rang = 0};
    struct probe probe;
    struct trap trap;

    trap_init(&trap, free_executor, NULL);
    probe_init(&probe);
    ck_assert_int_eq(evf_executor_pause_clock(executor), 0);
    set(&first, 5, &trap.waker);
    set(&same, 5, &probe.waker);
    set(&later, 500000, &probe.waker);
    evf_executor_hold(executor);
    while (executor != NULL)
        ck_assert_int_eq(event_base_loop(base, EVLOOP_ONCE), 0);
    ck_assert_uint_eq(probe.wakes, 2);
    ck_assert_int_eq(first.rang, 1);
    ck_assert_int_eq(same.rang, -ESHUTDOWN);
    ck_assert_int_eq(later.rang, -ESHUTDOWN);
    ck_assert_int_eq(probe_live(&probe), 0);
    ck_assert_uint_eq(events_on(base), 0);
}
END_TEST

START_TEST(clock_stands_still_while_anything_can_run)
{
    struct evfi_alarm alarm = {.rang = 0};
    evf_interest interest = {0};
    struct probe slept, readable_now;
    uint64_t before;
    int fds[2];

    pair(fds);
    probe_init(&slept);
    probe_init(&readable_now);
    ck_assert_int_eq(evf_executor_pause_clock(executor), 0);
    before = evf_executor_now(executor);
    set(&alarm, 1, &slept.waker);
    say(fds[1], "x");
    ck_assert_int_eq(evf_reactor_add_io_event_interest(reactor(), fds[0],
                         &interest, (evf_event){0, EVF_READABLE},
                         &readable_now.waker),
        0);
    run_until(&slept, 1);
    ck_assert_uint_eq(readable_now.wakes, 1);
    ck_assert_uint_eq(evf_executor_now(executor) - before, 1);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

START_TEST(pausing_takes_over_what_is_armed)
{
    struct evfi_alarm alarm = {.rang = 0};
    struct probe probe;

    probe_init(&probe);
    set(&alarm, 3600000, &probe.waker);
    ck_assert_int_eq(evf_executor_pause_clock(executor), 0);
    run_until(&probe, 1); /* an hour, at once */
    ck_assert_int_eq(alarm.rang, 1);
}
END_TEST

static void
be_late(evutil_socket_t fd, short what, void *arg)
{
    struct timespec until = {.tv_nsec = 0}, now;
    const int *peer = arg;

    (void)fd;
    (void)what;
    say(*peer, "x");
    clock_gettime(CLOCK_MONOTONIC, &until);
    do
        clock_gettime(CLOCK_MONOTONIC, &now);
    while ((now.tv_sec - until.tv_sec) * 1000000000L + now.tv_nsec -
            until.tv_nsec <
        20000000L);
}

/* The loop is late past a deadline, and the data has come meanwhile. */
START_TEST(data_that_came_while_the_loop_was_late_is_delivered) /* L2 */
{
    struct event *lateness;
    char buf[8];
    intptr_t result;
    int peer;
    evf_socket *socket = adopt_pair(&peer);

    lateness = event_new(base, -1, 0, be_late, &peer);
    event_add(lateness, &(struct timeval){.tv_usec = 1000});
    result = finish_now(
        evf_timeout(NULL, 10, evf_read(NULL, socket, buf, sizeof(buf))));
    ck_assert_msg(result == 1, "%d", (int)result);
    event_free(lateness);
    evf_socket_close(socket);
    close(peer);
}
END_TEST

START_TEST(spare_of_the_programs_waits_goes_with_the_reactor) /* F28 */
{
    evf_interest interest = {0};
    struct probe probe;
    int fds[2];

    pair(fds);
    probe_init(&probe);
    ck_assert_int_eq(evf_reactor_add_io_event_interest(reactor(), fds[0],
                         &interest, (evf_event){0, EVF_READABLE}, &probe.waker),
        0);
    ck_assert_ptr_null(reactor()->spare);
    evf_interest_remove(&interest);
    ck_assert_ptr_nonnull(reactor()->spare);
    executor_done();
    ck_assert_uint_eq(heap_blocks(), 0);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

START_TEST(two_executors_on_one_base_have_a_reactor_each) /* F46 */
{
    evf_executor *second = evf_executor_new(base);
    struct evfi_alarm one = {.rang = 0}, two = {.rang = 0};
    struct probe a, b;

    probe_init(&a);
    probe_init(&b);
    evfi_alarm_set(&one, reactor(), evfi_clock_deadline(reactor(), 1),
        &a.waker);
    evfi_alarm_set(&two, evf_executor_reactor(second),
        evfi_clock_deadline(reactor(), 2), &b.waker);
    run_until(&b, 1);
    ck_assert_uint_eq(a.wakes, 1);
    evfi_alarm_set(&two, evf_executor_reactor(second),
        evfi_clock_deadline(reactor(), 10000), &b.waker);
    evf_executor_free(second);
    ck_assert_int_eq(two.rang, -ESHUTDOWN);
    set(&one, 1, &a.waker);
    run_until(&a, 2);
}
END_TEST

/* 0 if the waits of before the fork work in this process. */
static int
waits_work(int peer, struct hand *h, struct probe *slept)
{
    if (write(peer, "x", 1) != 1)
        return 1;
    for (int i = 0; i < 1000 && (h->probe.wakes == 0 || slept->wakes == 0); i++)
        if (event_base_loop(base, EVLOOP_ONCE) < 0)
            return 2;
    if (h->probe.wakes != 1 || slept->wakes != 1)
        return 3;
    if (hand_poll(h) != EVF_READY || evf_future_take(h->future) != 1)
        return 4;
    return 0;
}

START_TEST(child_process_goes_on_after_event_reinit) /* L15 */
{
    struct evfi_alarm alarm = {.rang = 0};
    struct probe slept;
    struct hand h = {0};
    char buf[8];
    int peer, status;
    pid_t child;
    evf_socket *socket = adopt_pair(&peer);

    probe_init(&slept);
    evf_executor_hold(executor);
    grasp(&h, evf_read(&h.op, socket, buf, sizeof(buf)));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    set(&alarm, 2, &slept.waker);
    child = fork();
    if (child == 0) {
        if (event_reinit(base) != 0)
            _exit(9);
        _exit(waits_work(peer, &h, &slept));
    }
    ck_assert_int_gt(child, 0);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 0);
    /* What the child did to its epoll instance is not the parent's affair. */
    ck_assert_int_eq(waits_work(peer, &h, &slept), 0);
    let_go(&h);
    evf_executor_release(executor);
    evf_socket_close(socket);
    close(peer);
}
END_TEST

START_TEST(base_is_freed_after_the_executor_with_waits_outstanding) /* L15 */
{
    struct evfi_alarm alarm = {.rang = 0};
    evf_interest interest = {0};
    struct probe probe;
    struct hand h = {0};
    char buf[8];
    int peer, fds[2];
    evf_socket *socket = adopt_pair(&peer);

    pair(fds);
    probe_init(&probe);
    set(&alarm, 5, &probe.waker);
    ck_assert_int_eq(evf_reactor_add_io_event_interest(reactor(), fds[0],
                         &interest, (evf_event){0, EVF_READABLE}, &probe.waker),
        0);
    grasp(&h, evf_read(&h.op, socket, buf, sizeof(buf)));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    executor_done();
    ck_assert_uint_eq(probe.wakes, 2);
    ck_assert_uint_eq(h.probe.wakes, 1);
    evf_interest_remove(&interest);
    evfi_alarm_cancel(&alarm);
    let_go(&h);
    evf_socket_close(socket);
    close(peer);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

TEST_MAIN("reactor", attaching_adds_nothing_to_the_base,
    alarm_rings_once_at_its_time, latest_waker_of_an_alarm_wins,
    cancelled_alarm_is_silent_and_may_be_set_again,
    tick_is_armed_for_the_earliest_and_deleted_at_the_end,
    stale_tick_does_not_hold_dispatch, deadline_rounds_up_and_now_rounds_down,
    real_alarm_is_never_early, alarm_that_cancels_one_that_is_due_with_it,
    alarm_that_frees_the_executor, clock_stands_still_while_anything_can_run,
    pausing_takes_over_what_is_armed,
    data_that_came_while_the_loop_was_late_is_delivered,
    spare_of_the_programs_waits_goes_with_the_reactor,
    two_executors_on_one_base_have_a_reactor_each,
    child_process_goes_on_after_event_reinit,
    base_is_freed_after_the_executor_with_waits_outstanding)
