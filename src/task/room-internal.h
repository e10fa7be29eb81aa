/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef EVFI_ROOM_INTERNAL_H
#define EVFI_ROOM_INTERNAL_H

#include "task/group-internal.h"

/*
 * Tells those who wait for room, in their order, as many as there are slots for;
 * or all of them, that nothing may be added any more. Wakers are foreign code:
 * the caller holds a reference on the group, and is done with it.
 */
void evfi_rooms_grant(evf_group *group);

#endif
