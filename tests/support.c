/* SPDX-License-Identifier: BSD-3-Clause */
#include "support.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/context-internal.h"
#include "reactor/entry-internal.h"
#include "task/executor-internal.h"

struct event_base *base;
evf_executor *executor;
unsigned misuses;
char misuse_message[256];

static size_t blocks, allocations, fail_at, blocks_before;
static unsigned fds_before;

static void *
allocate(size_t size)
{
    void *memory;

    allocations++;
    if (fail_at > 0 && --fail_at == 0)
        return NULL;
    memory = malloc(size);
    if (memory != NULL) {
        memset(memory, 0xa5, size);
        blocks++;
    }
    return memory;
}

static void
release(void *memory)
{
    blocks--;
    free(memory);
}

size_t
heap_blocks(void)
{
    return blocks;
}

size_t
heap_allocations(void)
{
    return allocations;
}

void
heap_fail_at(size_t n)
{
    fail_at = n;
}

unsigned
fds_open(void)
{
    DIR *dir = opendir("/proc/self/fd");
    unsigned n = 0;

    ck_assert_ptr_nonnull(dir);
    while (readdir(dir) != NULL)
        n++;
    closedir(dir);
    return n - 3; /* ".", "..", and the directory itself */
}

struct counting {
    int fd;
    unsigned n;
};

static int
count_event(const struct event_base *of, const struct event *event, void *arg)
{
    struct counting *counting = arg;

    (void)of;
    if (counting->fd < 0 || event_get_fd(event) == counting->fd)
        counting->n++;
    return 0;
}

unsigned
events_on_fd(struct event_base *of, int fd)
{
    struct counting counting = {fd, 0};

    event_base_foreach_event(of, count_event, &counting);
    return counting.n;
}

unsigned
events_on(struct event_base *of)
{
    return events_on_fd(of, -1);
}

static void
record_misuse(const char *message)
{
    misuses++;
    snprintf(misuse_message, sizeof(misuse_message), "%s", message);
}

#ifdef HAVE_EVLIST_INTERNAL
void
run(void)
{
    ck_assert_int_ge(event_base_dispatch(base), 0);
}
#else
/* The library's events hold dispatch here; what waits besides them? */
static int
host_events(void)
{
    const evf_reactor *r = &executor->reactor;
    int n = event_base_get_num_events(base, EVENT_BASE_COUNT_ADDED);

    n -= event_pending(&r->tick, EV_TIMEOUT, NULL) != 0;
    n -= event_pending(&executor->kick, EV_TIMEOUT, NULL) != 0;
    for (size_t i = 0; i < r->size; i++)
        n -= r->entries[i] != NULL && r->entries[i]->armed != 0;
    return n;
}

void
run(void)
{
    while (executor != NULL && (host_events() > 0 || executor->head != NULL)) {
        ck_assert_int_ge(event_base_loop(base, EVLOOP_ONCE), 0);
        if (event_base_got_break(base) || event_base_got_exit(base))
            return;
    }
    if (executor == NULL) /* also if that has freed it */
        ck_assert_int_ge(event_base_dispatch(base), 0);
}
#endif

void
run_passes(unsigned passes)
{
    while (passes-- > 0)
        ck_assert_int_ge(event_base_loop(base, EVLOOP_NONBLOCK), 0);
}

static void *
probe_clone(void *data)
{
    struct probe *probe = data;

    probe->clones++;
    return data;
}

static void
probe_drop(void *data)
{
    struct probe *probe = data;

    probe->drops++;
}

static void
probe_wake_by_ref(void *data)
{
    struct probe *probe = data;

    probe->wakes++;
}

static void
probe_wake(void *data)
{
    probe_wake_by_ref(data);
    probe_drop(data);
}

static const evf_waker_ops probe_ops = {
    .clone = probe_clone,
    .wake = probe_wake,
    .wake_by_ref = probe_wake_by_ref,
    .drop = probe_drop,
};

