/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef EVFUTURE_WAKER_H
#define EVFUTURE_WAKER_H

#include <evfuture/export.h>

EVF_C_BEGIN

/*
 * A waker is how a pending future asks to be polled again: whoever makes the
 * future able to go on (a libevent callback, a timer, another task) wakes it.
 *
 * It is two words, as Rust's: a table of four functions and their argument.
 * During a poll the waker is borrowed from the context; a future that is still
 * pending when its poll returns keeps a clone, and drops it when it is dropped:
 *
 *     evf_waker_update(&self->waker, evf_context_waker(cx));
 *     return EVF_PENDING;
 *     ...
 *     evf_waker_wake(&self->waker);
 *
 * A zeroed waker wakes nobody, and may be given to every function below.
 * Wakes of an executor's task coalesce: any number of them before a poll is
 * one poll. Waking a task that has ended, whose executor or event base is gone,
 * does nothing.
 *
 * All of it belongs to the loop's thread.
 */
typedef struct evf_waker evf_waker;

typedef struct evf_waker_ops {
    void *(*clone)(void *data);      /* the new waker's data; cannot fail */
    void (*wake)(void *data);        /* wakes, and gives up the clone */
    void (*wake_by_ref)(void *data); /* wakes */
    void (*drop)(void *data);        /* gives up the clone */
} evf_waker_ops;

struct evf_waker {
    const evf_waker_ops *ops;
    void *data;
};

/*
 * A second waker of the same task.
 *
 * Ownership: returns owned; wake or drop it. `waker` is borrowed.
 * Context: loop thread. Runs the `clone` of a foreign waker inline.
 * Since: 0.1
 */
EVF_API evf_waker evf_waker_clone(const evf_waker *waker);

/*
 * Wakes, and drops: `waker` is zeroed.
 *
 * Ownership: takes what `waker` holds.
 * Context: loop thread. A task is queued, never polled inline; a foreign waker
 *   does as it likes.
 * Since: 0.1
 */
EVF_API void evf_waker_wake(evf_waker *waker);

/*
 * Wakes and keeps the waker.
 *
 * Ownership: borrows.
 * Context: as evf_waker_wake().
 * Since: 0.1
 */
EVF_API void evf_waker_wake_by_ref(const evf_waker *waker);

/*
 * Drops without waking: `waker` is zeroed.
 *
 * Ownership: takes what `waker` holds.
 * Context: loop thread. Runs the `drop` of a foreign waker inline.
 * Since: 0.1
 */
EVF_API void evf_waker_drop(evf_waker *waker);

/*
 * Whether waking `a` and waking `b` is the same.
 *
 * Context: loop thread.
 * Since: 0.1
 */
static inline bool
evf_waker_will_wake(const evf_waker *a, const evf_waker *b)
{
    return a->ops == b->ops && a->data == b->data;
}

/*
 * Makes `*slot` a clone of `waker` and drops what it held, unless it would wake
 * the same task already. This is what a pending poll does: the latest poll's
 * waker wins.
 *
 * Ownership: `*slot` owns a clone afterwards; `waker` is borrowed.
 * Context: as evf_waker_clone().
 * Since: 0.1
 */
EVF_API void evf_waker_update(evf_waker *slot, const evf_waker *waker);

EVF_C_END

#endif
