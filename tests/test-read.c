/* SPDX-License-Identifier: BSD-3-Clause */
#include "sockets.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "faults.h"
#include "foreign.h"
#include "io/socket-internal.h"

START_TEST(nothing_is_read_before_the_first_poll) /* F1 */
{
    struct hand h = {0};
    char buf[8] = "";
    int peer;
    evf_socket *socket = adopt_pair(&peer);

    say(peer, "x");
    grasp(&h, evf_read(&h.op, socket, buf, sizeof(buf)));
    pass();
    ck_assert(readable(evf_socket_fd(socket)));
    ck_assert_uint_eq(events_on_fd(base, evf_socket_fd(socket)), 0);
    let_go(&h);
    ck_assert(readable(evf_socket_fd(socket)));
    evf_socket_close(socket);
    close(peer);
}
END_TEST

START_TEST(read_yields_what_there_is_then_the_end)
{
    char buf[8] = "";
    int peer;
    evf_socket *socket = adopt_pair(&peer);

    say(peer, "hello, world");
    ck_assert_int_eq(finish_now(evf_read(NULL, socket, buf, 5)), 5);
    ck_assert_int_eq(memcmp(buf, "hello", 5), 0);
    ck_assert_int_eq(finish_now(evf_read(NULL, socket, buf, 8)), 7);
    ck_assert_int_eq(memcmp(buf, ", world", 7), 0);
    close(peer);
    ck_assert_int_eq(finish_now(evf_read(NULL, socket, buf, 8)), 0);
    ck_assert_int_eq(finish_now(evf_read(NULL, socket, buf, 8)), 0);
    evf_socket_close(socket);
}
END_TEST

START_TEST(read_of_nothing_takes_nothing)
{
    struct hand h = {0};
    char c = 'a';
    int peer;
    evf_socket *socket = adopt_pair(&peer);

    grasp(&h, evf_read(NULL, socket, &c, 0));
    ck_assert_int_eq(hand_poll(&h), EVF_READY);
    ck_assert_int_eq(evf_future_take(h.future), 0);
    let_go(&h);
    say(peer, "x");
    ck_assert_int_eq(finish_now(evf_read(NULL, socket, NULL, 0)), 0);
    ck_assert_int_eq(finish_now(evf_read(NULL, socket, &c, 1)), 1);
    ck_assert_int_eq(c, 'x');
    evf_socket_ref(socket);
    evf_socket_close(socket);
    ck_assert_int_eq(finish_now(evf_read(NULL, socket, &c, 0)), -EBADF);
    evf_socket_unref(socket);
    close(peer);
}
END_TEST

START_TEST(null_socket_fails_with_ebadf) /* F47 */
{
    char c;

    ck_assert_int_eq(finish_now(evf_read(NULL, NULL, &c, 1)), -EBADF);
    ck_assert_int_eq(finish_now(evf_read(NULL, NULL, &c, 0)), -EBADF);
}
END_TEST

START_TEST(polls_in_vain_are_harmless) /* F2 */
{
    struct hand h = {0};
    char buf[8] = "";
    int peer;
    evf_socket *socket = adopt_pair(&peer);

    grasp(&h, evf_read(&h.op, socket, buf, sizeof(buf)));
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    ck_assert_uint_eq(h.probe.clones, 1);
    say(peer, "x");
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING); /* nothing has said so yet */
    ck_assert(hand_woken(&h));
    ck_assert_int_eq(hand_end(&h), 1);
    evf_socket_close(socket);
    close(peer);
}
END_TEST

