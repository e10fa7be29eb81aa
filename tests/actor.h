/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef ACTOR_H
#define ACTOR_H

#include "support.h"

/*
 * A future that does what a test says, at each poll and at its drop, and leaves
 * its name in the trace, in small letters when it is dropped. It starts zeroed,
 * is given to actor(), and outlives the future.
 *
 *     struct actor a = {.name = 'A', .acts = frees_the_owner, .arg = owner};
 *
 *     evf_task_detach(evf_spawn(executor, actor(&a)));
 *     run_passes(1);
 *     ck_assert_traced("A");
 */
struct actor {
    evf_future future;
    char name;                           /* a capital letter, or 0 */
    void (*acts)(struct actor *self);    /* at each poll */
    void (*dropped)(struct actor *self); /* at the drop */
    void *arg;
    bool again; /* it wakes itself whenever it stays pending */
    bool ready; /* it ends at its next poll, with these */
    intptr_t result;
    void (*dispose)(void *result);
    unsigned polls, drops;
    evf_context *cx; /* while it is polled */
    evf_waker waker; /* of the last poll; keeps its task's memory */
};
evf_future *actor(struct actor *self);

/* Lets it end: wakes it if it was polled. */
void actor_finish(struct actor *self, intptr_t result);

/* What an actor is given to free, and what came of that: "()" in the trace. */
struct frees {
    evf_task *task; /* NULL: nothing is freed */
    int got;
};
void acts_and_frees(struct actor *self); /* its `arg` is a struct frees */

/* An async function that awaits one future; its name is the trace's. */
struct owner {
    evf_frame frame;
    evf_future *awaits;
    intptr_t got;
    unsigned finallies;
    char name;
};
evf_future *owner(struct owner *self, char name, evf_future *awaits);

/* What a callback of evf_spawn_then() was told. Given as its `arg`. */
struct told {
    unsigned calls;
    intptr_t result;
    char name; /* in the trace, or 0 */
    void (*then)(struct told *self);
    void *arg;
};
void tell(intptr_t result, void *told);

/* Calls `fn(arg)` from a callback of the host's in a later pass of the loop. */
void host_calls(void (*fn)(void *arg), void *arg);

/* Whether nothing holds the loop, so that dispatch would return, in a while. */
bool host_is_done(void);

/* Whether a task is queued; runs turns until none is, as long as that takes. */
bool work_is_queued(void);
void settle(void);

/* A base with so many priorities, and the case's executor on it. */
void use_priorities(int n);

#endif
