/* SPDX-License-Identifier: BSD-3-Clause */
#include "sockets.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "reactor/entry-internal.h"

START_TEST(add_refuses_signals_that_cannot_be_waited_for) /* L5 */
{
    static const uint32_t signals[] = {0, EVF_CLOSED, 1u << 3,
        EVF_READABLE | 1u << 31, UINT32_MAX};
    evf_interest interest = {0};
    struct probe probe;
    int fds[2];

    pair(fds);
    probe_init(&probe);
    for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++) {
        ck_assert_int_eq(add(fds[0], &interest, signals[i], &probe.waker),
            -EINVAL);
        ck_assert_ptr_null(interest.entry);
    }
    ck_assert_int_eq(probe_live(&probe), 0);
    ck_assert_uint_eq(heap_blocks(), 1);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

START_TEST(add_refuses_null) /* F47 */
{
    evf_reactor *reactor = evf_executor_reactor(executor);
    evf_event event = {0, EVF_READABLE};
    evf_interest interest = {0};
    struct probe probe;

    probe_init(&probe);
    ck_assert_int_eq(evf_reactor_add_io_event_interest(NULL, 0, &interest,
                         event, &probe.waker),
        -EINVAL);
    ck_assert_int_eq(evf_reactor_add_io_event_interest(reactor, 0, NULL, event,
                         &probe.waker),
        -EINVAL);
    ck_assert_int_eq(evf_reactor_add_io_event_interest(reactor, 0, &interest,
                         event, NULL),
        -EINVAL);
    evf_interest_remove(NULL);
    evf_interest_remove(&interest);
}
END_TEST

/* On each back end, and without libevent saying anything. */
START_TEST(add_refuses_files_directories_and_closed_fds) /* L17 */
{
    int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    int directory = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int closed = dup(file);
    evf_interest interest = {0};
    struct probe probe;

    close(closed);
    probe_init(&probe);
    ck_assert_int_eq(add(file, &interest, EVF_READABLE, &probe.waker),
        -ENOTSUP);
    ck_assert_int_eq(add(directory, &interest, EVF_WRITABLE, &probe.waker),
        -ENOTSUP);
    ck_assert_int_eq(add(closed, &interest, EVF_READABLE, &probe.waker),
        -EBADF);
    ck_assert_int_eq(add(-1, &interest, EVF_READABLE, &probe.waker), -EBADF);
    ck_assert_int_eq(probe_live(&probe), 0);
    ck_assert_uint_eq(events_on_fd(base, file), 0);
    close(file);
    close(directory);
}
END_TEST

