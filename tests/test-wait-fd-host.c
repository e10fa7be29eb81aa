/* SPDX-License-Identifier: BSD-3-Clause */
#include "sockets.h"

#include <unistd.h>

/*
 * evf_wait_fd() on descriptors on which the program has events of its own, or
 * which it closes, duplicates and hands on, between the waits.
 */

/* A wait that is pending. */
static void
start(struct hand *h, int fd, uint32_t signals)
{
    grasp(h, evf_wait_fd(&h->op, NULL, fd, signals));
    ck_assert_int_eq(hand_poll(h), EVF_PENDING);
}

/* One that was woken knows what for, whatever has become of it. */
static void
finish(struct hand *h, uint32_t signals)
{
    ck_assert_int_eq(hand_poll(h), EVF_READY);
    ck_assert_int_eq(evf_future_take(h->future), signals);
    let_go(h);
}

struct host {
    struct event *event;
    unsigned calls;
    bool takes; /* a byte at each call */
};

static void
on_event(evutil_socket_t fd, short what, void *arg)
{
    struct host *host = arg;
    char c;

    host->calls++;
    if (host->takes && (what & EV_READ))
        ck_assert_int_eq(read(fd, &c, 1), 1);
}

static void
add_host(struct host *host, int fd, short events)
{
    host->event = event_new(base, fd, events | EV_PERSIST, on_event, host);
    ck_assert_int_eq(event_add(host->event, NULL), 0);
}

/* It takes a byte at a time, and gets a call for each. */
static void
level_triggered_host(bool host_is_first)
{
    struct host host = {.takes = true};
    struct hand h = {0};
    int fds[2];

    pair(fds);
    if (host_is_first)
        add_host(&host, fds[0], EV_READ);
    start(&h, fds[0], EVF_READABLE);
    if (!host_is_first)
        add_host(&host, fds[0], EV_READ);
    say(fds[1], "eight...");
    pass_once();
    ck_assert_uint_eq(host.calls, 1);
    ck_assert_uint_eq(h.probe.wakes, 1);
    finish(&h, EVF_READABLE);
    pass();
    ck_assert_uint_eq(host.calls, 8);
    /* A wait that is dropped, and one that goes on, take nothing from it. */
    start(&h, fds[0], EVF_READABLE);
    let_go(&h);
    start(&h, fds[0], EVF_READABLE);
    say(fds[1], "ab");
    pass();
    ck_assert_uint_eq(host.calls, 10);
    ck_assert_uint_eq(h.probe.wakes, 1);
    finish(&h, EVF_READABLE);
    ck_assert_uint_eq(events_on_fd(base, fds[0]), 1);
    say(fds[1], "c");
    pass();
    ck_assert_uint_eq(host.calls, 11);
    event_free(host.event);
    close(fds[0]);
    close(fds[1]);
}

START_TEST(level_triggered_host_gets_all_of_its_calls) /* L1 F23 */
{
    level_triggered_host(true);
    level_triggered_host(false);
}
END_TEST

