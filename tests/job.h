/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef JOB_H
#define JOB_H

#include "support.h"

#include <stdlib.h>

/*
 * The frame that the tests of async functions share: what their functions do
 * differs, what they have does not. It counts how often each part of a function
 * has run.
 *
 *     static enum evf_poll
 *     twice_run(evf_future *self, evf_context *cx)
 *     {
 *         struct job *j = evf_frame_of(self, struct job);
 *
 *         EVF_BEGIN(self, cx);
 *         EVF_TRY(j->got, handed(j));
 *         EVF_RETURN(2 * j->got);
 *         EVF_FINALLY;
 *         finish(j);
 *         EVF_END;
 *     }
 *
 *     JOB(twice);
 *     ...
 *     ck_assert_int_eq(complete(&job(NULL, &twice_ops, child)->frame.future), 4);
 */
struct job {
    evf_frame frame;
    evf_future *child; /* owned until it is handed on */
    evf_op op;
    intptr_t got;
    char *text; /* owned */
    struct thing *thing;
    void *arg;
    unsigned resumes, begun, went_on, finals;
    unsigned n;
};

#define JOB(name)                                                              \
    static const evf_frame_ops name##_ops = EVF_FRAME_OPS(struct job,          \
        name##_run)

/* Makes one, in zeroed storage or on the heap; takes the child. */
static inline struct job *
job(struct job *storage, const evf_frame_ops *ops, evf_future *child)
{
    struct job *j = evf_frame_init(storage, ops);

    ck_assert_ptr_nonnull(j);
    j->child = child;
    return j;
}

/* The child, for whoever awaits it. */
static inline evf_future *
handed(struct job *j)
{
    evf_future *child = j->child;

    j->child = NULL;
    return child;
}

/* What stands after EVF_FINALLY: releases all that a job may own. */
static inline void
finish(struct job *j)
{
    j->finals++;
    evf_future_drop(handed(j));
    free(j->text);
    j->text = NULL;
}

/* Awaits its child, and returns one more than that did. */
static inline enum evf_poll
increment_run(evf_future *self, evf_context *cx)
{
    struct job *j = evf_frame_of(self, struct job);
    intptr_t n;

    j->resumes++;
    EVF_BEGIN(self, cx);
    j->begun++;
    EVF_AWAIT(n, handed(j));
    j->went_on++;
    EVF_RETURN(n + 1);
    EVF_FINALLY;
    finish(j);
    EVF_END;
}

JOB(increment);

/* A constructor as users write them; it takes the child, on failure too. */
static inline evf_future *
increment(evf_future *child)
{
    struct job *j = evf_frame_init(NULL, &increment_ops);

    if (j == NULL) {
        evf_future_drop(child);
        return NULL;
    }
    j->child = child;
    return &j->frame.future;
}

/* Polls for as long as the future wakes itself, as any executor does. */
static inline enum evf_poll
settle(evf_future *future, struct probe *probe)
{
    enum evf_poll poll;
    unsigned wakes;

    do {
        wakes = probe->wakes;
        ck_assert_uint_lt(wakes, 10000); /* it never ends */
        poll = poll_with(future, probe, executor);
    } while (poll == EVF_PENDING && probe->wakes != wakes);
    return poll;
}

/* Polls to the end, and drops; the result is taken. */
static inline intptr_t
complete(evf_future *future)
{
    struct probe probe;
    intptr_t result;

    probe_init(&probe);
    ck_assert_int_eq(settle(future, &probe), EVF_READY);
    result = evf_future_take(future);
    evf_future_drop(future);
    ck_assert_int_eq(probe_live(&probe), 0);
    return result;
}

#endif
