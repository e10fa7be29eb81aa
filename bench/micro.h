/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One operation of the micro benchmark.  Its `run` does the operation `count`
 * times between micro_start and micro_stop, and everything that is done once
 * outside of them.  The driver counts instructions as the difference of two
 * runs of different counts, so what is done once does not matter there.
 */
#ifndef BENCH_MICRO_H
#define BENCH_MICRO_H

#include <stdint.h>

struct event_base;

struct micro_op {
    const char *name;
    void (*run)(struct event_base *base, uint64_t count, unsigned pending);
    unsigned pending; /* how many others are armed */
};

/* Spawns, and their twin, are made in batches of this size. */
#define MICRO_BATCH 1000

/* Pending timers end between these two, the early one before, the late one
 * after all of them.  Nothing expires while the bench runs. */
#define MICRO_EARLY_MS 600000u
#define MICRO_FIRST_MS 1200000u
#define MICRO_LAST_MS  2400000u
#define MICRO_LATE_MS  3600000u

/* Where the pending timer number i of n ends; spread, in no sorted order. */
uint32_t micro_deadline_ms(unsigned i);

/* A descriptor that stays quiet, above n others that each have an event. */
struct micro_crowd {
    int fd;
    int peer;
    unsigned n;
    struct event *others;
};
void micro_gather(struct micro_crowd *crowd, struct event_base *base,
    unsigned n);
void micro_disperse(struct micro_crowd *crowd);

void micro_start(void);
void micro_stop(void);

_Noreturn void micro_fail(const char *message);

/* Both end with an entry without a name. */
extern const struct micro_op micro_evfuture_ops[];
extern const struct micro_op micro_libevent_ops[];

#endif
