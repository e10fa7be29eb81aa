/* SPDX-License-Identifier: BSD-3-Clause */
#include "io/operation-internal.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>

#ifdef POLLRDHUP
#define HUNG_UP     (POLLHUP | POLLRDHUP)
#define FOR_READING (POLLIN | POLLRDHUP)
#else
#define HUNG_UP     POLLHUP
#define FOR_READING POLLIN
#endif

/* What poll(2) says of an operation's fd: 0 for nothing, or an error. */
static int
look(const struct evfi_operation *operation, uint32_t signal)
{
    return evfi_fd_poll(operation->entry->fd,
        signal == EVF_READABLE ? FOR_READING : POLLOUT);
}

/*
 * The last poll tries although it is not known to be ready, and asks poll(2)
 * first: a call may do harm where there is nothing, such as to urgent data, or
 * block after all. A muted entry may hold a connection that poll(2) cannot see.
 */
static enum evf_poll
try_last(struct evfi_operation *operation, uint32_t signal,
    evfi_attempt_fn *attempt)
{
    intptr_t result;

    if (!operation->entry->muted && look(operation, signal) <= 0)
        return EVF_PENDING;
    result = attempt(operation);
    if (result == -EAGAIN)
        return EVF_PENDING;
    return evf_future_ready(&operation->op.future, result);
}

enum evf_poll
evfi_operation_wait(struct evfi_operation *operation, evf_context *cx,
    uint32_t signal, evfi_attempt_fn *attempt)
{
    struct evfi_entry *entry = operation->entry;
    evf_interest *interest = &operation->interest;
    intptr_t result = evfi_entry_error(entry);

    if (result == 0 && evfi_context_is_last(cx))
        return try_last(operation, signal, attempt);
    if (result == 0 && interest->entry != NULL)
        result = evfi_entry_await_again(entry, interest, &cx->waker);
    else if (result == 0)
        result = evfi_entry_wait(entry, interest, (evf_event){0, signal},
            &cx->waker);
    if (result < 0)
        return evf_future_ready(&operation->op.future, result);
    return EVF_PENDING;
}

/*
 * Whether it takes poll(2) to say that waiting is all right. It is where an
 * attempt has cleared its hint, while accepting pauses, and for a device, which
 * is tried before each wait.
 */
static bool
is_doubtful(const struct evfi_entry *entry, uint32_t signal)
{
    return (entry->hint & signal) && !entry->muted &&
        !(entry->detail & EVFI_FD_DEVICE);
}

static bool
is_stream(const struct evfi_entry *entry)
{
    int type = 0;
    socklen_t length = sizeof(type);

    if (!(entry->detail & EVFI_FD_SOCKET))
        return false;
    getsockopt(entry->fd, SOL_SOCKET, SO_TYPE, &type, &length);
    return type == SOCK_STREAM;
}

/*
 * What poll(2) says of an operation whose call would have blocked, as far as it
 * says so for ever; 0 if it can be waited for. Accepting may have skipped
 * connections that were gone again. A stream that is ready and yet gives or
 * takes nothing is short of the system's memory, which passes; only a queue of
 * errors stays.
 */
static int
spins(const struct evfi_operation *operation, uint32_t signal)
{
    const struct evfi_entry *entry = operation->entry;
    int ready;

    if (!is_doubtful(entry, signal))
        return 0;
    ready = look(operation, signal);
    if (ready <= 0)
        return 0;
    if (entry->detail & EVFI_FD_LISTENER)
        return ready & HUNG_UP;
    if (!is_stream(entry))
        return ready;
    return signal == EVF_READABLE ? ready & POLLERR : 0;
}

/*
 * The end of such an operation. A datagram socket, or a Unix listener, that was
 * shut down says so in no other way.
 */
static intptr_t
verdict(struct evfi_operation *operation, uint32_t signal, int ready)
{
    if (signal != EVF_READABLE || !(ready & HUNG_UP))
        return -EAGAIN;
    if (operation->entry->detail & EVFI_FD_LISTENER)
        return -EINVAL;
    operation->op.detail = true;
    return 0;
}

/* It may have become ready between the call and poll(2): one more decides. */
enum evf_poll
evfi_operation_again(struct evfi_operation *operation, evf_context *cx,
    uint32_t signal, evfi_attempt_fn *attempt)
{
    intptr_t result;
    int ready;

    if (evfi_context_is_last(cx))
        return EVF_PENDING;
    ready = spins(operation, signal);
    if (ready == 0)
        return evfi_operation_wait(operation, cx, signal, attempt);
    result = attempt(operation);
    if (result == -EAGAIN) {
        if (!is_doubtful(operation->entry, signal))
            return evfi_operation_wait(operation, cx, signal, attempt);
        result = verdict(operation, signal, ready);
    }
    return evf_future_ready(&operation->op.future, result);
}

static __attribute__((noinline)) void
drop_rarely(struct evfi_operation *operation)
{
    evf_interest_remove(&operation->interest);
    evfi_entry_unref(operation->entry);
    evfi_op_release(&operation->op);
}

void
evfi_operation_drop(evf_future *self)
{
    struct evfi_operation *operation = (struct evfi_operation *)self;
    struct evfi_entry *entry = operation->entry;

    if (operation->interest.entry != NULL || entry->refs == 1 ||
        operation->op.heap) {
        drop_rarely(operation);
        return;
    }
    entry->refs--;
    operation->op.future.ops = NULL;
}

void
evfi_entry_visit(const struct evfi_entry *entry, evf_visit_fn *fn, void *arg)
{
    char note[32];

    if (entry->fd < 0)
        return;
    snprintf(note, sizeof(note), "fd %d", entry->fd);
    fn(arg, NULL, note);
}

void
evfi_operation_visit(evf_future *self, evf_visit_fn *fn, void *arg)
{
    evfi_entry_visit(((struct evfi_operation *)self)->entry, fn, arg);
}

static enum evf_poll
nothing_poll(evf_future *self, evf_context *cx)
{
    struct evfi_operation *operation = (struct evfi_operation *)self;

    (void)cx;
    return evf_future_ready(self, evfi_entry_error(operation->entry));
}

static const evf_future_ops nothing_ops = {
    .size = sizeof(struct evfi_operation),
    .name = "nothing",
    .poll = nothing_poll,
    .drop = evfi_operation_drop,
    .visit = evfi_operation_visit,
};

struct evfi_operation *
evfi_operation_claim(evf_op *op, const evf_future_ops *ops,
    struct evfi_entry *entry)
{
    struct evfi_operation *operation = evfi_op_claim(op, ops);

    if (evfi_future_is_real(operation)) {
        operation->entry = entry;
        entry->refs++;
    }
    return operation;
}

evf_future *
evfi_operation_bytes(evf_op *op, const evf_future_ops *ops, evf_socket *socket,
    const void *buf, size_t len)
{
    struct evfi_operation *operation;

    if (!evfi_socket_is_real(socket))
        return evf_future_failed(-EBADF);
    operation = evfi_operation_claim(op, len != 0 ? ops : &nothing_ops,
        &socket->entry);
    if (!evfi_future_is_real(operation))
        return (evf_future *)operation;
    return evfi_operation_set_bytes(operation, buf, len);
}
