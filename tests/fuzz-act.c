/* SPDX-License-Identifier: BSD-3-Clause */
#include "fuzz-act.h"

#include <event2/event.h>
#include <stdio.h>
#include <unistd.h>

#include "fuzz-leaf.h"
#include "fuzz-link.h"
#include "fuzz-root.h"
#include "fuzz-tree.h"
#include "support.h"

static struct fuzz_handle *
some_handle(void)
{
    unsigned at = below(FUZZ_HANDLES);

    for (unsigned i = 0; i < FUZZ_HANDLES; i++)
        if (fuzz.handle[(at + i) % FUZZ_HANDLES].task != NULL)
            return &fuzz.handle[(at + i) % FUZZ_HANDLES];
    return &fuzz.handle[at];
}

static void
spawn_some(evf_future *future)
{
    struct fuzz_handle *place = &fuzz.handle[below(FUZZ_HANDLES)];
    struct fuzz_handle handle = root_spawn(future, chance(30));

    if (place->task != NULL || chance(10))
        evf_task_detach(handle.task);
    else
        *place = handle;
}

static void
adopt_some(void)
{
    evf_future *future = adopt_new();

    if (future != NULL)
        spawn_some(future);
}

static unsigned
some_group(void)
{
    unsigned at = below(FUZZ_GROUPS);

    for (unsigned i = 0; i < FUZZ_GROUPS; i++)
        if (fuzz.group[(at + i) % FUZZ_GROUPS].group != NULL)
            return (at + i) % FUZZ_GROUPS;
    return at;
}

/* A child that is in the group contains nothing that the group is in. */
static void
add_to_group(unsigned place)
{
    struct fuzz_group *group = &fuzz.group[place];
    unsigned groups = fuzz.groups;
    struct fuzz_root *root;
    evf_future *child = root_new(grow(NULL, 1 + below(3)), &root);

    /* The place may have a group by now that is in the child. */
    if (groups != fuzz.groups)
        evf_group_add(NULL, child);
    else if (evf_group_add(group->group, child) == 0)
        root->link = group->link;
}

static void
run_group(struct fuzz_group *group)
{
    if (group->handed)
        return;
    group->handed = true;
    spawn_some(link_through(group->link, evf_group_future(group->group)));
}

static void
touch_group(void)
{
    unsigned place = some_group();
    struct fuzz_group group = fuzz.group[place];

    if (group.group == NULL) {
        if (chance(70))
            spawn_some(grow_group(1 + below(3)));
        else
            grow_group_alone(1 + below(3));
    } else if (chance(60)) {
        add_to_group(place);
    } else if (chance(30)) {
        run_group(&fuzz.group[place]);
    } else if (chance(50)) {
        evf_group_close(group.group);
    } else {
        fuzz.group[place].group = NULL;
        evf_group_free(group.group);
    }
}

static void
touch_channel(void)
{
    intptr_t token;

    if (chance(90)) {
        token = token_new();
        if (evf_channel_push(fuzz.channel, (void *)token) < 0)
            token_end(token);
    } else if (chance(50)) {
        evf_channel_close(fuzz.channel);
    } else {
        evf_channel *channel = fuzz.channel;

        fuzz.channel = NULL;
        evf_channel_free(channel);
    }
}

static void
touch_fds(void)
{
    char buf[64];

    if (chance(50))
        REQUIRE(write(fuzz.fds[below(2)], "x", 1) != 0, "write");
    else
        REQUIRE(read(fuzz.fds[below(2)], buf, sizeof(buf)) != 0, "read");
}

static void
touch_socket(void)
{
    unsigned i = below(2);
    evf_socket *end = fuzz.socket[i];

    fuzz.socket[i] = NULL;
    if (chance(50))
        evf_socket_close(end);
    else if (end != NULL)
        close(evf_socket_release_fd(end));
}

