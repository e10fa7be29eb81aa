/* SPDX-License-Identifier: BSD-3-Clause */
#include "task/room-internal.h"

#include "core/future-internal.h"
#include "core/op-internal.h"

/*
 * A slot that has come free is granted to the first room that waits, and is no
 * other room's until that is polled or dropped. A child that was added without
 * asking may take it all the same; then the room is the first again.
 */
struct room {
    struct evfi_op op;
    evf_group *group; /* referenced */
    struct evfi_list link;
    evf_waker waker; /* owned while linked */
    bool granted;
};

EVFI_OP_FITS(struct room);

static bool
has_slot(const evf_group *group)
{
    return group->max_running == 0 ||
        group->running + group->queued + group->granted < group->max_running;
}

void
evfi_rooms_grant(evf_group *group)
{
    struct evfi_list *link;
    struct room *room;

    while ((link = evfi_list_first(&group->rooms)) != NULL &&
        (evfi_group_is_shut(group) || has_slot(group))) {
        room = evf_container_of(link, struct room, link);
        evfi_list_remove(link);
        room->granted = true;
        group->granted++;
        evfi_waker_wake(&room->waker);
    }
}

static void
give_back(struct room *room)
{
    if (!room->granted)
        return;
    room->granted = false;
    room->group->granted--;
}

static enum evf_poll
room_poll(evf_future *self, evf_context *cx)
{
    struct room *room = (struct room *)self;
    evf_group *group = room->group;
    bool called = room->granted;

    give_back(room);
    if (evfi_group_is_shut(group)) {
        evfi_list_remove(&room->link);
        return evf_future_ready(self, -ESHUTDOWN);
    }
    if (!evfi_list_linked(&room->link)) {
        if ((called || evfi_list_empty(&group->rooms)) && has_slot(group))
            return evf_future_ready(self, 0);
        if (called)
            evfi_list_prepend(&group->rooms, &room->link);
        else
            evfi_list_append(&group->rooms, &room->link);
    }
    evfi_waker_update(&room->waker, &cx->waker);
    if (room->granted) /* by foreign code, which taking the waker may run */
        evfi_waker_wake(&room->waker);
    return EVF_PENDING;
}

static void
room_drop(evf_future *self)
{
    struct room *room = (struct room *)self;
    evf_group *group = room->group;
    evf_waker waker = room->waker;

    evfi_list_remove(&room->link);
    give_back(room);
    room->waker = (evf_waker){NULL, NULL};
    evfi_waker_drop(&waker);
    evfi_rooms_grant(group);
    evfi_group_unref(group);
    /* Last, since what those run may dump whoever has not let go of us yet. */
    evfi_op_release(&room->op);
}

static const evf_future_ops room_ops = {
    .size = sizeof(struct room),
    .name = "room in a group",
    .poll = room_poll,
    .drop = room_drop,
};

evf_future *
evf_group_room(evf_op *op, evf_group *group)
{
    struct room *room;

    if (group == NULL)
        return evf_future_failed(-EINVAL);
    room = evfi_op_claim(op, &room_ops);
    if (!evfi_future_is_real(room))
        return (evf_future *)room;
    room->group = group;
    group->refs++;
    return &room->op.future;
}
