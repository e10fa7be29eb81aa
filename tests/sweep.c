/* SPDX-License-Identifier: BSD-3-Clause */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "foreign.h"
#include "sweep-run.h"

/*
 * F29: every future that the library makes, interrupted at every moment of its
 * life in every way, leaves nothing behind and loses nothing.
 * EVF_SWEEP_TRACE=1 names each run before it begins.
 */
static const struct row *const tables[] = {core_rows, task_rows, bridge_rows,
    socket_rows, stream_rows};

/* The i-th row of all; NULL after the last. */
static const struct row *
row_at(size_t i)
{
    for (size_t table = 0; table < sizeof(tables) / sizeof(*tables); table++)
        for (const struct row *row = tables[table]; row->name != NULL; row++)
            if (i-- == 0)
                return row;
    return NULL;
}

static bool
has_row(const char *name, size_t length)
{
    const struct row *row;

    for (size_t r = 0; (row = row_at(r)) != NULL; r++) {
        if (strlen(row->name) == length &&
            strncmp(row->name, name, length) == 0)
            return true;
    }
    return false;
}

/* The functions that a header exports and that return a future. */
static unsigned
check_header(const char *path)
{
    static const char declares[] = "EVF_API evf_future *";
    FILE *file = fopen(path, "r");
    char line[256], *name;
    unsigned found = 0;

    ck_assert_ptr_nonnull(file);
    while (fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, declares, sizeof(declares) - 1) != 0)
            continue;
        name = line + sizeof(declares) - 1;
        ck_assert_msg(has_row(name, strcspn(name, "(")),
            "the sweep has no row for %s", name);
        found++;
    }
    fclose(file);
    return found;
}

START_TEST(each_function_that_returns_a_future_has_a_row)
{
    const struct row *row;
    const char *root = getenv("EVF_SRCDIR");
    char path[4096];
    unsigned found = 0, rows = 0;
    struct dirent *entry;
    const char *last = "";
    DIR *dir;

    snprintf(path, sizeof(path), "%s/include/evfuture",
        root != NULL ? root : ".");
    dir = opendir(path);
    ck_assert_msg(dir != NULL, "no headers in %s: set EVF_SRCDIR", path);
    while ((entry = readdir(dir)) != NULL) {
        if (strchr(entry->d_name, '.') == entry->d_name)
            continue;
        snprintf(path, sizeof(path), "%s/include/evfuture/%s",
            root != NULL ? root : ".", entry->d_name);
        found += check_header(path);
    }
    closedir(dir);
    for (size_t r = 0; (row = row_at(r)) != NULL; r++) {
        rows += strcmp(row->name, last) != 0;
        last = row->name;
    }
    ck_assert_uint_eq(found, rows);
}
END_TEST

/* What a run of the row is like that nothing disturbs. */
static void
course_of(const struct row *row, enum sweep_hold hold,
    struct sweep_course *course)
{
    struct sweep_plan plan = {.hold = hold};

    course->count = 0;
    sweep_run(row, &plan, course);
}

START_TEST(undisturbed_each_yields_its_result)
{
    const struct row *row;
    struct sweep_course course;
    struct sweep_plan plan;

    for (size_t r = 0; (row = row_at(r)) != NULL; r++) {
        for (int hold = 0; hold < SWEEP_HOLDS; hold++) {
            course_of(row, (enum sweep_hold)hold, &course);
            plan = (struct sweep_plan){.hold = (enum sweep_hold)hold,
                .late = true};
            sweep_run(row, &plan, NULL);
        }
    }
}
END_TEST

static bool
legal(const struct row *row, enum sweep_hold hold, enum sweep_act act,
    enum sweep_moment moment)
{
    switch (act) {
    case SWEEP_DROP:
        if (hold == SWEEP_HAND)
            return true;
        return moment == SWEEP_AFTER_POLL;
    case SWEEP_CANCEL:
    case SWEEP_FREE:
        return hold != SWEEP_HAND;
    case SWEEP_SIBLING:
        return hold == SWEEP_GROUP || hold == SWEEP_SELECT;
    case SWEEP_CLOSE:
        return row->close != NULL;
    default:
        return act == SWEEP_EXECUTOR;
    }
}

/* The act at each moment, and from each place where that makes a difference. */
static void
sweep_act(const struct row *row, enum sweep_hold hold, enum sweep_act act,
    const struct sweep_course *course)
{
    struct sweep_plan plan = {.hold = hold, .act = act};

    for (plan.at = 0; plan.at < course->count; plan.at++) {
        bool inside = course->moment[plan.at] < SWEEP_IDLE;

        if (!legal(row, hold, act, course->moment[plan.at]))
            continue;
        for (int place = 0; place < (inside ? 1 : SWEEP_PLACES); place++) {
            plan.place = (enum sweep_place)place;
            plan.late = !plan.late;
            sweep_run(row, &plan, NULL);
        }
    }
}

