/* SPDX-License-Identifier: BSD-3-Clause */
#include "support.h"

static void
note(intptr_t result, void *arg)
{
    *(intptr_t *)arg = result;
}

START_TEST(spawn_then_reports_the_result_from_the_loop)
{
    struct leaf l = {0};
    intptr_t got = 1;
    evf_task *task = evf_spawn_then(executor, leaf(&l), note, &got);

    ck_assert_uint_eq(l.polls, 0);
    leaf_finish(&l, 42);
    run();
    ck_assert_int_eq(got, 42);
    ck_assert_uint_eq(l.drops, 1);
    ck_assert_int_eq(evf_task_free(task), 0);
}
END_TEST

TEST_MAIN("task", spawn_then_reports_the_result_from_the_loop)
