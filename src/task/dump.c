/* SPDX-License-Identifier: BSD-3-Clause */
#include <evfuture/executor.h>

#include <string.h>

#include "core/future-internal.h"
#include "task/executor-internal.h"
#include "task/task-internal.h"

struct dump {
    FILE *out;
    int depth;
};

/* Futures nest without limit, a page of a backtrace does not. */
#define DEPTH_MAX 64

static void
visit(void *arg, evf_future *child, const char *note)
{
    struct dump *dump = arg;
    int indent = 4 * dump->depth;

    if (note != NULL) {
        fprintf(dump->out, "%*s%s\n", indent, "", note);
        return;
    }
    if (!evfi_future_is_real(child)) {
        fprintf(dump->out, "%*sa failed future: %s\n", indent, "",
            strerror((int)-evfi_future_error(child)));
        return;
    }
    if (child->ops == NULL) {
        fprintf(dump->out, "%*s(ended)\n", indent, "");
        return;
    }
    fprintf(dump->out, "%*s%s\n", indent, "", child->ops->name);
    if (child->ops->visit == NULL || dump->depth >= DEPTH_MAX)
        return;
    dump->depth++;
    child->ops->visit(child, visit, dump);
    dump->depth--;
}

static const char *
state_of(const evf_task *task)
{
    if (task->running)
        return "running";
    return task->queued ? "queued" : "pending";
}

static void
dump_task(struct dump *dump, const evf_task *task, uint32_t now)
{
    uint32_t ms = now - task->polled_at;

    fprintf(dump->out, "task %p: %s for %u.%03u s%s%s\n", (const void *)task,
        state_of(task), (unsigned)ms / 1000, (unsigned)ms % 1000,
        task->request != 0 ? ", to end with " : "",
        task->request != 0 ? strerror(-task->request) : "");
    dump->depth = 1;
    visit(dump, task->future, NULL);
}

static void
dump_failures(const evf_executor *executor, FILE *out, uint64_t now)
{
    unsigned i = executor->failed, end = 0;

    if (i > EVFI_FAILURES)
        end = i - EVFI_FAILURES;
    for (; i > end; i--) {
        const struct evfi_failure *f;
        uint64_t ms;

        f = &executor->failures[(i - 1) % EVFI_FAILURES];
        ms = now > f->at ? now - f->at : 0;
        fprintf(out, "failed %u.%03u s ago: %s at %s:%u: %d (%s)\n",
            (unsigned)(ms / 1000), (unsigned)(ms % 1000), f->ops->function,
            f->ops->file, (unsigned)f->line, f->error, strerror(-f->error));
    }
}

void
evf_executor_dump(evf_executor *executor, FILE *out)
{
    struct dump dump = {out, 0};
    struct evfi_list *link;
    uint64_t now;

    if (executor == NULL || out == NULL)
        return;
    now = evfi_clock_coarse(&executor->reactor);
    evfi_list_for_each(link, &executor->tasks)
        dump_task(&dump, evf_container_of(link, evf_task, link), (uint32_t)now);
    dump_failures(executor, out, now);
}