static void
sweep_hold(enum sweep_hold hold)
{
    const struct row *row;
    struct sweep_course course;

    for (size_t r = 0; (row = row_at(r)) != NULL; r++) {
        course_of(row, hold, &course);
        for (int act = SWEEP_DROP; act < SWEEP_ACTS; act++)
            sweep_act(row, hold, (enum sweep_act)act, &course);
    }
}

START_TEST(held_by_hand_each_ends_cleanly_at_any_moment)
{
    sweep_hold(SWEEP_HAND);
}
END_TEST

START_TEST(in_a_task_each_ends_cleanly_at_any_moment)
{
    sweep_hold(SWEEP_TASK);
}
END_TEST

START_TEST(in_a_group_each_ends_cleanly_at_any_moment)
{
    sweep_hold(SWEEP_GROUP);
}
END_TEST

START_TEST(in_a_select_each_ends_cleanly_at_any_moment)
{
    sweep_hold(SWEEP_SELECT);
}
END_TEST

/* F28 */
START_TEST(each_allocation_failing_loses_nothing)
{
    const struct row *row;
    struct sweep_plan plan;

    for (size_t r = 0; (row = row_at(r)) != NULL; r++) {
        for (int hold = 0; hold < SWEEP_HOLDS; hold++) {
            plan = (struct sweep_plan){.hold = (enum sweep_hold)hold,
                .fail = 1};
            while (sweep_run(row, &plan, NULL))
                plan.fail++;
        }
    }
}
END_TEST

/* F34 */
START_TEST(storage_in_use_is_refused_and_harms_nobody)
{
    const struct row *row;
    static struct sweep s;
    evf_future *first, *second;

    for (size_t r = 0; (row = row_at(r)) != NULL; r++) {
        sweep_begin(&s, row, "twice in the same storage");
        first = row->no_op ? row->future(&s, NULL) : evf_yield(&s.op[2]);
        second = row->no_op ? row->future(&s, NULL) : row->future(&s, &s.op[2]);
        EXPECT(second == evf_future_failed(-EBUSY));
        evf_future_drop(second);
        if (!row->no_op)
            EXPECT(poll_with(first, &s.probe, NULL) == EVF_PENDING &&
                poll_with(first, &s.probe, NULL) == EVF_READY);
        evf_future_drop(first);
        EXPECT(s.op[2].future.ops == NULL);
        sweep_end(&s, false);
    }
}
END_TEST

/* F47 */
START_TEST(what_is_no_input_is_refused)
{
    const struct row *row;
    static struct sweep s;
    evf_future *future;
    intptr_t result;

    for (size_t r = 0; (row = row_at(r)) != NULL; r++) {
        for (unsigned i = 0; i < row->refusals; i++) {
            sweep_begin(&s, row, "refused");
            future = row->refused(&s, i, &result);
            EXPECT(evf_block_on(executor, future) == result);
            EXPECT(s.op[0].future.ops == NULL);
            s.row = &(struct row){.name = row->name, .done = row->done};
            sweep_end(&s, false);
        }
    }
}
END_TEST

/* The row's next step, and passes until it is seen. */
static bool
go_on(struct sweep *s, bool (*seen)(const void *arg), const void *arg)
{
    if (s->stepped == s->row->steps)
        return false;
    s->row->step(s, s->stepped++);
    return sweep_look(seen, arg);
}

static bool
foreign_queued(const void *task)
{
    return ((const struct foreign_task *)task)->queued;
}

static bool
probe_woken(const void *probe)
{
    return ((const struct probe *)probe)->wakes > 0;
}

/* F40 */
START_TEST(a_foreign_executor_polls_each_or_is_told)
{
    const struct row *row;
    struct foreign on = FOREIGN_INITIALIZER(on);
    static struct foreign_task task;
    static struct sweep s;

    for (size_t r = 0; (row = row_at(r)) != NULL; r++) {
        sweep_begin(&s, row, "under a foreign executor");
        foreign_spawn(&on, &task, row->future(&s, &s.op[1]));
        do
            foreign_run(&on);
        while (!task.ended && go_on(&s, foreign_queued, &task));
        EXPECT(task.ended);
        s.ended = true;
        s.result = task.result;
        if (row->needs_executor)
            EXPECT(task.result == -ENOTSUP);
        else
            EXPECT(sweep_expected(&s, task.result));
        sweep_dispose(row, task.result);
        sweep_end(&s, false);
        EXPECT(task.wakers == 0);
    }
}
END_TEST

START_TEST(a_foreign_executor_may_drop_each_at_any_moment)
{
    const struct row *row;
    struct foreign on = FOREIGN_INITIALIZER(on);
    static struct foreign_task task;
    static struct sweep s;

    for (size_t r = 0; (row = row_at(r)) != NULL; r++) {
        for (unsigned steps = 0; steps <= row->steps; steps++) {
            sweep_begin(&s, row, "dropped by a foreign executor");
            foreign_spawn(&on, &task, row->future(&s, NULL));
            do
                foreign_run(&on);
            while (!task.ended && s.stepped < steps &&
                go_on(&s, foreign_queued, &task));
            s.ended = task.ended;
            s.result = task.result;
            if (task.ended)
                sweep_dispose(row, task.result);
            foreign_end(&task);
            sweep_end(&s, true);
            EXPECT(task.wakers == 0);
        }
    }
}
END_TEST

