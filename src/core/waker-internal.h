/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef EVFI_WAKER_INTERNAL_H
#define EVFI_WAKER_INTERNAL_H

#include <evfuture/waker.h>

/*
 * The wakers of our own tasks: `data` begins with a count of references, and
 * cloning is one increment. It is inlined wherever we keep a waker, which makes
 * owning a clone cost what borrowing would.
 */
struct evfi_counted {
    uint32_t refs; /* wakers, and whatever else keeps the memory */
};

/* The clone function that marks such a waker. */
void *evfi_counted_clone(void *data);

static inline evf_waker
evfi_waker_clone(const evf_waker *waker)
{
    evf_waker clone = *waker;

    if (waker->ops == NULL)
        return clone;
    if (waker->ops->clone == evfi_counted_clone)
        ((struct evfi_counted *)waker->data)->refs++;
    else
        clone.data = waker->ops->clone(waker->data);
    return clone;
}

/*
 * The slot is emptied before foreign code runs, which may look at it.
 */
static inline void
evfi_waker_wake(evf_waker *slot)
{
    evf_waker waker = *slot;

    if (waker.ops == NULL)
        return;
    *slot = (evf_waker){NULL, NULL};
    waker.ops->wake(waker.data);
}

static inline void
evfi_waker_wake_by_ref(const evf_waker *waker)
{
    if (waker->ops != NULL)
        waker->ops->wake_by_ref(waker->data);
}

static inline void
evfi_waker_drop(evf_waker *slot)
{
    evf_waker waker = *slot;

    if (waker.ops == NULL)
        return;
    *slot = (evf_waker){NULL, NULL};
    waker.ops->drop(waker.data);
}

static inline void
evfi_waker_update(evf_waker *slot, const evf_waker *waker)
{
    evf_waker clone, old;

    if (evf_waker_will_wake(slot, waker))
        return;
    clone = evfi_waker_clone(waker);
    old = *slot; /* only now: cloning may be code that empties it */
    *slot = clone;
    evfi_waker_drop(&old);
}

#endif
