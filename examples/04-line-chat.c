/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A chat of lines: three tasks per client (one that reads, one that writes, one
 * that owns both), an inbox between them, a timeout, and a policy for clients
 * that do not read: whose inbox is full is shown out, and nobody waits for it.
 */
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <event2/event.h>
#include <evfuture.h>

#define INBOX      64     /* lines that a client may be behind */
#define LINE_LIMIT 1024   /* bytes */
#define IDLE_MS    600000 /* of silence */
#define WRITE_MS   10000  /* for one line to leave */
#define KERNEL     65536  /* bytes that the system may hold for a client */

struct room {
    struct client *clients;
    unsigned seats;
};

struct client {
    evf_frame frame;
    struct room *room;
    struct client *next;
    unsigned seat;
    evf_socket *peer;
    evf_channel *inbox; /* of lines from strdup() */
    evf_group *tasks;   /* the reader and the writer */
    evf_op op;
};

/* A line for everybody but the one who said it. */
static void
say(struct room *room, const struct client *from, const char *verb,
    const char *text)
{
    char line[LINE_LIMIT + 64], *copy;
    struct client *c;

    snprintf(line, sizeof(line), "%u %s%s\n", from->seat, verb, text);
    for (c = room->clients; c != NULL; c = c->next) {
        if (c == from || (copy = strdup(line)) == NULL)
            continue;
        if (evf_channel_push(c->inbox, copy) < 0) {
            free(copy);
            evf_channel_close(c->inbox);
            evf_socket_shutdown(c->peer, SHUT_RDWR); /* both tasks fail */
        }
    }
}

/* --- The reader ------------------------------------------------------------ */

struct reading {
    evf_frame frame;
    struct client *client;
    evf_reader *reader;
    char *line;
    evf_op op[2];
};

static enum evf_poll
reading_run(evf_future *self, evf_context *cx)
{
    struct reading *r = evf_frame_of(self, struct reading);
    struct client *c = r->client;
    intptr_t n;

    EVF_BEGIN(self, cx);
    r->reader = evf_reader_new(&evf_socket_source, c->peer, LINE_LIMIT);
    for (;;) {
        EVF_TRY(n,
            evf_timeout(&r->op[0], IDLE_MS,
                evf_read_line(&r->op[1], r->reader, &r->line)));
        if (n == 0)
            EVF_RETURN(-ECONNRESET); /* a failure ends the writer too */
        say(c->room, c, "says: ", r->line);
    }
    EVF_FINALLY;
    evf_reader_free(r->reader);
    EVF_END;
}

static const evf_frame_ops reading_ops = EVF_FRAME_OPS(struct reading,
    reading_run);

/* --- The writer ------------------------------------------------------------ */

struct writing {
    evf_frame frame;
    struct client *client;
    char *line;
    evf_op op[2];
};

static enum evf_poll
writing_run(evf_future *self, evf_context *cx)
{
    struct writing *w = evf_frame_of(self, struct writing);
    struct client *c = w->client;
    intptr_t n;

    EVF_BEGIN(self, cx);
    for (;;) {
        EVF_TRY(w->line, evf_channel_recv(&w->op[0], c->inbox));
        EVF_TRY(n,
            evf_timeout(&w->op[0], WRITE_MS,
                evf_write_all(&w->op[1], c->peer, w->line, strlen(w->line))));
        free(w->line);
        w->line = NULL;
    }
    EVF_FINALLY;
    free(w->line);
    EVF_END;
}

static const evf_frame_ops writing_ops = EVF_FRAME_OPS(struct writing,
    writing_run);

/* --- The client: both, as long as neither fails ------------------------------ */

static evf_future *
reading(struct client *c)
{
    struct reading *r = evf_frame_init(NULL, &reading_ops);

    if (r == NULL)
        return NULL;
    r->client = c;
    return &r->frame.future;
}

