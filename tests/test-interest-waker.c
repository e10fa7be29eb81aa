/* SPDX-License-Identifier: BSD-3-Clause */
#include "sockets.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "reactor/entry-internal.h"

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
    ck_assert_int_eq(add(fd, &turn->interest, EVF_READABLE, &turn->trap.waker),
        0);
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
    ck_assert_int_eq(add(fds[0], &first, EVF_READABLE, &trap.waker), 0);
    ck_assert_int_eq(add(fds[0], &second, EVF_READABLE, &gone.waker), 0);
    ck_assert_int_eq(add(fds[0], &third, EVF_READABLE, &last.waker), 0);
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

    ck_assert_int_eq(add(again->fd, again->interest, EVF_READABLE,
                         &again->probe->waker),
        0);
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
    ck_assert_int_eq(add(fds[0], &first, EVF_READABLE, &two.waker), 0);
    ck_assert_int_eq(add(fds[0], &second, EVF_READABLE, &a.waker), 0);
    say(fds[1], "x");
    pass_once();
    ck_assert_uint_eq(two.wakes, 1);
    ck_assert_uint_eq(a.wakes, 0);
    ck_assert_int_eq(probe_live(&a), 0);
    pass();
    ck_assert_uint_eq(b.wakes, 1);
    ck_assert_int_eq(add(fds[0], &first, EVF_READABLE, &one.waker), 0);
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
    ck_assert_int_eq(add(fds[0], &first, EVF_READABLE, &trap.waker), 0);
    ck_assert_int_eq(add(fds[0], &second, EVF_READABLE, &fired.waker), 0);
    stuff(fds[0]);
    ck_assert_int_eq(add(fds[0], &waiting, EVF_WRITABLE, &cut.waker), 0);
    ck_assert_int_eq(add(fds[1], &elsewhere, EVF_WRITABLE, &cut.waker), 0);
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
    ck_assert_int_eq(add(fds[0], &interest, EVF_READABLE, &probe.waker), 0);
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
    evf_socket *socket = NULL;

    ck_assert_int_eq(again->interest->error, -ESHUTDOWN);
    evf_interest_remove(again->interest);
    ck_assert_int_eq(add(again->fd, &late, EVF_READABLE, &again->probe->waker),
        -ESHUTDOWN);
    ck_assert_int_eq(evf_socket_new(&socket, executor, again->fd), -ESHUTDOWN);
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
    ck_assert_int_eq(add(fds[0], &first, EVF_READABLE, &trap.waker), 0);
    ck_assert_int_eq(add(fds[0], &second, EVF_READABLE, &probe.waker), 0);
    executor_done();
    ck_assert_uint_eq(trap.wakes, 1);
    ck_assert_uint_eq(probe.wakes, 0);
    ck_assert_int_eq(probe_live(&probe), 0);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

TEST_MAIN("interest-waker", many_waiters_are_woken_in_their_order,
    waker_that_removes_a_neighbour,
    waker_that_registers_itself_and_a_neighbour_again,
    waker_that_frees_the_executor, executor_that_goes_wakes_those_who_wait,
    waker_of_a_shutdown_removes_a_neighbour_and_cannot_add)
