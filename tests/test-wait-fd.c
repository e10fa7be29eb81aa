/* SPDX-License-Identifier: BSD-3-Clause */
#include "sockets.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "foreign.h"

START_TEST(signals_that_cannot_be_waited_for_are_refused) /* L5 */
{
    int fds[2];

    pair(fds);
    ck_assert_int_eq(
        finish_now(evf_wait_fd(NULL, NULL, fds[0], EVF_CLOSED)), -EINVAL);
    ck_assert_int_eq(finish_now(evf_wait_fd(NULL, NULL, fds[0], 0)), -EINVAL);
    ck_assert_int_eq(
        finish_now(evf_wait_fd(NULL, NULL, fds[0], EVF_READABLE | 1u << 7)),
        -EINVAL);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

START_TEST(files_directories_and_closed_fds_are_refused) /* L17 */
{
    int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    int directory = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int closed = dup(file);

    close(closed);
    ck_assert_int_eq(
        finish_now(evf_wait_fd(NULL, NULL, file, EVF_READABLE)), -ENOTSUP);
    ck_assert_int_eq(
        finish_now(evf_wait_fd(NULL, NULL, directory, EVF_WRITABLE)),
        -ENOTSUP);
    ck_assert_int_eq(
        finish_now(evf_wait_fd(NULL, NULL, closed, EVF_READABLE)), -EBADF);
    ck_assert_int_eq(
        finish_now(evf_wait_fd(NULL, NULL, -1, EVF_READABLE)), -EBADF);
    close(file);
    close(directory);
}
END_TEST

START_TEST(ready_fd_needs_no_event)
{
    struct hand h = {0};
    int fds[2];

    pair(fds);
    grasp(&h, evf_wait_fd(&h.op, NULL, fds[0], EVF_WRITABLE));
    ck_assert_int_eq(hand_poll(&h), EVF_READY);
    ck_assert_int_eq(evf_future_take(h.future), EVF_WRITABLE);
    ck_assert_uint_eq(h.probe.clones, 0);
    let_go(&h);
    say(fds[1], "x");
    ck_assert_int_eq(finish_now(evf_wait_fd(NULL, NULL, fds[0],
                         EVF_READABLE | EVF_WRITABLE)),
        EVF_READABLE | EVF_WRITABLE);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

START_TEST(only_what_was_asked_for_is_told)
{
    int fds[2];

    pair(fds);
    say(fds[1], "x");
    close(fds[1]);
    ck_assert_int_eq(
        finish_now(evf_wait_fd(NULL, NULL, fds[0], EVF_READABLE)),
        EVF_READABLE);
    ck_assert_int_eq(
        finish_now(evf_wait_fd(NULL, NULL, fds[0], EVF_WRITABLE)),
        EVF_WRITABLE);
    close(fds[0]);
}
END_TEST

START_TEST(waits_and_leaves_no_event) /* F2 */
{
    struct hand h = {0};
    unsigned before = events_on(base);
    int fds[2];

    pair(fds);
    grasp(&h, evf_wait_fd(&h.op, NULL, fds[0], EVF_READABLE));
    ck_assert_uint_eq(events_on(base), before); /* F1 */
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    ck_assert_uint_eq(h.probe.clones, 1);
    ck_assert_uint_eq(events_on_fd(base, fds[0]), 1);
    say(fds[1], "x");
    ck_assert(hand_woken(&h));
    ck_assert_uint_eq(events_on(base), before);
    ck_assert_int_eq(hand_end(&h), EVF_READABLE);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

START_TEST(drop_of_a_pending_wait_leaves_no_event) /* F25 */
{
    struct hand h = {0};
    unsigned before = events_on(base);
    int fds[2];

    pair(fds);
    grasp(&h, evf_wait_fd(&h.op, NULL, fds[0], EVF_READABLE));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    let_go(&h);
    ck_assert_uint_eq(events_on(base), before);
    say(fds[1], "x");
    pass();
    ck_assert_uint_eq(h.probe.wakes, 0);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

START_TEST(latest_waker_wins) /* F8 */
{
    struct probe second;
    struct hand h = {0};
    int fds[2];

    pair(fds);
    probe_init(&second);
    grasp(&h, evf_wait_fd(&h.op, NULL, fds[0], EVF_READABLE));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    ck_assert_int_eq(poll_with(h.future, &second, NULL), EVF_PENDING);
    ck_assert_int_eq(probe_live(&h.probe), 0);
    say(fds[1], "x");
    pass();
    ck_assert_uint_eq(second.wakes, 1);
    ck_assert_int_eq(poll_with(h.future, &second, NULL), EVF_READY);
    let_go(&h);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

START_TEST(last_poll_looks) /* F35 */
{
    struct hand h = {0};
    int fds[2];

    pair(fds);
    grasp(&h, evf_wait_fd(&h.op, NULL, fds[0], EVF_READABLE));
    ck_assert_int_eq(hand_poll_last(&h), EVF_PENDING);
    ck_assert_uint_eq(events_on_fd(base, fds[0]), 0);
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    say(fds[1], "x");
    ck_assert_int_eq(hand_poll_last(&h), EVF_READY);
    ck_assert_int_eq(evf_future_take(h.future), EVF_READABLE);
    ck_assert_uint_eq(events_on_fd(base, fds[0]), 0);
    let_go(&h);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

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
    foreign_spawn(
        &on, &task, evf_wait_fd(NULL, executor, fds[0], EVF_READABLE));
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

START_TEST(peer_that_leaves_is_told_where_it_can_be) /* L5 */
{
    bool early = event_base_get_features(base) & EV_FEATURE_EARLY_CLOSE;
    struct hand h = {0};
    int fds[2];

    tcp_pair(fds);
    grasp(&h, evf_wait_fd(&h.op, NULL, fds[0], EVF_READABLE | EVF_CLOSED));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    close(fds[1]);
    until_readable(fds[0]);
    ck_assert_int_eq(
        hand_end(&h), early ? EVF_READABLE | EVF_CLOSED : EVF_READABLE);
#ifdef POLLRDHUP
    ck_assert_int_eq(finish_now(evf_wait_fd(NULL, NULL, fds[0],
                         EVF_READABLE | EVF_CLOSED)),
        EVF_READABLE | EVF_CLOSED);
#endif
    close(fds[0]);
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

START_TEST(pipe_without_a_writer_is_readable)
{
    struct hand h = {0};
    int fds[2];

    make_pipe(fds, O_NONBLOCK);
    grasp(&h, evf_wait_fd(&h.op, NULL, fds[0], EVF_READABLE));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    close(fds[1]);
    ck_assert_int_eq(hand_end(&h), EVF_READABLE);
    ck_assert_int_eq(
        finish_now(evf_wait_fd(NULL, NULL, fds[0], EVF_READABLE)),
        EVF_READABLE);
    close(fds[0]);
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

START_TEST(flags_of_the_fd_are_left_alone) /* F48 */
{
    struct hand h = {0};
    int fds[2];

    if (blocking_fds_abort())
        return;
    make_pipe(fds, 0);
    grasp(&h, evf_wait_fd(&h.op, NULL, fds[0], EVF_READABLE));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    say(fds[1], "x");
    ck_assert_int_eq(hand_end(&h), EVF_READABLE);
    ck_assert_int_eq(fcntl(fds[0], F_GETFL) & O_NONBLOCK, 0);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

START_TEST(memory_and_storage_that_cannot_be_had) /* F28 F34 */
{
    struct hand h = {0};
    int fds[2];

    pair(fds);
    heap_fail_at(1);
    ck_assert_ptr_null(evf_wait_fd(NULL, NULL, fds[0], EVF_READABLE));
    grasp(&h, evf_wait_fd(&h.op, NULL, fds[0], EVF_READABLE));
    ck_assert_int_eq(
        finish_now(evf_wait_fd(&h.op, NULL, fds[0], EVF_READABLE)), -EBUSY);
    heap_fail_at(1);
    ck_assert_int_eq(hand_poll(&h), EVF_READY);
    ck_assert_int_eq(evf_future_take(h.future), -ENOMEM);
    let_go(&h);
    ck_assert_uint_eq(events_on_fd(base, fds[0]), 0);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

START_TEST(many_wait_for_one_fd_in_their_order) /* F9 */
{
    struct hand waiters[8];
    int fds[2];

    memset(waiters, 0, sizeof(waiters));
    pair(fds);
    for (int i = 0; i < 8; i++) {
        grasp(&waiters[i],
            evf_wait_fd(&waiters[i].op, NULL, fds[0], EVF_READABLE));
        ck_assert_int_eq(hand_poll(&waiters[i]), EVF_PENDING);
    }
    ck_assert_uint_eq(events_on_fd(base, fds[0]), 1);
    say(fds[1], "x");
    pass();
    for (int i = 0; i < 8; i++) {
        ck_assert_uint_eq(waiters[i].probe.wakes, 1);
        ck_assert_int_eq(hand_end(&waiters[i]), EVF_READABLE);
    }
    ck_assert_uint_eq(events_on_fd(base, fds[0]), 0);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

static char notes[64];

static void
note(void *arg, evf_future *child, const char *text)
{
    (void)arg;
    ck_assert_ptr_null(child);
    snprintf(notes, sizeof(notes), "%s", text);
}

START_TEST(visit_names_the_fd) /* F41 */
{
    evf_future *future = evf_wait_fd(NULL, NULL, 17, EVF_READABLE);

    future->ops->visit(future, note, NULL);
    ck_assert_str_eq(notes, "fd 17");
    evf_future_drop(future);
}
END_TEST

TEST_MAIN("wait-fd", signals_that_cannot_be_waited_for_are_refused,
    files_directories_and_closed_fds_are_refused, ready_fd_needs_no_event,
    only_what_was_asked_for_is_told, waits_and_leaves_no_event,
    drop_of_a_pending_wait_leaves_no_event, latest_waker_wins, last_poll_looks,
    executor_is_the_contexts_or_given, executor_that_goes_ends_the_wait,
    peer_that_leaves_is_told_where_it_can_be, reset_is_readable_and_writable,
    pipe_without_a_writer_is_readable, device_that_is_always_ready_is_ready,
    flags_of_the_fd_are_left_alone, memory_and_storage_that_cannot_be_had,
    many_wait_for_one_fd_in_their_order, visit_names_the_fd)
