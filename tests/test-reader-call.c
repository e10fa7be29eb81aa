/* SPDX-License-Identifier: BSD-3-Clause */
#include "reader-support.h"

#include "foreign.h"

START_TEST(errors_of_the_source_are_passed_on_and_the_rest_stays)
{
    struct script s = script("abc", 2);
    evf_reader *reader = reader_of(&s, 100);
    char *data = NULL;

    s.end = -ECONNRESET;
    ck_assert_int_eq(line(reader, &data), -ECONNRESET);
    ck_assert_int_eq(exactly(reader, 4, &data), -ECONNRESET);
    ck_assert_int_eq(until(reader, "cd", &data), -ECONNRESET);
    ck_assert_ptr_null(data);
    ck_assert_int_eq(exactly(reader, 3, &data), 3);
    ck_assert_str_eq(data, "abc");
    ck_assert_int_eq(line(reader, &data), -ECONNRESET);
    s.end = 0;
    ck_assert_int_eq(line(reader, &data), 0);
    ck_assert_uint_eq(s.reads, s.drops);
    evf_reader_free(reader);
}
END_TEST

START_TEST(what_is_buffered_needs_no_source)
{
    struct script s = script("one\ntwo\nrest", 100);
    evf_reader *reader = reader_of(&s, 100);
    char *data = NULL;

    s.end = -ECONNRESET;
    ck_assert_int_eq(line(reader, &data), 4);
    ck_assert_int_eq(line(reader, &data), 4);
    ck_assert_int_eq(line(reader, &data), -ECONNRESET);
    ck_assert_int_eq(exactly(reader, 4, &data), 4);
    ck_assert_str_eq(data, "rest");
    evf_reader_free(reader);
}
END_TEST

static evf_future *
failing_read(evf_op *op, void *source, void *buf, size_t len)
{
    (void)op;
    (void)buf;
    (void)len;
    return *(evf_future **)source;
}

START_TEST(source_that_makes_no_future) /* F47 */
{
    static const evf_source_ops ops = {.read = failing_read};
    evf_future *future = NULL;
    evf_reader *reader = evf_reader_new(&ops, &future, 10);
    char *data;

    ck_assert_int_eq(line(reader, &data), -ENOMEM);
    future = evf_future_failed(-EBADF);
    ck_assert_int_eq(line(reader, &data), -EBADF);
    evf_reader_free(reader);
}
END_TEST

static evf_future *
ready_read(evf_op *op, void *source, void *buf, size_t len)
{
    memset(buf, *(char *)source, len);
    ++*(char *)source;
    return evf_ready(op, len < 3 ? (intptr_t)len : 3, NULL);
}

/* The storage that the reader offers may be used. */
START_TEST(source_of_a_few_lines)
{
    static const evf_source_ops ops = {.read = ready_read};
    char next = 'a', *data = NULL;
    evf_reader *reader = evf_reader_new(&ops, &next, 100);
    size_t before = heap_allocations();
    struct hand h = {0};

    grasp(&h, evf_read_exact(&h.op, reader, 7, &data));
    ck_assert_int_eq(hand_end(&h), 7);
    ck_assert_str_eq(data, "aaabbbc");
    grasp(&h, evf_read_until(&h.op, reader, "e", 1, &data));
    ck_assert_int_eq(hand_end(&h), 6);
    ck_assert_str_eq(data, "ccddde");
    ck_assert_uint_eq(heap_allocations(), before);
    evf_reader_free(reader);
}
END_TEST

START_TEST(source_that_says_it_read_too_much_is_misuse)
{
    struct script s = script("abc", 100);
    evf_reader *reader = reader_of(&s, 10);
    char *data = NULL;

    s.surplus = 8;
    ck_assert_int_eq(line(reader, &data), -EINVAL);
    ck_assert_misuse(1);
    s.at = 0;
    s.surplus = 7; /* as much as there is room */
    ck_assert_int_eq(exactly(reader, 10, &data), 10);
    evf_reader_free(reader);
}
END_TEST

START_TEST(source_that_is_always_ready_yields) /* F20 */
{
    enum {
        LEN = 1000
    };
    static char bytes[LEN];
    struct script s = {.bytes = bytes, .len = LEN, .step = 1};
    struct hand h = {0};
    evf_reader *reader = reader_of(&s, LEN);
    char *data = NULL;
    unsigned polls = 1;

    put_line(bytes, LEN);
    grasp(&h, evf_read_line(&h.op, reader, &data));
    for (; hand_poll(&h) == EVF_PENDING; polls++)
        ck_assert_uint_eq(h.probe.wakes, polls);
    ck_assert_uint_eq(polls, LEN / 128 + 1);
    ck_assert_int_eq(evf_future_take(h.future), LEN);
    let_go(&h);
    evf_reader_free(reader);
}
END_TEST

