/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef EVFI_INTERNAL_EVENT_H
#define EVFI_INTERNAL_EVENT_H

#include <event2/event.h>
#include <event2/event_struct.h>

/*
 * Sets up an event of ours that only latches and wakes: at priority 0, which
 * every base has, and internal, so that libevent neither counts it as a reason
 * to stay in dispatch nor ends a pass after it. event_base_free() skips such
 * events: whoever adds one deletes it.
 */
void evfi_internal_event_assign(struct event *event, struct event_base *base,
    evutil_socket_t fd, short what, event_callback_fn callback, void *arg);

#endif
