/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FUZZ_ACT_H
#define FUZZ_ACT_H

#include "fuzz-world.h"

/*
 * With a probability of `percent`, does something that anybody may do from
 * there: finishes a leaf, ends a task, adds to a group, frees an executor.
 */
void fuzz_act(unsigned percent);

/* Brings whatever is waiting for the world to its end. */
void fuzz_finish_all(void);

#endif
