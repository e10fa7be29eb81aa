/* SPDX-License-Identifier: BSD-3-Clause */
#include "support.h"

#include <stdlib.h>
#include <string.h>

#include "job.h"

/* F33: at whatever point the frame is dropped. */
static enum evf_poll
give_run(evf_future *self, evf_context *cx)
{
    struct job *j = evf_frame_of(self, struct job);

    EVF_BEGIN(self, cx);
    EVF_TRY(j->got, handed(j));
    EVF_RETURN(j->thing);
    EVF_FINALLY;
    finish(j);
    EVF_END;
}

static const evf_frame_ops give_ops = EVF_FRAME_OPS(struct job, give_run,
    .dispose = thing_dispose);

static struct job *
give(struct job *storage, evf_future *child, struct thing *thing)
{
    struct job *j = job(storage, &give_ops, child);

    j->thing = thing;
    return j;
}

/* F33 */
START_TEST(frames_result_is_disposed_of_if_nobody_took_it)
{
    struct job storage = {0}, *j;
    struct thing thing = {0};
    struct probe probe;

    probe_init(&probe);
    j = give(&storage, evf_ready(NULL, 1, NULL), &thing);
    ck_assert_int_eq(settle(&j->frame.future, &probe), EVF_READY);
    ck_assert_uint_eq(thing.disposals, 0);
    evf_future_drop(&j->frame.future);
    ck_assert_uint_eq(thing.disposals, 1);

    j = give(&storage, evf_ready(NULL, 1, NULL), &thing);
    ck_assert_int_eq(complete(&j->frame.future), (intptr_t)&thing);
    ck_assert_uint_eq(thing.disposals, 1);

    /* The parent's await has taken it. */
    j = give(&storage, evf_ready(NULL, 1, NULL), &thing);
    ck_assert_int_eq(
        complete(&job(NULL, &increment_ops, &j->frame.future)->frame.future),
        (intptr_t)&thing + 1);
    ck_assert_uint_eq(thing.disposals, 1);
}
END_TEST

/* F33 */
START_TEST(frame_that_has_no_result_disposes_of_none)
{
    struct job storage = {0}, *j;
    struct thing thing = {0};
    struct leaf l = {0};
    struct probe probe;

    probe_init(&probe);
    j = give(&storage, NULL, &thing);
    evf_future_drop(&j->frame.future);
    j = give(&storage, leaf(&l), &thing);
    ck_assert_int_eq(settle(&j->frame.future, &probe), EVF_PENDING);
    evf_future_drop(&j->frame.future);
    j = give(&storage, evf_future_failed(-EPIPE), &thing);
    ck_assert_int_eq(settle(&j->frame.future, &probe), EVF_READY);
    evf_future_drop(&j->frame.future);
    ck_assert_uint_eq(thing.disposals, 0);
}
END_TEST

START_TEST(
    storage_is_zeroed_and_its_frame_is_usable_again_after_a_drop) /* F30 */
{
    struct job *storage = malloc(sizeof(*storage)), *j;

    memset(storage, 0xa5, sizeof(*storage));
    memset(&storage->frame, 0, sizeof(storage->frame));
    for (int i = 0; i < 3; i++) {
        j = evf_frame_init(storage, &increment_ops);
        ck_assert_ptr_eq(j, storage);
        ck_assert_uint_eq(j->begun + j->went_on + j->finals + j->resumes, 0);
        ck_assert_ptr_null(j->text);
        ck_assert_ptr_null(j->op.future.ops);
        ck_assert_int_eq(j->frame.future.result, EVF_RESULT_PENDING);
        if (i == 0) {
            evf_future_drop(&j->frame.future);
        } else {
            j->child = evf_ready(NULL, i, NULL);
            ck_assert_int_eq(complete(&j->frame.future), i + 1);
        }
        ck_assert_ptr_null(storage->frame.future.ops);
    }
    free(storage);
}
END_TEST

/* F34 */
START_TEST(init_of_storage_in_use_is_misuse_and_harms_nobody)
{
    struct job storage = {0};
    struct leaf l = {0};
    struct job *j = job(&storage, &increment_ops, leaf(&l));
    struct probe probe;

    probe_init(&probe);
    ck_assert_ptr_null(evf_frame_init(&storage, &increment_ops));
    ck_assert_misuse(1);
    ck_assert_int_eq(settle(&j->frame.future, &probe), EVF_PENDING);
    ck_assert_ptr_null(evf_frame_init(&storage, &give_ops));
    ck_assert_misuse(1);
    leaf_finish(&l, 8);
    ck_assert_int_eq(complete(&j->frame.future), 9);
}
END_TEST

/* F28 */
START_TEST(frame_on_the_heap_is_zeroed_freed_and_null_without_memory)
{
    size_t before = heap_blocks();
    struct job *j = evf_frame_init(NULL, &increment_ops);

    ck_assert_uint_eq(heap_blocks(), before + 1);
    ck_assert_uint_eq(j->begun + j->went_on + j->finals + j->resumes, 0);
    ck_assert_ptr_null(j->child);
    evf_future_drop(&j->frame.future);
    ck_assert_uint_eq(heap_blocks(), before);
    heap_fail_at(1);
    ck_assert_ptr_null(evf_frame_init(NULL, &increment_ops));
    ck_assert_uint_eq(heap_blocks(), before);
}
END_TEST

/* F28: whichever of the allocations fails, nothing leaks or is lost. */
START_TEST(each_allocation_of_a_chain_of_constructors_may_fail)
{
    struct thing thing = {0};
    size_t before = heap_blocks();
    intptr_t result = -ENOMEM;
    size_t n;

    for (n = 1; result != (intptr_t)&thing + 2; n++) {
        heap_fail_at(n);
        result = complete(increment(
            increment(evf_ready(NULL, (intptr_t)&thing, thing_dispose))));
        ck_assert_uint_eq(heap_blocks(), before);
    }
    heap_fail_at(0);
    ck_assert_uint_eq(n, 5); /* three failed, the fourth was not needed */
    ck_assert_uint_eq(thing.disposals, 3);
}
END_TEST

/* F18 */
START_TEST(frame_may_move_before_its_first_poll)
{
    struct job from = {0}, *to = calloc(1, sizeof(*to));
    struct leaf l = {0};

    ck_assert_ptr_nonnull(to);
    job(&from, &increment_ops, leaf(&l));
    memcpy(to, &from, sizeof(*to));
    memset(&from, 0xff, sizeof(from));
    l.ready = true;
    l.result = 3;
    ck_assert_int_eq(complete(&to->frame.future), 4);
    ck_assert_uint_eq(to->finals, 1);
    free(to);
}
END_TEST

TEST_MAIN("frame-storage", frames_result_is_disposed_of_if_nobody_took_it,
    frame_that_has_no_result_disposes_of_none,
    storage_is_zeroed_and_its_frame_is_usable_again_after_a_drop,
    init_of_storage_in_use_is_misuse_and_harms_nobody,
    frame_on_the_heap_is_zeroed_freed_and_null_without_memory,
    each_allocation_of_a_chain_of_constructors_may_fail,
    frame_may_move_before_its_first_poll)
