/* SPDX-License-Identifier: BSD-3-Clause */
#include "reactor/internal-event.h"

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

/*
 * The only place that touches a field of libevent's event_struct.h. Where
 * configure does not find it, events stay ordinary: everything works, but idle
 * sockets and armed timers hold dispatch, and EVLOOP_ONCE returns after a pass
 * that only woke a task.
 */
static void
mark_internal(struct event *event)
{
#ifdef HAVE_EVLIST_INTERNAL
    event->ev_evcallback.evcb_flags |= EVLIST_INTERNAL;
#else
    (void)event;
#endif
}

void
evfi_internal_event_assign(struct event *event, struct event_base *base,
    evutil_socket_t fd, short what, event_callback_fn callback, void *arg)
{
    event_assign(event, base, fd, what, callback, arg);
    event_priority_set(event, 0);
    mark_internal(event);
}
