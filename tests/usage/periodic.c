/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A libevent user's life (c): a periodic job that a SIGHUP callback ends and
 * restarts, never overlapping.
 */
#undef NDEBUG
#include <assert.h>
#include <signal.h>
#include <event2/event.h>
#include <evfuture.h>

struct job {
    evf_frame frame;
    evf_interval every;
    evf_op op;
    bool entered;
};

static int running, rounds, ended;

static enum evf_poll
job_run(evf_future *self, evf_context *cx)
{
    struct job *j = evf_frame_of(self, struct job);
    intptr_t n;

    EVF_BEGIN(self, cx);
    evf_interval_init(&j->every, 10 /* ms */, EVF_INTERVAL_SKIP);
    for (;;) {
        EVF_TRY(n, evf_interval_tick(&j->op, &j->every));
        assert(running++ == 0);
        j->entered = true;
        EVF_TRY(n, evf_sleep(&j->op, 5)); /* the job's own work */
        j->entered = false;
        running--;
        if (++rounds % 2 == 0)
            raise(SIGHUP); /* from elsewhere, in life */
    }
    EVF_FINALLY;
    running -= j->entered;
    ended++;
    EVF_END;
}

static const evf_frame_ops job_ops = EVF_FRAME_OPS(struct job, job_run);

struct host {
    evf_executor *executor;
    evf_task *job;
    struct event *sighup;
    int reloads;
};

static void
start(struct host *h)
{
    struct job *j = evf_frame_init(NULL, &job_ops);

    h->job = j ? evf_spawn(h->executor, &j->frame.future) : NULL;
}

static void
on_sighup(evutil_socket_t sig, short what, void *arg)
{
    struct host *h = arg;

    (void)sig;
    (void)what;
    evf_task_free(h->job); /* nothing of it runs any more */
    h->job = NULL;
    if (++h->reloads < 3)
        start(h);
    else
        event_del(h->sighup);
}

int
main(void)
{
    struct host h = {0};
    struct event_base *base = event_base_new();

    h.executor = evf_executor_new(base);
    h.sighup = evsignal_new(base, SIGHUP, on_sighup, &h);
    event_add(h.sighup, NULL);
    start(&h);
    event_base_dispatch(base);
    assert(h.reloads == 3 && ended == 3 && running == 0 && rounds == 6);

    event_free(h.sighup);
    evf_executor_free(h.executor);
    event_base_free(base);
    return 0;
}
