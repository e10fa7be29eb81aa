/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SWEEP_RUN_H
#define SWEEP_RUN_H

#include "sweep-row.h"

/* Who holds the future, and polls it. */
enum sweep_hold {
    SWEEP_HAND,   /* the sweep, by hand, on the executor */
    SWEEP_TASK,   /* a task */
    SWEEP_GROUP,  /* a group, in a task, beside another child */
    SWEEP_SELECT, /* a select, in a task, beside another child */
    SWEEP_HOLDS
};

/* A moment of a run. */
enum sweep_moment {
    SWEEP_IN_POLL,    /* in its poll, before anything else */
    SWEEP_AFTER_POLL, /* in its poll, which leaves it pending */
    SWEEP_IDLE,       /* it waits */
    SWEEP_WOKEN       /* a step was made that it has not seen */
};

/* What is done at that moment. */
enum sweep_act {
    SWEEP_NOTHING,
    SWEEP_DROP,     /* evf_future_drop() */
    SWEEP_CANCEL,   /* evf_task_cancel() */
    SWEEP_FREE,     /* evf_task_free() */
    SWEEP_SIBLING,  /* the other child fails, or wins */
    SWEEP_CLOSE,    /* the row's close */
    SWEEP_EXECUTOR, /* evf_executor_free() */
    SWEEP_ACTS
};

/* From where, if the moment is outside of its poll. */
enum sweep_place {
    SWEEP_OUTSIDE,  /* of the loop */
    SWEEP_CALLBACK, /* a callback of the program's */
    SWEEP_OTHER,    /* another task's poll */
    SWEEP_PLACES
};

struct sweep_plan {
    enum sweep_hold hold;
    enum sweep_act act;
    enum sweep_place place;
    unsigned at; /* the number of the moment */
    bool late;   /* the executor goes before what the row has made */
    size_t fail; /* which allocation fails, from the construction on; 0: none */
};

#define SWEEP_MOMENTS 64

/* What is known of a run that nothing disturbed. */
struct sweep_course {
    unsigned count;
    enum sweep_moment moment[SWEEP_MOMENTS];
};

/*
 * Runs the row by the plan, from an executor of its own to nothing left behind.
 * Returns whether the allocation that was to fail was asked for.
 */
bool sweep_run(const struct row *row, const struct sweep_plan *plan,
    struct sweep_course *course);

/* For runs of another kind: begins and ends one. The row's things are made. */
void sweep_begin(struct sweep *s, const struct row *row, const char *what);
void sweep_end(struct sweep *s, bool late);

/* Passes through the loop until nothing is queued or active. */
void sweep_settle(void);

/*
 * The same after as many passes as it takes until `seen`: a step's effect, or
 * time that goes on. False if it is never seen.
 */
bool sweep_look(bool (*seen)(const void *arg), const void *arg);

/* Is this the result that the row is to have? */
bool sweep_expected(const struct sweep *s, intptr_t result);

/* Ends what a result stands for, if it was taken. */
void sweep_dispose(const struct row *row, intptr_t result);

#endif
