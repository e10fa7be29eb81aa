/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "task/executor-internal.h"

#include "sweep-run.h"

/* What the loop may need to come to rest. */
#define PASSES_MAX 200
#define LOOKS_MAX  10

static char what_runs[160];
static size_t blocks_before;
static unsigned fds_before;

void
sweep_fail(const char *file, int line, const char *what)
{
    const char *slash = strrchr(file, '/');

    ck_abort_msg("%s: not so at %s:%d: %s", what_runs,
        slash != NULL ? slash + 1 : file, line, what);
}

static enum evf_poll
gift_poll(evf_future *self, evf_context *cx)
{
    struct gift *gift = evf_container_of(self, struct gift, future);

    if (!gift->ready) {
        evf_waker_update(&gift->waker, evf_context_waker(cx));
        return EVF_PENDING;
    }
    if (gift->error < 0)
        return evf_future_ready(self, gift->error);
    gift->given = true;
    self->dispose = gift_dispose;
    return evf_future_ready(self, (intptr_t)gift);
}

static void
gift_drop(evf_future *self)
{
    struct gift *gift = evf_container_of(self, struct gift, future);

    gift->drops++;
    evf_waker_drop(&gift->waker);
}

static const evf_future_ops gift_ops = {
    .size = sizeof(struct gift),
    .name = "gift",
    .poll = gift_poll,
    .drop = gift_drop,
};

evf_future *
gift_future(struct sweep *s, unsigned i)
{
    struct gift *gift = &s->gift[i];

    EXPECT(!gift->made);
    gift->made = true;
    evf_future_init(&gift->future, &gift_ops);
    return &gift->future;
}

void
gift_let(struct sweep *s, unsigned i, int error)
{
    s->gift[i].ready = true;
    s->gift[i].error = error;
    evf_waker_wake(&s->gift[i].waker);
}

void *
gift_give(struct sweep *s, unsigned i)
{
    s->gift[i].given = true;
    return &s->gift[i];
}

void
gift_dispose(void *gift)
{
    ((struct gift *)gift)->disposals++;
}

void
gift_end(intptr_t result)
{
    if (!evf_failed(result))
        gift_dispose((void *)result);
}

bool
sweep_expected(const struct sweep *s, intptr_t result)
{
    if (s->row->gives)
        return result == (intptr_t)&s->gift[0];
    if (s->row->sockets)
        return !evf_failed(result) && result != 0;
    return result == s->row->expected;
}

void
sweep_dispose(const struct row *row, intptr_t result)
{
    if (evf_failed(result))
        return;
    if (row->gives)
        gift_dispose((void *)result);
    if (row->sockets)
        evf_socket_dispose((void *)result);
}

intptr_t
poll_now(struct sweep *s, evf_future *future)
{
    intptr_t result = EVF_RESULT_PENDING;

    if (poll_with(future, &s->probe, executor) == EVF_READY)
        result = evf_future_take(future);
    evf_future_drop(future);
    EXPECT(probe_live(&s->probe) == 0);
    return result;
}

static bool
at_rest(void)
{
    return (executor == NULL || executor->head == NULL) &&
        event_base_get_num_events(base, EVENT_BASE_COUNT_ACTIVE) == 0;
}

static void
pass_once(void)
{
    int flags = EVLOOP_ONCE | EVLOOP_NONBLOCK | EVLOOP_NO_EXIT_ON_EMPTY;

    EXPECT(event_base_loop(base, flags) >= 0);
}

static bool
always(evf_reactor *reactor)
{
    (void)reactor;
    return true;
}

/* A clock that stands still does not jump while it is told of more to do. */
void
sweep_settle(void)
{
    static struct evfi_reactor_owner busy;
    const struct evfi_reactor_owner *owner = NULL;
    unsigned passes = 0;

    if (executor != NULL) {
        owner = executor->reactor.owner;
        busy = *owner;
        busy.busy = always;
        executor->reactor.owner = &busy;
    }
    while (!at_rest()) {
        pass_once();
        EXPECT(++passes < PASSES_MAX);
    }
    if (executor == NULL)
        return;
    executor->reactor.owner = owner;
    evfi_reactor_end(&executor->reactor); /* arms the tick that was put off */
}

/* A clock that stands still may come to a deadline in several jumps. */
bool
sweep_look(bool (*seen)(const void *arg), const void *arg)
{
    for (unsigned passes = 0; !seen(arg); passes++) {
        if (passes == LOOKS_MAX)
            return false;
        pass_once();
        sweep_settle();
    }
    return true;
}

/* Its clock stands still, so that a timer rings when there is nothing else. */
static void
make_executor(void)
{
    /* The first run of a case does without the case's own. */
    EXPECT(evf_executor_free(executor) == 0);
    blocks_before = heap_blocks();
    fds_before = fds_open();
    executor = evf_executor_new(base);
    EXPECT(executor != NULL);
    evf_executor_pause_clock(executor);
}

void
sweep_begin(struct sweep *s, const struct row *row, const char *what)
{
    snprintf(what_runs, sizeof(what_runs), "%s%s%s, %s", row->name,
        row->variant != NULL ? ", " : "",
        row->variant != NULL ? row->variant : "", what);
    if (getenv("EVF_SWEEP_TRACE") != NULL)
        fprintf(stderr, "%s\n", what_runs);
    make_executor();
    memset(s, 0, sizeof(*s));
    s->row = row;
    s->peer = s->fd = -1;
    probe_init(&s->probe);
    if (row->make != NULL)
        row->make(s);
}

/* F29: nothing is left of memory, descriptors, events, and nothing got lost. */
void
sweep_end(struct sweep *s, bool late)
{
    if (s->row->check != NULL)
        s->row->check(s);
    if (!late && s->row->done != NULL)
        s->row->done(s);
    EXPECT(evf_executor_free(executor) == 0);
    executor = NULL;
    if (late && s->row->done != NULL)
        s->row->done(s);
    for (unsigned i = 0; i < sizeof(s->gift) / sizeof(*s->gift); i++) {
        EXPECT(s->gift[i].drops == s->gift[i].made);
        EXPECT(s->gift[i].disposals == s->gift[i].given);
    }
    EXPECT(probe_live(&s->probe) == 0);
    EXPECT(events_on(base) == 0);
    EXPECT(heap_blocks() == blocks_before);
    EXPECT(fds_open() == fds_before);
    EXPECT(misuses == 0);
}