START_TEST(drop_of_a_pending_read_loses_no_data) /* F13 */
{
    struct hand h = {0};
    char buf[8] = "";
    int peer;
    evf_socket *socket = adopt_pair(&peer);

    grasp(&h, evf_read(&h.op, socket, buf, sizeof(buf)));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    say(peer, "abc");
    pass();
    let_go(&h); /* after it was woken */
    ck_assert_int_eq(buf[0], 0);
    grasp(&h, evf_read(&h.op, socket, buf, sizeof(buf)));
    ck_assert_int_eq(hand_end(&h), 3);
    grasp(&h, evf_read(&h.op, socket, buf, sizeof(buf)));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    let_go(&h); /* before */
    say(peer, "de");
    pass();
    ck_assert_uint_eq(h.probe.wakes, 0);
    ck_assert_int_eq(finish_now(evf_read(NULL, socket, buf, 8)), 2);
    evf_socket_close(socket);
    close(peer);
}
END_TEST

START_TEST(last_poll_tries_whatever_the_hint_says) /* F35 */
{
    struct hand h = {0};
    char buf[8] = "";
    int peer;
    evf_socket *socket = adopt_pair(&peer);

    grasp(&h, evf_read(&h.op, socket, buf, sizeof(buf)));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    ck_assert_int_eq(hand_poll_last(&h), EVF_PENDING);
    say(peer, "x");
    ck_assert_int_eq(socket->entry.hint & EVF_READABLE, 0);
    ck_assert_int_eq(hand_poll_last(&h), EVF_READY);
    ck_assert_int_eq(evf_future_take(h.future), 1);
    let_go(&h);
    pass();
    ck_assert_uint_eq(h.probe.wakes, 0);
    /* Never polled before, and with nothing to read: it need not register. */
    grasp(&h, evf_read(&h.op, socket, buf, sizeof(buf)));
    ck_assert_int_eq(hand_poll_last(&h), EVF_PENDING);
    ck_assert_int_eq(probe_live(&h.probe), 0);
    let_go(&h);
    evf_socket_close(socket);
    close(peer);
}
END_TEST

START_TEST(last_poll_of_what_is_expected_tries_once) /* F35 */
{
    struct hand h = {0};
    char c;
    int peer;
    evf_socket *socket = expecting(&peer, "x");

    ck_assert_int_eq(recv(evf_socket_fd(socket), &c, 1, 0), 1);
    faults_reset();
    grasp(&h, evf_read(&h.op, socket, &c, 1));
    ck_assert_int_eq(hand_poll_last(&h), EVF_PENDING);
    ck_assert_uint_eq(calls(CALL_RECV), 1);
    ck_assert_uint_eq(calls(CALL_POLL), 0);
    let_go(&h);
    part(socket, peer);
}
END_TEST

static void
note(intptr_t result, void *arg)
{
    *(intptr_t *)arg = result;
}

START_TEST(real_result_beats_a_request) /* F35 */
{
    intptr_t with = 1, without = 1;
    evf_task *a, *b;
    char c, d;
    int peer, other;
    evf_socket *socket = adopt_pair(&peer), *silent = adopt_pair(&other);

    a = evf_spawn_then(executor, evf_read(NULL, socket, &c, 1), note, &with);
    b = evf_spawn_then(executor, evf_read(NULL, silent, &d, 1), note, &without);
    run_passes(2);
    say(peer, "x");
    evf_task_cancel(a);
    evf_task_cancel(b);
    run();
    ck_assert_int_eq(with, 1);
    ck_assert_int_eq(c, 'x');
    ck_assert_int_eq(without, -ECANCELED);
    evf_task_free(a);
    evf_task_free(b);
    evf_socket_close(socket);
    evf_socket_close(silent);
    close(peer);
    close(other);
}
END_TEST

START_TEST(read_works_under_a_foreign_executor) /* F40 */
{
    struct foreign on = FOREIGN_INITIALIZER(on);
    struct foreign_task task;
    char buf[8];
    int peer;
    evf_socket *socket = adopt_pair(&peer);

    foreign_spawn(&on, &task, evf_read(NULL, socket, buf, sizeof(buf)));
    foreign_run(&on);
    ck_assert(!task.ended);
    say(peer, "ab");
    pass();
    foreign_run(&on);
    ck_assert(task.ended);
    ck_assert_int_eq(task.result, 2);
    ck_assert_uint_eq(task.polls, 2);
    foreign_end(&task);
    ck_assert_uint_eq(task.wakers, 0);
    evf_socket_close(socket);
    close(peer);
}
END_TEST

