/* SPDX-License-Identifier: BSD-3-Clause */
#include "actor.h"

#include <string.h>
#include <unistd.h>

/*
 * L25: tasks beside a host's fd that is always ready, on bases with any number
 * of priorities and under every loop call. The yardstick is libevent: the same
 * work is done by plain events at the executor's priority, and whatever those
 * manage, tasks manage. Loops are bounded by what runs in them.
 */
enum work {
    YIELDER,
    QUEUED,
    PING_PONG,
    WORKS
};
enum host {
    NONE,
    ABOVE,
    AT,
    BELOW,
    HOSTS
};

enum {
    TASKS = 1000
};

/*
 * What is a result; and when a loop is given up: after so much work, or so many
 * runs of the host's event, or calls of the loop, without any.
 */
#define WORK_GOAL 300u
#define HOST_GOAL 20u
#define WORK_MAX  3000u
#define PATIENCE  8000u
#define CALLS     1000000u

struct cell {
    int priorities;
    enum host host;
    enum work work;
    int flags;
};

struct outcome {
    bool worked;   /* the work was done, or went on and on */
    bool hosted;   /* the host's event ran again and again */
    bool returned; /* each call returned by itself */
    bool exited;   /* dispatch saw a loopexit */
};

struct side {
    int fd;
    evf_interest interest; /* a task's */
    struct event *event;   /* or a plain event */
    struct actor actor;
    evf_task *task;
};

static struct world {
    struct cell cell;
    unsigned work, hosted;
    unsigned vain;  /* runs of the host's event since there was work */
    unsigned limit; /* the work at which a call of the loop is broken off */
    int host_fds[2], fds[2];
    struct event *host;
    struct side sides[2];
    struct event *events[TASKS];
    struct actor actors[TASKS];
    evf_task *tasks[TASKS];
} world;

static void
did_work(void)
{
    world.vain = 0;
    if (++world.work == world.limit)
        event_base_loopbreak(base);
}

static void
on_host(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
    world.hosted++;
    if (++world.vain == PATIENCE)
        event_base_loopbreak(base);
}

static int
own_priority(void)
{
    return world.cell.priorities / 2;
}

static void
pass_the_ball(const struct side *side)
{
    char ball;

    ck_assert_int_eq(read(side->fd, &ball, 1), 1);
    ck_assert_int_eq(write(side->fd, &ball, 1), 1);
    did_work();
}

/* Plain events. */

static const struct timeval soon = {0, 0};

static void
on_event(evutil_socket_t fd, short what, void *arg)
{
    struct event **event = arg;

    (void)fd;
    (void)what;
    did_work();
    if (world.cell.work == YIELDER)
        event_add(*event, &soon);
}

static void
on_ball(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    pass_the_ball(arg);
}

static struct event *
plain_event(int fd, short what, event_callback_fn fn, void *arg)
{
    struct event *event = event_new(base, fd, what, fn, arg);

    ck_assert_int_eq(event_priority_set(event, own_priority()), 0);
    ck_assert_int_eq(event_add(event, fd < 0 ? &soon : NULL), 0);
    return event;
}

static void
plain_begin(void)
{
    int n = world.cell.work == QUEUED ? TASKS : 1;

    if (world.cell.work == PING_PONG) {
        for (int i = 0; i < 2; i++)
            world.sides[i].event = plain_event(world.sides[i].fd,
                EV_READ | EV_PERSIST, on_ball, &world.sides[i]);
        return;
    }
    for (int i = 0; i < n; i++)
        world.events[i] = plain_event(-1, 0, on_event, &world.events[i]);
}

static void
plain_end(void)
{
    for (int i = 0; i < 2; i++)
        if (world.sides[i].event != NULL)
            event_free(world.sides[i].event);
    for (int i = 0; i < TASKS; i++)
        if (world.events[i] != NULL)
            event_free(world.events[i]);
}

/* Tasks. */

static void
task_works(struct actor *self)
{
    (void)self;
    did_work();
}

