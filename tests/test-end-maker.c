/* SPDX-License-Identifier: BSD-3-Clause */
#include "actor.h"

/*
 * A join that nobody has polled yet is inside of the task that made it; but a
 * task that has ended contains nothing.
 */
static struct actor made, maker;
static evf_task *handle;
static int answer;

static void
frees_the_maker(struct actor *self)
{
    (void)self;
    if (handle != NULL)
        answer = evf_task_free(handle);
    handle = NULL;
}

/* Spawns a task, and another one that joins it: neither has run when it ends. */
static void
makes_and_ends(struct actor *self)
{
    evf_task *task = evf_spawn(executor, actor(&made));

    evf_task_detach(evf_spawn(executor, evf_task_join(NULL, task)));
    self->ready = true;
}

START_TEST(task_that_has_ended_is_freed_at_once_by_what_it_made) /* F49 */
{
    made = (struct actor){.name = 'B', .acts = frees_the_maker, .ready = true};
    maker = (struct actor){.name = 'A', .acts = makes_and_ends};
    handle = evf_spawn(executor, actor(&maker));
    answer = -1;
    run();
    ck_assert_traced("AaBb");
    ck_assert_int_eq(answer, 0);
    ck_assert_ptr_null(handle);
}
END_TEST

TEST_MAIN("end-maker", task_that_has_ended_is_freed_at_once_by_what_it_made)