START_TEST(reset_connection_says_so)
{
    struct hand h = {0};
    char buf[8];
    int fds[2];
    evf_socket *socket;

    tcp_pair(fds);
    socket = adopt(fds[0]);
    grasp(&h, evf_read(&h.op, socket, buf, sizeof(buf)));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    reset_on_close(fds[1]);
    close(fds[1]);
    until_readable(fds[0]);
    ck_assert(hand_woken(&h));
    ck_assert_int_eq(hand_end(&h), -ECONNRESET);
    evf_socket_close(socket);
}
END_TEST

START_TEST(steady_state_neither_allocates_nor_arms)
{
    struct hand h = {0};
    size_t before;
    char buf[8];
    int peer;
    evf_socket *socket = adopt_pair(&peer);

    grasp(&h, evf_read(&h.op, socket, buf, sizeof(buf)));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    let_go(&h);
    before = heap_allocations();
    for (int i = 0; i < 10; i++) {
        grasp(&h, evf_read(&h.op, socket, buf, sizeof(buf)));
        ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
        ck_assert_uint_eq(socket->entry.armed, EVF_READABLE);
        say(peer, "x");
        pass_once();
        ck_assert_int_eq(hand_poll(&h), EVF_READY);
        let_go(&h);
    }
    ck_assert_uint_eq(heap_allocations(), before);
    evf_socket_close(socket);
    close(peer);
}
END_TEST

START_TEST(socket_that_would_block_does_not) /* F48 */
{
    struct hand h = {0};
    char buf[8];
    int fds[2];
    evf_socket *socket;

    if (blocking_fds_abort())
        return;
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    socket = adopt(fds[0]);
    socket->entry.hint |= EVF_READABLE;
    grasp(&h, evf_read(&h.op, socket, buf, sizeof(buf)));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    say(fds[1], "x");
    ck_assert_int_eq(hand_end(&h), 1);
    evf_socket_close(socket);
    close(fds[1]);
}
END_TEST

START_TEST(urgent_data_between_queued_bytes_stalls_nothing) /* L6 */
{
    char buf[16] = "";
    int fds[2];
    evf_socket *socket;

    tcp_pair(fds);
    say(fds[1], "ab");
    ck_assert_int_eq(send(fds[1], "!", 1, MSG_OOB), 1);
    say(fds[1], "cd");
    socket = adopt(fds[0]);
    ck_assert_int_eq(finish_now(evf_read(NULL, socket, buf, 16)), 2);
    ck_assert_int_eq(finish_now(evf_read(NULL, socket, buf + 2, 14)), 2);
    ck_assert_str_eq(buf, "abcd");
    evf_socket_close(socket);
    close(fds[1]);
}
END_TEST

START_TEST(datagrams_are_read_one_at_a_time)
{
    char buf[8];
    int fds[2];
    evf_socket *socket;

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, fds),
        0);
    say(fds[1], "one");
    ck_assert_int_eq(send(fds[1], "", 0, 0), 0);
    say(fds[1], "12345678cut");
    say(fds[1], "four");
    socket = adopt(fds[0]);
    ck_assert_int_eq(finish_now(evf_read(NULL, socket, buf, 8)), 3);
    ck_assert_int_eq(finish_now(evf_read(NULL, socket, buf, 8)), 0);
    ck_assert_int_eq(finish_now(evf_read(NULL, socket, buf, 8)), 8);
    ck_assert_int_eq(finish_now(evf_read(NULL, socket, buf, 8)), 4);
    evf_socket_close(socket);
    close(fds[1]);
}
END_TEST

