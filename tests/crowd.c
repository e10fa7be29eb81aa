/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * R1: a crowd of connections, all open at once, in another process. Each of
 * them then closes orderly after its bytes, closes in the middle, or resets, at
 * a random moment. Every byte of an orderly one comes back once and in order;
 * afterwards the server's descriptors, memory and events are back to the start.
 *
 * EVF_CROWD is the number of connections: 10,000, or 1,000 without epoll. The
 * seed is printed; EVF_CROWD_SEED repeats one.
 */
#include "crowd.h"

#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "support.h"

/* --- The server ------------------------------------------------------------ */

struct echo {
    evf_frame frame;
    evf_socket *peer;
    evf_op op;
    char buf[1024];
};

static unsigned finished;

static enum evf_poll
echo_run(evf_future *self, evf_context *cx)
{
    struct echo *e = evf_frame_of(self, struct echo);
    intptr_t n;

    EVF_BEGIN(self, cx);
    for (;;) {
        EVF_TRY(n, evf_read(&e->op, e->peer, e->buf, sizeof(e->buf)));
        if (n == 0)
            EVF_RETURN(0);
        EVF_TRY(n, evf_write_all(&e->op, e->peer, e->buf, (size_t)n));
    }
    EVF_FINALLY;
    evf_socket_close(e->peer);
    finished++;
    EVF_END;
}

static const evf_frame_ops echo_ops = EVF_FRAME_OPS(struct echo, echo_run);

static evf_future *
echo(evf_socket *peer)
{
    struct echo *e = evf_frame_init(NULL, &echo_ops);

    if (e == NULL) {
        evf_socket_close(peer);
        return NULL;
    }
    e->peer = peer;
    return &e->frame.future;
}

struct acceptor {
    evf_frame frame;
    evf_listener *listener;
    evf_group *connections;
    evf_op op;
};

static enum evf_poll
acceptor_run(evf_future *self, evf_context *cx)
{
    struct acceptor *a = evf_frame_of(self, struct acceptor);
    evf_socket *peer;

    EVF_BEGIN(self, cx);
    for (;;) {
        EVF_TRY(peer, evf_accept(&a->op, a->listener));
        evf_group_add(a->connections, echo(peer));
    }
    EVF_FINALLY;
    evf_listener_close(a->listener);
    EVF_END;
}

static const evf_frame_ops acceptor_ops = EVF_FRAME_OPS(struct acceptor,
    acceptor_run);

struct server {
    struct acceptor acceptor;
    evf_task *accepting;
    struct event *stop;
};

/* The clients have gone: when the last connection has ended, so does dispatch. */
static void
on_stop(evutil_socket_t sig, short what, void *arg)
{
    struct server *s = arg;

    (void)sig;
    (void)what;
    evf_task_free(s->accepting);
    evf_group_close(s->acceptor.connections);
    event_del(s->stop);
}

static void
serve(int report)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct crowd_report r = {0};
    socklen_t length = sizeof(address);
    unsigned fds = fds_open();
    struct server s = {0};
    evf_task *task;

    base = event_base_new();
    executor = evf_executor_new(base);
    evf_frame_init(&s.acceptor, &acceptor_ops);
    ck_assert_int_eq(evf_listen(&s.acceptor.listener, executor,
                         (struct sockaddr *)&address, length, 4096),
        0);
    getsockname(evf_listener_fd(s.acceptor.listener),
        (struct sockaddr *)&address, &length);
    s.stop = evsignal_new(base, SIGTERM, on_stop, &s);
    event_add(s.stop, NULL);
    s.acceptor.connections = evf_group_new(
        &(evf_group_options){.open = true, .keep_going = true});
    task = evf_spawn(executor, evf_group_future(s.acceptor.connections));
    s.accepting = evf_spawn(executor, &s.acceptor.frame.future);
    r.port = ntohs(address.sin_port);
    ck_assert_int_eq(write(report, &r, sizeof(r)), sizeof(r));

    run();

    evf_task_free(task);
    evf_group_free(s.acceptor.connections);
    event_free(s.stop);
    executor_done();
    r.finished = finished;
    r.blocks = (unsigned)heap_blocks();
    r.fds = fds_open() - fds;
    ck_assert_int_eq(write(report, &r, sizeof(r)), sizeof(r));
}

/* --- Both ------------------------------------------------------------------- */

static unsigned
crowd_size(void)
{
    const char *asked = getenv("EVF_CROWD");
    struct rlimit limit;
    unsigned size = getenv("EVENT_NOEPOLL") != NULL ? 1000 : 10000;

    if (asked != NULL)
        size = (unsigned)strtoul(asked, NULL, 10);
    getrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_max < size + 100) /* root may raise it */
        limit.rlim_max = size + 100;
    limit.rlim_cur = limit.rlim_max;
    ck_assert_msg(setrlimit(RLIMIT_NOFILE, &limit) == 0,
        "%u connections need as many descriptors: %s", size, strerror(errno));
    return size;
}

static uint64_t
crowd_seed(void)
{
    const char *asked = getenv("EVF_CROWD_SEED");

    return asked != NULL ? strtoull(asked, NULL, 10) : (uint64_t)time(NULL);
}

/* R1 */
START_TEST(every_byte_of_a_crowd_comes_back_and_nothing_is_left)
{
    unsigned size = crowd_size();
    uint64_t seed = crowd_seed();
    struct crowd_report start, end;
    int report[2], status;
    pid_t server;

    executor_done();
    printf("%u connections, EVF_CROWD_SEED=%llu\n", size,
        (unsigned long long)seed);
    fflush(stdout);
    ck_assert_int_eq(pipe(report), 0);
    server = fork();
    ck_assert_int_ge(server, 0);
    if (server == 0) {
        close(report[0]);
        serve(report[1]);
        _exit(0);
    }
    close(report[1]);
    ck_assert_int_eq(read(report[0], &start, sizeof(start)), sizeof(start));

    crowd_client(start.port, size, seed);

    kill(server, SIGTERM);
    ck_assert_int_eq(read(report[0], &end, sizeof(end)), sizeof(end));
    ck_assert_int_eq(waitpid(server, &status, 0), server);
    ck_assert_int_eq(status, 0);
    close(report[0]);
    ck_assert_uint_eq(end.finished, size);
    ck_assert_uint_eq(end.blocks, 0);
    ck_assert_uint_eq(end.fds, 0);
}
END_TEST

TEST_MAIN("crowd", every_byte_of_a_crowd_comes_back_and_nothing_is_left)
