/* SPDX-License-Identifier: BSD-3-Clause */
#include "reactor/alarm-internal.h"

static void
ring(struct evfi_timer *timer)
{
    struct evfi_alarm *alarm = evf_container_of(timer, struct evfi_alarm,
        timer);

    alarm->rang = alarm->reactor->closing ? -ESHUTDOWN : 1;
    alarm->reactor = NULL;
    evfi_waker_wake(&alarm->waker);
}

void
evfi_alarm_set(struct evfi_alarm *alarm, evf_reactor *reactor,
    uint64_t deadline, const evf_waker *waker)
{
    alarm->timer.fired = ring;
    alarm->reactor = reactor;
    alarm->rang = 0;
    evfi_waker_update(&alarm->waker, waker);
    evfi_reactor_arm(reactor, &alarm->timer, deadline);
}

void
evfi_alarm_cancel(struct evfi_alarm *alarm)
{
    if (alarm->reactor == NULL)
        return;
    evfi_wheel_cancel(&alarm->reactor->wheel, &alarm->timer);
    alarm->reactor = NULL;
    evfi_waker_drop(&alarm->waker);
}
