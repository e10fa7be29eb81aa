/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What one operation costs, without sockets.
 *
 *     micro --list, micro --version (of libevent)
 *     micro spawn 1000000
 *     name=spawn count=1000000 ns=112.4
 */
#include "micro.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/socket.h>

#include <event2/event.h>
#include <event2/event_struct.h>

static struct timespec begin;
static struct timespec end;

void
micro_start(void)
{
    clock_gettime(CLOCK_MONOTONIC, &begin);
}

void
micro_stop(void)
{
    clock_gettime(CLOCK_MONOTONIC, &end);
}

_Noreturn void
micro_fail(const char *message)
{
    fprintf(stderr, "micro: %s\n", message);
    exit(1);
}

uint32_t
micro_deadline_ms(unsigned i)
{
    uint32_t scattered = i * 2654435761u;

    return MICRO_FIRST_MS + scattered % (MICRO_LAST_MS - MICRO_FIRST_MS);
}

static void
on_nothing(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
}

void
micro_gather(struct micro_crowd *crowd, struct event_base *base, unsigned n)
{
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
        micro_fail("no socketpair");
    crowd->n = n;
    crowd->peer = pair[1];
    crowd->others = calloc(n, sizeof(*crowd->others));
    if (crowd->others == NULL)
        micro_fail("out of memory");
    for (unsigned i = 0; i < n; i++) {
        event_assign(&crowd->others[i], base, dup(pair[0]),
            EV_READ | EV_PERSIST, on_nothing, NULL);
        if (event_add(&crowd->others[i], NULL) < 0)
            micro_fail("too few descriptors, see ulimit -n");
    }
    crowd->fd = dup(pair[0]);
    close(pair[0]);
}

void
micro_disperse(struct micro_crowd *crowd)
{
    for (unsigned i = 0; i < crowd->n; i++) {
        event_del(&crowd->others[i]);
        close(event_get_fd(&crowd->others[i]));
    }
    free(crowd->others);
    close(crowd->fd);
    close(crowd->peer);
}

static void
list(const struct micro_op *op)
{
    for (; op->name != NULL; op++)
        puts(op->name);
}

static const struct micro_op *
find(const struct micro_op *op, const char *name)
{
    while (op->name != NULL && strcmp(op->name, name) != 0)
        op++;
    return op->name != NULL ? op : NULL;
}

static void
run(const struct micro_op *op, uint64_t count)
{
    struct event_base *base = event_base_new();
    double ns;

    if (base == NULL)
        micro_fail("out of memory");
    op->run(base, count, op->pending);
    event_base_free(base);
    ns = (double)(end.tv_sec - begin.tv_sec) * 1e9 +
        (double)(end.tv_nsec - begin.tv_nsec);
    printf("name=%s count=%llu ns=%.1f\n", op->name, (unsigned long long)count,
        ns / (double)count);
}

int
main(int argc, char **argv)
{
    const struct micro_op *op;
    unsigned long long count;
    char *rest;

    if (argc == 2 && strcmp(argv[1], "--list") == 0) {
        list(micro_evfuture_ops);
        list(micro_libevent_ops);
        return 0;
    }
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        puts(event_get_version());
        return 0;
    }
    if (argc != 3) {
        fprintf(stderr, "usage: micro --list | --version | OPERATION COUNT\n");
        return 2;
    }
    op = find(micro_evfuture_ops, argv[1]);
    if (op == NULL)
        op = find(micro_libevent_ops, argv[1]);
    count = strtoull(argv[2], &rest, 10);
    if (op == NULL || count == 0 || *rest != '\0') {
        fprintf(stderr, "micro: no such operation or count\n");
        return 2;
    }
    run(op, count);
    return 0;
}
