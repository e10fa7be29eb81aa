/* SPDX-License-Identifier: BSD-3-Clause */
#include <evfuture/reactor.h>

#include "core/alloc-internal.h"
#include "reactor/clock-internal.h"
#include "reactor/entry-internal.h"
#include "reactor/reactor-internal.h"

void
evfi_reactor_init(evf_reactor *reactor, struct event_base *base,
    const struct evfi_reactor_owner *owner)
{
    reactor->base = base;
    reactor->owner = owner;
    reactor->last_id = UINT64_C(1) << 63;
    evfi_clock_init(reactor);
}

void
evfi_reactor_done(evf_reactor *reactor)
{
    reactor->closing = true;
    for (size_t i = 0; i < reactor->size; i++)
        if (reactor->entries[i] != NULL)
            evfi_entry_detach(reactor->entries[i]);
    evfi_clock_done(reactor);
    evfi_release(reactor->entries);
    evfi_release(reactor->spare);
    reactor->entries = NULL;
    reactor->spare = NULL;
    reactor->size = 0;
}
