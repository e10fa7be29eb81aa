/* SPDX-License-Identifier: BSD-3-Clause */
#include "actor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the dump says now, with addresses left out. */
static const char *
dumped(void)
{
    static char text[32768];
    char *raw = NULL, *from, *to = text;
    size_t size;
    FILE *out = open_memstream(&raw, &size);

    ck_assert_ptr_nonnull(out);
    evf_executor_dump(executor, out);
    fclose(out);
    ck_assert_uint_lt(size, sizeof(text));
    for (from = raw; *from != 0;) {
        if (strncmp(from, "0x", 2) == 0) {
            *to++ = '@';
            from += 2 + strspn(from + 2, "0123456789abcdef");
            continue;
        }
        *to++ = *from++;
    }
    *to = 0;
    free(raw);
    return text;
}

#define ck_assert_dumps(part)                                                  \
    do {                                                                       \
        const char *text = dumped();                                           \
                                                                               \
        ck_assert_msg(strstr(text, (part)) != NULL, "no \"%s\" in:\n%s",       \
            (part), text);                                                     \
    } while (0)

#define ck_assert_dumps_not(part)                                              \
    do {                                                                       \
        const char *text = dumped();                                           \
                                                                               \
        ck_assert_msg(strstr(text, (part)) == NULL, "\"%s\" in:\n%s", (part),  \
            text);                                                             \
    } while (0)

static unsigned
lines_with(const char *part)
{
    const char *at = dumped();
    unsigned n = 0;

    while ((at = strstr(at, part)) != NULL) {
        n++;
        at++;
    }
    return n;
}

/* Two async functions, one inside of the other; the lines of their awaits. */
struct inner {
    evf_frame frame;
    struct actor *actor;
};

struct outer {
    evf_frame frame;
    struct inner inner;
};

static int inner_line, outer_line, failing_line;

static enum evf_poll
inner_run(evf_future *self, evf_context *cx)
{
    struct inner *i = evf_frame_of(self, struct inner);
    intptr_t n;

    EVF_BEGIN(self, cx);
    inner_line = __LINE__ + 1;
    EVF_AWAIT(n, actor(i->actor));
    EVF_RETURN(n);
    EVF_FINALLY;
    EVF_END;
}

static const evf_frame_ops inner_ops = EVF_FRAME_OPS(struct inner, inner_run);

static evf_future *
inner(struct outer *o)
{
    struct actor *a = o->inner.actor;
    struct inner *i = evf_frame_init(&o->inner, &inner_ops);

    i->actor = a;
    return &i->frame.future;
}

static enum evf_poll
outer_run(evf_future *self, evf_context *cx)
{
    struct outer *o = evf_frame_of(self, struct outer);
    intptr_t n;

    EVF_BEGIN(self, cx);
    outer_line = __LINE__ + 1;
    EVF_TRY(n, inner(o));
    EVF_RETURN(n);
    EVF_FINALLY;
    EVF_END;
}

static const evf_frame_ops outer_ops = EVF_FRAME_OPS(struct outer, outer_run);

static evf_future *
outer(struct outer *o, struct actor *a)
{
    memset(o, 0, sizeof(*o));
    evf_frame_init(o, &outer_ops);
    o->inner.actor = a;
    return &o->frame.future;
}

START_TEST(dump_of_nothing_is_empty)
{
    ck_assert_str_eq(dumped(), "");
    evf_executor_dump(NULL, stdout);
    evf_executor_dump(executor, NULL);
}
END_TEST

START_TEST(dump_shows_the_async_backtrace) /* F41 */
{
    struct actor a = {0};
    struct outer o;
    evf_task *task;
    char expected[512];

    evf_executor_pause_clock(executor);
    task = evf_spawn(executor, outer(&o, &a));
    ck_assert_dumps("task @: queued for 0.000 s\n"
                    "    struct outer\n"
                    "        outer_run, not begun\n");
    run_passes(3);
    snprintf(expected, sizeof(expected),
        "task @: pending for 0.000 s\n"
        "    struct outer\n"
        "        outer_run at test-dump.c:%d\n"
        "        struct inner\n"
        "            inner_run at test-dump.c:%d\n"
        "            actor\n",
        outer_line, inner_line);
    ck_assert_str_eq(dumped(), expected);
    evf_waker_wake_by_ref(&a.waker);
    ck_assert_dumps("task @: queued for 0.000 s\n");
    evf_task_cancel(task);
    snprintf(expected, sizeof(expected),
        "task @: queued for 0.000 s, to end with %s\n", strerror(ECANCELED));
    ck_assert_dumps(expected);
    evf_task_free(task);
    ck_assert_dumps_not("task");
}
END_TEST

