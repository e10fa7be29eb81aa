/* SPDX-License-Identifier: BSD-3-Clause */
#include "support.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/context-internal.h"

/*
 * Counts that repeat, over a thousand round trips of an echo in its steady
 * state: system calls, allocations, polls and wakes.
 */
#define TRIPS 1000

static unsigned epoll_ctls, receives, sends;
static int served = -1; /* the server's fd, whose calls are counted */

/* These take the place of libc's, for the library and libevent alike. */
int
epoll_ctl(int epoll, int op, int fd, struct epoll_event *event)
{
    epoll_ctls++;
    return (int)syscall(SYS_epoll_ctl, epoll, op, fd, event);
}

ssize_t
recv(int fd, void *buf, size_t len, int flags)
{
    receives += fd == served;
    return recvfrom(fd, buf, len, flags, NULL, NULL);
}

ssize_t
send(int fd, const void *buf, size_t len, int flags)
{
    sends += fd == served;
    return sendto(fd, buf, len, flags, NULL, 0);
}

/* --- Libevent's allocations --------------------------------------------------- */

static unsigned event_allocations;

static void *
event_malloc(size_t size)
{
    event_allocations++;
    return malloc(size);
}

static void *
event_realloc(void *memory, size_t size)
{
    event_allocations++;
    return realloc(memory, size);
}

/* --- A waker that counts, and wakes another one ------------------------------- */

static unsigned wakes, polls;

static void *
counted_clone(void *data)
{
    evf_waker *copy = malloc(sizeof(*copy));

    *copy = evf_waker_clone(data);
    return copy;
}

static void
counted_drop(void *data)
{
    evf_waker_drop(data);
    free(data);
}

static void
counted_wake_by_ref(void *data)
{
    wakes++;
    evf_waker_wake_by_ref(data);
}

static void
counted_wake(void *data)
{
    counted_wake_by_ref(data);
    counted_drop(data);
}

static const evf_waker_ops counted_ops = {counted_clone, counted_wake,
    counted_wake_by_ref, counted_drop};

/* --- The server ------------------------------------------------------------------ */

struct echo {
    evf_frame frame;
    evf_socket *peer;
    evf_op op;
    char buf[4096];
};

static enum evf_poll
echo_run(evf_future *self, evf_context *cx)
{
    struct echo *e = evf_frame_of(self, struct echo);
    intptr_t n;

    polls += cx != NULL;
    EVF_BEGIN(self, cx);
    for (;;) {
        EVF_TRY(n, evf_read(&e->op, e->peer, e->buf, sizeof(e->buf)));
        if (n == 0)
            EVF_RETURN(0);
        EVF_TRY(n, evf_write_all(&e->op, e->peer, e->buf, (size_t)n));
    }
    EVF_FINALLY;
    evf_socket_close(e->peer);
    EVF_END;
}

static const evf_frame_ops echo_ops = EVF_FRAME_OPS(struct echo, echo_run);

/* A poll of the echo under a waker that counts. */
static enum evf_poll
poll_counted(void *arg, evf_context *cx, intptr_t *result)
{
    struct echo *e = arg;
    evf_waker counted = {&counted_ops, (void *)(uintptr_t)&cx->waker};
    evf_context mine;

    evf_context_with_waker(&mine, cx, &counted);
    if (evf_future_poll(&e->frame.future, &mine) == EVF_PENDING)
        return EVF_PENDING;
    *result = evf_future_take(&e->frame.future);
    evf_future_drop(&e->frame.future);
    return EVF_READY;
}

static int
start(struct echo *e)
{
    int fds[2];

    pair(fds);
    served = fds[0];
    ck_assert_ptr_nonnull(evf_frame_init(e, &echo_ops));
    ck_assert_int_eq(evf_socket_new(&e->peer, executor, fds[0]), 0);
    return fds[1];
}

static void
trip(int fd)
{
    char buf[64];

    memset(buf, 'x', sizeof(buf));
    ck_assert_int_eq(sendto(fd, buf, sizeof(buf), 0, NULL, 0), sizeof(buf));
    while (recvfrom(fd, buf, sizeof(buf), 0, NULL, NULL) < 0)
        ck_assert_int_ge(event_base_loop(base, EVLOOP_ONCE), 0);
}

static void
trips(int fd, unsigned count)
{
    while (count-- > 0)
        trip(fd);
}

START_TEST(a_thousand_round_trips_make_no_call_but_read_and_write)
{
    struct echo e = {0};
    int fd = start(&e);
    size_t heap;

    event_set_mem_functions(event_malloc, event_realloc, free);
    evf_task_detach(evf_spawn(executor, &e.frame.future));
    trips(fd, 10);
    heap = heap_allocations();
    epoll_ctls = receives = sends = event_allocations = 0;
    trips(fd, TRIPS);
    ck_assert_uint_eq(epoll_ctls, 0);
    ck_assert_uint_eq(receives, TRIPS); /* none in vain */
    ck_assert_uint_eq(sends, TRIPS);
    ck_assert_uint_eq(heap_allocations() - heap, 0);
    ck_assert_uint_eq(event_allocations, 0);
    close(fd);
    run();
}
END_TEST

/* F3 */
START_TEST(a_thousand_round_trips_poll_no_more_than_they_wake)
{
    struct echo e = {0};
    int fd = start(&e);

    wakes = polls = 0;
    evf_task_detach(evf_spawn(executor, evf_poll_fn(NULL, poll_counted, &e)));
    trips(fd, TRIPS);
    ck_assert_uint_le(polls, wakes + 1);
    if (!evfi_stress) /* which wakes at each await */
        ck_assert_uint_eq(wakes, TRIPS);
    close(fd);
    run();
}
END_TEST

/* F9 R3: an event for each descriptor of the host's with a live wait, no more. */
START_TEST(events_registered_are_the_host_descriptors_with_a_live_wait)
{
    unsigned before = events_on(base), waits = 20;
    evf_task *tasks[20];
    int fds[10][2];

    for (unsigned i = 0; i < 10; i++)
        pair(fds[i]);
    for (unsigned i = 0; i < waits; i++)
        tasks[i] = evf_spawn(executor,
            evf_wait_fd(NULL, NULL, fds[i % 10][0], EVF_READABLE));
    run_passes(2);
    for (unsigned i = 0; i < 10; i++)
        ck_assert_uint_eq(events_on_fd(base, fds[i][0]), 1);
    for (unsigned i = 0; i < waits; i++) {
        evf_task_free(tasks[i]);
        ck_assert_uint_eq(events_on_fd(base, fds[i % 10][0]), i < 10);
    }
    run_passes(2);
    ck_assert_uint_eq(events_on(base), before);
    for (unsigned i = 0; i < 10; i++) {
        close(fds[i][0]);
        close(fds[i][1]);
    }
}
END_TEST

TEST_MAIN("steady", a_thousand_round_trips_make_no_call_but_read_and_write,
    a_thousand_round_trips_poll_no_more_than_they_wake,
    events_registered_are_the_host_descriptors_with_a_live_wait)
