/* SPDX-License-Identifier: BSD-3-Clause */
#include "sockets.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "reactor/entry-internal.h"

START_TEST(signals_that_cannot_be_waited_for_are_refused) /* L5 */
{
    static const uint32_t signals[] = {0, EVF_CLOSED, 1u << 7, UINT32_MAX,
        EVF_READABLE | 1u << 3, EVF_CLOSED | 1u << 31};
    int fds[2];

    pair(fds);
    for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++)
        ck_assert_int_eq(finish_now(
                             evf_wait_fd(NULL, NULL, fds[0], signals[i])),
            -EINVAL);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

static unsigned warnings;

static void
count_warning(int severity, const char *message)
{
    warnings++;
    fprintf(stderr, "[libevent] %d: %s\n", severity, message);
}

/* On each back end, at once, and without libevent saying anything. */
START_TEST(files_directories_and_closed_fds_are_refused) /* L17 */
{
    static const uint32_t signals[] = {EVF_READABLE, EVF_WRITABLE,
        EVF_READABLE | EVF_WRITABLE, EVF_READABLE | EVF_CLOSED};
    FILE *written = tmpfile();
    int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    int directory = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int closed = dup(file);

    close(closed);
    warnings = 0;
    event_set_log_callback(count_warning);
    for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++) {
        ck_assert_int_eq(finish_now(evf_wait_fd(NULL, NULL, file, signals[i])),
            -ENOTSUP);
        ck_assert_int_eq(finish_now(evf_wait_fd(NULL, NULL, fileno(written),
                             signals[i])),
            -ENOTSUP);
        ck_assert_int_eq(finish_now(
                             evf_wait_fd(NULL, NULL, directory, signals[i])),
            -ENOTSUP);
        ck_assert_int_eq(finish_now(
                             evf_wait_fd(NULL, NULL, closed, signals[i])),
            -EBADF);
        ck_assert_int_eq(finish_now(evf_wait_fd(NULL, NULL, -1, signals[i])),
            -EBADF);
        ck_assert_int_eq(finish_now(
                             evf_wait_fd(NULL, NULL, INT_MAX, signals[i])),
            -EBADF);
    }
    ck_assert_uint_eq(warnings, 0);
    fclose(written);
    close(file);
    close(directory);
}
END_TEST

START_TEST(ready_fd_needs_no_event) /* L1 */
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

