/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CROWD_H
#define CROWD_H

#include <stdint.h>

/* What the server says, first with its port, and at its end. */
struct crowd_report {
    uint16_t port;
    unsigned finished; /* connections whose function has ended */
    unsigned blocks;   /* of memory that are left */
    unsigned fds;      /* that are left */
};

/*
 * Opens `size` connections to the port, waits until each has had an answer, and
 * ends each in its own way. Asserts that every orderly one got its bytes.
 */
void crowd_client(uint16_t port, unsigned size, uint64_t seed);

#endif