/* Polls as long as it wakes itself; then no wake has come yet. */
static enum evf_poll
poll_through(evf_future *future, struct probe *probe)
{
    enum evf_poll poll;

    do {
        probe->wakes = 0;
        poll = poll_with(future, probe, executor);
    } while (poll == EVF_PENDING && probe->wakes > 0);
    return poll;
}

/* Brings it to its end. */
static void
poll_to_end(struct sweep *s, evf_future *future)
{
    while (poll_through(future, &s->probe) == EVF_PENDING)
        EXPECT(go_on(s, probe_woken, &s->probe));
}

static void
take_end(struct sweep *s, evf_future *future)
{
    s->ended = true;
    s->result = evf_future_take(future);
    EXPECT(sweep_expected(s, s->result));
    sweep_dispose(s->row, s->result);
    evf_future_drop(future);
}

/* F8: who polled last is woken, also if who polled before is gone. */
START_TEST(the_latest_poll_of_each_is_woken)
{
    const struct row *row;
    static struct probe before, after;
    static struct sweep s;
    evf_future *future;

    for (size_t r = 0; (row = row_at(r)) != NULL; r++) {
        sweep_begin(&s, row, "handed from one to another");
        future = row->future(&s, NULL);
        probe_init(&before);
        probe_init(&after);
        while (poll_through(future, &before) == EVF_PENDING) {
            if (poll_through(future, &after) == EVF_READY)
                break;
            EXPECT(probe_live(&before) == 0);
            EXPECT(go_on(&s, probe_woken, &after));
            EXPECT(before.wakes == 0);
        }
        take_end(&s, future);
        EXPECT(probe_live(&before) == 0 && probe_live(&after) == 0);
        sweep_end(&s, false);
    }
}
END_TEST

/* F14 */
START_TEST(a_poll_after_the_end_of_each_is_seen_and_leaves_it_alone)
{
    const struct row *row;
    static struct sweep s;
    evf_future *future;

    for (size_t r = 0; (row = row_at(r)) != NULL; r++) {
        sweep_begin(&s, row, "polled after its end");
        future = row->future(&s, &s.op[1]);
        poll_to_end(&s, future);
        EXPECT(poll_with(future, &s.probe, executor) == EVF_READY);
        EXPECT(misuses == 1);
        misuses = 0;
        take_end(&s, future);
        sweep_end(&s, false);
    }
}
END_TEST

/* F33: its drop disposes of a result that nobody has taken. */
START_TEST(a_result_of_each_that_nobody_took_is_disposed_of)
{
    const struct row *row;
    static struct sweep s;
    evf_future *future;

    for (size_t r = 0; (row = row_at(r)) != NULL; r++) {
        sweep_begin(&s, row, "not taken");
        future = row->future(&s, &s.op[1]);
        poll_to_end(&s, future);
        s.ended = true;
        s.result = future->result;
        evf_future_drop(future);
        EXPECT(s.op[1].future.ops == NULL);
        sweep_end(&s, false);
    }
}
END_TEST

/* F18 */
START_TEST(before_its_first_poll_each_may_be_moved)
{
    const struct row *row;
    static struct sweep s;
    evf_future *future;

    for (size_t r = 0; (row = row_at(r)) != NULL; r++) {
        if (row->no_op)
            continue;
        sweep_begin(&s, row, "moved");
        EXPECT(row->future(&s, &s.op[1]) == &s.op[1].future);
        s.op[2] = s.op[1];
        memset(&s.op[1], 0xa5, sizeof(s.op[1]));
        future = &s.op[2].future;
        poll_to_end(&s, future);
        take_end(&s, future);
        EXPECT(s.op[2].future.ops == NULL);
        sweep_end(&s, false);
    }
}
END_TEST

TEST_MAIN("sweep", each_function_that_returns_a_future_has_a_row,
    undisturbed_each_yields_its_result,
    held_by_hand_each_ends_cleanly_at_any_moment,
    in_a_task_each_ends_cleanly_at_any_moment,
    in_a_group_each_ends_cleanly_at_any_moment,
    in_a_select_each_ends_cleanly_at_any_moment,
    each_allocation_failing_loses_nothing,
    storage_in_use_is_refused_and_harms_nobody, what_is_no_input_is_refused,
    a_foreign_executor_polls_each_or_is_told,
    a_foreign_executor_may_drop_each_at_any_moment,
    the_latest_poll_of_each_is_woken,
    a_poll_after_the_end_of_each_is_seen_and_leaves_it_alone,
    a_result_of_each_that_nobody_took_is_disposed_of,
    before_its_first_poll_each_may_be_moved)