START_TEST(dump_tells_how_long_a_task_has_been_waiting) /* F41 */
{
    struct actor a = {0};
    evf_task *sleeper, *task;

    evf_executor_pause_clock(executor);
    task = evf_spawn(executor, actor(&a));
    evf_task_detach(evf_spawn(executor, evf_sleep(NULL, 2300)));
    sleeper = evf_spawn(executor, evf_sleep(NULL, 100000));
    while (lines_with("sleep") == 2)
        event_base_loop(base, EVLOOP_ONCE);
    ck_assert_dumps("task @: pending for 2.300 s\n    actor\n");
    evf_task_free(sleeper); /* or the clock would jump on */
    evf_waker_wake_by_ref(&a.waker);
    event_base_loop(base, EVLOOP_ONCE);
    ck_assert_str_eq(dumped(), "task @: pending for 0.000 s\n    actor\n");
    evf_task_free(task);
}
END_TEST

START_TEST(task_that_was_just_spawned_has_not_waited) /* F41 */
{
    struct actor a = {0};
    evf_task *task = evf_spawn(executor, actor(&a));

    /* No turn has run on this executor, which could have told the time. */
    ck_assert_dumps("task @: queued for 0.");
    evf_task_free(task);
}
END_TEST

START_TEST(dump_names_every_live_task) /* F41 */
{
    enum {
        N = 20
    };
    struct actor a[N] = {0}, joined = {0}, child = {0};
    evf_group *group = evf_group_new(&(evf_group_options){.max_running = 1});
    evf_future *inner;

    for (int i = 0; i < N; i++)
        evf_task_detach(evf_spawn(executor, actor(&a[i])));
    inner = evf_task_join(NULL, evf_spawn(executor, actor(&joined)));
    evf_task_detach(evf_spawn(executor, evf_shield(NULL, 777, inner)));
    evf_group_add(group, actor(&child));
    evf_group_add(group, NULL);
    evf_task_detach(evf_spawn(executor, evf_group_future(group)));
    run_passes(3);
    ck_assert_uint_eq(lines_with("task @: pending"), N + 3);
    ck_assert_dumps("    shield\n"
                    "        777 ms\n"
                    "        join of a task\n"
                    "            actor\n");
    ck_assert_dumps("    group\n"
                    "        1 running, 1 waiting\n"
                    "        actor\n");
    evf_group_free(group);
    executor_done();
}
END_TEST

START_TEST(dump_shows_futures_that_are_none) /* F41 F47 */
{
    evf_future *futures[2] = {evf_future_failed(-EPIPE), NULL};
    intptr_t results[2];
    char expected[128];
    evf_task *task = evf_spawn(executor, evf_join(NULL, 2, futures, results));

    snprintf(expected, sizeof(expected), "        a failed future: %s\n",
        strerror(EPIPE));
    ck_assert_dumps(expected);
    evf_task_free(task);
    task = evf_spawn(executor, NULL);
    snprintf(expected, sizeof(expected), "    a failed future: %s\n",
        strerror(ENOMEM));
    ck_assert_dumps(expected);
    evf_task_free(task);
}
END_TEST

/* Waits for two futures, one of which is over and not yet forgotten. */
struct forgetful {
    evf_future future;
    struct actor *left;
    evf_future over;
};

static enum evf_poll
forgetful_poll(evf_future *self, evf_context *cx)
{
    (void)self;
    (void)cx;
    return EVF_PENDING;
}

static void
forgetful_drop(evf_future *self)
{
    evf_future_drop(
        &evf_container_of(self, struct forgetful, future)->left->future);
}

static void
forgetful_visit(evf_future *self, evf_visit_fn *fn, void *arg)
{
    struct forgetful *f = evf_container_of(self, struct forgetful, future);

    fn(arg, NULL, "a note");
    fn(arg, &f->over, NULL);
    fn(arg, &f->left->future, NULL);
}

static const evf_future_ops forgetful_ops = {
    .size = sizeof(struct forgetful),
    .name = "forgetful",
    .poll = forgetful_poll,
    .drop = forgetful_drop,
    .visit = forgetful_visit,
};

