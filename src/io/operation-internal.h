/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef EVFI_OPERATION_INTERNAL_H
#define EVFI_OPERATION_INTERNAL_H

#include "core/context-internal.h"
#include "core/future-internal.h"
#include "core/op-internal.h"
#include "io/socket-internal.h"

/*
 * A system call on a socket or a listener that is made when it would not block:
 * what reading, writing, messages and accepting have in common. They differ in
 * one function, which tries the call.
 */
struct evfi_operation {
    struct evfi_op op;
    struct evfi_entry *entry; /* a reference */
    evf_interest interest;    /* registered while it waits */
    union {
        struct {
            char *buf;
            size_t len;
            size_t done; /* of `len`, for those that call more than once */
        } bytes;
        struct {
            const struct iovec *iov;
            int count;
        } pieces;
        struct {
            struct msghdr *message;
            int flags;
        } message;
        evf_socket *accepted; /* allocated; NULL when it is the result */
    } u;
};

EVFI_OP_FITS(struct evfi_operation);

/*
 * Storage with a reference on the entry, and `u` still to be set; or the future
 * that failed.
 */
static inline struct evfi_operation *
evfi_operation_claim(evf_op *op, const evf_future_ops *ops,
    struct evfi_entry *entry)
{
    struct evfi_operation *operation = evfi_op_claim_head(op, ops);

    if (!evfi_future_is_real(operation))
        return operation;
    operation->entry = entry;
    entry->refs++;
    operation->interest.entry = NULL;
    return operation;
}

/*
 * Ends with what `attempt` returns, which is a result, an error, or -EAGAIN if
 * the call would block. A poll in vain, while the interest is registered, costs
 * no system call; the last poll tries whatever the hint says.
 */
static inline __attribute__((always_inline)) enum evf_poll
evfi_operation_poll(struct evfi_operation *operation, evf_context *cx,
    uint32_t signal, intptr_t (*attempt)(struct evfi_operation *operation))
{
    struct evfi_entry *entry = operation->entry;
    bool last = evfi_context_is_last(cx);
    intptr_t result;

    if (operation->interest.entry != NULL && !last) {
        result = evfi_entry_await_again(entry, &operation->interest,
            &cx->waker);
    } else if (entry->reactor == NULL) {
        result = evfi_entry_error(entry);
    } else {
        if ((entry->hint & signal) || last) {
            result = attempt(operation);
            if (result != -EAGAIN)
                return evf_future_ready(&operation->op.future, result);
            entry->hint &= (uint8_t)~signal;
        }
        if (last)
            return EVF_PENDING;
        result = evfi_entry_await(entry, &operation->interest, signal,
            &cx->waker);
    }
    if (result < 0)
        return evf_future_ready(&operation->op.future, result);
    return EVF_PENDING;
}

/* The drop of an operation with nothing in `u` to release. */
void evfi_operation_drop(evf_future *self);

/* Says "fd 17". */
void evfi_entry_visit(const struct evfi_entry *entry, evf_visit_fn *fn,
    void *arg);
void evfi_operation_visit(evf_future *self, evf_visit_fn *fn, void *arg);

/* What reading or writing 0 bytes does: it fails as all do, or yields 0. */
evf_future *evfi_operation_nothing(evf_op *op, struct evfi_entry *entry);

#endif