/* Inside a poll or a drop of its own it is refused. */
static void
free_executor(void)
{
    unsigned i = below(FUZZ_EXECUTORS);
    evf_executor *victim = fuzz.executors[i];

    if (victim == NULL)
        return;
    if (fuzz.running != NULL) {
        if (fuzz.running->executor != victim)
            return;
        fuzz.misuses++;
        REQUIRE(evf_executor_free(victim) == -EINVAL,
            "an executor was freed inside a poll");
        return;
    }
    if (!fuzz.shutdown || !chance(20))
        return;
    fuzz_say("free executor %u", i);
    fuzz.executors[i] = NULL;
    REQUIRE(evf_executor_free(victim) == 0, "an executor was not freed");
}

static void
dump(void)
{
    FILE *out = fopen("/dev/null", "w");

    for (unsigned i = 0; out != NULL && i < FUZZ_EXECUTORS; i++)
        evf_executor_dump(fuzz.executors[i], out);
    if (out != NULL)
        fclose(out);
}

static void
touch_executor(void)
{
    switch (below(5)) {
    case 0:
        dump();
        break;
    case 1:
        evf_executor_set_priority(fuzz.executors[below(FUZZ_EXECUTORS)],
            (int)below(4));
        break;
    case 2:
        event_base_loopbreak(fuzz.base);
        break;
    default:
        free_executor();
        break;
    }
}

static void
touch_task(void)
{
    struct fuzz_handle *handle = some_handle();
    evf_task *task = handle->task;

    switch (below(8)) {
    case 0:
    case 1:
    case 2:
        if (task != NULL)
            handle->root->asked = true;
        evf_task_cancel(task);
        break;
    case 3:
        handle->task = NULL;
        evf_task_detach(task);
        break;
    case 4:
        evf_task_set_daemon(task, chance(50));
        break;
    default:
        root_free(handle);
        break;
    }
}

static void
touch_leaf(void)
{
    struct fuzz_leaf *leaf = fuzz_leaf_some();

    if (leaf == NULL)
        return;
    if (chance(60))
        fuzz_leaf_finish(leaf);
    else
        fuzz_leaf_disturb(leaf);
}

void
fuzz_act(unsigned percent)
{
    unsigned kind;

    if (fuzz.draining || fuzz.fuel == 0 || !chance(percent))
        return;
    fuzz.fuel--;
    kind = below(24);
    fuzz_say("act %u", kind);
    switch (kind) {
    case 0:
    case 1:
        touch_task();
        break;
    case 2:
        adopt_some();
        break;
    case 3:
    case 4:
        spawn_some(grow(NULL, 1 + below(5)));
        break;
    case 5:
    case 6:
        touch_group();
        break;
    case 7:
        touch_channel();
        break;
    case 8:
        completer_call(below(FUZZ_COMPLETERS));
        break;
    case 9:
        if (chance(95))
            touch_fds();
        else
            touch_socket();
        break;
    case 10:
        orphan_drop(below(FUZZ_ORPHANS));
        break;
    case 11:
        touch_executor();
        break;
    case 12:
        if (fuzz.starving)
            heap_fail_at(1 + below(6));
        break;
    default:
        touch_leaf();
        break;
    }
    if (fuzz.running == NULL)
        REQUIRE(fuzz.doomed == 0, "the doomed have not ended at once");
}

void
fuzz_finish_all(void)
{
    evf_channel *channel = fuzz.channel;
    evf_group *group;

    fuzz.channel = NULL;
    evf_channel_free(channel);
    for (unsigned i = 0; i < FUZZ_GROUPS; i++) {
        group = fuzz.group[i].group;
        fuzz.group[i].group = NULL;
        evf_group_free(group);
    }
    for (unsigned i = 0; i < 2; i++) {
        evf_socket *end = fuzz.socket[i];

        fuzz.socket[i] = NULL;
        evf_socket_close(end);
    }
    for (unsigned i = 0; i < FUZZ_COMPLETERS; i++)
        completer_call(i);
    for (unsigned i = 0; i < FUZZ_ORPHANS; i++)
        orphan_drop(i);
    for (unsigned i = 0; i < FUZZ_LEAVES; i++)
        if (fuzz.leaf[i] != NULL)
            fuzz_leaf_finish(fuzz.leaf[i]);
    REQUIRE(write(fuzz.fds[0], "x", 1) != 0, "write");
    REQUIRE(write(fuzz.fds[1], "x", 1) != 0, "write");
}
