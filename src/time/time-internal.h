/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef EVFI_TIME_INTERNAL_H
#define EVFI_TIME_INTERNAL_H

#include "reactor/alarm-internal.h"

/*
 * The reactor whose clock a poll goes by: 0. -ENOTSUP under a foreign executor,
 * -ESHUTDOWN while ours is being freed, when nothing may be armed any more.
 */
static inline int
evfi_time_reactor(const evf_context *cx, evf_reactor **reactor)
{
    if (cx->executor == NULL)
        return -ENOTSUP;
    *reactor = evf_executor_reactor(cx->executor);
    return (*reactor)->closing ? -ESHUTDOWN : 0;
}

#endif
