/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Callback to future, for a library that is known by its callbacks, and back:
 * a plain callback of the program starts a flow and hears of its result.
 */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <event2/event.h>
#include <evfuture.h>

/* --- Somebody's library ------------------------------------------------- */

struct foo_request {
    void (*callback)(int err, const char *value, void *arg);
    void *arg;
    const char *name;
    struct event *timer;
};

static int requests;

static void
foo_answer(evutil_socket_t fd, short what, void *arg)
{
    struct foo_request *r = arg;
    int known = strcmp(r->name, "known") == 0;

    (void)fd;
    (void)what;
    r->callback(known ? 0 : ENOENT, known ? "value" : NULL, r->arg);
    event_free(r->timer);
    free(r);
    requests--;
}

static struct foo_request *
foo_lookup(struct event_base *base, const char *name,
    void (*callback)(int err, const char *value, void *arg), void *arg)
{
    struct foo_request *r = calloc(1, sizeof(*r));

    if (r == NULL)
        return NULL;
    r->callback = callback;
    r->arg = arg;
    r->name = name;
    r->timer = evtimer_new(base, foo_answer, r);
    event_add(r->timer, &(struct timeval){0, 1000});
    requests++;
    return r;
}

static void
foo_cancel(struct foo_request *r)
{
    event_free(r->timer);
    free(r);
    requests--;
}

/* --- The bridge: some ten lines per API --------------------------------- */

static void
found(int err, const char *value, void *arg)
{
    evf_complete(arg, err ? -err : evf_result_of(strdup(value)));
}

static int
lookup_cancel(void *request)
{
    foo_cancel(request);
    return 1; /* found() will never be called */
}

static evf_future *
lookup(struct event_base *base, const char *name) /* starts at once */
{
    evf_completer *c = evf_completer_new(free);
    struct foo_request *r = c ? foo_lookup(base, name, found, c) : NULL;

    if (r == NULL)
        evf_complete(c, -EIO);
    evf_completer_set_cancel(c, lookup_cancel, r);
    return evf_completer_future(c); /* NULL c: NULL */
}

/* --- A flow that uses it, started by a callback -------------------------- */

struct query {
    evf_frame frame;
    struct event_base *base;
    char *value;
    bool *closed;
};

static enum evf_poll
query_run(evf_future *self, evf_context *cx)
{
    struct query *q = evf_frame_of(self, struct query);
    intptr_t length;

    EVF_BEGIN(self, cx);
    EVF_TRY(q->value, lookup(q->base, "known"));
    length = (intptr_t)strlen(q->value);
    EVF_RETURN(length);
    EVF_FINALLY;
    free(q->value);
    *q->closed = true;
    EVF_END;
}

static const evf_frame_ops query_ops = EVF_FRAME_OPS(struct query, query_run);

struct session {
    struct event_base *base;
    evf_executor *executor;
    evf_task *query;
    intptr_t answer;
    bool query_closed;
};

static void
on_answer(intptr_t result, void *arg)
{
    struct session *s = arg;

    s->answer = result;
    evf_task_free(s->query);
    s->query = NULL;
}

static void
on_request(evutil_socket_t fd, short what, void *arg)
{
    struct session *s = arg;
    struct query *q = evf_frame_init(NULL, &query_ops);

    (void)fd;
    (void)what;
    if (q == NULL)
        return;
    q->base = s->base;
    q->closed = &s->query_closed;
    s->query = evf_spawn_then(s->executor, &q->frame.future, on_answer, s);
}

int
main(void)
{
    struct session s = {.base = event_base_new()};

    s.executor = evf_executor_new(s.base);

    event_base_once(s.base, -1, EV_TIMEOUT, on_request, &s,
        &(struct timeval){0, 0});
    event_base_dispatch(s.base);
    assert(s.answer == 5 && s.query_closed);

    assert(evf_block_on(s.executor, lookup(s.base, "unknown")) == -ENOENT);

    /* The session ends while its query is under way. */
    s.answer = 0;
    s.query_closed = false;
    on_request(-1, 0, &s);
    event_base_loop(s.base, EVLOOP_ONCE);
    assert(requests == 1);
    evf_task_free(s.query); /* on_answer will not be called; FINALLY has run */
    assert(requests == 0 && s.query_closed && s.answer == 0);

    event_base_dispatch(s.base);
    evf_executor_free(s.executor);
    event_base_free(s.base);
    return 0;
}
