/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/context-internal.h"
#include "task/executor-internal.h"

#include "fuzz-act.h"
#include "fuzz-leaf.h"
#include "fuzz-link.h"
#include "fuzz-root.h"
#include "fuzz-tree.h"
#include "fuzz-world.h"
#include "support.h"

/*
 * R3, F49: random trees of futures, with random requests, ends, wakes and
 * shutdowns, on a clock that stands still. What one seed does depends on nothing
 * else. A failure names its seed:
 *
 *     EVF_FUZZ_SEED=17 tests/fuzz        repeats it, and says what it does
 *     EVF_FUZZ_SEEDS=10000 tests/fuzz    takes so many of the fixed range
 */
#define FIXED_SEEDS 1000u
#define FRESH_SEEDS 200u

/* A range is cut into pieces that are a test case each. */
#define PIECES 4u

/* Passes after which the loop is not coming to its end. */
#define PASSES_MAX 5000

/* A seed that takes longer hangs. */
#define SEED_SECONDS 5

/* What a failing process leaves. */
struct report {
    uint64_t seed;
    char message[FUZZ_MESSAGE];
};

static struct report *report;

/* Says that something of the program's is to be done inside the loop. */
static void
on_host_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
    fuzz_act(100);
}

static void
begin(uint64_t seed, bool trace)
{
    static const struct fuzz_world nothing;
    int priorities, fds[2];

    fuzz = nothing;
    fuzz_clock = UINT64_C(1000000000);
    fuzz.random = seed;
    fuzz.trace = trace;
    priorities = 1 + (int)below(3);
    /* The tick of a clock that stands still would end each pass before us. */
    if (!INTERNAL_EVENTS)
        priorities = 1;
    fuzz.cycles = chance(20);
    fuzz.shutdown = fuzz.cycles || chance(40);
    fuzz.starving = chance(20);
    fuzz.exact = chance(60);
    evfi_stress = getenv("EVF_STRESS") != NULL || chance(20);
    fuzz.fuel = 50 + below(3000);
    fuzz.room = 50 + below(2000);
    misuses = 0;
    fuzz.base = event_base_new();
    pair(fuzz.fds);
    for (unsigned i = 0; i < FUZZ_EXECUTORS; i++) {
        fuzz.executors[i] = evf_executor_new(fuzz.base);
        evf_executor_pause_clock(fuzz.executors[i]);
    }
    if (priorities > 1)
        event_base_priority_init(fuzz.base, priorities);
    fuzz.host = event_new(fuzz.base, -1, 0, on_host_timer, NULL);
    fuzz.channel = evf_channel_new(1 + below(3), token_dispose);
    pair(fds);
    for (unsigned i = 0; i < 2; i++)
        if (evf_socket_new(&fuzz.socket[i], fuzz.executors[0], fds[i]) < 0)
            close(fds[i]);
}

/* Nothing is queued, and nothing will be before time goes on. */
static bool
idle(void)
{
    for (unsigned i = 0; i < FUZZ_EXECUTORS; i++)
        if (fuzz.executors[i] != NULL && fuzz.executors[i]->head != NULL)
            return false;
    return event_base_get_num_events(fuzz.base, EVENT_BASE_COUNT_ACTIVE) == 0;
}

/* One event on a descriptor of the program's for each executor that waits. */
static void
check_waits(void)
{
    unsigned live, orphans = 0;

    for (unsigned i = 0; i < FUZZ_ORPHANS; i++)
        orphans += fuzz.orphan[i].future != NULL;
    for (unsigned fd = 0; fd < 2; fd++) {
        live = 0;
        for (unsigned i = 0; i < FUZZ_EXECUTORS; i++)
            live += fuzz.executors[i] != NULL && fuzz.waits[i][fd] > 0;
        /* An orphan's may have fired, and nobody looked. */
        REQUIRE(events_on_fd(fuzz.base, fuzz.fds[fd]) <= live &&
                events_on_fd(fuzz.base, fuzz.fds[fd]) + orphans >= live,
            "%u events on a descriptor, and %u live waits",
            events_on_fd(fuzz.base, fuzz.fds[fd]), live);
    }
}

/* Also if only daemons are left, which do not hold the loop. */
static void
pass(void)
{
    int flags = EVLOOP_NONBLOCK | EVLOOP_NO_EXIT_ON_EMPTY;

    if (chance(90))
        flags |= EVLOOP_ONCE;
    REQUIRE(event_base_loop(fuzz.base, flags) >= 0, "the loop has failed");
    REQUIRE(fuzz.running == NULL, "a poll has not returned");
    REQUIRE(fuzz.doomed == 0, "the doomed have not ended");
    if (!idle())
        return;
    roots_check_idle();
    if (fuzz.exact)
        links_check_idle();
    check_waits();
}

/* Everything else on the base runs meanwhile, and may end the executor. */
static void
block(void)
{
    struct fuzz_root *root;
    evf_future *future = opaque_new(grow(NULL, 1 + below(3)));

    fuzz_say("block");
    future = root_new(evf_timeout(NULL, below(30), future), &root);
    token_end(evf_block_on(fuzz.executors[0], future));
    REQUIRE(root == NULL || root->dropped, "block_on has left its future");
}

