/* SPDX-License-Identifier: BSD-3-Clause */
#include "support.h"

#include <string.h>

#include "core/future-internal.h"
#include "core/op-internal.h"

/* The largest future that fits, to see what is zeroed. */
struct large {
    struct evfi_op op;
    unsigned char rest[sizeof(evf_op) - sizeof(struct evfi_op)];
};

EVFI_OP_FITS(struct large);

static enum evf_poll
large_poll(evf_future *self, evf_context *cx)
{
    (void)cx;
    return evf_future_ready(self, 1);
}

static void
large_drop(evf_future *self)
{
    evfi_op_release((struct evfi_op *)self);
}

static const evf_future_ops large_ops = {
    .size = sizeof(struct large),
    .name = "large",
    .poll = large_poll,
    .drop = large_drop,
};

static evf_future *
large(evf_op *op)
{
    return evfi_op_claim(op, &large_ops);
}

START_TEST(storage_is_of_the_public_size_and_alignment)
{
    ck_assert_uint_eq(sizeof(evf_op), 160);
    ck_assert_uint_eq(_Alignof(evf_op) % _Alignof(max_align_t), 0);
    ck_assert_uint_eq(offsetof(struct evfi_op, future), 0);
}
END_TEST

static void
check_claimed(evf_future *future, bool heap)
{
    struct large *l = (struct large *)(void *)future;

    ck_assert(evfi_future_is_real(future));
    ck_assert_ptr_eq(future->ops, &large_ops);
    ck_assert_int_eq(future->result, EVF_RESULT_PENDING);
    ck_assert(future->dispose == NULL);
    ck_assert(l->op.heap == heap);
    ck_assert(!l->op.polled && !l->op.begun && l->op.detail == 0);
    for (size_t i = 0; i < sizeof(l->rest); i++)
        ck_assert_uint_eq(l->rest[i], 0);
}

START_TEST(claiming_zeroes_all_but_the_head)
{
    evf_op op;
    evf_future *future;

    memset(&op, 0xee, sizeof(op));
    op.future.ops = NULL;
    future = large(&op);
    ck_assert_ptr_eq(future, &op.future);
    check_claimed(future, false);
    evf_future_drop(future);

    future = large(NULL); /* the suite's allocator returns garbage */
    check_claimed(future, true);
    evf_future_drop(future);
}
END_TEST

START_TEST(heap_storage_is_of_the_futures_size_and_freed_by_the_drop)
{
    size_t before = heap_blocks();
    evf_future *future = large(NULL);

    ck_assert_uint_eq(heap_blocks(), before + 1);
    evf_future_drop(future);
    ck_assert_uint_eq(heap_blocks(), before);
}
END_TEST

START_TEST(callers_storage_allocates_nothing)
{
    evf_op op = {0};
    size_t before = heap_allocations();

    evf_future_drop(large(&op));
    evf_future_drop(evf_ready(&op, 1, NULL));
    ck_assert_uint_eq(heap_allocations(), before);
}
END_TEST

/* F34: for operations that set whatever they will read. */
START_TEST(taking_free_storage_zeroes_the_head_alone)
{
    evf_op op;
    struct large *l;

    ck_assert(!evfi_op_is_free(NULL));
    memset(&op, 0xee, sizeof(op));
    ck_assert(!evfi_op_is_free(&op));
    op.future.ops = NULL;
    ck_assert(evfi_op_is_free(&op));
    l = evfi_op_take(&op, &large_ops);
    ck_assert_ptr_eq(l, &op);
    ck_assert(!evfi_op_is_free(&op));
    ck_assert_ptr_eq(l->op.future.ops, &large_ops);
    ck_assert_int_eq(l->op.future.result, EVF_RESULT_PENDING);
    ck_assert(l->op.future.dispose == NULL);
    ck_assert(!l->op.heap && !l->op.polled && !l->op.begun);
    ck_assert_uint_eq(l->op.detail, 0);
    ck_assert_uint_eq(l->rest[0], 0xee);
    evf_future_drop(&op.future);
    ck_assert(evfi_op_is_free(&op));
}
END_TEST

/* F34 */
START_TEST(storage_in_use_gives_busy_and_harms_nobody)
{
    evf_op op = {0}, copy;
    struct probe probe;
    evf_future *first = evf_ready(&op, 11, NULL), *second;

    probe_init(&probe);
    copy = op;
    second = evf_ready(&op, 22, NULL);
    ck_assert_ptr_eq(second, evf_future_failed(-EBUSY));
    ck_assert_ptr_eq(large(&op), evf_future_failed(-EBUSY));
    ck_assert_mem_eq(&op, &copy, sizeof(op));
    evf_future_drop(second);
    ck_assert_mem_eq(&op, &copy, sizeof(op));

    ck_assert_int_eq(poll_with(first, &probe, NULL), EVF_READY);
    ck_assert_ptr_eq(evf_ready(&op, 33, NULL), evf_future_failed(-EBUSY));
    ck_assert_int_eq(evf_future_take(first), 11);
    ck_assert_ptr_eq(evf_ready(&op, 33, NULL), evf_future_failed(-EBUSY));
    evf_future_drop(first);
}
END_TEST

/* F34: at each point of its life a drop makes the storage free again. */
START_TEST(drop_makes_the_storage_free_for_the_next_future)
{
    evf_op op = {0};
    struct probe probe;
    evf_future *future;

    probe_init(&probe);
    for (int i = 0; i < 4; i++) {
        future = evf_ready(&op, i, NULL);
        ck_assert_ptr_eq(future, &op.future);
        if (i > 0)
            ck_assert_int_eq(poll_with(future, &probe, NULL), EVF_READY);
        if (i > 1)
            ck_assert_int_eq(evf_future_take(future), i);
        evf_future_drop(future);
        ck_assert_ptr_null(op.future.ops);
    }
    future = large(&op);
    check_claimed(future, false);
    evf_future_drop(future);
}
END_TEST

/* F28 */
START_TEST(claim_of_the_heap_fails_with_null_when_memory_is_out)
{
    size_t before = heap_blocks();

    heap_fail_at(1);
    ck_assert_ptr_null(large(NULL));
    ck_assert_uint_eq(heap_blocks(), before);
    evf_future_drop(NULL);
}
END_TEST

/* F14: what can be seen for free is seen. */
START_TEST(use_after_drop_of_the_callers_storage_is_misuse)
{
    evf_op op = {0};
    struct probe probe;

    probe_init(&probe);
    evf_future_drop(large(&op));
    evf_future_drop(&op.future);
    ck_assert_misuse(1);
    ck_assert_int_eq(poll_with(&op.future, &probe, NULL), EVF_PENDING);
    ck_assert_misuse(1);
    ck_assert_ptr_eq(large(&op), &op.future);
    evf_future_drop(&op.future);
}
END_TEST

TEST_MAIN("op", storage_is_of_the_public_size_and_alignment,
    claiming_zeroes_all_but_the_head,
    heap_storage_is_of_the_futures_size_and_freed_by_the_drop,
    callers_storage_allocates_nothing,
    taking_free_storage_zeroes_the_head_alone,
    storage_in_use_gives_busy_and_harms_nobody,
    drop_makes_the_storage_free_for_the_next_future,
    claim_of_the_heap_fails_with_null_when_memory_is_out,
    use_after_drop_of_the_callers_storage_is_misuse)