START_TEST(nothing_is_read_before_the_first_poll) /* F1 */
{
    struct script s = script("x\n", 100);
    evf_reader *reader = reader_of(&s, 100);
    struct hand h = {0};
    char *data = NULL;

    grasp(&h, evf_read_line(&h.op, reader, &data));
    let_go(&h);
    ck_assert_uint_eq(s.reads, 0);
    ck_assert_int_eq(line(reader, &data), 2);
    evf_reader_free(reader);
}
END_TEST

START_TEST(drop_of_a_pending_call_loses_no_data) /* F13 */
{
    struct script s = script("first\nsecond\n", 9);
    evf_reader *reader = reader_of(&s, 100);
    struct hand h = {0};
    char *data = NULL;

    s.dry = true;
    grasp(&h, evf_read_exact(&h.op, reader, 12, &data));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    script_goes_on(&s);
    ck_assert_uint_eq(h.probe.wakes, 1);
    let_go(&h); /* woken, and not polled since */
    ck_assert_uint_eq(s.drops, 1);
    grasp(&h, evf_read_exact(&h.op, reader, 12, &data));
    ck_assert_int_eq(hand_end(&h), 12);
    ck_assert_str_eq(data, "first\nsecond");
    ck_assert_int_eq(line(reader, &data), 1);
    evf_reader_free(reader);
}
END_TEST

START_TEST(second_call_meanwhile_is_ealready) /* F34 */
{
    struct script s = script("x\ny\n", 100);
    evf_reader *reader = reader_of(&s, 100);
    struct hand h = {0}, waiting = {0};
    char *data = NULL, *other = NULL;

    s.dry = true;
    grasp(&waiting, evf_read_line(&waiting.op, reader, &other));
    grasp(&h, evf_read_line(&h.op, reader, &data));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    ck_assert_int_eq(exactly(reader, 0, &other), -EALREADY);
    ck_assert_uint_eq(s.drops, 0);
    ck_assert_int_eq(until(reader, "x", &other), -EALREADY);
    ck_assert_int_eq(line(reader, &other), -EALREADY);
    ck_assert_ptr_null(other);
    script_goes_on(&s);
    ck_assert_int_eq(hand_end(&h), 2);
    ck_assert_str_eq(data, "x");
    /* Made before, and polled after it: it is the next. */
    ck_assert_int_eq(hand_end(&waiting), 2);
    ck_assert_str_eq(other, "y");
    evf_reader_free(reader);
}
END_TEST

START_TEST(call_that_is_ready_is_over_before_it_is_dropped)
{
    struct script s = script("x\ny\n", 2);
    evf_reader *reader = reader_of(&s, 100);
    struct hand h = {0};
    char *data = NULL;

    grasp(&h, evf_read_line(&h.op, reader, &data));
    ck_assert_int_eq(hand_poll(&h), EVF_READY);
    ck_assert_int_eq(line(reader, &data), 2);
    ck_assert_str_eq(data, "y");
    let_go(&h);
    ck_assert_int_eq(line(reader, &data), 0);
    evf_reader_free(reader);
}
END_TEST

START_TEST(dropped_call_leaves_the_reader_to_the_next)
{
    struct script s = script("x\n", 100);
    evf_reader *reader = reader_of(&s, 100);
    struct hand h = {0}, unpolled = {0};
    char *data = NULL;

    s.dry = true;
    grasp(&h, evf_read_line(&h.op, reader, &data));
    grasp(&unpolled, evf_read_line(&unpolled.op, reader, &data));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    let_go(&unpolled); /* it is not that one's to give up */
    ck_assert_int_eq(line(reader, &data), -EALREADY);
    let_go(&h);
    ck_assert_uint_eq(s.drops, 1);
    s.dry = false;
    ck_assert_int_eq(line(reader, &data), 2);
    evf_reader_free(reader);
}
END_TEST

