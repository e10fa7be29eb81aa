/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef EVFI_LIST_INTERNAL_H
#define EVFI_LIST_INTERNAL_H

#include <evfuture/export.h>

/*
 * An intrusive, doubly linked, circular list, in the shape of Wayland's
 * wl_list.  The same structure serves as the head of a list and as the node
 * embedded in each of its members, so linking allocates nothing and unlinking
 * needs neither a search nor the head:
 *
 *     struct waiter {
 *         struct evfi_list link;
 *         int id;
 *     };
 *
 *     struct evfi_list waiters, *node;
 *
 *     evfi_list_init(&waiters);
 *     evfi_list_append(&waiters, &waiter->link);
 *     evfi_list_for_each(node, &waiters)
 *         visit(evf_container_of(node, struct waiter, link));
 *     evfi_list_remove(&waiter->link);
 *
 * A head is initialised before use.  A node is not: zeroed memory is an
 * unlinked node, and removal leaves one behind.  The loop must not remove the
 * node it stands on; where members go while the list is walked, take
 * evfi_list_first() until it returns NULL.
 */

/* Visits every node of a list, first to last. */
#define evfi_list_for_each(pos, head)                                          \
    for ((pos) = (head)->next; (pos) != (head); (pos) = (pos)->next)

/* Makes an empty list of a head, whatever was in its memory. */
static inline void
evfi_list_init(struct evfi_list *list)
{
    list->prev = list;
    list->next = list;
}

/* Tells of a head whether its list has no members. */
static inline bool
evfi_list_empty(const struct evfi_list *list)
{
    return list->next == list;
}

/* Tells of a node whether it is a member of some list. */
static inline bool
evfi_list_linked(const struct evfi_list *node)
{
    return node->next != NULL;
}

/* Makes an unlinked node the last member. */
static inline void
evfi_list_append(struct evfi_list *list, struct evfi_list *node)
{
    struct evfi_list *last = list->prev;

    node->prev = last;
    last->next = node;
    node->next = list;
    list->prev = node;
}

/* Makes an unlinked node the first member. */
static inline void
evfi_list_prepend(struct evfi_list *list, struct evfi_list *node)
{
    struct evfi_list *first = list->next;

    node->prev = list;
    node->next = first;
    first->prev = node;
    list->next = node;
}

/* Takes a node out of its list, and does nothing if it is in none. */
static inline void
evfi_list_remove(struct evfi_list *node)
{
    if (!evfi_list_linked(node))
        return;
    node->prev->next = node->next;
    node->next->prev = node->prev;
    node->prev = NULL;
    node->next = NULL;
}

/* Returns the first node, or NULL if the list is empty. */
static inline struct evfi_list *
evfi_list_first(const struct evfi_list *list)
{
    return evfi_list_empty(list) ? NULL : list->next;
}

/* Moves all members behind those of another list; leaves an empty list. */
static inline void
evfi_list_splice(struct evfi_list *list, struct evfi_list *to)
{
    if (evfi_list_empty(list))
        return;
    list->next->prev = to->prev;
    to->prev->next = list->next;
    list->prev->next = to;
    to->prev = list->prev;
    evfi_list_init(list);
}

#endif
