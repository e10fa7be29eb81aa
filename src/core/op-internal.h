/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef EVFI_OP_INTERNAL_H
#define EVFI_OP_INTERNAL_H

#include <string.h>
#include <evfuture/future.h>

#include "core/alloc-internal.h"

/*
 * The head of every future that the library makes, in a caller's evf_op or on
 * the heap. Storage is in use exactly while `future.ops` is set.
 */
struct evfi_op {
    evf_future future;
    bool heap;
    bool polled;     /* for the await rule, where the future has one child */
    bool begun;      /* what the first poll does has been done */
    uint32_t detail; /* the owner's: a direction, a mode */
};

#define EVFI_OP_FITS(type)                                                     \
    _Static_assert(sizeof(type) <= sizeof(evf_op), "does not fit evf_op");     \
    _Static_assert(offsetof(type, op) == 0, "the head is not first")

/*
 * Storage of ops->size bytes, zeroed but for its head; NULL if memory is out,
 * the -EBUSY future if the caller's is in use. Inlined, so that the size is a
 * constant and zeroing it a few stores.
 */
static inline void *
evfi_op_claim(evf_op *op, const evf_future_ops *ops)
{
    struct evfi_op *head = (struct evfi_op *)op;

    if (op == NULL) {
        head = evfi_allocate(ops->size);
        if (head == NULL)
            return NULL;
    } else if (op->future.ops != NULL) {
        return evf_future_failed(-EBUSY);
    }
    memset(head, 0, ops->size);
    evf_future_init(&head->future, ops);
    head->heap = op == NULL;
    return head;
}

/* Whether it is a caller's storage that is not in use. */
static inline bool
evfi_op_is_free(const evf_op *op)
{
    return op != NULL && op->future.ops == NULL;
}

/*
 * Such storage with nothing zeroed but the head, for operations that are made
 * often and set every field that they will read.
 */
static inline void *
evfi_op_take(evf_op *op, const evf_future_ops *ops)
{
    struct evfi_op *head = (struct evfi_op *)op;

    *head = (struct evfi_op){.heap = false};
    evf_future_init(&head->future, ops);
    return head;
}

/* What a drop ends with: the storage is free again. */
static inline void
evfi_op_release(struct evfi_op *head)
{
    head->future.ops = NULL;
    if (head->heap)
        evfi_release(head);
}

#endif
