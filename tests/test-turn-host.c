/* SPDX-License-Identifier: BSD-3-Clause */
#include "actor.h"

#include <sys/wait.h>
#include <unistd.h>

/* What a host does with its loop while tasks run on it. */

static void
on_exit_time(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (*(unsigned *)arg)++;
    event_base_loopexit(base, NULL);
}

START_TEST(timer_and_loopexit_work_beside_a_yielder) /* L7 F19 */
{
    const struct timeval delay = {0, 10000};
    struct actor a = {.again = true};
    unsigned fired = 0;
    evf_task *task = evf_spawn(executor, actor(&a));

    event_base_once(base, -1, EV_TIMEOUT, on_exit_time, &fired, &delay);
    run();
    ck_assert_uint_eq(fired, 1);
    ck_assert(event_base_got_exit(base));
    ck_assert_uint_ge(a.polls, 128);
    evf_task_free(task);
}
END_TEST

/* A host event on an fd that is ready: it counts, and ends the loop at last. */
struct busy_fd {
    int fds[2];
    struct event *event;
    unsigned runs, limit;
};

static void
on_busy_fd(evutil_socket_t fd, short what, void *arg)
{
    struct busy_fd *busy = arg;

    (void)fd;
    (void)what;
    if (++busy->runs == busy->limit)
        event_base_loopbreak(base);
}

static void
busy_fd_begin(struct busy_fd *busy, int priority, unsigned limit)
{
    pair(busy->fds);
    busy->runs = 0;
    busy->limit = limit;
    busy->event = event_new(base, busy->fds[0], EV_WRITE | EV_PERSIST,
        on_busy_fd, busy);
    ck_assert_int_eq(event_priority_set(busy->event, priority), 0);
    event_add(busy->event, NULL);
}

static void
busy_fd_end(struct busy_fd *busy)
{
    event_free(busy->event);
    close(busy->fds[0]);
    close(busy->fds[1]);
}

/* Lets no loop run for ever that should have ended long ago. */
static void
gives_up(struct actor *self)
{
    if (self->polls == *(unsigned *)self->arg)
        event_base_loopbreak(base);
}

/* A yielder beside an fd that is always ready, until either had its share. */
static void
share_the_loop(int priorities, int priority, unsigned *polls, unsigned *runs)
{
    struct actor a = {.again = true, .acts = gives_up, .arg = polls};
    struct busy_fd busy;
    evf_task *task;

    use_priorities(priorities);
    busy_fd_begin(&busy, priority, *runs);
    task = evf_spawn(executor, actor(&a));
    run();
    *polls = a.polls;
    *runs = busy.runs;
    evf_task_free(task);
    busy_fd_end(&busy);
}

/* Bases, and a priority of the host's that is not above the executor's. */
static const int shared[][2] = {{1, 0}, {2, 1}, {3, 1}, {3, 2}, {8, 7}};
#define SHARED (sizeof(shared) / sizeof(*shared))

START_TEST(every_turn_of_a_yielder_lets_the_host_run) /* F19 */
{
    for (size_t i = 0; INTERNAL_EVENTS && i < SHARED; i++) {
        unsigned polls = 128 * 10 + 1, runs = UINT32_MAX;

        share_the_loop(shared[i][0], shared[i][1], &polls, &runs);
        ck_assert_uint_eq(polls, 128 * 10 + 1);
        ck_assert_uint_ge(runs, 9);
    }
}
END_TEST

START_TEST(busy_host_lets_a_yielder_run) /* F19 L25 */
{
    for (size_t i = 0; INTERNAL_EVENTS && i < SHARED; i++) {
        unsigned polls = 128 * 4, runs = 100000;

        share_the_loop(shared[i][0], shared[i][1], &polls, &runs);
        ck_assert_uint_eq(polls, 128 * 4);
    }
}
END_TEST

START_TEST(host_above_the_executor_runs_first) /* F19 */
{
    static const int above[][2] = {{2, 0}, {3, 0}, {8, 3}};

    for (size_t i = 0; i < 3; i++) {
        unsigned polls = UINT32_MAX, runs = 100;

        share_the_loop(above[i][0], above[i][1], &polls, &runs);
        ck_assert_uint_eq(runs, 100);
    }
}
END_TEST

START_TEST(once_returns_after_each_turn_of_a_yielder) /* L8 */
{
    struct actor a = {.again = true};
    evf_task *task = evf_spawn(executor, actor(&a));

    for (unsigned i = 1; i <= 20; i++) {
        ck_assert_int_eq(event_base_loop(base, EVLOOP_ONCE), 0);
        if (INTERNAL_EVENTS)
            ck_assert_uint_eq(a.polls, i * 128);
    }
    for (unsigned i = 21; i <= 40; i++) {
        ck_assert_int_eq(event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK),
            0);
        ck_assert_uint_le(a.polls, i * 128);
    }
    evf_task_free(task);
}
END_TEST