START_TEST(edge_triggered_host_stays_so) /* L1 F7 */
{
    struct host host = {.takes = false};
    struct hand h = {0};
    int fds[2];

    if (!(event_base_get_features(base) & EV_FEATURE_ET))
        return;
    pair(fds);
    add_host(&host, fds[0], EV_READ | EV_ET);
    start(&h, fds[0], EVF_READABLE);
    say(fds[1], "x");
    ck_assert(hand_woken(&h));
    finish(&h, EVF_READABLE);
    pass();
    host.calls = 0;
    for (int i = 0; i < 4; i++)
        pass_once();
    ck_assert_uint_eq(host.calls, 0); /* what is there is no edge */
    /* What is there ends a wait of ours, all the same, and needs no event. */
    ck_assert_int_eq(finish_now(evf_wait_fd(NULL, NULL, fds[0], EVF_READABLE)),
        EVF_READABLE);
    drain(fds[0]);
    start(&h, fds[0], EVF_READABLE);
    pass();
    host.calls = 0;
    say(fds[1], "y");
    ck_assert(hand_woken(&h));
    ck_assert_uint_eq(host.calls, 1);
    finish(&h, EVF_READABLE);
    event_free(host.event);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

/*
 * Libevent leaves the trigger to who came first, so it gets more calls than it
 * has asked for, but none less. In debug mode it is refused.
 */
START_TEST(edge_triggered_host_that_comes_later_misses_nothing) /* L1 */
{
    struct host host = {.takes = true};
    struct hand h = {0}, w = {0};
    int fds[2];

    if (!(event_base_get_features(base) & EV_FEATURE_ET) ||
        blocking_fds_abort())
        return;
    pair(fds);
    start(&h, fds[0], EVF_READABLE);
    add_host(&host, fds[0], EV_READ | EV_ET);
    say(fds[1], "x");
    ck_assert(hand_woken(&h));
    ck_assert_uint_eq(host.calls, 1);
    finish(&h, EVF_READABLE);
    stuff(fds[0]);
    start(&w, fds[0], EVF_WRITABLE);
    ck_assert(!hand_woken(&w));
    drain(fds[1]);
    ck_assert(hand_woken(&w));
    finish(&w, EVF_WRITABLE);
    say(fds[1], "y");
    pass();
    ck_assert_uint_eq(host.calls, 2);
    ck_assert_uint_eq(events_on_fd(base, fds[0]), 1);
    event_free(host.event);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

START_TEST(host_that_reads_and_a_wait_to_write)
{
    struct host host = {.takes = true};
    struct hand w = {0};
    int fds[2];

    pair(fds);
    add_host(&host, fds[0], EV_READ);
    stuff(fds[0]);
    start(&w, fds[0], EVF_WRITABLE);
    say(fds[1], "abc");
    pass();
    ck_assert_uint_eq(host.calls, 3);
    ck_assert_uint_eq(w.probe.wakes, 0);
    drain(fds[1]);
    ck_assert(hand_woken(&w));
    finish(&w, EVF_WRITABLE);
    say(fds[1], "d");
    pass();
    ck_assert_uint_eq(host.calls, 4);
    event_free(host.event);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

START_TEST(host_that_takes_it_all_before_the_task_looks)
{
    struct host host = {.takes = true};
    struct hand h = {0};
    int fds[2];

    pair(fds);
    add_host(&host, fds[0], EV_READ);
    start(&h, fds[0], EVF_READABLE);
    say(fds[1], "x");
    ck_assert(hand_woken(&h));
    ck_assert(!readable(fds[0]));
    /* It occurred. Whoever reads without blocking finds nothing, and waits. */
    finish(&h, EVF_READABLE);
    start(&h, fds[0], EVF_READABLE);
    ck_assert(!hand_woken(&h));
    let_go(&h);
    event_free(host.event);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

START_TEST(host_frees_its_event_during_a_wait)
{
    struct host host = {.takes = true};
    struct hand h = {0};
    int fds[2];

    pair(fds);
    add_host(&host, fds[0], EV_READ);
    start(&h, fds[0], EVF_READABLE);
    event_free(host.event);
    say(fds[1], "x");
    ck_assert(hand_woken(&h));
    finish(&h, EVF_READABLE);
    ck_assert_uint_eq(host.calls, 0);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

/* Another pair, whose first end has the number of the one that was closed. */
static void
reuse(int fds[2])
{
    int number = fds[0];

    close(fds[0]);
    close(fds[1]);
    pair(fds);
    ck_assert_int_eq(fds[0], number);
}

static void
number_used_again(bool fires)
{
    struct host host = {.takes = true};
    struct hand h = {0}, again = {0};
    int fds[2];

    pair(fds);
    start(&h, fds[0], EVF_READABLE);
    if (fires) {
        say(fds[1], "x");
        ck_assert(hand_woken(&h)); /* and is not polled before the close */
        ck_assert_uint_eq(events_on_fd(base, fds[0]), 0);
    } else {
        let_go(&h);
    }
    reuse(fds);
    add_host(&host, fds[0], EV_READ);
    pass();
    ck_assert_uint_eq(host.calls, 0);
    say(fds[1], "y");
    pass();
    ck_assert_uint_eq(host.calls, 1);
    start(&again, fds[0], EVF_READABLE);
    ck_assert(!hand_woken(&again));
    say(fds[1], "z");
    ck_assert(hand_woken(&again));
    ck_assert_uint_eq(host.calls, 2);
    finish(&again, EVF_READABLE);
    if (fires)
        finish(&h, EVF_READABLE);
    event_free(host.event);
    close(fds[0]);
    close(fds[1]);
}

START_TEST(number_is_used_again_after_a_wait_that_was_dropped) /* F25 L3 */
{
    number_used_again(false);
}
END_TEST

START_TEST(number_is_used_again_after_a_wait_that_fired) /* F25 L3 */
{
    number_used_again(true);
}
END_TEST

/* Without a host's event libevent's own map of the number starts anew, too. */
START_TEST(number_is_waited_for_again_and_again) /* F25 L3 */
{
    struct hand h = {0};
    int fds[2];

    pair(fds);
    for (int i = 0; i < 10; i++) {
        start(&h, fds[0], EVF_READABLE);
        if (i % 2 == 0) {
            let_go(&h);
        } else {
            say(fds[1], "x");
            ck_assert_int_eq(hand_end(&h), EVF_READABLE);
        }
        reuse(fds);
        if (i % 3 == 0)
            pass();
    }
    close(fds[0]);
    close(fds[1]);
}
END_TEST

START_TEST(number_becomes_that_of_a_socket_of_ours) /* L3 */
{
    struct hand h = {0};
    evf_socket *socket;
    char buf[4];
    int fds[2];

    pair(fds);
    start(&h, fds[0], EVF_READABLE);
    let_go(&h);
    reuse(fds);
    socket = adopt(fds[0]);
    grasp(&h, evf_read(&h.op, socket, buf, sizeof(buf)));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    say(fds[1], "x");
    ck_assert_int_eq(hand_end(&h), 1);
    evf_socket_close(socket);
    close(fds[1]);
    pair(fds);
    start(&h, fds[0], EVF_READABLE); /* and of the program's again */
    say(fds[1], "x");
    ck_assert_int_eq(hand_end(&h), EVF_READABLE);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

/*
 * What epoll had kept for the duplicate would be reported in each pass, and the
 * pass would never come to wait.
 */
START_TEST(duplicate_of_a_fd_keeps_nothing_alive) /* L4 */
{
    struct hand h = {0};
    int fds[2], copy;

    pair(fds);
    copy = dup(fds[0]);
    start(&h, fds[0], EVF_READABLE);
    let_go(&h);
    close(fds[0]);
    say(fds[1], "x");
    pass_once();
    pass_once();
    ck_assert_uint_eq(h.probe.wakes, 0);
    ck_assert_uint_eq(events_on_fd(base, fds[0]), 0);
    /* The copy is a descriptor like any other. */
    ck_assert_int_eq(finish_now(evf_wait_fd(NULL, NULL, copy, EVF_READABLE)),
        EVF_READABLE);
    drain(copy);
    start(&h, copy, EVF_READABLE);
    ck_assert(!hand_woken(&h));
    say(fds[1], "y");
    ck_assert(hand_woken(&h));
    finish(&h, EVF_READABLE);
    close(copy);
    close(fds[1]);
}
END_TEST

START_TEST(duplicates_are_waited_for_side_by_side) /* L4 */
{
    struct hand h = {0}, other = {0};
    int fds[2], copy;

    pair(fds);
    copy = dup(fds[0]);
    start(&h, fds[0], EVF_READABLE);
    start(&other, copy, EVF_READABLE);
    say(fds[1], "x");
    ck_assert(hand_woken(&h));
    ck_assert_uint_eq(other.probe.wakes, 1);
    finish(&h, EVF_READABLE);
    finish(&other, EVF_READABLE);
    close(fds[0]);
    close(copy);
    close(fds[1]);
}
END_TEST

START_TEST(wait_on_the_fd_of_a_socket_of_ours)
{
    struct hand h = {0}, r = {0};
    char buf[4];
    int peer;
    evf_socket *socket = adopt_pair(&peer);
    int fd = evf_socket_fd(socket);

    start(&h, fd, EVF_READABLE | EVF_CLOSED);
    grasp(&r, evf_read(&r.op, socket, buf, sizeof(buf)));
    ck_assert_int_eq(hand_poll(&r), EVF_PENDING);
    ck_assert_uint_eq(events_on_fd(base, fd), 1);
    say(peer, "ab");
    ck_assert(hand_woken(&h));
    ck_assert_uint_eq(r.probe.wakes, 1);
    finish(&h, EVF_READABLE);
    ck_assert_int_eq(hand_end(&r), 2);
    evf_socket_close(socket);
    close(peer);
}
END_TEST

START_TEST(socket_of_ours_that_is_closed_ends_the_wait)
{
    struct hand h = {0}, dropped = {0};
    int peer;
    evf_socket *socket = adopt_pair(&peer);
    int fd = evf_socket_fd(socket);

    start(&h, fd, EVF_READABLE);
    start(&dropped, fd, EVF_READABLE);
    let_go(&dropped);
    evf_socket_close(socket);
    ck_assert_uint_eq(h.probe.wakes, 1);
    ck_assert_int_eq(hand_end(&h), -EBADF);
    ck_assert_uint_eq(events_on_fd(base, fd), 0);
    close(peer);
}
END_TEST

START_TEST(socket_of_ours_that_is_released_during_a_wait)
{
    struct hand h = {0};
    int peer;
    evf_socket *socket = adopt_pair(&peer);
    int fd = evf_socket_fd(socket);

    start(&h, fd, EVF_READABLE);
    ck_assert_int_eq(evf_socket_release_fd(socket), fd);
    ck_assert_uint_eq(h.probe.wakes, 1);
    ck_assert_int_eq(hand_end(&h), -EBADF);
    ck_assert_uint_eq(events_on_fd(base, fd), 0);
    start(&h, fd, EVF_READABLE);
    say(peer, "x");
    ck_assert_int_eq(hand_end(&h), EVF_READABLE);
    ck_assert_uint_eq(events_on_fd(base, fd), 0);
    close(fd);
    close(peer);
}
END_TEST

TEST_MAIN("wait-fd-host", level_triggered_host_gets_all_of_its_calls,
    edge_triggered_host_stays_so,
    edge_triggered_host_that_comes_later_misses_nothing,
    host_that_reads_and_a_wait_to_write,
    host_that_takes_it_all_before_the_task_looks,
    host_frees_its_event_during_a_wait,
    number_is_used_again_after_a_wait_that_was_dropped,
    number_is_used_again_after_a_wait_that_fired,
    number_is_waited_for_again_and_again,
    number_becomes_that_of_a_socket_of_ours,
    duplicate_of_a_fd_keeps_nothing_alive,
    duplicates_are_waited_for_side_by_side, wait_on_the_fd_of_a_socket_of_ours,
    socket_of_ours_that_is_closed_ends_the_wait,
    socket_of_ours_that_is_released_during_a_wait)
