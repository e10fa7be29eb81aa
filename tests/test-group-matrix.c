/* SPDX-License-Identifier: BSD-3-Clause */
#include "actor.h"

#include <string.h>

/*
 * F45: every combination of a group's options, and what ends first in it, and
 * how; then the rest ends well, in order, and an open group is closed.
 */
enum {
    CHILDREN = 3
};

enum first {
    CHILD_ENDS, /* one of the three, well or with an error */
    GROUP_IS_CLOSED,
    HANDLE_IS_FREED,
    REQUEST_COMES,
    FUTURE_IS_DROPPED,
    EXECUTOR_IS_FREED,
    FIRSTS
};

struct cell {
    evf_group_options options;
    enum first first;
    int who; /* which child */
    bool fails;
};

static struct world {
    struct cell cell;
    struct actor children[CHILDREN];
    struct thing things[CHILDREN];
    evf_group *group;
    evf_task *task;
    struct told told;
} world;

#define ck_assert_cell(condition)                                              \
    ck_assert_msg(condition,                                                   \
        "%s: max %zu, keep_going %d, open %d, first %d, who %d, fails %d",     \
        #condition, world.cell.options.max_running,                            \
        world.cell.options.keep_going, world.cell.options.open,                \
        world.cell.first, world.cell.who, world.cell.fails)

/* How many children run at first. */
static int
slots(void)
{
    size_t max = world.cell.options.max_running;

    return max == 0 || max > CHILDREN ? CHILDREN : (int)max;
}

static void
begin(const struct cell *cell)
{
    memset(&world, 0, sizeof(world));
    world.cell = *cell;
    world.group = evf_group_new(&cell->options);
    for (int i = 0; i < CHILDREN; i++) {
        world.children[i].dispose = thing_dispose;
        ck_assert_int_eq(evf_group_add(world.group, actor(&world.children[i])),
            0);
    }
    run_passes(2);
    ck_assert_cell(world.children[0].polls == 0); /* F1 */
    world.task = evf_spawn_then(executor, evf_group_future(world.group), tell,
        &world.told);
    run_passes(3);
    for (int i = 0; i < CHILDREN; i++)
        ck_assert_cell(world.children[i].polls == (i < slots()));
    ck_assert_cell(world.told.calls == 0);
}

static void
end_child(int i, bool fails)
{
    struct actor *child = &world.children[i];

    if (child->ready || child->drops > 0)
        return;
    actor_finish(child, fails ? -EIO : (intptr_t)&world.things[i]);
    run_passes(3);
}

static void
do_first(void)
{
    switch (world.cell.first) {
    case CHILD_ENDS:
        end_child(world.cell.who, world.cell.fails);
        break;
    case GROUP_IS_CLOSED:
        evf_group_close(world.group);
        evf_group_close(world.group);
        break;
    case HANDLE_IS_FREED:
        evf_group_free(world.group);
        world.group = NULL;
        break;
    case REQUEST_COMES:
        evf_task_cancel(world.task);
        break;
    case FUTURE_IS_DROPPED:
        ck_assert_int_eq(evf_task_free(world.task), 0);
        world.task = NULL;
        break;
    default:
        ck_assert_int_eq(evf_executor_free(executor), 0);
        executor = NULL;
        break;
    }
    run_passes(3);
}

/* Whether all is over at once, with the first. */
static bool
ends_all(void)
{
    if (world.cell.first == CHILD_ENDS)
        return world.cell.fails && !world.cell.options.keep_going &&
            world.cell.who < slots();
    return world.cell.first >= REQUEST_COMES;
}

static intptr_t
expected_result(void)
{
    switch (world.cell.first) {
    case CHILD_ENDS:
        return world.cell.fails ? -EIO : 0;
    case REQUEST_COMES:
        return -ECANCELED;
    case EXECUTOR_IS_FREED:
        return -ESHUTDOWN;
    default:
        return 0;
    }
}

