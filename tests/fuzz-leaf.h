/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FUZZ_LEAF_H
#define FUZZ_LEAF_H

#include "fuzz-world.h"

/*
 * A future that is ready when fuzz_leaf_finish() says so. A stubborn one takes no
 * notice of a cancel request. NULL if the table is full.
 */
evf_future *fuzz_leaf_new(bool stubborn);

/* One of the live ones, or NULL. */
struct fuzz_leaf *fuzz_leaf_some(void);

/* Ready from now on; wakes. */
void fuzz_leaf_finish(struct fuzz_leaf *leaf);
/* Wakes for nothing. */
void fuzz_leaf_disturb(struct fuzz_leaf *leaf);

/* A completer's future; its callback side is one of the world's. */
evf_future *completer_new(void);
/* Calls the callback of place `i`, if it is due. */
void completer_call(unsigned i);

/*
 * User-written composites of one child, which they take:
 * - opaque knows of no requests, and is dropped whole;
 * - abroad is a foreign executor, under which there is no time;
 * - stash gives a child that was polled to the orphans when it is dropped.
 */
evf_future *opaque_new(evf_future *child);
evf_future *abroad_new(evf_future *child);
evf_future *stash_new(evf_future *child);

/* Awaits one of the orphans; NULL if there is none. */
evf_future *adopt_new(void);
void orphan_drop(unsigned i);

/*
 * evf_wait_fd() that counts as a live wait while it is pending. `on` is the
 * place of an executor, or FUZZ_EXECUTORS for the context's.
 */
evf_future *wait_new(evf_op *op, unsigned on, unsigned fd, uint32_t signals);

/*
 * evf_join() of `n` futures, at most 4, with their arrays. Takes them. The
 * tokens among the results are ended.
 */
evf_future *box_new(evf_op *op, unsigned n, evf_future *const *futures);

#endif
