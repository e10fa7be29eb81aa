/* SPDX-License-Identifier: BSD-3-Clause */
#include "sockets.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "reactor/entry-internal.h"

struct host {
    int fd;
    unsigned calls;
    struct event *event;
};

static void
take_a_byte(evutil_socket_t fd, short what, void *arg)
{
    struct host *host = arg;
    char c;

    (void)what;
    host->calls++;
    ck_assert_int_eq(read(fd, &c, 1), 1);
}

static void
only_count(evutil_socket_t fd, short what, void *arg)
{
    struct host *host = arg;

    (void)fd;
    (void)what;
    host->calls++;
}

START_TEST(fd_closed_behind_us_after_the_last_wait_and_reused) /* F25 L3 */
{
    evf_interest interest = {0};
    struct host host = {0};
    struct probe stale, probe;
    int fds[2], reused[2];

    pair(fds);
    probe_init(&stale);
    probe_init(&probe);
    ck_assert_int_eq(add(fds[0], &interest, EVF_READABLE, &stale.waker), 0);
    evf_interest_remove(&interest);
    close(fds[0]);
    close(fds[1]);

    pair(reused);
    ck_assert_int_eq(reused[0], fds[0]);
    host.event = event_new(base, reused[0], EV_READ | EV_PERSIST, take_a_byte,
        &host);
    event_add(host.event, NULL);
    say(reused[1], "x");
    pass();
    ck_assert_uint_eq(host.calls, 1);
    ck_assert_uint_eq(stale.wakes, 0);
    ck_assert_int_eq(add(reused[0], &interest, EVF_READABLE, &probe.waker), 0);
    say(reused[1], "y");
    pass();
    ck_assert_uint_eq(host.calls, 2);
    ck_assert_uint_eq(probe.wakes, 1);
    event_free(host.event);
    close(reused[0]);
    close(reused[1]);
}
END_TEST

START_TEST(fd_closed_after_it_fired_and_reused) /* F25 L3 */
{
    evf_interest interest = {0};
    struct host host = {0};
    struct probe probe;
    int fds[2], reused[2];

    pair(fds);
    probe_init(&probe);
    say(fds[1], "x");
    ck_assert_int_eq(add(fds[0], &interest, EVF_READABLE, &probe.waker), 0);
    pass();
    ck_assert_uint_eq(probe.wakes, 1);
    close(fds[0]);
    close(fds[1]);
    pair(reused);
    ck_assert_int_eq(reused[0], fds[0]);
    host.event = event_new(base, reused[0], EV_READ | EV_PERSIST, take_a_byte,
        &host);
    event_add(host.event, NULL);
    say(reused[1], "x");
    pass();
    ck_assert_uint_eq(host.calls, 1);
    event_free(host.event);
    close(reused[0]);
    close(reused[1]);
}
END_TEST

START_TEST(duplicate_of_a_fd_keeps_nothing_alive) /* L4 */
{
    evf_interest interest = {0};
    struct probe probe;
    int fds[2], copy;

    pair(fds);
    copy = dup(fds[0]);
    probe_init(&probe);
    ck_assert_int_eq(add(fds[0], &interest, EVF_READABLE, &probe.waker), 0);
    evf_interest_remove(&interest);
    close(fds[0]);
    say(fds[1], "x"); /* would wake an entry that epoll had kept */
    pass_once();
    pass_once();
    ck_assert_uint_eq(probe.wakes, 0);
    ck_assert_uint_eq(events_on_fd(base, fds[0]), 0);
    close(copy);
    close(fds[1]);
}
END_TEST

