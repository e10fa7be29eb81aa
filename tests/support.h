/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SUPPORT_H
#define SUPPORT_H

#include <check.h>
#include <event2/event.h>
#include <evfuture.h>

/*
 * What the unit tests share: a base with an executor for every case, and an
 * account of memory, file descriptors and misuse, which every case must leave
 * balanced.
 *
 * The whole suite is what covers L16 (each back end, and debug mode) and R4 (the
 * sanitizers and Valgrind): `.ci/run` runs it in each of these ways.
 *
 * Environment: EVF_TEST_DEBUG_MODE=1 turns on libevent's debug mode, EVF_STRESS=1
 * makes every await suspend once.
 */

/* Made before each case and freed after it. A case that frees one sets NULL. */
extern struct event_base *base;
extern evf_executor *executor;

/* Frees what `executor` and `base` are, and forgets them. */
void executor_done(void);

/* The library's allocations that are live. */
size_t heap_blocks(void);

/* The library's allocations so far. */
size_t heap_allocations(void);

/* Makes the nth allocation from now on fail, once: 1 is the next; 0: none. */
void heap_fail_at(size_t n);

/* The file descriptors that are open. */
unsigned fds_open(void);

/* The events on a base, internal ones included; on one fd of it. */
unsigned events_on(struct event_base *of);
unsigned events_on_fd(struct event_base *of, int fd);

/* A case that misuses the library says how often, at its end. */
extern unsigned misuses;
extern char misuse_message[256];
#define ck_assert_misuse(n)                                                    \
    do {                                                                       \
        ck_assert_uint_eq(misuses, (n));                                       \
        misuses = 0;                                                           \
    } while (0)

/*
 * Whether libevent lets an event be internal. Without that the library works,
 * but its timers and descriptors count as the host's do, and so hold dispatch
 * and end a pass. Cases about those counts do not apply then.
 */
#ifdef HAVE_EVLIST_INTERNAL
#define INTERNAL_EVENTS true
#else
#define INTERNAL_EVENTS false
#endif

/* Runs the loop until nothing holds it; `passes` passes without blocking. */
void run(void);
void run_passes(unsigned passes);

/* A waker that counts. Its address is its data. */
struct probe {
    evf_waker waker; /* borrowed by contexts; not counted */
    unsigned wakes, clones, drops;
};
void probe_init(struct probe *probe);
/* Clones that are out. */
int probe_live(const struct probe *probe);

/* Polls with a probe's waker, under no executor or the case's. */
enum evf_poll poll_with(evf_future *future, struct probe *probe,
    evf_executor *on);

/*
 * A leaf under the test's thumb: ready when it is told so, and counting. Zeroed
 * and given to leaf(), it outlives the future.
 */
struct leaf {
    evf_future future;
    evf_waker waker;
    bool ready;
    intptr_t result;
    void (*dispose)(void *result);
    unsigned polls, drops;
};
evf_future *leaf(struct leaf *leaf);
void leaf_finish(struct leaf *leaf, intptr_t result);

/* What happened in order, a letter for each step, since the last look. */
void trace(char what);
const char *trace_take(void);
#define ck_assert_traced(expected) ck_assert_str_eq(trace_take(), (expected))

/* A result that counts how often it is disposed of. */
struct thing {
    unsigned disposals;
};
void thing_dispose(void *thing);

/* A literal where a system call's struct has no const, and writes nothing. */
#define TEXT(literal) ((char *)(uintptr_t)(literal))

/* A connected pair of stream sockets, non-blocking. */
void pair(int fds[2]);

int support_main(const char *name, const TTest *const *tests, size_t count);

#define TEST_MAIN(name, ...)                                                   \
    int main(void)                                                             \
    {                                                                          \
        const TTest *const tests[] = {__VA_ARGS__};                            \
                                                                               \
        return support_main(name, tests, sizeof(tests) / sizeof(*tests));      \
    }

#endif
