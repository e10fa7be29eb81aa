/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FUZZ_ROOT_H
#define FUZZ_ROOT_H

#include "fuzz-world.h"

/*
 * Wraps what an executor is going to poll, so that its polls, wakes and end are
 * accounted for. Takes `child`. NULL, and the child dropped, if the table is
 * full.
 */
evf_future *root_new(evf_future *child, struct fuzz_root **root);

/* Whether a future is what root_new() returned. */
bool root_is_meter(const evf_future *future);

/* Spawns on any executor. Takes `child`; `task` is NULL if there is none. */
struct fuzz_handle root_spawn(evf_future *child, bool then);

/* evf_task_free() of what `handle` holds, if anything, and what it promises. */
void root_free(struct fuzz_handle *handle);

/* What must be true of every root when nothing is left to run. */
void roots_check_idle(void);
/* And at the end of the seed. */
void roots_check_end(void);
/* Roots that have not been dropped. */
unsigned roots_live(void);

#endif