START_TEST(result_lives_until_the_next_call_is_polled)
{
    struct script s = script("one\ntwo\n", 100);
    evf_reader *reader = reader_of(&s, 100);
    struct hand h = {0}, next = {0};
    char *data = NULL, *other = NULL;

    grasp(&h, evf_read_line(&h.op, reader, &data));
    ck_assert_int_eq(hand_poll(&h), EVF_READY);
    grasp(&next, evf_read_line(&next.op, reader, &other));
    ck_assert_str_eq(data, "one");
    let_go(&h);
    ck_assert_str_eq(data, "one");
    ck_assert_int_eq(hand_end(&next), 4);
    ck_assert_str_eq(other, "two");
    evf_reader_free(reader);
}
END_TEST

START_TEST(latest_waker_wins_and_polls_in_vain_are_harmless) /* F2 F8 */
{
    struct script s = script("x\n", 100);
    evf_reader *reader = reader_of(&s, 100);
    struct probe second;
    struct hand h = {0};
    char *data = NULL;

    probe_init(&second);
    s.dry = true;
    grasp(&h, evf_read_line(&h.op, reader, &data));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    ck_assert_uint_eq(s.reads, 1);
    ck_assert_uint_eq(h.probe.clones, 2); /* the source's, and the reader's */
    ck_assert_int_eq(poll_with(h.future, &second, NULL), EVF_PENDING);
    ck_assert_int_eq(probe_live(&h.probe), 0);
    script_goes_on(&s);
    ck_assert_uint_eq(second.wakes, 1);
    evf_reader_free(reader);
    ck_assert_uint_eq(second.wakes, 2);
    ck_assert_int_eq(poll_with(h.future, &second, NULL), EVF_READY);
    ck_assert_int_eq(evf_future_take(h.future), -EBADF);
    let_go(&h);
    ck_assert_uint_eq(h.probe.wakes, 0);
    ck_assert_int_eq(probe_live(&second), 0);
}
END_TEST

START_TEST(lines_of_a_socket)
{
    evf_socket *socket;
    int peer;
    evf_reader *reader = reader_of_pair(&socket, &peer);
    char *data = NULL;

    say(peer, "one\r\ntw");
    ck_assert_int_eq(line(reader, &data), 5);
    ck_assert_str_eq(data, "one");
    say(peer, "o\nthree");
    ck_assert_int_eq(line(reader, &data), 4);
    ck_assert_str_eq(data, "two");
    shutdown(peer, SHUT_WR);
    ck_assert_int_eq(line(reader, &data), -ENODATA);
    ck_assert_int_eq(exactly(reader, 5, &data), 5);
    ck_assert_str_eq(data, "three");
    ck_assert_int_eq(line(reader, &data), 0);
    close_pair(reader, socket, peer);
}
END_TEST

START_TEST(last_poll_takes_what_is_there) /* F35 */
{
    evf_socket *socket;
    int peer;
    evf_reader *reader = reader_of_pair(&socket, &peer);
    struct hand h = {0};
    char *data = NULL;

    grasp(&h, evf_read_line(&h.op, reader, &data));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    say(peer, "par");
    ck_assert_int_eq(hand_poll_last(&h), EVF_PENDING);
    let_go(&h);
    ck_assert(!readable(evf_socket_fd(socket))); /* it is buffered */
    grasp(&h, evf_read_line(&h.op, reader, &data));
    say(peer, "tial\n");
    ck_assert_int_eq(hand_poll_last(&h), EVF_READY);
    ck_assert_int_eq(evf_future_take(h.future), 8);
    ck_assert_str_eq(data, "partial");
    let_go(&h);
    close_pair(reader, socket, peer);
}
END_TEST

static void
note_result(intptr_t result, void *arg)
{
    *(intptr_t *)arg = result;
}

START_TEST(cancelled_call_yields_a_line_or_loses_nothing) /* F35 F31 */
{
    evf_socket *socket, *other;
    int peer, other_peer;
    evf_reader *whole = reader_of_pair(&socket, &peer);
    evf_reader *part = reader_of_pair(&other, &other_peer);
    intptr_t with = 1, without = 1;
    evf_task *a, *b;
    char *data = NULL, *more = NULL;

    a = evf_spawn_then(executor, evf_read_line(NULL, whole, &data), note_result,
        &with);
    b = evf_spawn_then(executor, evf_read_line(NULL, part, &more), note_result,
        &without);
    run_passes(2);
    say(peer, "line\n");
    say(other_peer, "li");
    evf_task_cancel(a);
    evf_task_cancel(b);
    pass();
    ck_assert_int_eq(with, 5);
    ck_assert_str_eq(data, "line");
    ck_assert_int_eq(without, -ECANCELED);
    ck_assert_ptr_null(more);
    say(other_peer, "ne\n");
    ck_assert_int_eq(line(part, &more), 5);
    ck_assert_str_eq(more, "line");
    evf_task_free(a);
    evf_task_free(b);
    close_pair(whole, socket, peer);
    close_pair(part, other, other_peer);
}
END_TEST