START_TEST(fd_is_looked_at_by_the_first_poll) /* F1 */
{
    struct hand h = {0};
    int fds[2];

    pair(fds);
    grasp(&h, evf_wait_fd(&h.op, NULL, fds[0], EVF_WRITABLE));
    close(fds[0]);
    close(fds[1]);
    ck_assert_int_eq(hand_poll(&h), EVF_READY);
    ck_assert_int_eq(evf_future_take(h.future), -EBADF);
    let_go(&h);
    pair(fds);
    grasp(&h, evf_wait_fd(&h.op, NULL, fds[0], EVF_READABLE));
    pass();
    ck_assert_uint_eq(events_on_fd(base, fds[0]), 0);
    let_go(&h);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

START_TEST(drop_of_a_pending_wait_leaves_no_event) /* F13 F25 */
{
    struct hand h = {0}, woken = {0};
    unsigned before = events_on(base);
    int fds[2];

    pair(fds);
    grasp(&h, evf_wait_fd(&h.op, NULL, fds[0], EVF_READABLE));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    let_go(&h);
    ck_assert_uint_eq(events_on(base), before);
    grasp(&woken, evf_wait_fd(&woken.op, NULL, fds[0], EVF_READABLE));
    ck_assert_int_eq(hand_poll(&woken), EVF_PENDING);
    say(fds[1], "x");
    ck_assert(hand_woken(&woken));
    ck_assert_uint_eq(h.probe.wakes, 0);
    let_go(&woken); /* before it was polled again */
    ck_assert_uint_eq(events_on(base), before);
    ck_assert(readable(fds[0]));
    close(fds[0]);
    close(fds[1]);
}
END_TEST

START_TEST(latest_waker_wins_and_the_place_is_kept) /* F8 F9 */
{
    struct probe second;
    struct hand h = {0}, behind = {0};
    int fds[2];

    pair(fds);
    probe_init(&second);
    grasp(&h, evf_wait_fd(&h.op, NULL, fds[0], EVF_READABLE));
    grasp(&behind, evf_wait_fd(&behind.op, NULL, fds[0], EVF_READABLE));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    ck_assert_int_eq(hand_poll(&behind), EVF_PENDING);
    ck_assert_int_eq(poll_with(h.future, &second, NULL), EVF_PENDING);
    ck_assert_int_eq(probe_live(&h.probe), 0);
    ck_assert_uint_eq(events_on_fd(base, fds[0]), 1);
    say(fds[1], "x");
    pass();
    ck_assert_uint_eq(h.probe.wakes, 0);
    ck_assert_uint_eq(second.wakes, 1);
    ck_assert_int_eq(poll_with(h.future, &second, NULL), EVF_READY);
    let_go(&h);
    ck_assert_int_eq(probe_live(&second), 0);
    ck_assert_int_eq(hand_end(&behind), EVF_READABLE);
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

static void
note_result(intptr_t result, void *arg)
{
    *(intptr_t *)arg = result;
}

START_TEST(what_has_occurred_beats_a_request) /* F35 F31 */
{
    intptr_t with = 1, without = 1, unstarted = 1;
    evf_task *a, *b, *c;
    int fds[2], silent[2];

    pair(fds);
    pair(silent);
    a = evf_spawn_then(executor, evf_wait_fd(NULL, NULL, fds[0], EVF_READABLE),
        note_result, &with);
    b = evf_spawn_then(executor,
        evf_wait_fd(NULL, NULL, silent[0], EVF_READABLE), note_result,
        &without);
    run_passes(2);
    c = evf_spawn_then(executor, evf_wait_fd(NULL, NULL, fds[0], EVF_WRITABLE),
        note_result, &unstarted);
    say(fds[1], "x");
    evf_task_cancel(a);
    evf_task_cancel(b);
    evf_task_cancel(c);
    pass();
    ck_assert_int_eq(with, EVF_READABLE);
    ck_assert_int_eq(without, -ECANCELED);
    ck_assert_int_eq(unstarted, -ECANCELED);
    ck_assert_uint_eq(events_on_fd(base, fds[0]), 0);
    ck_assert_uint_eq(events_on_fd(base, silent[0]), 0);
    evf_task_free(a);
    evf_task_free(b);
    evf_task_free(c);
    for (int i = 0; i < 2; i++) {
        close(fds[i]);
        close(silent[i]);
    }
}
END_TEST

START_TEST(flags_of_the_fd_are_left_alone) /* F48 */
{
    struct hand h = {0};
    int fds[2], flags;

    if (blocking_fds_abort())
        return;
    ck_assert_int_eq(pipe(fds), 0);
    flags = fcntl(fds[0], F_GETFL);
    grasp(&h, evf_wait_fd(&h.op, NULL, fds[0], EVF_READABLE));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    say(fds[1], "x");
    ck_assert_int_eq(hand_end(&h), EVF_READABLE);
    ck_assert_int_eq(fcntl(fds[0], F_GETFL), flags);
    ck_assert_int_eq(fcntl(fds[0], F_GETFD), 0);
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
    ck_assert_int_eq(finish_now(evf_wait_fd(&h.op, NULL, fds[0], EVF_READABLE)),
        -EBUSY);
    /* The entry of the fd, then the map of all of them. */
    for (size_t n = 1; n <= 2; n++) {
        if (h.future == NULL)
            grasp(&h, evf_wait_fd(&h.op, NULL, fds[0], EVF_READABLE));
        heap_fail_at(n);
        ck_assert_int_eq(hand_poll(&h), EVF_READY);
        ck_assert_int_eq(evf_future_take(h.future), -ENOMEM);
        let_go(&h);
        ck_assert_uint_eq(events_on_fd(base, fds[0]), 0);
    }
    heap_fail_at(0);
    grasp(&h, evf_wait_fd(&h.op, NULL, fds[0], EVF_READABLE));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    say(fds[1], "x");
    ck_assert_int_eq(hand_end(&h), EVF_READABLE);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

START_TEST(steady_state_allocates_nothing)
{
    struct hand h = {0};
    size_t before = 0;
    int fds[2];

    pair(fds);
    for (int i = 0; i < 10; i++) {
        grasp(&h, evf_wait_fd(&h.op, NULL, fds[0], EVF_READABLE));
        ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
        say(fds[1], "x");
        ck_assert(hand_woken(&h));
        ck_assert_int_eq(hand_poll(&h), EVF_READY);
        let_go(&h);
        hear(fds[0], "x");
        if (i == 0)
            before = heap_allocations();
    }
    ck_assert_uint_eq(heap_allocations(), before);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

START_TEST(number_far_beyond_the_others)
{
    struct hand h = {0};
    int fds[2], high;

    pair(fds);
    high = fcntl(fds[0], F_DUPFD_CLOEXEC, 500);
    ck_assert_int_ge(high, 500);
    grasp(&h, evf_wait_fd(&h.op, NULL, high, EVF_READABLE));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    say(fds[1], "x");
    ck_assert_int_eq(hand_end(&h), EVF_READABLE);
    close(high);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

static unsigned order[8], ended;

static void
note_order(intptr_t result, void *arg)
{
    ck_assert_int_eq(result, EVF_READABLE);
    order[ended++] = (unsigned)(uintptr_t)arg;
}

START_TEST(many_wait_for_one_fd_in_their_order) /* F9 L6 */
{
    evf_task *tasks[8];
    int fds[2];

    ended = 0;
    pair(fds);
    for (uintptr_t i = 0; i < 8; i++)
        tasks[i] = evf_spawn_then(executor,
            evf_wait_fd(NULL, NULL, fds[0], EVF_READABLE), note_order,
            (void *)i);
    run_passes(2);
    ck_assert_uint_eq(events_on_fd(base, fds[0]), 1);
    ck_assert_uint_eq(ended, 0);
    say(fds[1], "x"); /* one byte for all of them */
    pass();
    ck_assert_uint_eq(ended, 8);
    for (unsigned i = 0; i < 8; i++) {
        ck_assert_uint_eq(order[i], i);
        evf_task_free(tasks[i]);
    }
    ck_assert_uint_eq(events_on_fd(base, fds[0]), 0);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

/* A wake without an event is to look anew, not an error. */
START_TEST(wait_that_is_roused_looks_and_goes_on) /* F7 */
{
    struct evfi_entry *entry = NULL;
    struct hand h = {0};
    int fds[2];

    pair(fds);
    grasp(&h, evf_wait_fd(&h.op, NULL, fds[0], EVF_READABLE));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(evfi_entry_find(&entry, evf_executor_reactor(executor),
                             fds[0]),
            0);
        evfi_entry_rouse(entry);
        ck_assert_uint_eq(h.probe.wakes, (unsigned)i + 1);
        ck_assert_uint_eq(events_on_fd(base, fds[0]), 0);
        if (i == 1)
            say(fds[1], "x");
        ck_assert_int_eq(hand_poll(&h), i == 1 ? EVF_READY : EVF_PENDING);
        ck_assert_uint_eq(events_on_fd(base, fds[0]), i == 1 ? 0 : 1);
    }
    ck_assert_int_eq(evf_future_take(h.future), EVF_READABLE);
    let_go(&h);
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

    ck_assert_str_eq(future->ops->name, "wait_fd");
    future->ops->visit(future, note, NULL);
    ck_assert_str_eq(notes, "fd 17");
    evf_future_drop(future);
}
END_TEST

TEST_MAIN("wait-fd", signals_that_cannot_be_waited_for_are_refused,
    files_directories_and_closed_fds_are_refused, ready_fd_needs_no_event,
    waits_and_leaves_no_event, fd_is_looked_at_by_the_first_poll,
    drop_of_a_pending_wait_leaves_no_event,
    latest_waker_wins_and_the_place_is_kept, last_poll_looks,
    what_has_occurred_beats_a_request, flags_of_the_fd_are_left_alone,
    memory_and_storage_that_cannot_be_had, steady_state_allocates_nothing,
    number_far_beyond_the_others, many_wait_for_one_fd_in_their_order,
    wait_that_is_roused_looks_and_goes_on, visit_names_the_fd)
