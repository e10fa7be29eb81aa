/* SPDX-License-Identifier: BSD-3-Clause */
#include "actor.h"

/*
 * A join that nobody has polled yet is inside of the task that made it. A task
 * that has ended contains nothing, though, and is inside of nothing.
 */
static struct actor made, maker;
static evf_task *handle;
static int answer;

static void
frees_the_handle(struct actor *self)
{
    (void)self;
    answer = evf_task_free(handle);
}

/* Spawns a task, and another one that joins it: neither has run when it ends. */
static void
makes_and_ends(struct actor *self)
{
    evf_task *task = evf_spawn(executor, actor(&made));

    evf_task_detach(evf_spawn(executor, evf_task_join(NULL, task)));
    self->ready = true;
}

static void
waits_once(struct actor *self)
{
    if (self->polls == 2)
        makes_and_ends(self);
}

START_TEST(task_that_has_ended_is_freed_at_once_by_what_it_made) /* F49 */
{
    made = (struct actor){.name = 'B', .acts = frees_the_handle, .ready = true};
    maker = (struct actor){.name = 'A', .acts = makes_and_ends};
    handle = evf_spawn(executor, actor(&maker));
    answer = -1;
    run();
    ck_assert_traced("AaBb");
    ck_assert_int_eq(answer, 0);
}
END_TEST

START_TEST(who_awaits_an_ended_task_is_freed_at_once_by_what_it_made) /* F49 */
{
    evf_task *task;

    made = (struct actor){.name = 'B', .acts = frees_the_handle, .ready = true};
    maker = (struct actor){.name = 'A', .acts = waits_once};
    task = evf_spawn(executor, actor(&maker));
    handle = evf_spawn(executor, evf_task_join(NULL, task));
    run_passes(1);
    evf_waker_wake_by_ref(&maker.waker);
    answer = -1;
    run();
    ck_assert_traced("AAaBb");
    ck_assert_int_eq(answer, 0);
}
END_TEST

TEST_MAIN("end-maker", task_that_has_ended_is_freed_at_once_by_what_it_made,
    who_awaits_an_ended_task_is_freed_at_once_by_what_it_made)
