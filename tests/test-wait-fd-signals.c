/* SPDX-License-Identifier: BSD-3-Clause */
#include "sockets.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

/* What evf_wait_fd() arms, and what it tells of. */

START_TEST(only_what_was_asked_for_is_told) /* F25 */
{
    int fds[2];

    pair(fds);
    say(fds[1], "x");
    close(fds[1]);
    ck_assert_int_eq(finish_now(evf_wait_fd(NULL, NULL, fds[0], EVF_READABLE)),
        EVF_READABLE);
    ck_assert_int_eq(finish_now(evf_wait_fd(NULL, NULL, fds[0], EVF_WRITABLE)),
        EVF_WRITABLE);
    close(fds[0]);
}
END_TEST

/* What libevent is to watch a fd for. */
static int
add_events(const struct event_base *of, const struct event *event, void *arg)
{
    int *fd_and_events = arg;

    (void)of;
    if (event_get_fd(event) == fd_and_events[0])
        fd_and_events[1] |= event_get_events(event);
    return 0;
}

static int
armed(int fd)
{
    int fd_and_events[2] = {fd, 0};

    event_base_foreach_event(base, add_events, fd_and_events);
    return fd_and_events[1] & (EV_READ | EV_WRITE | EV_CLOSED);
}

/* In just the directions that somebody waits for. */
START_TEST(armed_for_what_is_waited_for_and_no_more) /* R3 */
{
    struct hand r = {0}, w = {0}, both = {0};
    int fds[2];

    pair(fds);
    stuff(fds[0]);
    grasp(&r, evf_wait_fd(&r.op, NULL, fds[0], EVF_READABLE));
    grasp(&w, evf_wait_fd(&w.op, NULL, fds[0], EVF_WRITABLE));
    grasp(&both,
        evf_wait_fd(&both.op, NULL, fds[0], EVF_READABLE | EVF_WRITABLE));
    ck_assert_int_eq(armed(fds[0]), 0);
    ck_assert_int_eq(hand_poll(&w), EVF_PENDING);
    ck_assert_int_eq(armed(fds[0]), EV_WRITE);
    ck_assert_int_eq(hand_poll(&r), EVF_PENDING);
    ck_assert_int_eq(hand_poll(&both), EVF_PENDING);
    ck_assert_int_eq(armed(fds[0]), EV_READ | EV_WRITE);
    ck_assert_uint_eq(events_on_fd(base, fds[0]), 1);
    let_go(&w);
    ck_assert_int_eq(armed(fds[0]), EV_READ | EV_WRITE);
    let_go(&both);
    ck_assert_int_eq(armed(fds[0]), EV_READ);
    say(fds[1], "x");
    ck_assert(hand_woken(&r));
    ck_assert_int_eq(armed(fds[0]), 0);
    ck_assert_int_eq(hand_end(&r), EVF_READABLE);
    ck_assert_uint_eq(events_on_fd(base, fds[0]), 0);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

START_TEST(two_directions_end_apart)
{
    struct hand r = {0}, w = {0}, both = {0};
    int fds[2];

    pair(fds);
    stuff(fds[0]);
    grasp(&r, evf_wait_fd(&r.op, NULL, fds[0], EVF_READABLE));
    grasp(&w, evf_wait_fd(&w.op, NULL, fds[0], EVF_WRITABLE));
    grasp(&both,
        evf_wait_fd(&both.op, NULL, fds[0], EVF_READABLE | EVF_WRITABLE));
    ck_assert_int_eq(hand_poll(&r), EVF_PENDING);
    ck_assert_int_eq(hand_poll(&w), EVF_PENDING);
    ck_assert_int_eq(hand_poll(&both), EVF_PENDING);
    say(fds[1], "x");
    ck_assert(hand_woken(&r));
    ck_assert_uint_eq(w.probe.wakes, 0);
    ck_assert_int_eq(hand_end(&r), EVF_READABLE);
    ck_assert_int_eq(hand_end(&both), EVF_READABLE); /* what has occurred */
    ck_assert_int_eq(armed(fds[0]), EV_WRITE);
    drain(fds[1]);
    ck_assert(hand_woken(&w));
    ck_assert_int_eq(hand_end(&w), EVF_WRITABLE);
    ck_assert_int_eq(armed(fds[0]), 0);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

START_TEST(both_signals_at_once_are_told_at_once)
{
    struct hand h = {0};
    int fds[2];

    pair(fds);
    stuff(fds[0]);
    grasp(&h, evf_wait_fd(&h.op, NULL, fds[0], EVF_READABLE | EVF_WRITABLE));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    drain(fds[1]);
    say(fds[1], "x");
    ck_assert(hand_woken(&h));
    ck_assert_uint_eq(h.probe.wakes, 1);
    ck_assert_int_eq(hand_end(&h), EVF_READABLE | EVF_WRITABLE);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

/* The back end's word for it comes with the wait; poll(2) has one on its own. */
START_TEST(peer_that_leaves_is_told_where_it_can_be) /* L5 */
{
    bool early = event_base_get_features(base) & EV_FEATURE_EARLY_CLOSE;
    struct hand h = {0}, w = {0};
    int fds[2];

    tcp_pair(fds);
    stuff(fds[0]);
    grasp(&h, evf_wait_fd(&h.op, NULL, fds[0], EVF_READABLE | EVF_CLOSED));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    grasp(&w, evf_wait_fd(&w.op, NULL, fds[0], EVF_WRITABLE | EVF_CLOSED));
    ck_assert_int_eq(hand_poll(&w), EVF_PENDING);
    ck_assert(!hand_woken(&h));
    shutdown(fds[1], SHUT_WR);
    until_readable(fds[0]);
    ck_assert_int_eq(hand_end(&h),
        early ? EVF_READABLE | EVF_CLOSED : EVF_READABLE);
    ck_assert_uint_eq(w.probe.wakes, early);
    if (early)
        ck_assert_int_eq(hand_end(&w), EVF_CLOSED);
    else
        let_go(&w);
#ifdef POLLRDHUP
    ck_assert_int_eq(finish_now(evf_wait_fd(NULL, NULL, fds[0],
                         EVF_READABLE | EVF_CLOSED)),
        EVF_READABLE | EVF_CLOSED);
    ck_assert_int_eq(finish_now(evf_wait_fd(NULL, NULL, fds[0],
                         EVF_WRITABLE | EVF_CLOSED)),
        EVF_CLOSED);
#endif
    close(fds[0]);
    close(fds[1]);
}
END_TEST

START_TEST(end_of_file_and_reset_wake_whoever_reads) /* L5 */
{
    static const uint32_t signals[] = {EVF_READABLE, EVF_READABLE | EVF_CLOSED};

    for (int i = 0; i < 4; i++) {
        struct hand h = {0};
        int fds[2];

        tcp_pair(fds);
        grasp(&h, evf_wait_fd(&h.op, NULL, fds[0], signals[i % 2]));
        ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
        ck_assert(!hand_woken(&h));
        if (i >= 2)
            reset_on_close(fds[1]);
        close(fds[1]);
        until_readable(fds[0]);
        ck_assert(hand_woken(&h));
        ck_assert_int_eq(hand_end(&h) & EVF_READABLE, EVF_READABLE);
        close(fds[0]);
    }
}
END_TEST

START_TEST(reset_is_readable_and_writable) /* L5 */
{
    struct hand h = {0};
    int fds[2];

    tcp_pair(fds);
    stuff(fds[0]);
    grasp(&h, evf_wait_fd(&h.op, NULL, fds[0], EVF_READABLE | EVF_WRITABLE));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    reset_on_close(fds[1]);
    close(fds[1]);
    until_readable(fds[0]);
    ck_assert_int_eq(hand_end(&h), EVF_READABLE | EVF_WRITABLE);
    ck_assert_int_eq(finish_now(evf_wait_fd(NULL, NULL, fds[0],
                         EVF_READABLE | EVF_WRITABLE)),
        EVF_READABLE | EVF_WRITABLE);
    close(fds[0]);
}
END_TEST

/* It says so at once, although there is neither data nor room. */
static void
gone(int fd, uint32_t signal)
{
    struct hand h = {0};

    grasp(&h, evf_wait_fd(&h.op, NULL, fd, signal));
    ck_assert_int_eq(hand_poll(&h), EVF_READY);
    ck_assert_int_eq(evf_future_take(h.future), signal);
    let_go(&h);
}

START_TEST(pipe_with_one_end_is_ready)
{
    struct hand h = {0};
    int fds[2];

    make_pipe(fds, O_NONBLOCK);
    grasp(&h, evf_wait_fd(&h.op, NULL, fds[0], EVF_READABLE));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    close(fds[1]);
    ck_assert_int_eq(hand_end(&h), EVF_READABLE);
    gone(fds[0], EVF_READABLE);
    close(fds[0]);
    make_pipe(fds, O_NONBLOCK);
    stuff(fds[1]);
    grasp(&h, evf_wait_fd(&h.op, NULL, fds[1], EVF_WRITABLE));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    close(fds[0]);
    ck_assert_int_eq(hand_end(&h), EVF_WRITABLE);
    gone(fds[1], EVF_WRITABLE);
    close(fds[1]);
}
END_TEST

START_TEST(device_that_is_always_ready_is_ready)
{
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

    ck_assert_int_eq(finish_now(evf_wait_fd(NULL, NULL, fd,
                         EVF_READABLE | EVF_WRITABLE)),
        EVF_READABLE | EVF_WRITABLE);
    close(fd);
}
END_TEST

TEST_MAIN("wait-fd-signals", only_what_was_asked_for_is_told,
    armed_for_what_is_waited_for_and_no_more, two_directions_end_apart,
    both_signals_at_once_are_told_at_once,
    peer_that_leaves_is_told_where_it_can_be,
    end_of_file_and_reset_wake_whoever_reads, reset_is_readable_and_writable,
    pipe_with_one_end_is_ready, device_that_is_always_ready_is_ready)
