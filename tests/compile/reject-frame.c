/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * F42: what an async function must not do does not compile.  The file is right
 * as it stands; tests/compile/run turns on one mistake after the other.
 */

#include <evfuture.h>

struct job {
#ifdef REJECT_FRAME_THAT_IS_NOT_FIRST
    int before;
#endif
#ifdef REJECT_FRAME_OF_ANOTHER_TYPE
    evf_future frame;
#else
    evf_frame frame;
#endif
    evf_op op;
    int kind;
};

static enum evf_poll
job_run(evf_future *self, evf_context *cx)
{
    struct job *job = evf_frame_of(self, struct job);
    intptr_t n;

    EVF_BEGIN(self, cx);
    EVF_TRY(n, evf_yield(&job->op));
    EVF_AWAIT(n, evf_yield(&job->op));
    switch (job->kind) {
    case 1:
#ifdef REJECT_AWAIT_IN_NESTED_SWITCH
        EVF_AWAIT(n, evf_yield(&job->op));
#endif
#ifdef REJECT_TRY_IN_NESTED_SWITCH
        EVF_TRY(n, evf_yield(&job->op));
#endif
        n = 2;
        break;
    default:
        break;
    }
    if (n == 3)
        EVF_RETURN(n);
#ifdef REJECT_TWO_AWAITS_ON_ONE_LINE
    /* clang-format off */
    EVF_AWAIT(n, evf_yield(&job->op)); EVF_AWAIT(n, evf_yield(&job->op));
    /* clang-format on */
#endif
#ifndef REJECT_MISSING_FINALLY
    EVF_FINALLY;
#endif
#ifdef REJECT_AWAIT_AFTER_FINALLY
    EVF_AWAIT(n, evf_yield(&job->op));
#endif
#ifdef REJECT_TRY_AFTER_FINALLY
    EVF_TRY(n, evf_yield(&job->op));
#endif
#ifdef REJECT_RETURN_AFTER_FINALLY
    EVF_RETURN(1);
#endif
    job->kind = 0;
#ifndef REJECT_MISSING_END
    EVF_END;
#endif
}

static const evf_frame_ops job_ops = EVF_FRAME_OPS(struct job, job_run);

evf_future *job(void);

evf_future *
job(void)
{
    struct job *job = evf_frame_init(NULL, &job_ops);

    return job == NULL ? NULL : (evf_future *)(void *)job;
}
