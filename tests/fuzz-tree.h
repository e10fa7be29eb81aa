/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FUZZ_TREE_H
#define FUZZ_TREE_H

#include "fuzz-world.h"

struct fuzz_frame;

/*
 * A random future of at most `depth` levels. With a frame it may use that
 * frame's storage, and must be awaited by it; without, it may outlive everybody.
 */
evf_future *grow(struct fuzz_frame *frame, unsigned depth);

/* A group's future, with a few children; the handle is one of the world's. */
evf_future *grow_group(unsigned depth);
/* Only the handle: nobody has taken its future yet. */
void grow_group_alone(unsigned depth);

#endif
