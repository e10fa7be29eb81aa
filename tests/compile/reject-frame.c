/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * F42: what an async function must not do does not compile.  The file is right
 * as it stands; tests/compile/run turns on one mistake after the other, and the
 * compiler must say what is quoted beside it.
 */

#include <evfuture.h>

enum kind {
    KIND_ONE,
    KIND_TWO
};

struct job {
#ifdef REJECT_FRAME_THAT_IS_NOT_FIRST /* is negative */
    int before;
#endif
#ifdef REJECT_FRAME_OF_ANOTHER_TYPE /* not compatible with any */
    evf_future frame;
#else
    evf_frame frame;
#endif
    evf_op op;
    int kind;
    unsigned unsigned_kind;
    signed char char_kind;
    bool bool_kind;
    enum kind enum_kind;
};

static enum evf_poll
job_run(evf_future *self, evf_context *cx)
{
    struct job *job = evf_frame_of(self, struct job);
    intptr_t n;

#ifndef REJECT_MISSING_BEGIN /* undeclared.*evfi_cx|evfi_cx.*undeclared */
    EVF_BEGIN(self, cx);
#endif
    EVF_TRY(n, evf_yield(&job->op));
    EVF_AWAIT(n, evf_yield(&job->op));
    switch (job->kind) {
    case 1:
#ifdef REJECT_AWAIT_IN_NESTED_SWITCH /* -Werror=overflow|overflow converting */
        EVF_AWAIT(n, evf_yield(&job->op));
#endif
#ifdef REJECT_TRY_IN_NESTED_SWITCH /* -Werror=overflow|overflow converting */
        EVF_TRY(n, evf_yield(&job->op));
#endif
        n = 2;
        break;
    default:
        break;
    }
    switch (job->unsigned_kind) {
    case 1:
#ifdef REJECT_AWAIT_IN_UNSIGNED_SWITCH /* -Werror=overflow|overflow converting */
        EVF_AWAIT(n, evf_yield(&job->op));
#endif
        n = 3;
        break;
    default:
        break;
    }
    switch (job->char_kind) {
    case 'a':
#ifdef REJECT_AWAIT_IN_CHAR_SWITCH /* -Werror=overflow|overflow converting */
        EVF_AWAIT(n, evf_yield(&job->op));
#endif
        n = 4;
        break;
    default:
        break;
    }
    switch (job->enum_kind) {
    case KIND_ONE:
#ifdef REJECT_AWAIT_IN_ENUM_SWITCH /* -Werror=overflow|overflow converting */
        EVF_AWAIT(n, evf_yield(&job->op));
#endif
        n = 5;
        break;
    case KIND_TWO:
#ifdef REJECT_TRY_IN_ENUM_SWITCH /* -Werror=overflow|overflow converting */
        EVF_TRY(n, evf_yield(&job->op));
#endif
        break;
    }
    if (n == 3)
        EVF_RETURN(n);
#ifdef REJECT_TWO_AWAITS_ON_ONE_LINE /* duplicate case */
    /* clang-format off */
    EVF_AWAIT(n, evf_yield(&job->op)); EVF_AWAIT(n, evf_yield(&job->op));
    /* clang-format on */
#endif
#ifdef REJECT_AWAIT_INTO_INT /* int-conversion */
    EVF_AWAIT(job->kind, evf_yield(&job->op));
#endif
#ifdef REJECT_TRY_INTO_BOOL /* incompatible type */
    EVF_TRY(job->bool_kind, evf_yield(&job->op));
#endif
#ifndef REJECT_MISSING_FINALLY /* evfi_finally.*(not defined)|undeclared label .evfi_finally */
    EVF_FINALLY;
#endif
#ifdef REJECT_FINALLY_TWICE /* expected */
    EVF_FINALLY;
#endif
#ifdef REJECT_AWAIT_AFTER_FINALLY /* no_await_or_return_after_EVF_FINALLY */
    EVF_AWAIT(n, evf_yield(&job->op));
#endif
#ifdef REJECT_TRY_AFTER_FINALLY /* no_await_or_return_after_EVF_FINALLY */
    EVF_TRY(n, evf_yield(&job->op));
#endif
#ifdef REJECT_RETURN_AFTER_FINALLY /* no_await_or_return_after_EVF_FINALLY */
    EVF_RETURN(1);
#endif
    job->kind = 0;
#ifndef REJECT_MISSING_END /* expected .*(end of input|}) */
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