/* Children that had started see a request, the others never start. */
static void
check_ended_all(void)
{
    bool asked = world.cell.first == CHILD_ENDS ||
        world.cell.first == REQUEST_COMES;

    for (int i = 0; i < CHILDREN; i++) {
        struct actor *child = &world.children[i];
        unsigned polls = i < slots() ? 1 + asked : 0;

        ck_assert_cell(child->drops == 1);
        ck_assert_cell(child->polls == polls);
    }
}

/* The others end well; a child that was to fail and had to wait does so. */
static void
do_rest(void)
{
    for (int i = 0; i < CHILDREN; i++)
        end_child(i, false);
    if (world.cell.options.open && world.group != NULL &&
        world.cell.first != GROUP_IS_CLOSED &&
        (!world.cell.fails || world.cell.options.keep_going)) {
        ck_assert_cell(world.told.calls == 0);
        ck_assert_cell(evf_group_add(world.group, NULL) == 0);
        run_passes(3); /* that one failed */
        evf_group_close(world.group);
        run_passes(3);
    }
}

static void
check_after_the_end(void)
{
    struct actor late = {0};
    struct probe probe;
    evf_future *room;

    if (world.group == NULL)
        return;
    probe_init(&probe);
    ck_assert_cell(evf_group_add(world.group, actor(&late)) == -ESHUTDOWN);
    ck_assert_cell(late.drops == 1 && late.polls == 0);
    evf_group_close(world.group);
    room = evf_group_room(NULL, world.group);
    ck_assert_cell(poll_with(room, &probe, NULL) == EVF_READY);
    ck_assert_cell(evf_future_take(room) == -ESHUTDOWN);
    evf_future_drop(room);
    ck_assert_cell(evf_group_future(world.group) == evf_future_failed(-EBUSY));
}

static void
end(void)
{
    intptr_t expected = expected_result();

    check_after_the_end();
    if (expected == 0 && world.cell.options.open && world.group != NULL &&
        world.cell.first == CHILD_ENDS)
        expected = -ENOMEM; /* of the child that was added last */
    if (world.cell.first != FUTURE_IS_DROPPED) {
        ck_assert_cell(world.told.calls == 1);
        ck_assert_cell(world.told.result == expected);
    }
    for (int i = 0; i < CHILDREN; i++) {
        struct actor *child = &world.children[i];
        bool well = child->ready && !evf_failed(child->result);

        ck_assert_cell(child->drops == 1);
        ck_assert_cell(world.things[i].disposals == well); /* F33 */
    }
    evf_task_free(world.task);
    evf_group_free(world.group);
    if (executor == NULL)
        executor = evf_executor_new(base);
    ck_assert_cell(heap_blocks() == 1);
}

static void
check_cell(const struct cell *cell)
{
    begin(cell);
    do_first();
    if (ends_all())
        check_ended_all();
    else
        do_rest();
    end();
}

static void
check_options(bool keep_going, bool open)
{
    struct cell cell = {.options = {.keep_going = keep_going, .open = open}};

    for (size_t max = 0; max <= CHILDREN + 1; max++) {
        cell.options.max_running = max;
        for (int first = CHILD_ENDS + 1; first < FIRSTS; first++) {
            cell.first = (enum first)first;
            check_cell(&cell);
        }
        cell.first = CHILD_ENDS;
        for (int i = 0; i < 2 * CHILDREN; i++) {
            cell.who = i / 2;
            cell.fails = i % 2 == 1;
            check_cell(&cell);
        }
        cell.fails = false;
    }
}

START_TEST(group_that_fails_fast) /* F45 */
{
    check_options(false, false);
}
END_TEST

START_TEST(group_that_keeps_going) /* F45 */
{
    check_options(true, false);
}
END_TEST

START_TEST(open_group_that_fails_fast) /* F45 */
{
    check_options(false, true);
}
END_TEST

START_TEST(open_group_that_keeps_going) /* F45 F31 */
{
    check_options(true, true);
}
END_TEST

TEST_MAIN("group-matrix", group_that_fails_fast, group_that_keeps_going,
    open_group_that_fails_fast, open_group_that_keeps_going)