START_TEST(dump_shows_what_a_future_says_of_itself) /* F41 */
{
    struct actor left = {0};
    struct forgetful f = {.left = &left};
    evf_task *task;

    actor(&left);
    evf_future_init(&f.future, &forgetful_ops);
    evf_executor_pause_clock(executor);
    task = evf_spawn(executor, &f.future);
    run_passes(1);
    ck_assert_str_eq(dumped(),
        "task @: pending for 0.000 s\n"
        "    forgetful\n"
        "        a note\n"
        "        (ended)\n"
        "        actor\n");
    evf_task_free(task);
}
END_TEST

static void
dumps_itself(struct actor *self)
{
    (void)self;
    ck_assert_dumps("task @: running for 0.000 s\n"
                    "    struct outer\n"
                    "        outer_run, running\n");
}

static void
dumps_in_the_drop(struct actor *self)
{
    (void)self;
    dumped();
}

START_TEST(dump_may_be_asked_for_inside_a_poll_and_a_drop) /* F41 */
{
    struct actor a = {.acts = dumps_itself, .dropped = dumps_in_the_drop};
    struct outer o;

    evf_executor_pause_clock(executor);
    evf_task_detach(evf_spawn(executor, outer(&o, &a)));
    run_passes(3);
    ck_assert_uint_eq(a.polls, 1);
    executor_done();
    ck_assert_uint_eq(a.drops, 1);
}
END_TEST

/* Fails at one of its lines, as often as it is told. */
static enum evf_poll
failing_run(evf_future *self, evf_context *cx)
{
    struct inner *i = evf_frame_of(self, struct inner);
    intptr_t n;

    EVF_BEGIN(self, cx);
    failing_line = __LINE__ + 1;
    EVF_TRY(n, actor(i->actor));
    EVF_RETURN(n);
    EVF_FINALLY;
    EVF_END;
}

static const evf_frame_ops failing_ops = EVF_FRAME_OPS(struct inner,
    failing_run);

static void
fail_with(int error)
{
    struct actor a = {.ready = true, .result = error};
    struct inner i = {0};

    evf_frame_init(&i, &failing_ops);
    i.actor = &a;
    evf_task_detach(evf_spawn(executor, &i.frame.future));
    run();
}

START_TEST(dump_shows_where_the_last_failures_came_from) /* F41 */
{
    char expected[256];

    evf_executor_pause_clock(executor);
    fail_with(0); /* is none */
    ck_assert_str_eq(dumped(), "");
    fail_with(-ECONNRESET);
    snprintf(expected, sizeof(expected),
        "failed 0.000 s ago: failing_run at %s:%d: %d (%s)\n", __FILE__,
        failing_line, -ECONNRESET, strerror(ECONNRESET));
    ck_assert_str_eq(dumped(), expected);
    ck_assert_int_eq(evf_block_on(executor, evf_sleep(NULL, 1500)), 0);
    ck_assert_dumps("failed 1.500 s ago: failing_run");
}
END_TEST

START_TEST(dump_remembers_the_last_failures_latest_first) /* F41 */
{
    char expected[64];
    const char *at;

    for (int i = 1; i <= 20; i++)
        fail_with(-i);
    at = dumped();
    for (int i = 20; i > 4; i--) {
        snprintf(expected, sizeof(expected), ": %d (", -i);
        at = strstr(at, expected);
        ck_assert_ptr_nonnull(at);
    }
    ck_assert_dumps_not(": -4 (");
    ck_assert_uint_eq(lines_with("failed "), 16);
}
END_TEST

START_TEST(dump_of_deep_nesting_stops) /* F41 */
{
    enum {
        DEPTH = 500
    };
    struct actor a = {0};
    evf_future *future = actor(&a);
    evf_task *task;

    for (int i = 0; i < DEPTH; i++)
        future = evf_shield(NULL, 1000, future);
    task = evf_spawn(executor, future);
    run_passes(3);
    ck_assert_uint_ge(lines_with("shield\n"), 32);
    ck_assert_uint_lt(lines_with("shield\n"), DEPTH);
    evf_task_free(task);
}
END_TEST

TEST_MAIN("dump", dump_of_nothing_is_empty, dump_shows_the_async_backtrace,
    dump_tells_how_long_a_task_has_been_waiting,
    task_that_was_just_spawned_has_not_waited, dump_names_every_live_task,
    dump_shows_futures_that_are_none, dump_shows_what_a_future_says_of_itself,
    dump_may_be_asked_for_inside_a_poll_and_a_drop,
    dump_shows_where_the_last_failures_came_from,
    dump_remembers_the_last_failures_latest_first, dump_of_deep_nesting_stops)