static void
side_acts(struct actor *self)
{
    struct side *side = self->arg;

    if (side->interest.occurred != 0)
        pass_the_ball(side);
    ck_assert_int_eq(
        evf_reactor_add_io_event_interest(evf_executor_reactor(executor),
            side->fd, &side->interest, (evf_event){0, EVF_READABLE},
            evf_context_waker(self->cx)),
        0);
}

static void
side_dropped(struct actor *self)
{
    evf_interest_remove(&((struct side *)self->arg)->interest);
}

static void
tasks_begin(void)
{
    int n = world.cell.work == QUEUED ? TASKS : 1;

    if (world.cell.work == PING_PONG) {
        for (int i = 0; i < 2; i++) {
            struct side *side = &world.sides[i];

            side->actor = (struct actor){.acts = side_acts,
                .dropped = side_dropped,
                .arg = side};
            side->task = evf_spawn(executor, actor(&side->actor));
        }
        return;
    }
    for (int i = 0; i < n; i++) {
        world.actors[i].acts = task_works;
        world.actors[i].again = world.cell.work == YIELDER;
        world.actors[i].ready = world.cell.work == QUEUED;
        world.tasks[i] = evf_spawn(executor, actor(&world.actors[i]));
    }
}

static void
tasks_end(void)
{
    evf_task_free(world.sides[0].task);
    evf_task_free(world.sides[1].task);
    for (int i = 0; i < TASKS; i++)
        evf_task_free(world.tasks[i]);
}

/*
 * With precise timers, or a pause of a millisecond may last as long as the
 * kernel's coarse clock stands still, and that is many runs of the host's.
 */
static void
make_base(int priorities)
{
    struct event_config *config = event_config_new();

    executor_done();
    event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER);
    base = event_base_new_with_config(config);
    event_config_free(config);
    ck_assert_int_eq(event_base_priority_init(base, priorities), 0);
    executor = evf_executor_new(base);
}

static void
begin(const struct cell *cell, bool plain)
{
    int own = cell->priorities / 2;
    int host = cell->host == ABOVE ? own - 1 : own + (cell->host == BELOW);

    memset(&world, 0, sizeof(world));
    world.cell = *cell;
    make_base(cell->priorities);
    pair(world.host_fds);
    pair(world.fds);
    world.sides[0].fd = world.fds[0];
    world.sides[1].fd = world.fds[1];
    ck_assert_int_eq(write(world.fds[0], "x", 1), 1);
    if (cell->host != NONE) {
        world.host = event_new(base, world.host_fds[0], EV_WRITE | EV_PERSIST,
            on_host, NULL);
        ck_assert_int_eq(event_priority_set(world.host, host), 0);
        event_add(world.host, NULL);
    }
    if (plain)
        plain_begin();
    else
        tasks_begin();
}

static void
end(bool plain)
{
    if (plain)
        plain_end();
    else
        tasks_end();
    if (world.host != NULL)
        event_free(world.host);
    for (int i = 0; i < 2; i++) {
        close(world.host_fds[i]);
        close(world.fds[i]);
    }
}

static bool
satisfied(void)
{
    unsigned goal = world.cell.work == QUEUED ? TASKS : WORK_GOAL;

    return world.work >= goal &&
        (world.host == NULL || world.hosted >= HOST_GOAL);
}

/* Whether each call of the loop returns by itself. */
static bool
loop_returns(bool pumped)
{
    unsigned calls = 0;

    while (calls < CALLS && world.work < WORK_MAX && !satisfied()) {
        unsigned work = world.work;

        world.vain = 0;
        world.limit = pumped ? UINT32_MAX : work + WORK_MAX;
        ck_assert_int_ge(event_base_loop(base, world.cell.flags), 0);
        if (event_base_got_break(base))
            return false;
        calls = world.work != work ? 0 : calls + 1;
    }
    return true;
}