struct copy {
    evf_frame frame;
    evf_socket *from, *to; /* owned */
    evf_op op;
    size_t total;
    char buf[1000];
};

static enum evf_poll
copy_run(evf_future *self, evf_context *cx)
{
    struct copy *c = evf_frame_of(self, struct copy);
    intptr_t n;

    EVF_BEGIN(self, cx);
    for (;;) {
        EVF_TRY(n, evf_read(&c->op, c->from, c->buf, sizeof(c->buf)));
        if (n == 0)
            EVF_RETURN(c->total);
        c->total += (size_t)n;
        EVF_TRY(n, evf_write_all(&c->op, c->to, c->buf, (size_t)n));
    }
    EVF_FINALLY;
    evf_socket_close(c->from);
    evf_socket_close(c->to);
    EVF_END;
}

static const evf_frame_ops copy_ops = EVF_FRAME_OPS(struct copy, copy_run);

static evf_task *
copy(evf_socket *from, evf_socket *to)
{
    struct copy *c = evf_frame_init(NULL, &copy_ops);

    ck_assert_ptr_nonnull(c);
    c->from = from;
    c->to = to;
    return evf_spawn(executor, &c->frame.future);
}

/* A chain of sockets with tasks that copy between them; two ends are ours. */
struct chain {
    evf_socket *source, *sink;
    evf_task *last;
};

static void
chain_up(struct chain *chain)
{
    evf_task *tasks[3];
    int fds[4][2];

    for (int i = 0; i < 4; i++) {
        if (i % 2)
            pair(fds[i]);
        else
            tcp_pair(fds[i]);
    }
    for (int i = 0; i < 3; i++)
        tasks[i] = copy(adopt(fds[i][1]), adopt(fds[i + 1][0]));
    evf_task_detach(tasks[0]);
    evf_task_detach(tasks[1]);
    chain->last = tasks[2];
    chain->source = adopt(fds[0][0]);
    chain->sink = adopt(fds[3][1]);
}

START_TEST(bytes_pass_through_a_chain_of_sockets)
{
    size_t total = 300000, in = 0, out = 0;
    char *sent = pattern(total), *got = malloc(total);
    struct chain chain;
    evf_op op = {0};
    intptr_t n;

    chain_up(&chain);
    while (out < total) {
        if (in < total) {
            n = finish_now(evf_write(&op, chain.source, sent + in,
                total - in < 7777 ? total - in : 7777));
            ck_assert_int_gt(n, 0);
            in += (size_t)n;
            if (in == total)
                evf_socket_shutdown(chain.source, SHUT_WR);
        }
        n = finish_now(evf_read(&op, chain.sink, got + out, total - out));
        ck_assert_int_gt(n, 0);
        out += (size_t)n;
    }
    ck_assert_int_eq(memcmp(sent, got, total), 0);
    ck_assert_int_eq(finish_now(evf_task_join(&op, chain.last)),
        (intptr_t)total);
    ck_assert_int_eq(finish_now(evf_read(&op, chain.sink, got, 1)), 0);
    evf_socket_close(chain.source);
    evf_socket_close(chain.sink);
    free(sent);
    free(got);
}
END_TEST

TEST_MAIN("read", nothing_is_read_before_the_first_poll,
    read_yields_what_there_is_then_the_end, read_of_nothing_takes_nothing,
    null_socket_fails_with_ebadf, polls_in_vain_are_harmless,
    drop_of_a_pending_read_loses_no_data,
    last_poll_tries_whatever_the_hint_says,
    last_poll_of_what_is_expected_tries_once, real_result_beats_a_request,
    read_works_under_a_foreign_executor, reset_connection_says_so,
    steady_state_neither_allocates_nor_arms, socket_that_would_block_does_not,
    urgent_data_between_queued_bytes_stalls_nothing,
    datagrams_are_read_one_at_a_time, bytes_pass_through_a_chain_of_sockets)
