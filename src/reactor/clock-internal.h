/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef EVFI_CLOCK_INTERNAL_H
#define EVFI_CLOCK_INTERNAL_H

#include "reactor/internal-event.h"
#include "reactor/reactor-internal.h"

/*
 * How far ahead, in ms, the tick is armed at most: a day. Back ends convert the
 * delay into an int of milliseconds, and an early tick only looks again.
 */
#define EVFI_TICK_MAX ((uint64_t)24 * 60 * 60 * 1000)

/* The reactor's parts that belong to time: the wheel and the tick. */
void evfi_clock_init(evf_reactor *reactor);

/* Deletes the tick, and fires every timer with reactor->closing set. */
void evfi_clock_done(evf_reactor *reactor);

#endif
