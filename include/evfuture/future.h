/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef EVFUTURE_FUTURE_H
#define EVFUTURE_FUTURE_H

#include <errno.h>
#include <evfuture/export.h>

EVF_C_BEGIN

/*
 * A future is a value that is polled until it is ready.
 *
 * Life: it is made by a constructor, does nothing until its first poll (unless
 * its constructor says so), is polled whenever its waker was woken, and is
 * dropped exactly once by whoever took it: before the first poll, while it is
 * pending, or when it is ready. Polling it after that it was ready, and
 * dropping it inside its own poll, are misuse (misuse.h).
 *
 * You rarely do any of that by hand: EVF_AWAIT (frame.h), evf_spawn() (task.h)
 * and the combinators take a future and end it.
 *
 * A future written by hand puts the `evf_future` into its own struct:
 *
 *     struct countdown { evf_future future; int left; };
 *
 *     static enum evf_poll
 *     countdown_poll(evf_future *self, evf_context *cx)
 *     {
 *         struct countdown *c = evf_container_of(self, struct countdown, future);
 *
 *         if (c->left == 0)
 *             return evf_future_ready(self, 0);
 *         c->left--;
 *         evf_waker_wake_by_ref(evf_context_waker(cx));
 *         return EVF_PENDING;
 *     }
 */
typedef struct evf_future evf_future;
typedef struct evf_context evf_context;

enum evf_poll {
    EVF_PENDING, /* the context's waker will be woken */
    EVF_READY    /* evf_future_take() has the result */
};

/* The future hands the context on to its children, and so knows requests. */
#define EVF_PASSES_CANCEL (1u << 0)
/* The future must be started even while a cancel request is in force. */
#define EVF_STARTS (1u << 1)

/*
 * Called by `visit` for each future that this one waits for, and with a NULL
 * `child` to say something about the future itself, such as "fd 17".
 */
typedef void evf_visit_fn(void *arg, evf_future *child, const char *note);

typedef struct evf_future_ops {
    size_t size;      /* of the whole struct, in bytes */
    const char *name; /* what the dump calls it */
    uint32_t flags;   /* EVF_PASSES_CANCEL, EVF_STARTS */
    enum evf_poll (*poll)(evf_future *self, evf_context *cx);
    void (*drop)(evf_future *self); /* releases all but an untaken result */
    void (*visit)(evf_future *self, evf_visit_fn *fn, void *arg); /* or NULL */
} evf_future_ops;

struct evf_future {
    const evf_future_ops *ops;
    /* Set when poll returns EVF_READY; one of the codes below before, while,
     * and after it was taken. They are no errno of any system. */
    intptr_t result;
    /* Frees a result that nobody took; NULL when there is nothing to free. May
     * be set as late as by the poll that makes it ready. */
    void (*dispose)(void *result);
};

#define EVF_RESULT_PENDING ((intptr_t)-4095)
#define EVF_RESULT_POLLING ((intptr_t)-4094)
#define EVF_RESULT_TAKEN   ((intptr_t)-4093)

/*
 * Storage for one operation. Every future that the library makes fits. It is
 * zeroed once, by its owner, before its first use; dropping the future makes it
 * free for the next one. Constructing into storage in use gives a future that
 * fails with -EBUSY and harms nobody. Where a constructor takes an `evf_op *`,
 * NULL means the heap.
 *
 * A future written by hand may live there too, if it fits: it is in use exactly
 * while `future.ops` is set. So its constructor looks whether that is NULL, and
 * its drop ends with setting it to NULL.
 */
typedef union evf_op {
    max_align_t align;
    evf_future future;
    unsigned char bytes[160];
} evf_op;

/*
 * A pointer as a result: NULL, as malloc and strdup return it, is -ENOMEM.
 *
 * Context: any thread.
 * Since: 0.1
 */
static inline intptr_t
evf_result_of(void *pointer)
{
    return pointer != NULL ? (intptr_t)pointer : -ENOMEM;
}

/*
 * A future that fails with `error` (a negative errno), without any storage.
 * Awaiting, spawning, joining and dropping it are all legal; a NULL future is
 * one that fails with -ENOMEM. So no constructor's result needs a check.
 *
 * Context: any thread.
 * Since: 0.1
 */
static inline evf_future *
evf_future_failed(int error)
{
    return (evf_future *)(intptr_t)error;
}

/*
 * For constructors of hand-written futures: fills the header.
 *
 * Context: loop thread.
 * Since: 0.1
 */
static inline void
evf_future_init(evf_future *self, const evf_future_ops *ops)
{
    self->ops = ops;
    self->result = EVF_RESULT_PENDING;
    self->dispose = NULL;
}

/*
 * For poll functions: `return evf_future_ready(self, result);`
 *
 * Context: loop thread, inside the future's own poll.
 * Since: 0.1
 */
static inline enum evf_poll
evf_future_ready(evf_future *self, intptr_t result)
{
    self->result = result;
    return EVF_READY;
}

/*
 * Polls: EVF_READY, or EVF_PENDING, after which the waker in `cx` will be
 * woken. For executors and tests; combinators use evf_future_poll_child().
 *
 * Returns: EVF_READY at once for NULL and for a failed future. Polling a future
 *   that was ready, or that is being polled, is misuse and leaves it alone.
 * Ownership: borrows both.
 * Context: loop thread, never from inside the same future's poll.
 * Since: 0.1
 */
EVF_API enum evf_poll evf_future_poll(evf_future *future, evf_context *cx);

/*
 * Moves the result out. The drop that must still follow frees no result.
 *
 * Returns: the result; of NULL -ENOMEM, of a failed future its error, of a
 *   future that is not ready, or that was taken from already, one of the
 *   EVF_RESULT_ codes, which are errors too.
 * Ownership: the caller owns what the result stands for.
 * Context: loop thread.
 * Since: 0.1
 */
EVF_API intptr_t evf_future_take(evf_future *future);

/*
 * Ends the future at whatever point it is: synchronously, completely, without
 * blocking. A result that nobody took is freed. NULL and failed futures are
 * fine. Dropping a future inside its own poll is misuse without effect.
 *
 * Ownership: takes.
 * Cancellation: this is what cancelling comes to; what is lost is told by each
 *   future's constructor.
 * Context: loop thread.
 * Since: 0.1
 */
EVF_API void evf_future_drop(evf_future *future);

/*
 * A future that is ready at its first poll, with `result`; `dispose` frees the
 * result if nobody takes it, and may be NULL.
 *
 * Returns: the future; on failure NULL (-ENOMEM) or the -EBUSY future.
 * Ownership: takes what `result` stands for, on failure too.
 * Cancellation: the result is freed.
 * Context: loop thread.
 * Since: 0.1
 */
EVF_API evf_future *evf_ready(evf_op *op, intptr_t result,
    void (*dispose)(void *result));

/*
 * A future from one function, which is called at each poll. It returns
 * EVF_PENDING after it has seen to a wake, or EVF_READY with `*result` set.
 *
 * Ownership: `arg` is borrowed until the future is dropped. Nothing frees a
 *   result that nobody takes; write a future by hand where that matters.
 * Cancellation: nothing is left behind, except what `fn` itself keeps.
 * Context: loop thread.
 * Since: 0.1
 */
typedef enum evf_poll evf_poll_fn_fn(void *arg, evf_context *cx,
    intptr_t *result);
EVF_API evf_future *evf_poll_fn(evf_op *op, evf_poll_fn_fn *fn, void *arg);

EVF_C_END

#endif
