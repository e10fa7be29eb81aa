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
            size_t done; /* before `buf`, of those that call more than once */
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
struct evfi_operation *evfi_operation_claim(evf_op *op,
    const evf_future_ops *ops, struct evfi_entry *entry);

/* The same in storage that evfi_op_is_free(), in a few stores. */
static inline struct evfi_operation *
evfi_operation_take(evf_op *op, const evf_future_ops *ops,
    struct evfi_entry *entry)
{
    struct evfi_operation *operation = evfi_op_take(op, ops);

    operation->entry = entry;
    entry->refs++;
    operation->interest.entry = NULL;
    return operation;
}

static inline evf_future *
evfi_operation_set_bytes(struct evfi_operation *operation, const void *buf,
    size_t len)
{
    operation->u.bytes.buf = (char *)(uintptr_t)buf;
    operation->u.bytes.len = len;
    operation->u.bytes.done = 0;
    return &operation->op.future;
}

/*
 * Reading or writing `len` bytes, where evfi_operation_take() won't do: in
 * storage that is the heap's or in use; on no socket; nothing at all, which
 * fails as all do, or yields 0.
 */
evf_future *evfi_operation_bytes(evf_op *op, const evf_future_ops *ops,
    evf_socket *socket, const void *buf, size_t len);

/* A function that makes the call: a result, an error, or -EAGAIN. */
typedef intptr_t evfi_attempt_fn(struct evfi_operation *operation);

/*
 * What is left of a poll when the hint said no: waits, or, in the last poll,
 * asks poll(2) and tries for all that.
 */
enum evf_poll evfi_operation_wait(struct evfi_operation *operation,
    evf_context *cx, uint32_t signal, evfi_attempt_fn *attempt);

/*
 * What is left of a poll when the hint said yes and the call would have
 * blocked: waits, unless the fd is ready all the same, so that waiting would
 * spin. Then the operation ends, with `op.detail` set if that is the end of the
 * stream although no call has said so. An attempt that has got on, and only
 * gives way, clears the hint.
 */
enum evf_poll evfi_operation_again(struct evfi_operation *operation,
    evf_context *cx, uint32_t signal, evfi_attempt_fn *attempt);

/* The poll of an operation while the hint says that it will not block. */
static inline __attribute__((always_inline)) enum evf_poll
evfi_operation_try(struct evfi_operation *operation, evf_context *cx,
    uint32_t signal, evfi_attempt_fn *attempt)
{
    intptr_t result = attempt(operation);

    if (result != -EAGAIN)
        return evf_future_ready(&operation->op.future, result);
    return evfi_operation_again(operation, cx, signal, attempt);
}

/* The poll of an operation, otherwise. */
static inline __attribute__((always_inline)) enum evf_poll
evfi_operation_await(struct evfi_operation *operation, evf_context *cx,
    uint32_t signal, evfi_attempt_fn *attempt)
{
    if (!evfi_context_is_last(cx) &&
        evfi_entry_await_quickly(operation->entry, &operation->interest, signal,
            &cx->waker))
        return EVF_PENDING;
    return evfi_operation_wait(operation, cx, signal, attempt);
}

static inline __attribute__((always_inline)) enum evf_poll
evfi_operation_poll(struct evfi_operation *operation, evf_context *cx,
    uint32_t signal, evfi_attempt_fn *attempt)
{
    if (operation->entry->hint & signal)
        return evfi_operation_try(operation, cx, signal, attempt);
    return evfi_operation_await(operation, cx, signal, attempt);
}

/* The drop of an operation with nothing in `u` to release. */
void evfi_operation_drop(evf_future *self);

/* Says "fd 17". */
void evfi_entry_visit(const struct evfi_entry *entry, evf_visit_fn *fn,
    void *arg);
void evfi_operation_visit(evf_future *self, evf_visit_fn *fn, void *arg);

#endif