START_TEST(host_that_takes_a_byte_at_a_time_gets_all_its_callbacks) /* L1 */
{
    evf_interest interest = {0};
    struct host host = {0};
    struct probe probe;
    int fds[2];

    pair(fds);
    probe_init(&probe);
    host.event = event_new(base, fds[0], EV_READ | EV_PERSIST, take_a_byte,
        &host);
    event_add(host.event, NULL);
    say(fds[1], "eight...");
    for (unsigned i = 1; i <= 8; i++) {
        if (interest.entry == NULL)
            ck_assert_int_eq(add(fds[0], &interest, EVF_READABLE | EVF_WRITABLE,
                                 &probe.waker),
                0);
        pass_once();
        ck_assert_uint_eq(host.calls, i);
    }
    ck_assert_uint_ge(probe.wakes, 4);
    pass();
    ck_assert_uint_eq(host.calls, 8);
    event_free(host.event);
    evf_interest_remove(&interest);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

static void
edge_triggered_host(uint32_t signals)
{
    evf_interest interest = {0};
    struct host host = {0};
    struct probe probe;
    int fds[2];

    if (!(event_base_get_features(base) & EV_FEATURE_ET))
        return; /* L18: nothing of ours asks for it there */
    pair(fds);
    probe_init(&probe);
    host.event = event_new(base, fds[0], EV_READ | EV_ET | EV_PERSIST,
        only_count, &host);
    event_add(host.event, NULL);
    say(fds[1], "x");
    pass();
    ck_assert_uint_eq(host.calls, 1);
    ck_assert_int_eq(add(fds[0], &interest, signals, &probe.waker), 0);
    for (int i = 0; i < 4; i++)
        pass_once();
    ck_assert_uint_eq(probe.wakes, 1); /* ready before, and told so */
    ck_assert_uint_le(host.calls, 3);  /* looked at anew at each change */
    host.calls = 0;
    for (int i = 0; i < 4; i++)
        pass_once();
    ck_assert_uint_eq(host.calls, 0);
    say(fds[1], "y");
    pass();
    ck_assert_uint_eq(host.calls, 1);
    ck_assert_uint_eq(events_on_fd(base, fds[0]), 1);
    event_free(host.event);
    close(fds[0]);
    close(fds[1]);
}

START_TEST(edge_triggered_event_of_the_host_stays_so) /* L1 */
{
    edge_triggered_host(EVF_READABLE);
    edge_triggered_host(EVF_WRITABLE);
    edge_triggered_host(EVF_READABLE | EVF_WRITABLE);
}
END_TEST

START_TEST(edge_of_the_host_does_not_hide_what_comes_later) /* L1 F7 */
{
    evf_interest interest = {0};
    struct host host = {0};
    struct probe probe;
    int fds[2];

    if (!(event_base_get_features(base) & EV_FEATURE_ET))
        return;
    pair(fds);
    probe_init(&probe);
    host.event = event_new(base, fds[0], EV_READ | EV_ET | EV_PERSIST,
        only_count, &host);
    event_add(host.event, NULL);
    ck_assert_int_eq(add(fds[0], &interest, EVF_READABLE, &probe.waker), 0);
    pass();
    ck_assert_uint_eq(probe.wakes, 0);
    say(fds[1], "x");
    pass();
    ck_assert_uint_eq(probe.wakes, 1);
    ck_assert_uint_eq(host.calls, 1);
    stuff(fds[0]);
    ck_assert_int_eq(add(fds[0], &interest, EVF_WRITABLE, &probe.waker), 0);
    pass();
    ck_assert_uint_eq(probe.wakes, 1);
    drain(fds[1]);
    pass();
    ck_assert_uint_eq(probe.wakes, 2);
    event_free(host.event);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

/* The host's is for all that ours is for: that changes nothing, and no edge. */
START_TEST(close_that_the_edge_of_the_host_has_shown_is_told) /* L1 L5 */
{
    evf_interest interest = {0};
    struct host host = {0};
    struct probe probe;
    int fds[2], features = EV_FEATURE_ET | EV_FEATURE_EARLY_CLOSE;

    if ((event_base_get_features(base) & features) != features)
        return;
    pair(fds);
    probe_init(&probe);
    stuff(fds[0]);
    host.event = event_new(base, fds[0],
        EV_READ | EV_WRITE | EV_CLOSED | EV_ET | EV_PERSIST, only_count, &host);
    event_add(host.event, NULL);
    ck_assert_int_eq(shutdown(fds[1], SHUT_WR), 0);
    pass();
    ck_assert_int_eq(add(fds[0], &interest, EVF_WRITABLE | EVF_CLOSED,
                         &probe.waker),
        0);
    pass();
    ck_assert_uint_eq(probe.wakes, 1);
    ck_assert_uint_eq(interest.occurred, EVF_CLOSED);
    event_free(host.event);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

/* The event of a host's, in the pass in which ours is active too. */
struct meddler {
    struct event *event, *other;
    int close;
    unsigned calls;
};

static void
meddle(evutil_socket_t fd, short what, void *arg)
{
    struct meddler *m = arg;

    (void)fd;
    (void)what;
    m->calls++;
    if (m->other != NULL)
        event_free(m->other);
    m->other = NULL;
    if (m->close >= 0)
        close(m->close);
    m->close = -1;
}

/*
 * Ours are more urgent than any of the host's, except those of its own first
 * priority which were activated before.
 */
static void
meddling_host(bool closes)
{
    struct meddler m = {.close = -1};
    evf_interest interest = {0};
    struct probe probe;
    int trigger[2], fds[2];

    pair(trigger);
    pair(fds);
    probe_init(&probe);
    event_base_priority_init(base, 3);
    m.event = event_new(base, trigger[0], EV_READ, meddle, &m);
    event_priority_set(m.event, 0);
    event_add(m.event, NULL);
    m.other = event_new(base, fds[0], EV_READ | EV_PERSIST, only_count, &m);
    event_add(m.other, NULL);
    m.close = closes ? fds[0] : -1;
    ck_assert_int_eq(add(fds[0], &interest, EVF_READABLE | EVF_WRITABLE,
                         &probe.waker),
        0);
    say(trigger[1], "x");
    say(fds[1], "x");
    pass();
    ck_assert_uint_eq(m.calls, 1);
    ck_assert_uint_eq(probe.wakes, 1);
    ck_assert_ptr_null(interest.entry);
    ck_assert_uint_eq(events_on_fd(base, fds[0]), 0);
    ck_assert_int_eq(probe_live(&probe), 0);
    event_free(m.event);
    if (!closes)
        close(fds[0]);
    close(fds[1]);
    close(trigger[0]);
    close(trigger[1]);
}

START_TEST(host_frees_its_event_in_the_pass_in_which_ours_is_active) /* L27 */
{
    meddling_host(false);
}
END_TEST

START_TEST(host_closes_the_fd_in_the_pass_in_which_ours_is_active) /* L27 */
{
    meddling_host(true);
}
END_TEST

START_TEST(idle_wait_does_not_hold_dispatch) /* L9 L29 */
{
    evf_interest interest = {0};
    struct probe probe;
    int fds[2];

    if (!INTERNAL_EVENTS)
        return;
    pair(fds);
    probe_init(&probe);
    ck_assert_int_eq(add(fds[0], &interest, EVF_READABLE, &probe.waker), 0);
    ck_assert_int_eq(event_base_get_num_events(base, EVENT_BASE_COUNT_ADDED),
        0);
    ck_assert_int_eq(event_base_dispatch(base), 1); /* no events */
    ck_assert_uint_eq(probe.wakes, 0);
    evf_interest_remove(&interest);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

static enum evf_poll
say_once(void *arg, evf_context *cx, intptr_t *result)
{
    (void)cx;
    ++*(unsigned *)arg;
    *result = 0;
    return EVF_READY;
}

START_TEST(once_returns_after_a_pass_in_which_a_wait_woke_a_task) /* L29 */
{
    unsigned polls = 0;
    evf_task *task;
    int fds[2];

    pair(fds);
    task = evf_spawn(executor,
        evf_wait_fd(NULL, executor, fds[0], EVF_READABLE));
    pass_once();
    pass_once();
    ck_assert_uint_eq(events_on_fd(base, fds[0]), 1);
    say(fds[1], "x");
    evf_task_detach(evf_spawn(executor, evf_poll_fn(NULL, say_once, &polls)));
    ck_assert_int_eq(event_base_loop(base, EVLOOP_ONCE), 0);
    ck_assert_int_eq(event_base_loop(base, EVLOOP_ONCE), 1);
    ck_assert_uint_eq(polls, 1);
    ck_assert_uint_eq(events_on_fd(base, fds[0]), 0);
    evf_task_free(task);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

TEST_MAIN("interest-host", fd_closed_behind_us_after_the_last_wait_and_reused,
    fd_closed_after_it_fired_and_reused, duplicate_of_a_fd_keeps_nothing_alive,
    host_that_takes_a_byte_at_a_time_gets_all_its_callbacks,
    edge_triggered_event_of_the_host_stays_so,
    edge_of_the_host_does_not_hide_what_comes_later,
    close_that_the_edge_of_the_host_has_shown_is_told,
    host_frees_its_event_in_the_pass_in_which_ours_is_active,
    host_closes_the_fd_in_the_pass_in_which_ours_is_active,
    idle_wait_does_not_hold_dispatch,
    once_returns_after_a_pass_in_which_a_wait_woke_a_task)
