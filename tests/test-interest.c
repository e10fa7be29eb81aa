/* SPDX-License-Identifier: BSD-3-Clause */
#include "sockets.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "reactor/entry-internal.h"

/* Registers for a signal on a fd of the program's; 0 or an error. */
static int
add(int fd, evf_interest *interest, uint32_t signals, struct probe *probe)
{
    return evf_reactor_add_io_event_interest(evf_executor_reactor(executor), fd,
        interest, (evf_event){0, signals}, &probe->waker);
}

static int
add_trap(int fd, evf_interest *interest, uint32_t signals, struct trap *trap)
{
    return evf_reactor_add_io_event_interest(evf_executor_reactor(executor), fd,
        interest, (evf_event){0, signals}, &trap->waker);
}

START_TEST(add_refuses_signals_that_cannot_be_waited_for) /* L5 */
{
    static const uint32_t signals[] = {
        0, EVF_CLOSED, 1u << 3, EVF_READABLE | 1u << 31, UINT32_MAX};
    evf_interest interest = {0};
    struct probe probe;
    int fds[2];

    pair(fds);
    probe_init(&probe);
    for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++) {
        ck_assert_int_eq(add(fds[0], &interest, signals[i], &probe), -EINVAL);
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
    ck_assert_int_eq(evf_reactor_add_io_event_interest(
                         NULL, 0, &interest, event, &probe.waker),
        -EINVAL);
    ck_assert_int_eq(evf_reactor_add_io_event_interest(
                         reactor, 0, NULL, event, &probe.waker),
        -EINVAL);
    ck_assert_int_eq(
        evf_reactor_add_io_event_interest(reactor, 0, &interest, event, NULL),
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
    ck_assert_int_eq(add(file, &interest, EVF_READABLE, &probe), -ENOTSUP);
    ck_assert_int_eq(add(directory, &interest, EVF_WRITABLE, &probe), -ENOTSUP);
    ck_assert_int_eq(add(closed, &interest, EVF_READABLE, &probe), -EBADF);
    ck_assert_int_eq(add(-1, &interest, EVF_READABLE, &probe), -EBADF);
    ck_assert_int_eq(probe_live(&probe), 0);
    ck_assert_uint_eq(events_on_fd(base, file), 0);
    close(file);
    close(directory);
}
END_TEST

START_TEST(failed_add_leaves_the_interest_unregistered)
{
    evf_reactor *reactor = evf_executor_reactor(executor);
    evf_event event = {.id = 9, .signals = EVF_READABLE};
    evf_interest interest = {0}, holder = {0};
    struct probe probe;
    int fds[2];

    pair(fds);
    probe_init(&probe);
    ck_assert_int_eq(add(fds[0], &interest, EVF_READABLE, &probe), 0);
    ck_assert_int_eq(add(fds[0], &interest, EVF_CLOSED, &probe), -EINVAL);
    ck_assert_ptr_null(interest.entry);
    ck_assert_uint_eq(events_on_fd(base, fds[0]), 0);
    ck_assert_int_eq(add(fds[0], &interest, EVF_READABLE, &probe), 0);
    ck_assert_int_eq(add(-1, &interest, EVF_READABLE, &probe), -EBADF);
    ck_assert_ptr_null(interest.entry);
    ck_assert_uint_eq(events_on_fd(base, fds[0]), 0);

    ck_assert_int_eq(evf_reactor_add_io_event_interest(
                         reactor, fds[0], &holder, event, &probe.waker),
        0);
    ck_assert_int_eq(add(fds[0], &interest, EVF_READABLE, &probe), 0);
    ck_assert_int_eq(evf_reactor_add_io_event_interest(
                         reactor, fds[0], &interest, event, &probe.waker),
        -EEXIST);
    ck_assert_ptr_null(interest.entry);
    ck_assert_int_eq(probe_live(&probe), 1);
    evf_interest_remove(&holder);
    ck_assert_int_eq(probe_live(&probe), 0);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

START_TEST(id_is_unique_among_the_live_ones_of_a_fd)
{
    evf_reactor *reactor = evf_executor_reactor(executor);
    evf_event event = {.id = 1, .signals = EVF_READABLE};
    evf_interest one = {0}, two = {0}, other = {0}, drawn[2];
    struct probe probe;
    int fds[2];

    pair(fds);
    probe_init(&probe);
    memset(drawn, 0, sizeof(drawn));
    ck_assert_int_eq(evf_reactor_add_io_event_interest(
                         reactor, fds[0], &one, event, &probe.waker),
        0);
    ck_assert_uint_eq(one.event.id, 1);
    ck_assert_int_eq(evf_reactor_add_io_event_interest(
                         reactor, fds[0], &two, event, &probe.waker),
        -EEXIST);
    ck_assert_int_eq(evf_reactor_add_io_event_interest(
                         reactor, fds[1], &other, event, &probe.waker),
        0);
    ck_assert_int_eq(add(fds[0], &drawn[0], EVF_READABLE, &probe), 0);
    ck_assert_int_eq(add(fds[0], &drawn[1], EVF_READABLE, &probe), 0);
    ck_assert_uint_ne(drawn[0].event.id, drawn[1].event.id);
    ck_assert_uint_gt(drawn[0].event.id, UINT32_MAX);
    evf_interest_remove(&one);
    ck_assert_int_eq(evf_reactor_add_io_event_interest(
                         reactor, fds[0], &two, event, &probe.waker),
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
    ck_assert_int_eq(
        add(fds[0], &interest, EVF_READABLE | EVF_WRITABLE, &probe), 0);
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
    ck_assert_int_eq(add(fds[0], &interest, EVF_READABLE, &probe), 0);
    pass();
    ck_assert_uint_eq(probe.wakes, 1);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

START_TEST(armed_exactly_while_somebody_waits) /* R3 */
{
    evf_interest r = {0}, w = {0}, r2 = {0};
    struct probe probe;
    unsigned before = events_on(base);
    int fds[2];

    pair(fds);
    probe_init(&probe);
    ck_assert_int_eq(add(fds[0], &r, EVF_READABLE, &probe), 0);
    ck_assert_int_eq(add(fds[0], &w, EVF_WRITABLE, &probe), 0);
    ck_assert_int_eq(add(fds[0], &r2, EVF_READABLE, &probe), 0);
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

START_TEST(removing_twice_and_without_registering_is_fine)
{
    evf_interest interest = {0};
    struct probe probe;
    int fds[2];

    pair(fds);
    probe_init(&probe);
    evf_interest_remove(&interest);
    ck_assert_int_eq(add(fds[0], &interest, EVF_READABLE, &probe), 0);
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
    ck_assert_int_eq(add(fds[0], &interest, EVF_READABLE, &a), 0);
    ck_assert_int_eq(add(fds[0], &interest, EVF_WRITABLE, &b), 0);
    ck_assert_int_eq(probe_live(&a), 0);
    ck_assert_uint_eq(interest.entry->armed, EVF_WRITABLE);
    ck_assert_int_eq(add(others[0], &interest, EVF_READABLE, &a), 0);
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

/* Each records its turn. */
struct turn {
    evf_interest interest;
    struct trap trap;
    unsigned number;
};

static unsigned order[64], turns;

static void
take_turn(void *arg)
{
    order[turns++] = ((struct turn *)arg)->number;
}

static void
queue(struct turn *turn, int fd, unsigned number)
{
    turn->number = number;
    trap_init(&turn->trap, take_turn, turn);
    ck_assert_int_eq(
        add_trap(fd, &turn->interest, EVF_READABLE, &turn->trap), 0);
}

START_TEST(many_waiters_are_woken_in_their_order) /* F9 */
{
    struct turn waiters[32];
    int fds[2];

    turns = 0;
    memset(waiters, 0, sizeof(waiters));
    pair(fds);
    for (unsigned i = 0; i < 32; i++)
        queue(&waiters[i], fds[0], i);
    /* Registered already, the fifth keeps its place; the tenth gives it up. */
    queue(&waiters[5], fds[0], 5);
    evf_interest_remove(&waiters[10].interest);
    queue(&waiters[10], fds[0], 10);
    say(fds[1], "x");
    pass();
    ck_assert_uint_eq(turns, 32);
    for (unsigned i = 0; i < 31; i++)
        ck_assert_uint_eq(order[i], i < 10 ? i : i + 1);
    ck_assert_uint_eq(order[31], 10);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

static void
remove_interest(void *arg)
{
    evf_interest_remove(arg);
}

START_TEST(waker_that_removes_a_neighbour) /* F12 F49 */
{
    evf_interest first = {0}, second = {0}, third = {0};
    struct probe gone, last;
    struct trap trap;
    int fds[2];

    pair(fds);
    trap_init(&trap, remove_interest, &second);
    probe_init(&gone);
    probe_init(&last);
    ck_assert_int_eq(add_trap(fds[0], &first, EVF_READABLE, &trap), 0);
    ck_assert_int_eq(add(fds[0], &second, EVF_READABLE, &gone), 0);
    ck_assert_int_eq(add(fds[0], &third, EVF_READABLE, &last), 0);
    say(fds[1], "x");
    pass();
    ck_assert_uint_eq(trap.wakes, 1);
    ck_assert_uint_eq(gone.wakes, 0);
    ck_assert_int_eq(probe_live(&gone), 0);
    ck_assert_uint_eq(last.wakes, 1);
    ck_assert_uint_eq(events_on_fd(base, fds[0]), 0);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

/* What a waker that polls inline, as foreign ones may, does to an interest. */
struct again {
    evf_interest *interest;
    struct probe *probe;
    int fd;
};

static void
register_again(void *arg)
{
    struct again *again = arg;

    ck_assert_int_eq(
        add(again->fd, again->interest, EVF_READABLE, again->probe), 0);
}

START_TEST(waker_that_registers_itself_and_a_neighbour_again) /* F12 */
{
    evf_interest first = {0}, second = {0};
    struct probe a, b;
    struct again self = {&first, &a, -1}, other = {&second, &b, -1};
    struct trap one, two;
    int fds[2];

    pair(fds);
    self.fd = other.fd = fds[0];
    probe_init(&a);
    probe_init(&b);
    trap_init(&one, register_again, &self);
    trap_init(&two, register_again, &other);
    /* `first` comes first, and registers `second`, which has fired, again. */
    ck_assert_int_eq(add_trap(fds[0], &first, EVF_READABLE, &two), 0);
    ck_assert_int_eq(add(fds[0], &second, EVF_READABLE, &a), 0);
    say(fds[1], "x");
    pass_once();
    ck_assert_uint_eq(two.wakes, 1);
    ck_assert_uint_eq(a.wakes, 0);
    ck_assert_int_eq(probe_live(&a), 0);
    pass();
    ck_assert_uint_eq(b.wakes, 1);
    ck_assert_int_eq(add_trap(fds[0], &first, EVF_READABLE, &one), 0);
    pass();
    ck_assert_uint_eq(one.wakes, 1);
    ck_assert_uint_eq(a.wakes, 1);
    ck_assert_uint_eq(events_on_fd(base, fds[0]), 0);
    ck_assert_int_eq(probe_live(&a) + probe_live(&b), 0);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

static void
free_executor(void *arg)
{
    (void)arg;
    ck_assert_int_eq(evf_executor_free(executor), 0);
    executor = NULL;
}

START_TEST(waker_that_frees_the_executor) /* F12 F49 */
{
    evf_interest first = {0}, second = {0}, waiting = {0}, elsewhere = {0};
    struct probe fired, cut;
    struct trap trap;
    int fds[2];

    pair(fds);
    trap_init(&trap, free_executor, NULL);
    probe_init(&fired);
    probe_init(&cut);
    ck_assert_int_eq(add_trap(fds[0], &first, EVF_READABLE, &trap), 0);
    ck_assert_int_eq(add(fds[0], &second, EVF_READABLE, &fired), 0);
    stuff(fds[0]);
    ck_assert_int_eq(add(fds[0], &waiting, EVF_WRITABLE, &cut), 0);
    ck_assert_int_eq(add(fds[1], &elsewhere, EVF_WRITABLE, &cut), 0);
    stuff(fds[1]);
    pass();
    ck_assert_ptr_null(executor);
    ck_assert_uint_eq(second.occurred, EVF_READABLE);
    ck_assert_uint_eq(fired.wakes, 1);
    ck_assert_uint_eq(cut.wakes, 2);
    ck_assert_uint_eq(waiting.occurred, 0);
    ck_assert_int_eq(probe_live(&fired) + probe_live(&cut), 0);
    ck_assert_uint_eq(events_on_fd(base, fds[0]), 0);
    ck_assert_uint_eq(events_on_fd(base, fds[1]), 0);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

START_TEST(executor_that_goes_wakes_those_who_wait) /* F23 F6 */
{
    evf_interest interest = {0};
    struct probe probe;
    int fds[2];

    pair(fds);
    probe_init(&probe);
    ck_assert_int_eq(add(fds[0], &interest, EVF_READABLE, &probe), 0);
    ck_assert_int_eq(evf_executor_free(executor), 0);
    executor = NULL;
    ck_assert_uint_eq(probe.wakes, 1);
    ck_assert_uint_eq(interest.occurred, 0);
    ck_assert_uint_eq(events_on(base), 0); /* L29 */
    evf_interest_remove(&interest);
    ck_assert_int_eq(probe_live(&probe), 0);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

static void
remove_while_shutting_down(void *arg)
{
    struct again *again = arg;
    evf_interest late = {0};

    evf_interest_remove(again->interest);
    ck_assert_int_eq(
        add(again->fd, &late, EVF_READABLE, again->probe), -ESHUTDOWN);
}

START_TEST(waker_of_a_shutdown_removes_a_neighbour_and_cannot_add) /* F16 */
{
    evf_interest first = {0}, second = {0};
    struct probe probe;
    struct again again = {&second, &probe, -1};
    struct trap trap;
    int fds[2];

    pair(fds);
    again.fd = fds[1];
    probe_init(&probe);
    trap_init(&trap, remove_while_shutting_down, &again);
    ck_assert_int_eq(add_trap(fds[0], &first, EVF_READABLE, &trap), 0);
    ck_assert_int_eq(add(fds[0], &second, EVF_READABLE, &probe), 0);
    executor_done();
    ck_assert_uint_eq(trap.wakes, 1);
    ck_assert_uint_eq(probe.wakes, 0);
    ck_assert_int_eq(probe_live(&probe), 0);
    close(fds[0]);
    close(fds[1]);
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
        ck_assert_int_eq(add(fds[0], &interest, EVF_READABLE, &probe), -ENOMEM);
        ck_assert_ptr_null(interest.entry);
        ck_assert_int_eq(probe_live(&probe), 0);
        ck_assert_uint_eq(heap_blocks(), 1);
    }
    ck_assert_int_eq(add(fds[0], &interest, EVF_READABLE, &probe), 0);
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
    ck_assert_int_eq(add(fds[0], &interest, EVF_WRITABLE, &probe), 0);
    pass();
    before = heap_allocations();
    for (int i = 0; i < 10; i++) {
        ck_assert_int_eq(add(fds[0], &interest, EVF_WRITABLE, &probe), 0);
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
    ck_assert_int_eq(add(fds[0], &interest, EVF_READABLE, &stale), 0);
    evf_interest_remove(&interest);
    close(fds[0]);
    close(fds[1]);

    pair(reused);
    ck_assert_int_eq(reused[0], fds[0]);
    host.event = event_new(
        base, reused[0], EV_READ | EV_PERSIST, take_a_byte, &host);
    event_add(host.event, NULL);
    say(reused[1], "x");
    pass();
    ck_assert_uint_eq(host.calls, 1);
    ck_assert_uint_eq(stale.wakes, 0);
    ck_assert_int_eq(add(reused[0], &interest, EVF_READABLE, &probe), 0);
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
    ck_assert_int_eq(add(fds[0], &interest, EVF_READABLE, &probe), 0);
    pass();
    ck_assert_uint_eq(probe.wakes, 1);
    close(fds[0]);
    close(fds[1]);
    pair(reused);
    ck_assert_int_eq(reused[0], fds[0]);
    host.event = event_new(
        base, reused[0], EV_READ | EV_PERSIST, take_a_byte, &host);
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
    ck_assert_int_eq(add(fds[0], &interest, EVF_READABLE, &probe), 0);
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
    host.event = event_new(
        base, fds[0], EV_READ | EV_PERSIST, take_a_byte, &host);
    event_add(host.event, NULL);
    say(fds[1], "eight...");
    for (unsigned i = 1; i <= 8; i++) {
        if (interest.entry == NULL)
            ck_assert_int_eq(
                add(fds[0], &interest, EVF_READABLE | EVF_WRITABLE, &probe), 0);
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
    host.event = event_new(
        base, fds[0], EV_READ | EV_ET | EV_PERSIST, only_count, &host);
    event_add(host.event, NULL);
    say(fds[1], "x");
    pass();
    ck_assert_uint_eq(host.calls, 1);
    ck_assert_int_eq(add(fds[0], &interest, signals, &probe), 0);
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
    host.event = event_new(
        base, fds[0], EV_READ | EV_ET | EV_PERSIST, only_count, &host);
    event_add(host.event, NULL);
    ck_assert_int_eq(add(fds[0], &interest, EVF_READABLE, &probe), 0);
    pass();
    ck_assert_uint_eq(probe.wakes, 0);
    say(fds[1], "x");
    pass();
    ck_assert_uint_eq(probe.wakes, 1);
    ck_assert_uint_eq(host.calls, 1);
    stuff(fds[0]);
    ck_assert_int_eq(add(fds[0], &interest, EVF_WRITABLE, &probe), 0);
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
    ck_assert_int_eq(
        add(fds[0], &interest, EVF_READABLE | EVF_WRITABLE, &probe), 0);
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

START_TEST(end_of_file_and_reset_wake_a_reader) /* L5 */
{
    for (int reset = 0; reset < 2; reset++) {
        evf_interest interest = {0};
        struct probe probe;
        int fds[2];

        tcp_pair(fds);
        probe_init(&probe);
        ck_assert_int_eq(add(fds[0], &interest, EVF_READABLE, &probe), 0);
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
    ck_assert_int_eq(
        add(fds[0], &interest, EVF_READABLE | EVF_CLOSED, &probe), 0);
    close(fds[1]);
    until_readable(fds[0]);
    pass();
    ck_assert_uint_eq(probe.wakes, 1);
    ck_assert_uint_eq(
        interest.occurred, early ? EVF_READABLE | EVF_CLOSED : EVF_READABLE);
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
    ck_assert_int_eq(
        add(fds[0], &interest, EVF_WRITABLE | EVF_CLOSED, &probe), 0);
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
    ck_assert_int_eq(add(fds[0], &one, EVF_READABLE, &a), 0);
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

START_TEST(idle_wait_does_not_hold_dispatch) /* L9 L29 */
{
    evf_interest interest = {0};
    struct probe probe;
    int fds[2];

    pair(fds);
    probe_init(&probe);
    ck_assert_int_eq(add(fds[0], &interest, EVF_READABLE, &probe), 0);
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
    task = evf_spawn(
        executor, evf_wait_fd(NULL, executor, fds[0], EVF_READABLE));
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

TEST_MAIN("interest", add_refuses_signals_that_cannot_be_waited_for,
    add_refuses_null, add_refuses_files_directories_and_closed_fds,
    failed_add_leaves_the_interest_unregistered,
    id_is_unique_among_the_live_ones_of_a_fd,
    interest_fires_once_with_all_that_occurred,
    event_between_the_check_and_the_registration_is_seen,
    armed_exactly_while_somebody_waits,
    removing_twice_and_without_registering_is_fine,
    registering_again_moves_and_the_latest_waker_wins,
    many_waiters_are_woken_in_their_order, waker_that_removes_a_neighbour,
    waker_that_registers_itself_and_a_neighbour_again,
    waker_that_frees_the_executor, executor_that_goes_wakes_those_who_wait,
    waker_of_a_shutdown_removes_a_neighbour_and_cannot_add,
    out_of_memory_leaves_nothing, waiting_allocates_nothing_in_the_steady_state,
    fd_closed_behind_us_after_the_last_wait_and_reused,
    fd_closed_after_it_fired_and_reused, duplicate_of_a_fd_keeps_nothing_alive,
    host_that_takes_a_byte_at_a_time_gets_all_its_callbacks,
    edge_triggered_event_of_the_host_stays_so,
    edge_of_the_host_does_not_hide_what_comes_later,
    host_frees_its_event_in_the_pass_in_which_ours_is_active,
    host_closes_the_fd_in_the_pass_in_which_ours_is_active,
    end_of_file_and_reset_wake_a_reader,
    closed_is_reported_beside_readable_where_it_can_be,
    closed_beside_writable_tells_of_a_peer_that_left,
    two_executors_wait_for_the_same_fd, idle_wait_does_not_hold_dispatch,
    once_returns_after_a_pass_in_which_a_wait_woke_a_task)
