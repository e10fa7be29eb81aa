/* SPDX-License-Identifier: BSD-3-Clause */
#include "io/operation-internal.h"

#include <stdio.h>

void
evfi_operation_drop(evf_future *self)
{
    struct evfi_operation *operation = (struct evfi_operation *)self;

    if (operation->interest.entry != NULL)
        evf_interest_remove(&operation->interest);
    evfi_entry_unref(operation->entry);
    evfi_op_release(&operation->op);
}

void
evfi_entry_visit(const struct evfi_entry *entry, evf_visit_fn *fn, void *arg)
{
    char note[32];

    if (entry->fd < 0)
        return;
    snprintf(note, sizeof(note), "fd %d", entry->fd);
    fn(arg, NULL, note);
}

void
evfi_operation_visit(evf_future *self, evf_visit_fn *fn, void *arg)
{
    evfi_entry_visit(((struct evfi_operation *)self)->entry, fn, arg);
}

static enum evf_poll
nothing_poll(evf_future *self, evf_context *cx)
{
    struct evfi_operation *operation = (struct evfi_operation *)self;

    (void)cx;
    return evf_future_ready(self, evfi_entry_error(operation->entry));
}

static const evf_future_ops nothing_ops = {
    .size = sizeof(struct evfi_operation),
    .name = "nothing",
    .poll = nothing_poll,
    .drop = evfi_operation_drop,
    .visit = evfi_operation_visit,
};

evf_future *
evfi_operation_nothing(evf_op *op, struct evfi_entry *entry)
{
    return (evf_future *)evfi_operation_claim(op, &nothing_ops, entry);
}