START_TEST(once_loses_no_queued_task) /* L8 */
{
    enum {
        N = 1000
    };
    static struct actor a[N];
    unsigned calls = 0;

    for (int i = 0; i < N; i++) {
        a[i].ready = true;
        evf_task_detach(evf_spawn(executor, actor(&a[i])));
    }
    while (event_base_loop(base, EVLOOP_ONCE) == 0)
        calls++;
    if (INTERNAL_EVENTS)
        ck_assert_uint_eq(calls, 8);
    for (int i = 0; i < N; i++)
        ck_assert_uint_eq(a[i].drops, 1);
}
END_TEST

START_TEST(nonblock_returns_to_a_host_that_pumps) /* L8 */
{
    unsigned patience = 1000000;
    struct actor a = {.again = true, .acts = gives_up, .arg = &patience};
    evf_task *task = evf_spawn(executor, actor(&a));
    unsigned first;

    run_passes(1);
    ck_assert(!event_base_got_break(base));
    first = a.polls;
    ck_assert_uint_gt(first, 0);
    while (a.polls < 3 * first) /* there are pauses, of a ms */
        run_passes(1);
    evf_task_free(task);
}
END_TEST

START_TEST(once_returns_when_a_timer_of_ours_woke_a_task) /* L29 */
{
    struct told told = {0};
    evf_task *task = evf_spawn_then(executor, evf_sleep(NULL, 5), tell, &told);
    int i;

    ck_assert_int_eq(event_base_loop(base, EVLOOP_ONCE), 0); /* its start */
    /* The kernel's coarse clock may make a tick come early, and look again. */
    for (i = 0; i < 20 && told.calls == 0; i++)
        ck_assert_int_eq(event_base_loop(base, EVLOOP_ONCE), 0);
    ck_assert_uint_eq(told.calls, 1);
    evf_task_free(task);
}
END_TEST

/* Waits until an fd is readable, by the reactor's map. */
struct reads {
    int fd;
    evf_interest interest;
};

static void
waits_for_input(struct actor *self)
{
    struct reads *r = self->arg;

    if (r->interest.occurred != 0) {
        self->ready = true;
        return;
    }
    ck_assert_int_eq(evf_reactor_add_io_event_interest(evf_executor_reactor(
                                                           executor),
                         r->fd, &r->interest, (evf_event){0, EVF_READABLE},
                         evf_context_waker(self->cx)),
        0);
}

static void
on_write_time(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    ck_assert_int_eq(write(*(int *)arg, "x", 1), 1);
}

START_TEST(once_returns_when_an_fd_of_ours_woke_a_task) /* L29 */
{
    struct reads r = {0};
    struct actor a = {.acts = waits_for_input, .arg = &r};
    struct told told = {0};
    int fds[2];
    evf_task *task;

    pair(fds);
    r.fd = fds[0];
    task = evf_spawn_then(executor, actor(&a), tell, &told);
    ck_assert_int_eq(event_base_loop(base, EVLOOP_ONCE), 0);
    ck_assert_uint_eq(a.polls, 1);
    ck_assert_uint_eq(events_on_fd(base, fds[0]), 1); /* R3 */
    on_write_time(-1, 0, &fds[1]);
    ck_assert_int_eq(event_base_loop(base, EVLOOP_ONCE), 0);
    if (INTERNAL_EVENTS)
        ck_assert_uint_eq(told.calls, 1);
    run();
    ck_assert_uint_eq(told.calls, 1);
    ck_assert_uint_eq(events_on_fd(base, fds[0]), 0); /* R3 */
    evf_task_free(task);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

START_TEST(priorities_may_be_raised_while_an_fd_waits) /* L26 */
{
    static const int numbers[] = {8, 1, 3};
    int fds[2];

    pair(fds);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
        struct reads r = {.fd = fds[0]};
        struct actor a = {.acts = waits_for_input, .arg = &r};
        char byte;
        evf_task *task = evf_spawn(executor, actor(&a));

        run_passes(1);
        ck_assert_int_eq(event_base_priority_init(base, numbers[i]), 0);
        on_write_time(-1, 0, &fds[1]);
        run();
        ck_assert_uint_eq(a.drops, 1);
        ck_assert_int_eq(read(fds[0], &byte, 1), 1);
        evf_task_free(task);
    }
    close(fds[0]);
    close(fds[1]);
}
END_TEST

static void
breaks_the_loop(struct actor *self)
{
    if (self->polls == 1)
        event_base_loopbreak(base);
}

START_TEST(loopbreak_in_the_middle_of_a_batch_loses_nothing) /* L15 */
{
    struct actor a[4] = {{.name = 'A'}, {.name = 'B'}, {.name = 'C'},
        {.name = 'D'}};

    a[1].acts = breaks_the_loop;
    for (int i = 0; i < 4; i++)
        evf_task_detach(evf_spawn(executor, actor(&a[i])));
    run();
    ck_assert(event_base_got_break(base));
    ck_assert_traced("AB");
    for (int i = 0; i < 4; i++)
        actor_finish(&a[i], 0);
    run();
    ck_assert(!event_base_got_break(base));
    ck_assert_traced("CcDdAaBb");
}
END_TEST

