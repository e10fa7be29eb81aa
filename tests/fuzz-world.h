/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FUZZ_WORLD_H
#define FUZZ_WORLD_H

#include <evfuture.h>

/*
 * The fuzz's world: everything that one seed makes. What must be accounted for
 * stands in a table here, so that it outlives the memory of what it tells of.
 */

#define FUZZ_ROOTS      512
#define FUZZ_TOKENS     4096
#define FUZZ_FRAMES     1024
#define FUZZ_LEAVES     128
#define FUZZ_HANDLES    24
#define FUZZ_GROUPS     8
#define FUZZ_LINKS      512
#define FUZZ_COMPLETERS 16
#define FUZZ_ORPHANS    8
#define FUZZ_EXECUTORS  2

struct fuzz_root;

/* What roots are inside of: a group, or the join of a task. */
struct fuzz_link {
    struct fuzz_root *container; /* who polled it last, or made it; or NULL */
    int request;                 /* in force at its last poll */
    bool keep_going;             /* a failure does not end the others */
    bool failed;                 /* a child has, and the others should end */
    bool stranded;               /* a foreign executor has polled it */
    bool over;                   /* it has ended, or was dropped */
    unsigned rooms;              /* that wait for it */
};

/* A future that an executor polls: a task's, or a group's child. */
struct fuzz_root {
    evf_future *future;     /* until it is dropped */
    struct fuzz_link *link; /* what it is inside of, or NULL */
    bool native;   /* it hands the executor's own waker on, uncounted */
    bool dropped;  /* it has been, and nothing of it runs any more */
    bool doomed;   /* to be dropped before anything else is polled */
    bool then;     /* a callback is due */
    bool silent;   /* and must not come any more */
    bool woken;    /* since the last poll began */
    bool stranded; /* a foreign executor polls it, and may have ended */
    bool asked;    /* somebody has cancelled it */
    int request;   /* in force at the last poll */
    unsigned polls, wakes;
    unsigned requests; /* polls of which no wake but a request is the cause */
    unsigned calls;    /* of the callback */
};

/* Roots that are being polled or dropped, innermost first. */
struct fuzz_running {
    struct fuzz_root *root;
    struct fuzz_running *previous;
    evf_executor *executor; /* that polls it; NULL if it is dropped */
};

/* A group's handle that anybody may use. */
struct fuzz_group {
    evf_group *group; /* NULL: a free place */
    struct fuzz_link *link;
    bool handed; /* its future was taken */
};

/* An async function that was initialised. */
struct fuzz_frame_record {
    unsigned finals; /* runs of its EVF_FINALLY */
};

/* A future that is ready when somebody says so. */
struct fuzz_leaf;

/* A task's handle that anybody may use. */
struct fuzz_handle {
    evf_task *task; /* NULL: a free place */
    struct fuzz_root *root;
};

/* What an operation is of: the callback side is the world's. */
struct fuzz_completer {
    evf_completer *completer; /* NULL: a free place */
    int answer;               /* of its hook */
};

/* A pending future that was taken from who awaited it. */
struct fuzz_orphan {
    evf_future *future; /* NULL: a free place */
    bool polled;
};

struct fuzz_world {
    uint64_t random; /* the generator's state */
    bool trace;
    bool draining; /* everything is being brought to its end */
    bool cycles;   /* tasks may join whom they do not own */
    bool shutdown; /* the executors may be freed at any moment */
    bool starving; /* allocations may fail */
    unsigned fuel; /* side actions that are left */
    unsigned room; /* futures that may still be made */
    bool exact;    /* no future moves, so that the model must be right */
    struct fuzz_running *running;
    unsigned doomed; /* roots of which `doomed` is set */
    unsigned polls;
    unsigned misuses;
    struct event_base *base;
    struct event *host; /* a timer of the program's, for acts in the loop */
    evf_executor *executors[FUZZ_EXECUTORS];
    evf_channel *channel;
    evf_socket *socket[2]; /* connected to each other; NULL once closed */
    int fds[2];            /* of the program's, the same */
    unsigned waits[FUZZ_EXECUTORS][2]; /* live ones, by executor and fd */
    unsigned roots, tokens, frames, groups, links; /* made so far */
    unsigned bells; /* foreign wakers that are out */
    struct fuzz_root root[FUZZ_ROOTS];
    bool token[FUZZ_TOKENS]; /* whether it is live */
    struct fuzz_frame_record frame[FUZZ_FRAMES];
    struct fuzz_leaf *leaf[FUZZ_LEAVES];
    struct fuzz_handle handle[FUZZ_HANDLES];
    struct fuzz_link link[FUZZ_LINKS];
    struct fuzz_group group[FUZZ_GROUPS];
    struct fuzz_completer completer[FUZZ_COMPLETERS];
    struct fuzz_orphan orphan[FUZZ_ORPHANS];
};

extern struct fuzz_world fuzz;

/*
 * Microseconds of a clock that takes the place of the C library's monotonic
 * ones: it goes on with each look at it. The order of libevent's timers, which
 * are armed one after the other, would depend on the machine's speed otherwise.
 */
extern uint64_t fuzz_clock;

/* Where a failing seed's process leaves what it has to say. */
#define FUZZ_MESSAGE 1024
extern char *fuzz_message;

/* Ends the seed: it has failed. */
void fuzz_fail(const char *format, ...) __attribute__((format(printf, 1, 2)))
__attribute__((noreturn));

#define REQUIRE(condition, ...)                                                \
    do {                                                                       \
        if (!(condition))                                                      \
            fuzz_fail(__VA_ARGS__);                                            \
    } while (0)

/* With EVF_FUZZ_TRACE, says what happens. */
void fuzz_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

unsigned below(unsigned limit);
bool chance(unsigned percent);

/*
 * Tokens are results that must end exactly once: by dispose, or by whoever took
 * them.
 */
intptr_t token_new(void);
void token_dispose(void *result);
/* Ends the result if it is a token; other results need no end. */
void token_end(intptr_t result);

/* A result: a token, a number, or an error. */
intptr_t some_result(void);

#endif
