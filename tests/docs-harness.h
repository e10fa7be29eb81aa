/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef DOCS_HARNESS_H
#define DOCS_HARNESS_H

#include <stdlib.h>
#include <sys/socket.h>
#include <event2/dns.h>
#include <event2/event.h>
#include <evfuture.h>

/*
 * What the fragments in README.md and docs/ speak of. docs.sh compiles each of
 * them with this, as a function or as the body of one; none is run.
 */
struct echo {
    evf_frame frame;
    evf_socket *peer;
    evf_op op;
    char buf[4096];
};

struct session {
    evf_executor *executor;
    void *db;
    evf_task *query;
};

/* The frame of a fragment. Its `op` is one or several. */
struct flow {
    evf_frame frame;
    evf_socket *peer;
    const struct sockaddr *address;
    unsigned length;
    unsigned which;
    evf_task *task;
    intptr_t result;
    const char *message;
    void *work;
    char buf[64];
    OP;
};

evf_future *talk(struct flow *f);
evf_future *dial(struct flow *f);
evf_future *greet(struct flow *f);
evf_future *session(struct flow *f);
evf_future *fill(char *buf);
evf_future *query();
void on_done(intptr_t result, void *arg);
void on_answer(intptr_t result, void *arg);

#endif
