/* SPDX-License-Identifier: BSD-3-Clause */
#include <evfuture/waker.h>

#include "core/waker-internal.h"

void *
evfi_counted_clone(void *data)
{
    ((struct evfi_counted *)data)->refs++;
    return data;
}

evf_waker
evf_waker_clone(const evf_waker *waker)
{
    return evfi_waker_clone(waker);
}

void
evf_waker_wake(evf_waker *waker)
{
    evfi_waker_wake(waker);
}

void
evf_waker_wake_by_ref(const evf_waker *waker)
{
    evfi_waker_wake_by_ref(waker);
}

void
evf_waker_drop(evf_waker *waker)
{
    evfi_waker_drop(waker);
}

void
evf_waker_update(evf_waker *slot, const evf_waker *waker)
{
    evfi_waker_update(slot, waker);
}