static struct outcome
try_cell(const struct cell *cell, bool plain)
{
    struct outcome outcome = {0};
    /* A host that pumps gets its loop back after a time, not a number. */
    bool pumped = !plain && cell->work == YIELDER && cell->host == NONE &&
        cell->flags == EVLOOP_NONBLOCK;

    begin(cell, plain);
    outcome.returned = loop_returns(pumped);
    outcome.worked = world.work >=
        (cell->work == QUEUED ? (unsigned)TASKS : WORK_GOAL);
    outcome.hosted = cell->host == NONE || world.hosted >= HOST_GOAL;
    end(plain);

    begin(cell, plain);
    world.limit = WORK_MAX;
    event_base_loopexit(base, NULL);
    ck_assert_int_ge(event_base_dispatch(base), 0);
    outcome.exited = event_base_got_exit(base) && !event_base_got_break(base);
    end(plain);
    return outcome;
}

/* Where plain events of the executor's priority manage it, tasks do. */
#define ck_assert_as_good(cell, tasks, plain, what)                            \
    ck_assert_msg((tasks)->what || !(plain)->what,                             \
        "not " #what ": %d priorities, host %d, work %d, flags %d",            \
        (cell)->priorities, (cell)->host, (cell)->work, (cell)->flags)

static void
check_cell(const struct cell *cell)
{
    struct outcome plain = try_cell(cell, true), tasks = try_cell(cell, false);
    struct outcome good = {true, true, true, true};

    ck_assert_as_good(cell, &tasks, &plain, worked);
    ck_assert_as_good(cell, &tasks, &plain, hosted);
    ck_assert_as_good(cell, &tasks, &plain, returned);
    ck_assert_as_good(cell, &tasks, &plain, exited);
    if (!INTERNAL_EVENTS)
        return;
    /* Nothing that a host does at or below it starves the executor. */
    if (cell->host != ABOVE) {
        ck_assert_as_good(cell, &tasks, &good, worked);
        ck_assert_as_good(cell, &tasks, &good, exited);
    }
    /* A yielder starves nobody, at whatever priority. */
    if (cell->work != PING_PONG)
        ck_assert_as_good(cell, &tasks, &good, hosted);
    /* One turn of any is what EVLOOP_ONCE waits for. */
    if (cell->flags & EVLOOP_ONCE && cell->host != ABOVE &&
        (cell->host != BELOW || cell->work != PING_PONG))
        ck_assert_as_good(cell, &tasks, &good, returned);
    if (cell->flags != 0 && cell->host == NONE && cell->work != PING_PONG)
        ck_assert_as_good(cell, &tasks, &good, returned);
}

/* On bases of so many priorities, and with these flags of the loop. */
static void
check_bases(int priorities, int flags)
{
    int own = priorities / 2;

    for (int i = 0; i < HOSTS * WORKS; i++) {
        struct cell cell = {priorities, i % HOSTS, i / HOSTS, flags};

        if ((cell.host == ABOVE && own == 0) ||
            (cell.host == BELOW && own == priorities - 1))
            continue;
        check_cell(&cell);
    }
}

#define BASES(name, priorities)                                                \
    START_TEST(name##_under_dispatch) /* L25 */                                \
    {                                                                          \
        check_bases(priorities, 0);                                            \
    }                                                                          \
    END_TEST                                                                   \
    START_TEST(name##_under_once) /* L25 L8 */                                 \
    {                                                                          \
        check_bases(priorities, EVLOOP_ONCE);                                  \
        check_bases(priorities, EVLOOP_ONCE | EVLOOP_NONBLOCK);                \
    }                                                                          \
    END_TEST                                                                   \
    START_TEST(name##_under_nonblock) /* L25 L8 */                             \
    {                                                                          \
        check_bases(priorities, EVLOOP_NONBLOCK);                              \
    }                                                                          \
    END_TEST

BASES(one_priority, 1)
BASES(two_priorities, 2)
BASES(three_priorities, 3)
BASES(eight_priorities, 8)

#define CASES(name)                                                            \
    name##_under_dispatch, name##_under_once, name##_under_nonblock

TEST_MAIN("turn-matrix", CASES(one_priority), CASES(two_priorities),
    CASES(three_priorities), CASES(eight_priorities))
