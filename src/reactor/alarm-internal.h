/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef EVFI_ALARM_INTERNAL_H
#define EVFI_ALARM_INTERNAL_H

#include "core/waker-internal.h"
#include "reactor/reactor-internal.h"

/*
 * A timer with a waker: what every future that waits for time contains. It
 * starts zeroed.
 */
struct evfi_alarm {
    struct evfi_timer timer;
    evf_reactor *reactor; /* set while armed; NULL before, and at the end */
    evf_waker waker;      /* owned while armed */
    int rang; /* 0 until it rang: then 1, or -ESHUTDOWN with the executor */
};

void evfi_alarm_set(struct evfi_alarm *alarm, evf_reactor *reactor,
    uint64_t deadline, const evf_waker *waker);

/* Unarmed, no waker kept; may be set again. */
void evfi_alarm_cancel(struct evfi_alarm *alarm);

/* Of an alarm that was set: has it rung? Until then the latest waker wins. */
static inline int
evfi_alarm_poll(struct evfi_alarm *alarm, const evf_waker *waker)
{
    if (alarm->rang == 0)
        evfi_waker_update(&alarm->waker, waker);
    return alarm->rang;
}

#endif