void
probe_init(struct probe *probe)
{
    memset(probe, 0, sizeof(*probe));
    probe->waker = (evf_waker){&probe_ops, probe};
}

int
probe_live(const struct probe *probe)
{
    return (int)probe->clones - (int)probe->drops;
}

enum evf_poll
poll_with(evf_future *future, struct probe *probe, evf_executor *on)
{
    evf_context cx;

    evf_context_init(&cx, &probe->waker, on);
    return evf_future_poll(future, &cx);
}

static enum evf_poll
leaf_poll(evf_future *self, evf_context *cx)
{
    struct leaf *l = evf_container_of(self, struct leaf, future);

    l->polls++;
    if (!l->ready) {
        evf_waker_update(&l->waker, evf_context_waker(cx));
        return EVF_PENDING;
    }
    self->dispose = l->dispose;
    return evf_future_ready(self, l->result);
}

static void
leaf_drop(evf_future *self)
{
    struct leaf *l = evf_container_of(self, struct leaf, future);

    l->drops++;
    evf_waker_drop(&l->waker);
}

static const evf_future_ops leaf_ops = {
    .size = sizeof(struct leaf),
    .name = "leaf",
    .poll = leaf_poll,
    .drop = leaf_drop,
};

evf_future *
leaf(struct leaf *l)
{
    evf_future_init(&l->future, &leaf_ops);
    return &l->future;
}

void
leaf_finish(struct leaf *l, intptr_t result)
{
    l->ready = true;
    l->result = result;
    evf_waker_wake(&l->waker);
}

void
thing_dispose(void *thing)
{
    ((struct thing *)thing)->disposals++;
}

void
pair(int fds[2])
{
    ck_assert_int_eq(socketpair(AF_UNIX,
                         SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds),
        0);
}

static char steps[256];
static size_t stepped;

void
trace(char what)
{
    ck_assert_uint_lt(stepped, sizeof(steps) - 1);
    if (what != 0)
        steps[stepped++] = what;
}

const char *
trace_take(void)
{
    static char taken[sizeof(steps)];

    memcpy(taken, steps, stepped);
    taken[stepped] = 0;
    stepped = 0;
    return taken;
}

static void
setup(void)
{
    trace_take();
    fds_before = fds_open();
    blocks_before = blocks;
    misuses = 0;
    evf_set_misuse_handler(record_misuse);
    base = event_base_new();
    ck_assert_ptr_nonnull(base);
    executor = evf_executor_new(base);
    ck_assert_ptr_nonnull(executor);
}

void
executor_done(void)
{
    if (executor != NULL)
        ck_assert_int_eq(evf_executor_free(executor), 0);
    executor = NULL;
    if (base != NULL)
        event_base_free(base);
    base = NULL;
}

static void
teardown(void)
{
    heap_fail_at(0);
    executor_done();
    ck_assert_uint_eq(blocks, blocks_before);
    ck_assert_uint_eq(fds_open(), fds_before);
    ck_assert_msg(misuses == 0, "misuse: %s", misuse_message);
}

/* Libevent prints when it is surprised, which none of the cases should do. */
static void
on_libevent_log(int severity, const char *message)
{
    if (severity >= EVENT_LOG_WARN)
        fprintf(stderr, "[libevent] %s\n", message);
}

int
support_main(const char *name, const TTest *const *tests, size_t count)
{
    Suite *suite = suite_create(name);
    TCase *tcase = tcase_create(name);
    SRunner *runner;
    int failed;

    signal(SIGPIPE, SIG_DFL);
    event_set_log_callback(on_libevent_log);
    if (getenv("EVF_TEST_DEBUG_MODE") != NULL)
        event_enable_debug_mode();
    evfi_stress = getenv("EVF_STRESS") != NULL;
    evf_set_allocator(allocate, release);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 30);
    for (size_t i = 0; i < count; i++)
        tcase_add_test(tcase, tests[i]);
    suite_add_tcase(suite, tcase);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
