/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FUZZ_LINK_H
#define FUZZ_LINK_H

#include "fuzz-world.h"

/*
 * A model of what contains what: through a group, or a join, roots are inside
 * of the root that polled it last or, before that, of the one that made it.
 */
struct fuzz_link *link_new(bool keep_going);

/*
 * The group's, or the join's, future, which it takes, keeping the link true.
 */
evf_future *link_through(struct fuzz_link *link, evf_future *future);

/* A room of the link's group, which must not wait once that is over. */
evf_future *link_room(struct fuzz_link *link, evf_future *room);

/* Whether what is running is in `root`, or is it. */
bool link_contains(const struct fuzz_root *root);

/* What must be true when nothing is left to run. */
void links_check_idle(void);

#endif
