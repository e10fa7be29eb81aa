/* SPDX-License-Identifier: BSD-3-Clause */
#include "sockets.h"

#include <unistd.h>

#include "foreign.h"
#include "reactor/entry-internal.h"

/* Whose reactor it is that waits for a fd, and what its end is for the wait. */

START_TEST(executor_is_the_contexts_or_given) /* F40 */
{
    struct foreign on = FOREIGN_INITIALIZER(on);
    struct foreign_task task;
    int fds[2];

    pair(fds);
    foreign_spawn(&on, &task, evf_wait_fd(NULL, NULL, fds[0], EVF_READABLE));
    foreign_run(&on);
    ck_assert(task.ended);
    ck_assert_int_eq(task.result, -ENOTSUP);
    foreign_end(&task);
    foreign_spawn(&on, &task,
        evf_wait_fd(NULL, executor, fds[0], EVF_READABLE));
    foreign_run(&on);
    ck_assert(!task.ended);
    say(fds[1], "x");
    pass();
    foreign_run(&on);
    ck_assert(task.ended);
    ck_assert_int_eq(task.result, EVF_READABLE);
    foreign_end(&task);
    ck_assert_uint_eq(task.wakers, 0);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

START_TEST(executor_that_goes_ends_the_wait) /* F23 */
{
    struct hand h = {0}, fired = {0};
    int fds[2];

    pair(fds);
    grasp(&h, evf_wait_fd(&h.op, executor, fds[0], EVF_READABLE));
    grasp(&fired, evf_wait_fd(&fired.op, executor, fds[1], EVF_READABLE));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    ck_assert_int_eq(hand_poll(&fired), EVF_PENDING);
    say(fds[0], "x");
    ck_assert(hand_woken(&fired));
    executor_done();
    ck_assert_uint_eq(h.probe.wakes, 1);
    ck_assert_int_eq(hand_end(&h), -ESHUTDOWN);
    ck_assert_int_eq(hand_end(&fired), EVF_READABLE); /* it has */
    close(fds[0]);
    close(fds[1]);
}
END_TEST

START_TEST(executor_that_goes_leaves_the_fd_alone) /* F23 F48 */
{
    struct event_base *of = base;
    struct hand h = {0};
    int fds[2];

    pair(fds);
    grasp(&h, evf_wait_fd(&h.op, NULL, fds[0], EVF_READABLE));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    base = NULL;
    executor_done();
    ck_assert_uint_eq(events_on_fd(of, fds[0]), 0);
    event_base_free(of);
    say(fds[1], "still open");
    hear(fds[0], "still open");
    ck_assert_int_eq(hand_end(&h), -ESHUTDOWN);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

START_TEST(two_executors_wait_for_one_fd) /* F46 */
{
    evf_executor *second = evf_executor_new(base);
    struct hand h = {0}, other = {0};
    int fds[2];

    pair(fds);
    grasp(&h, evf_wait_fd(&h.op, NULL, fds[0], EVF_READABLE));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    grasp(&other, evf_wait_fd(&other.op, second, fds[0], EVF_READABLE));
    ck_assert_int_eq(hand_poll(&other), EVF_PENDING); /* its own, not cx's */
    ck_assert_uint_eq(events_on_fd(base, fds[0]), 2);
    evf_executor_free(second);
    ck_assert_int_eq(hand_end(&other), -ESHUTDOWN);
    ck_assert_uint_eq(events_on_fd(base, fds[0]), 1);
    say(fds[1], "x");
    ck_assert_int_eq(hand_end(&h), EVF_READABLE);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

START_TEST(executor_that_goes_before_the_first_poll) /* F23 */
{
    struct hand h = {0};
    int fds[2];

    pair(fds);
    grasp(&h, evf_wait_fd(&h.op, executor, fds[0], EVF_READABLE));
    executor_done();
    ck_assert_int_eq(hand_poll(&h), EVF_READY);
    ck_assert_int_eq(evf_future_take(h.future), -ESHUTDOWN);
    let_go(&h);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

START_TEST(executor_that_goes_between_a_rouse_and_the_next_poll) /* F23 F7 */
{
    struct evfi_entry *entry = NULL;
    struct hand h = {0};
    int fds[2];

    pair(fds);
    grasp(&h, evf_wait_fd(&h.op, executor, fds[0], EVF_READABLE));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    ck_assert_int_eq(evfi_entry_find(&entry, evf_executor_reactor(executor),
                         fds[0]),
        0);
    evfi_entry_rouse(entry);
    executor_done();
    ck_assert_int_eq(hand_poll(&h), EVF_READY);
    ck_assert_int_eq(evf_future_take(h.future), -ESHUTDOWN);
    let_go(&h);
    ck_assert_uint_eq(heap_blocks(), 0);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

TEST_MAIN("wait-fd-executor", executor_is_the_contexts_or_given,
    executor_that_goes_ends_the_wait, executor_that_goes_leaves_the_fd_alone,
    two_executors_wait_for_one_fd, executor_that_goes_before_the_first_poll,
    executor_that_goes_between_a_rouse_and_the_next_poll)