START_TEST(failed_add_leaves_the_interest_unregistered) /* L3 */
{
    evf_reactor *reactor = evf_executor_reactor(executor);
    evf_event event = {.id = 9, .signals = EVF_READABLE};
    evf_interest interest = {0}, holder = {0};
    struct probe probe;
    int fds[2];

    pair(fds);
    probe_init(&probe);
    ck_assert_int_eq(add(fds[0], &interest, EVF_READABLE, &probe.waker), 0);
    ck_assert_int_eq(add(fds[0], &interest, EVF_CLOSED, &probe.waker), -EINVAL);
    ck_assert_ptr_null(interest.entry);
    ck_assert_ptr_null(reactor->entries[fds[0]]);
    ck_assert_uint_eq(events_on_fd(base, fds[0]), 0);
    ck_assert_int_eq(add(fds[0], &interest, EVF_READABLE, &probe.waker), 0);
    ck_assert_int_eq(add(-1, &interest, EVF_READABLE, &probe.waker), -EBADF);
    ck_assert_ptr_null(interest.entry);
    ck_assert_uint_eq(events_on_fd(base, fds[0]), 0);

    ck_assert_int_eq(evf_reactor_add_io_event_interest(reactor, fds[0], &holder,
                         event, &probe.waker),
        0);
    ck_assert_int_eq(add(fds[0], &interest, EVF_READABLE, &probe.waker), 0);
    ck_assert_int_eq(evf_reactor_add_io_event_interest(reactor, fds[0],
                         &interest, event, &probe.waker),
        -EEXIST);
    ck_assert_ptr_null(interest.entry);
    ck_assert_int_eq(probe_live(&probe), 1);
    evf_interest_remove(&holder);
    ck_assert_int_eq(probe_live(&probe), 0);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

START_TEST(id_is_unique_among_the_live_ones_of_a_fd) /* F34 F13 */
{
    evf_reactor *reactor = evf_executor_reactor(executor);
    evf_event event = {.id = 1, .signals = EVF_READABLE};
    evf_interest one = {0}, two = {0}, other = {0}, drawn[2];
    struct probe probe;
    int fds[2];

    pair(fds);
    probe_init(&probe);
    memset(drawn, 0, sizeof(drawn));
    ck_assert_int_eq(evf_reactor_add_io_event_interest(reactor, fds[0], &one,
                         event, &probe.waker),
        0);
    ck_assert_uint_eq(one.event.id, 1);
    ck_assert_int_eq(evf_reactor_add_io_event_interest(reactor, fds[0], &two,
                         event, &probe.waker),
        -EEXIST);
    ck_assert_int_eq(evf_reactor_add_io_event_interest(reactor, fds[1], &other,
                         event, &probe.waker),
        0);
    ck_assert_int_eq(add(fds[0], &drawn[0], EVF_READABLE, &probe.waker), 0);
    ck_assert_int_eq(add(fds[0], &drawn[1], EVF_READABLE, &probe.waker), 0);
    ck_assert_uint_ne(drawn[0].event.id, drawn[1].event.id);
    ck_assert_uint_gt(drawn[0].event.id, UINT32_MAX);
    evf_interest_remove(&one);
    ck_assert_int_eq(evf_reactor_add_io_event_interest(reactor, fds[0], &two,
                         event, &probe.waker),
        0);
    evf_interest_remove(&two);
    evf_interest_remove(&other);
    evf_interest_remove(&drawn[0]);
    evf_interest_remove(&drawn[1]);
    ck_assert_int_eq(probe_live(&probe), 0);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

START_TEST(interest_fires_once_with_all_that_occurred)
{
    evf_interest interest = {0};
    struct probe probe;
    int fds[2];

    pair(fds);
    probe_init(&probe);
    say(fds[1], "x");
    ck_assert_int_eq(add(fds[0], &interest, EVF_READABLE | EVF_WRITABLE,
                         &probe.waker),
        0);
    ck_assert_uint_eq(interest.occurred, 0);
    pass();
    ck_assert_uint_eq(interest.occurred, EVF_READABLE | EVF_WRITABLE);
    ck_assert_uint_eq(probe.wakes, 1);
    ck_assert_ptr_null(interest.entry);
    pass();
    ck_assert_uint_eq(probe.wakes, 1);
    ck_assert_int_eq(probe_live(&probe), 0);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

START_TEST(event_between_the_check_and_the_registration_is_seen) /* F7 */
{
    evf_interest interest = {0};
    struct probe probe;
    char c;
    int fds[2];

    pair(fds);
    probe_init(&probe);
    ck_assert_int_lt(recv(fds[0], &c, 1, MSG_DONTWAIT), 0);
    say(fds[1], "x");
    ck_assert_int_eq(add(fds[0], &interest, EVF_READABLE, &probe.waker), 0);
    pass();
    ck_assert_uint_eq(probe.wakes, 1);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

START_TEST(armed_exactly_while_somebody_waits) /* R3 F3 */
{
    evf_interest r = {0}, w = {0}, r2 = {0};
    struct probe probe;
    unsigned before = events_on(base);
    int fds[2];

    pair(fds);
    probe_init(&probe);
    ck_assert_int_eq(add(fds[0], &r, EVF_READABLE, &probe.waker), 0);
    ck_assert_int_eq(add(fds[0], &w, EVF_WRITABLE, &probe.waker), 0);
    ck_assert_int_eq(add(fds[0], &r2, EVF_READABLE, &probe.waker), 0);
    ck_assert_uint_eq(events_on_fd(base, fds[0]), 1);
    ck_assert_uint_eq(r.entry->armed, EVF_READABLE | EVF_WRITABLE);
    pass();
    ck_assert_uint_eq(probe.wakes, 1);
    ck_assert_uint_eq(r.entry->armed, EVF_READABLE);
    evf_interest_remove(&r);
    ck_assert_uint_eq(r2.entry->armed, EVF_READABLE);
    ck_assert_uint_eq(events_on_fd(base, fds[0]), 1);
    evf_interest_remove(&r2);
    ck_assert_uint_eq(events_on_fd(base, fds[0]), 0);
    ck_assert_uint_eq(events_on(base), before);
    ck_assert_uint_eq(probe.wakes, 1);
    ck_assert_int_eq(probe_live(&probe), 0);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

START_TEST(removing_twice_and_without_registering_is_fine) /* F6 */
{
    evf_interest interest = {0};
    struct probe probe;
    int fds[2];

    pair(fds);
    probe_init(&probe);
    evf_interest_remove(&interest);
    ck_assert_int_eq(add(fds[0], &interest, EVF_READABLE, &probe.waker), 0);
    evf_interest_remove(&interest);
    evf_interest_remove(&interest);
    say(fds[1], "x");
    pass();
    ck_assert_uint_eq(probe.wakes, 0);
    ck_assert_int_eq(probe_live(&probe), 0);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

START_TEST(registering_again_moves_and_the_latest_waker_wins) /* F8 */
{
    evf_interest interest = {0};
    struct probe a, b;
    int fds[2], others[2];

    pair(fds);
    pair(others);
    probe_init(&a);
    probe_init(&b);
    ck_assert_int_eq(add(fds[0], &interest, EVF_READABLE, &a.waker), 0);
    ck_assert_int_eq(add(fds[0], &interest, EVF_WRITABLE, &b.waker), 0);
    ck_assert_int_eq(probe_live(&a), 0);
    ck_assert_uint_eq(interest.entry->armed, EVF_WRITABLE);
    ck_assert_int_eq(add(others[0], &interest, EVF_READABLE, &a.waker), 0);
    ck_assert_int_eq(probe_live(&b), 0);
    ck_assert_uint_eq(events_on_fd(base, fds[0]), 0);
    say(fds[1], "x");
    say(others[1], "x");
    pass();
    ck_assert_uint_eq(a.wakes, 1);
    ck_assert_uint_eq(b.wakes, 0);
    close(fds[0]);
    close(fds[1]);
    close(others[0]);
    close(others[1]);
}
END_TEST

START_TEST(out_of_memory_leaves_nothing) /* F28 */
{
    evf_interest interest = {0};
    struct probe probe;
    int fds[2];

    pair(fds);
    probe_init(&probe);
    for (size_t n = 1; n <= 2; n++) {
        heap_fail_at(n);
        ck_assert_int_eq(add(fds[0], &interest, EVF_READABLE, &probe.waker),
            -ENOMEM);
        ck_assert_ptr_null(interest.entry);
        ck_assert_int_eq(probe_live(&probe), 0);
        ck_assert_uint_eq(heap_blocks(), 1);
    }
    ck_assert_int_eq(add(fds[0], &interest, EVF_READABLE, &probe.waker), 0);
    evf_interest_remove(&interest);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

START_TEST(waiting_allocates_nothing_in_the_steady_state)
{
    evf_interest interest = {0};
    struct probe probe;
    size_t before;
    int fds[2];

    pair(fds);
    probe_init(&probe);
    ck_assert_int_eq(add(fds[0], &interest, EVF_WRITABLE, &probe.waker), 0);
    pass();
    before = heap_allocations();
    for (int i = 0; i < 10; i++) {
        ck_assert_int_eq(add(fds[0], &interest, EVF_WRITABLE, &probe.waker), 0);
        if (i % 2)
            evf_interest_remove(&interest);
        else
            pass();
    }
    ck_assert_uint_eq(heap_allocations(), before);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

START_TEST(end_of_file_and_reset_wake_a_reader) /* L5 */
{
    for (int reset = 0; reset < 2; reset++) {
        evf_interest interest = {0};
        struct probe probe;
        int fds[2];

        tcp_pair(fds);
        probe_init(&probe);
        ck_assert_int_eq(add(fds[0], &interest, EVF_READABLE, &probe.waker), 0);
        pass();
        ck_assert_uint_eq(probe.wakes, 0);
        if (reset)
            reset_on_close(fds[1]);
        close(fds[1]);
        until_readable(fds[0]);
        pass();
        ck_assert_uint_eq(probe.wakes, 1);
        ck_assert_uint_eq(interest.occurred, EVF_READABLE);
        close(fds[0]);
    }
}
END_TEST

START_TEST(closed_is_reported_beside_readable_where_it_can_be) /* L5 */
{
    bool early = event_base_get_features(base) & EV_FEATURE_EARLY_CLOSE;
    evf_interest interest = {0};
    struct probe probe;
    int fds[2];

    tcp_pair(fds);
    probe_init(&probe);
    ck_assert_int_eq(add(fds[0], &interest, EVF_READABLE | EVF_CLOSED,
                         &probe.waker),
        0);
    close(fds[1]);
    until_readable(fds[0]);
    pass();
    ck_assert_uint_eq(probe.wakes, 1);
    ck_assert_uint_eq(interest.occurred,
        early ? EVF_READABLE | EVF_CLOSED : EVF_READABLE);
    close(fds[0]);
}
END_TEST

START_TEST(closed_beside_writable_tells_of_a_peer_that_left) /* L5 */
{
    evf_interest interest = {0};
    struct probe probe;
    int fds[2];

    if (!(event_base_get_features(base) & EV_FEATURE_EARLY_CLOSE))
        return;
    pair(fds);
    stuff(fds[0]);
    probe_init(&probe);
    ck_assert_int_eq(add(fds[0], &interest, EVF_WRITABLE | EVF_CLOSED,
                         &probe.waker),
        0);
    pass();
    ck_assert_uint_eq(probe.wakes, 0);
    shutdown(fds[1], SHUT_WR);
    pass();
    ck_assert_uint_eq(probe.wakes, 1);
    ck_assert_uint_eq(interest.occurred, EVF_CLOSED);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

START_TEST(two_executors_wait_for_the_same_fd) /* F46 */
{
    evf_executor *second = evf_executor_new(base);
    evf_interest one = {0}, two = {0};
    struct probe a, b;
    int fds[2];

    pair(fds);
    probe_init(&a);
    probe_init(&b);
    ck_assert_int_eq(add(fds[0], &one, EVF_READABLE, &a.waker), 0);
    ck_assert_int_eq(
        evf_reactor_add_io_event_interest(evf_executor_reactor(second), fds[0],
            &two, (evf_event){one.event.id, EVF_READABLE}, &b.waker),
        0);
    ck_assert_uint_eq(events_on_fd(base, fds[0]), 2);
    say(fds[1], "x");
    pass();
    ck_assert_uint_eq(a.wakes, 1);
    ck_assert_uint_eq(b.wakes, 1);
    evf_executor_free(second);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

TEST_MAIN("interest", add_refuses_signals_that_cannot_be_waited_for,
    add_refuses_null, add_refuses_files_directories_and_closed_fds,
    failed_add_leaves_the_interest_unregistered,
    id_is_unique_among_the_live_ones_of_a_fd,
    interest_fires_once_with_all_that_occurred,
    event_between_the_check_and_the_registration_is_seen,
    armed_exactly_while_somebody_waits,
    removing_twice_and_without_registering_is_fine,
    registering_again_moves_and_the_latest_waker_wins,
    out_of_memory_leaves_nothing, waiting_allocates_nothing_in_the_steady_state,
    end_of_file_and_reset_wake_a_reader,
    closed_is_reported_beside_readable_where_it_can_be,
    closed_beside_writable_tells_of_a_peer_that_left,
    two_executors_wait_for_the_same_fd)