START_TEST(deadline_of_a_call_loses_nothing)
{
    evf_socket *socket;
    int peer;
    evf_reader *reader = reader_of_pair(&socket, &peer);
    char *data = NULL;

    evf_executor_pause_clock(executor);
    say(peer, "slow");
    ck_assert_int_eq(finish_now(evf_timeout(NULL, 100,
                         evf_read_line(NULL, reader, &data))),
        -ETIMEDOUT);
    ck_assert_int_eq(finish_now(evf_timeout(NULL, 100,
                         evf_read_line(NULL, reader, &data))),
        -ETIMEDOUT);
    say(peer, "ly\n");
    ck_assert_int_eq(line(reader, &data), 7);
    ck_assert_str_eq(data, "slowly");
    close_pair(reader, socket, peer);
}
END_TEST

START_TEST(calls_work_under_a_foreign_executor) /* F40 */
{
    struct foreign on = FOREIGN_INITIALIZER(on);
    struct foreign_task task;
    evf_socket *socket;
    int peer;
    evf_reader *reader = reader_of_pair(&socket, &peer);
    char *data = NULL;

    foreign_spawn(&on, &task, evf_read_line(NULL, reader, &data));
    foreign_run(&on);
    say(peer, "a");
    pass();
    foreign_run(&on);
    ck_assert(!task.ended);
    say(peer, "b\n");
    pass();
    foreign_run(&on);
    ck_assert(task.ended);
    ck_assert_int_eq(task.result, 3);
    ck_assert_str_eq(data, "ab");
    foreign_end(&task);
    ck_assert_uint_eq(task.wakers, 0);
    close_pair(reader, socket, peer);
}
END_TEST

START_TEST(socket_closed_under_the_reader_fails_the_call)
{
    evf_socket *socket;
    int peer;
    evf_reader *reader = reader_of_pair(&socket, &peer);
    struct hand h = {0};
    char *data = NULL;

    say(peer, "a\nb");
    ck_assert_int_eq(line(reader, &data), 2);
    grasp(&h, evf_read_line(&h.op, reader, &data));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    evf_socket_close(socket);
    ck_assert_uint_eq(h.probe.wakes, 1);
    ck_assert_int_eq(hand_end(&h), -EBADF);
    ck_assert_int_eq(exactly(reader, 1, &data), 1);
    ck_assert_str_eq(data, "b");
    evf_reader_free(reader);
    close(peer);
}
END_TEST

START_TEST(executor_that_goes_ends_the_call) /* F23 */
{
    evf_socket *socket;
    int peer;
    evf_reader *reader = reader_of_pair(&socket, &peer);
    struct hand h = {0};
    char *data = NULL;

    say(peer, "a\nb");
    ck_assert_int_eq(line(reader, &data), 2);
    grasp(&h, evf_read_line(&h.op, reader, &data));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    executor_done();
    ck_assert_uint_eq(h.probe.wakes, 1);
    ck_assert_int_eq(hand_end(&h), -ESHUTDOWN);
    grasp(&h, evf_read_exact(&h.op, reader, 1, &data));
    ck_assert_int_eq(hand_poll(&h), EVF_READY);
    ck_assert_int_eq(evf_future_take(h.future), 1);
    ck_assert_str_eq(data, "b");
    let_go(&h);
    close_pair(reader, socket, peer);
}
END_TEST

TEST_MAIN("reader-call", errors_of_the_source_are_passed_on_and_the_rest_stays,
    what_is_buffered_needs_no_source, source_that_makes_no_future,
    source_of_a_few_lines, source_that_says_it_read_too_much_is_misuse,
    source_that_is_always_ready_yields, nothing_is_read_before_the_first_poll,
    drop_of_a_pending_call_loses_no_data, second_call_meanwhile_is_ealready,
    call_that_is_ready_is_over_before_it_is_dropped,
    dropped_call_leaves_the_reader_to_the_next,
    result_lives_until_the_next_call_is_polled,
    latest_waker_wins_and_polls_in_vain_are_harmless, lines_of_a_socket,
    last_poll_takes_what_is_there,
    cancelled_call_yields_a_line_or_loses_nothing,
    deadline_of_a_call_loses_nothing, calls_work_under_a_foreign_executor,
    socket_closed_under_the_reader_fails_the_call,
    executor_that_goes_ends_the_call)
