/* SPDX-License-Identifier: BSD-3-Clause */
#include "sockets.h"

#include <fcntl.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "faults.h"
#include "io/operation-internal.h"

START_TEST(event_that_cannot_be_added_fails_the_wait) /* R2 */
{
    evf_interest interest = {0};
    struct hand h = {0};
    struct probe probe;
    char buf[8];
    int peer, fds[2];
    evf_socket *socket = expecting(&peer, "");

    pair(fds);
    probe_init(&probe);
    break_next(CALL_EVENT_ADD, 1, ENOSPC);
    socket->entry.hint = 0;
    grasp(&h, evf_read(&h.op, socket, buf, sizeof(buf)));
    ck_assert_int_eq(hand_end(&h), -ENOSPC);
    break_next(CALL_EVENT_ADD, 1, ENOSPC);
    grasp(&h, evf_wait_fd(&h.op, NULL, fds[0], EVF_READABLE));
    ck_assert_int_eq(hand_end(&h), -ENOSPC);
    break_next(CALL_EVENT_ADD, 1, ENOMEM);
    ck_assert_int_eq(
        evf_reactor_add_io_event_interest(evf_executor_reactor(executor),
            fds[0], &interest, (evf_event){0, EVF_READABLE}, &probe.waker),
        -ENOMEM);
    ck_assert_ptr_null(interest.entry);
    ck_assert_int_eq(probe_live(&probe), 0);
    ck_assert_uint_eq(events_on_fd(base, fds[0]), 0);
    break_next(CALL_EVENT_ADD, 1, 0); /* libevent does not always say why */
    socket->entry.hint = 0;
    grasp(&h, evf_read(&h.op, socket, buf, sizeof(buf)));
    ck_assert_int_eq(hand_end(&h), -EINVAL);
    say(peer, "x");
    grasp(&h, evf_read(&h.op, socket, buf, sizeof(buf)));
    ck_assert_int_eq(hand_end(&h), 1);
    part(socket, peer);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

/* Changing what is armed deletes first: those who waited are not stranded. */
START_TEST(event_that_cannot_be_changed_strands_nobody) /* R2 */
{
    struct hand r = {0}, w = {0};
    char buf[8];
    int peer;
    evf_socket *socket = expecting(&peer, "");

    socket->entry.hint = 0;
    grasp(&r, evf_read(&r.op, socket, buf, sizeof(buf)));
    grasp(&w, evf_write(&w.op, socket, "x", 1));
    ck_assert_int_eq(hand_poll(&r), EVF_PENDING);
    break_next(CALL_EVENT_ADD, 1, ENOMEM);
    ck_assert_int_eq(hand_poll(&w), EVF_READY);
    ck_assert_int_eq(evf_future_take(w.future), -ENOMEM);
    let_go(&w);
    ck_assert_uint_eq(r.probe.wakes, 1);
    ck_assert_int_eq(hand_poll(&r), EVF_PENDING);
    say(peer, "abc");
    ck_assert_int_eq(hand_end(&r), 3);
    part(socket, peer);
}
END_TEST

/* The same in libevent's callback, when one direction is no longer wanted. */
START_TEST(event_that_cannot_be_narrowed_strands_nobody) /* R2 */
{
    struct hand r = {0}, w = {0};
    char buf[8];
    int peer;
    evf_socket *socket = expecting(&peer, "");

    socket->entry.hint = 0;
    grasp(&r, evf_read(&r.op, socket, buf, sizeof(buf)));
    grasp(&w, evf_write(&w.op, socket, "x", 1));
    ck_assert_int_eq(hand_poll(&r), EVF_PENDING);
    ck_assert_int_eq(hand_poll(&w), EVF_PENDING);
    let_go(&w); /* armed for writing still, and it is writable */
    break_next(CALL_EVENT_ADD, 1, ENOMEM);
    pass();
    ck_assert_uint_eq(r.probe.wakes, 1);
    ck_assert_int_eq(hand_poll(&r), EVF_PENDING);
    say(peer, "abc");
    ck_assert_int_eq(hand_end(&r), 3);
    part(socket, peer);
}
END_TEST

START_TEST(event_of_the_programs_that_cannot_be_narrowed) /* R2 */
{
    struct hand r = {0}, w = {0};
    int fds[2];

    pair(fds);
    stuff(fds[0]);
    faults_reset();
    grasp(&r, evf_wait_fd(&r.op, NULL, fds[0], EVF_READABLE));
    grasp(&w, evf_wait_fd(&w.op, NULL, fds[0], EVF_WRITABLE));
    ck_assert_int_eq(hand_poll(&r), EVF_PENDING);
    ck_assert_int_eq(hand_poll(&w), EVF_PENDING);
    break_next(CALL_EVENT_ADD, 1, ENOMEM);
    let_go(&w);
    ck_assert_uint_eq(r.probe.wakes, 1);
    ck_assert_uint_eq(events_on_fd(base, fds[0]), 0);
    ck_assert_int_eq(hand_poll(&r), EVF_PENDING);
    say(fds[1], "x");
    ck_assert_int_eq(hand_end(&r), EVF_READABLE);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

struct echo {
    evf_frame frame;
    evf_socket *peer; /* owned */
    evf_op op;
    char buf[64];
    unsigned rounds;
    bool speaks;
};

static enum evf_poll
echo_run(evf_future *self, evf_context *cx)
{
    struct echo *e = evf_frame_of(self, struct echo);
    intptr_t n;

    EVF_BEGIN(self, cx);
    if (e->speaks)
        EVF_TRY(n, evf_write_all(&e->op, e->peer, "hello", 5));
    while (e->rounds-- > 0) {
        EVF_TRY(n, evf_read(&e->op, e->peer, e->buf, sizeof(e->buf)));
        if (e->speaks && e->rounds == 0)
            break;
        EVF_TRY(n, evf_write_all(&e->op, e->peer, e->buf, (size_t)n));
    }
    EVF_RETURN(0);
    EVF_FINALLY;
    evf_socket_close(e->peer);
    EVF_END;
}

static const evf_frame_ops echo_ops = EVF_FRAME_OPS(struct echo, echo_run);

static evf_task *
echo(int fd, unsigned rounds, bool speaks)
{
    struct echo *e = evf_frame_init(NULL, &echo_ops);

    ck_assert_ptr_nonnull(e);
    e->peer = adopt(fd);
    e->rounds = rounds;
    e->speaks = speaks;
    return evf_spawn(executor, &e->frame.future);
}

/* A call for each transfer, and nothing else: no EAGAIN, no change of events. */
START_TEST(steady_state_of_request_and_reply_makes_no_call_in_vain)
{
    enum {
        ROUNDS = 100
    };
    evf_task *a, *b;
    evf_op op = {0};
    int fds[2];

    if (getenv("EVF_STRESS") != NULL)
        return; /* tasks that suspend on purpose let it occur for nobody */
    pair(fds);
    a = echo(fds[0], ROUNDS, true);
    b = echo(fds[1], ROUNDS, false);
    faults_reset();
    evf_task_detach(b);
    ck_assert_int_eq(finish_now(evf_task_join(&op, a)), 0);
    ck_assert_uint_eq(calls(CALL_RECV), 2 * ROUNDS);
    ck_assert_uint_eq(calls(CALL_SEND), 2 * ROUNDS);
    ck_assert_uint_eq(calls(CALL_EVENT_ADD), 2);
    ck_assert_uint_le(calls(CALL_EVENT_DEL), 2);
    ck_assert_uint_eq(calls(CALL_POLL) + calls(CALL_FCNTL) + calls(CALL_FSTAT),
        0);
}
END_TEST

START_TEST(wait_for_what_is_ready_makes_no_event)
{
    int fds[2];

    pair(fds);
    faults_reset();
    for (int i = 0; i < 10; i++)
        ck_assert_int_eq(finish_now(
                             evf_wait_fd(NULL, NULL, fds[0], EVF_WRITABLE)),
            EVF_WRITABLE);
    ck_assert_uint_eq(calls(CALL_EVENT_ADD), 0);
    ck_assert_uint_eq(calls(CALL_POLL), 10);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

static void
on_nothing(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
}

/* Which may be many. */
START_TEST(wait_does_not_look_at_the_programs_timers) /* L1 */
{
    struct timeval later = {1000, 0};
    struct event *others[8];
    struct hand h = {0};
    int fds[2];

    pair(fds);
    for (int i = 0; i < 8; i++) {
        others[i] = event_new(base, -1, 0, on_nothing, NULL);
        event_add(others[i], &later);
    }
    faults_reset();
    grasp(&h, evf_wait_fd(&h.op, NULL, fds[0], EVF_READABLE));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    ck_assert_uint_le(events_looked_at(), 1);
    let_go(&h);
    for (int i = 0; i < 8; i++)
        event_free(others[i]);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

TEST_MAIN("faults-event", wait_does_not_look_at_the_programs_timers,
    event_that_cannot_be_added_fails_the_wait,
    event_that_cannot_be_changed_strands_nobody,
    event_that_cannot_be_narrowed_strands_nobody,
    event_of_the_programs_that_cannot_be_narrowed,
    steady_state_of_request_and_reply_makes_no_call_in_vain,
    wait_for_what_is_ready_makes_no_event)