static void
live(void)
{
    static const struct timeval at_once;
    unsigned steps = 10 + below(400);

    while (steps-- > 0) {
        for (unsigned acts = below(4); acts > 0; acts--)
            fuzz_act(100);
        if (chance(20))
            evtimer_add(fuzz.host, &at_once);
        if (chance(70))
            pass();
        else if (chance(3))
            block();
    }
}

static void
free_executors(void)
{
    evf_executor *victim;

    for (unsigned i = 0; i < FUZZ_EXECUTORS; i++) {
        victim = fuzz.executors[i];
        fuzz.executors[i] = NULL;
        REQUIRE(evf_executor_free(victim) == 0, "an executor was not freed");
    }
}

static void
say_who_lives(void)
{
    for (unsigned i = 0; i < FUZZ_EXECUTORS; i++)
        if (fuzz.trace)
            evf_executor_dump(fuzz.executors[i], stdout);
}

/* Everything is told to end, and does, by itself or with its executor. */
static void
drain(void)
{
    unsigned passes = 0;

    fuzz.draining = true;
    heap_fail_at(0);
    event_del(fuzz.host);
    if (fuzz.shutdown)
        free_executors();
    do {
        fuzz_finish_all();
        pass();
        if (++passes == PASSES_MAX)
            say_who_lives();
        REQUIRE(passes < PASSES_MAX, "%u roots do not end", roots_live());
    } while (roots_live() > 0);
    for (unsigned i = 0; i < FUZZ_HANDLES; i++)
        root_free(&fuzz.handle[i]);
    fuzz_finish_all();
    free_executors();
}

static void
end(void)
{
    roots_check_end();
    for (unsigned i = 0; i < FUZZ_LEAVES; i++)
        REQUIRE(fuzz.leaf[i] == NULL, "a leaf was never dropped");
    for (unsigned i = 0; i < fuzz.frames; i++)
        REQUIRE(fuzz.frame[i].finals == 1, "EVF_FINALLY has not run");
    for (unsigned i = 0; i < fuzz.tokens; i++)
        REQUIRE(!fuzz.token[i], "result %u was not disposed of", i);
    REQUIRE(misuses == fuzz.misuses, "%u misuses, not %u: %s", misuses,
        fuzz.misuses, misuse_message);
    event_free(fuzz.host);
    REQUIRE(events_on(fuzz.base) == 0, "%u events are left on the base",
        events_on(fuzz.base));
    event_base_free(fuzz.base);
    close(fuzz.fds[0]);
    close(fuzz.fds[1]);
}

static void
run_seed(uint64_t seed, bool trace)
{
    size_t blocks = heap_blocks();
    unsigned fds = fds_open();

    begin(seed, trace);
    live();
    drain();
    end();
    REQUIRE(heap_blocks() == blocks, "%d blocks are left",
        (int)(heap_blocks() - blocks));
    REQUIRE(fds_open() == fds, "descriptors are left");
}

/* In a process of its own, so that a crash and a hang name their seed too. */
static void
run_range(uint64_t first, unsigned count, bool trace)
{
    int status;
    pid_t pid;

    report = mmap(NULL, sizeof(*report), PROT_READ | PROT_WRITE,
        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(report, MAP_FAILED);
    fuzz_message = report->message;
    fflush(stdout);
    pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        for (unsigned i = 0; i < count; i++) {
            report->seed = first + i;
            alarm(SEED_SECONDS);
            run_seed(first + i, trace);
        }
        exit(EXIT_SUCCESS);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_msg(status == 0,
        "seed %llu: %s (status %#x); EVF_FUZZ_SEED=%llu tests/fuzz repeats it",
        (unsigned long long)report->seed,
        report->message[0] != '\0' ? report->message : "it dies or hangs",
        (unsigned)status, (unsigned long long)report->seed);
    munmap(report, sizeof(*report));
}

static bool
one_seed(uint64_t *seed)
{
    const char *text = getenv("EVF_FUZZ_SEED");

    if (text != NULL)
        *seed = strtoull(text, NULL, 10);
    return text != NULL;
}

static void
run_fixed(unsigned piece)
{
    const char *text = getenv("EVF_FUZZ_SEEDS");
    unsigned seeds = text != NULL ? (unsigned)atoi(text) : FIXED_SEEDS;
    unsigned count = (seeds + PIECES - 1) / PIECES;
    uint64_t seed;

    if (!one_seed(&seed))
        run_range((uint64_t)piece * count, count, false);
    else if (piece == 0)
        run_range(seed, 1, true);
}

START_TEST(fixed_seeds_first_quarter)
{
    run_fixed(0);
}
END_TEST

START_TEST(fixed_seeds_second_quarter)
{
    run_fixed(1);
}
END_TEST

START_TEST(fixed_seeds_third_quarter)
{
    run_fixed(2);
}
END_TEST

START_TEST(fixed_seeds_last_quarter)
{
    run_fixed(3);
}
END_TEST

START_TEST(fresh_seeds)
{
    struct timespec now;
    uint64_t seed;

    if (one_seed(&seed))
        return;
    clock_gettime(CLOCK_REALTIME, &now);
    seed = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
    printf("fresh seeds from %llu\n", (unsigned long long)seed);
    run_range(seed, FRESH_SEEDS, false);
}
END_TEST

TEST_MAIN("fuzz", fixed_seeds_first_quarter, fixed_seeds_second_quarter,
    fixed_seeds_third_quarter, fixed_seeds_last_quarter, fresh_seeds)