static evf_future *
writing(struct client *c)
{
    struct writing *w = evf_frame_init(NULL, &writing_ops);

    if (w == NULL)
        return NULL;
    w->client = c;
    return &w->frame.future;
}

static void
leave(struct client *c)
{
    struct client **place = &c->room->clients;

    while (*place != NULL && *place != c)
        place = &(*place)->next;
    if (*place == NULL)
        return; /* it had not come in */
    *place = c->next;
    say(c->room, c, "leaves", "");
}

static enum evf_poll
client_run(evf_future *self, evf_context *cx)
{
    struct client *c = evf_frame_of(self, struct client);
    intptr_t n;

    EVF_BEGIN(self, cx);
    setsockopt(evf_socket_fd(c->peer), SOL_SOCKET, SO_SNDBUF, &(int){KERNEL},
        sizeof(int));
    c->seat = ++c->room->seats;
    c->inbox = evf_channel_new(INBOX, free);
    c->tasks = evf_group_new(NULL);
    evf_group_add(c->tasks, reading(c));
    evf_group_add(c->tasks, writing(c));
    c->next = c->room->clients;
    c->room->clients = c;
    say(c->room, c, "comes in", "");
    EVF_AWAIT(n, evf_group_future(c->tasks));
    EVF_FINALLY;
    leave(c);
    evf_group_free(c->tasks);
    evf_channel_free(c->inbox);
    evf_socket_close(c->peer);
    EVF_END;
}

static const evf_frame_ops client_ops = EVF_FRAME_OPS(struct client,
    client_run);

/* --- The door ---------------------------------------------------------------- */

struct door {
    evf_frame frame;
    evf_executor *executor;
    evf_listener *listener;
    evf_group *guests;
    struct room room;
    evf_op op;
};

static evf_future *
client(struct room *room, evf_socket *peer)
{
    struct client *c = evf_frame_init(NULL, &client_ops);

    if (c == NULL) {
        evf_socket_close(peer);
        return NULL;
    }
    c->room = room;
    c->peer = peer;
    return &c->frame.future;
}

static enum evf_poll
door_run(evf_future *self, evf_context *cx)
{
    struct door *d = evf_frame_of(self, struct door);
    evf_socket *peer;

    EVF_BEGIN(self, cx);
    for (;;) {
        EVF_TRY(peer, evf_accept(&d->op, d->listener));
        evf_group_add(d->guests, client(&d->room, peer));
    }
    EVF_FINALLY;
    evf_listener_close(d->listener);
    EVF_END;
}

static const evf_frame_ops door_ops = EVF_FRAME_OPS(struct door, door_run);

static void
on_sigterm(evutil_socket_t sig, short what, void *arg)
{
    (void)sig;
    (void)what;
    event_base_loopbreak(arg);
}

int
main(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);
    struct event_base *base = event_base_new();
    struct event *sigterm = evsignal_new(base, SIGTERM, on_sigterm, base);
    struct door door = {0};
    evf_task *task, *guests;

    setvbuf(stdout, NULL, _IOLBF, 0);
    evf_frame_init(&door, &door_ops);
    door.executor = evf_executor_new(base);
    if (evf_listen(&door.listener, door.executor, (struct sockaddr *)&address,
            sizeof(address), 0) < 0)
        return 1;
    getsockname(evf_listener_fd(door.listener), (struct sockaddr *)&address,
        &length);
    door.guests = evf_group_new(
        &(evf_group_options){.open = true, .keep_going = true});
    event_add(sigterm, NULL);
    task = evf_spawn(door.executor, &door.frame.future);
    guests = evf_spawn(door.executor, evf_group_future(door.guests));
    printf("listening on port %d\n", ntohs(address.sin_port));

    event_base_dispatch(base);

    evf_task_free(task);
    evf_task_free(guests);
    evf_group_free(door.guests);
    evf_executor_free(door.executor);
    event_free(sigterm);
    event_base_free(base);
    return 0;
}