static void
always_breaks(struct actor *self)
{
    self->again = self->polls < 20;
    self->ready = !self->again;
    event_base_loopbreak(base);
}

START_TEST(host_that_breaks_out_of_every_turn_gets_on) /* L15 */
{
    struct actor a[3] = {0};
    unsigned loops = 0, polls = 0;

    for (int i = 0; i < 3; i++) {
        a[i].acts = always_breaks;
        evf_task_detach(evf_spawn(executor, actor(&a[i])));
    }
    do {
        ck_assert_uint_lt(loops++, 1000);
        ck_assert_int_ge(event_base_dispatch(base), 0);
        ck_assert_uint_le(a[0].polls + a[1].polls + a[2].polls, polls + 1);
        polls = a[0].polls + a[1].polls + a[2].polls;
    } while (polls < 60);
    for (int i = 0; i < 3; i++)
        ck_assert_uint_eq(a[i].drops, 1);
}
END_TEST

START_TEST(host_event_that_always_breaks_does_not_starve_tasks) /* L15 */
{
    struct actor a = {.again = true};
    struct busy_fd busy;
    evf_task *task;

    use_priorities(2);
    busy_fd_begin(&busy, 1, 1);
    task = evf_spawn(executor, actor(&a));
    for (int i = 0; a.polls < 128 * 4; i++) {
        ck_assert_int_lt(i, 100000);
        busy.runs = 0; /* the next is the one that breaks */
        run();
    }
    evf_task_free(task);
    busy_fd_end(&busy);
}
END_TEST

START_TEST(loopcontinue_and_exit_on_empty_are_the_hosts) /* L15 */
{
    struct actor a = {.name = 'A'};

    evf_task_detach(evf_spawn(executor, actor(&a)));
    ck_assert_int_eq(event_base_loopcontinue(base), 0);
    ck_assert_int_eq(event_base_loop(base,
                         EVLOOP_NONBLOCK | EVLOOP_NO_EXIT_ON_EMPTY),
        0);
    ck_assert_traced("A");
    actor_finish(&a, 0);
    run();
    ck_assert_int_eq(event_base_loop(base,
                         EVLOOP_NONBLOCK | EVLOOP_NO_EXIT_ON_EMPTY),
        0);
    ck_assert_int_eq(event_base_loop(base, EVLOOP_NONBLOCK), 1);
}
END_TEST

/* In the child: everything goes on on a base of its own. */
static int
live_in_the_child(struct actor *a, struct told *told, int fd)
{
    if (event_reinit(base) != 0)
        return 1;
    if (write(fd, "x", 1) != 1)
        return 2;
    actor_finish(a, 0);
    if (event_base_dispatch(base) < 0)
        return 3;
    if (told[0].calls != 1 || told[1].calls != 1 || told[2].calls != 1)
        return 4;
    executor_done();
    return 0;
}

START_TEST(fork_and_reinit_leave_the_parents_tasks_alone) /* L15 */
{
    struct reads r = {0};
    struct actor a = {0}, b = {.acts = waits_for_input, .arg = &r};
    struct told told[3] = {0};
    int fds[2], status;
    pid_t pid;

    pair(fds);
    r.fd = fds[0];
    evf_task_detach(evf_spawn_then(executor, actor(&a), tell, &told[0]));
    evf_task_detach(evf_spawn_then(executor, actor(&b), tell, &told[1]));
    evf_task_detach(
        evf_spawn_then(executor, evf_sleep(NULL, 1), tell, &told[2]));
    event_base_loop(base, EVLOOP_ONCE);
    pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0)
        _exit(live_in_the_child(&a, told, fds[1]));
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    ck_assert_uint_eq(told[0].calls, 0);
    actor_finish(&a, 0); /* the byte in the socket is both's */
    run();
    for (int i = 0; i < 3; i++)
        ck_assert_uint_eq(told[i].calls, 1);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

TEST_MAIN("turn-host", every_turn_of_a_yielder_lets_the_host_run,
    timer_and_loopexit_work_beside_a_yielder, busy_host_lets_a_yielder_run,
    host_above_the_executor_runs_first,
    once_returns_after_each_turn_of_a_yielder, once_loses_no_queued_task,
    nonblock_returns_to_a_host_that_pumps,
    once_returns_when_a_timer_of_ours_woke_a_task,
    once_returns_when_an_fd_of_ours_woke_a_task,
    priorities_may_be_raised_while_an_fd_waits,
    loopbreak_in_the_middle_of_a_batch_loses_nothing,
    host_that_breaks_out_of_every_turn_gets_on,
    host_event_that_always_breaks_does_not_starve_tasks,
    loopcontinue_and_exit_on_empty_are_the_hosts,
    fork_and_reinit_leave_the_parents_tasks_alone)
