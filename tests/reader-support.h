/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef READER_SUPPORT_H
#define READER_SUPPORT_H

#include <string.h>
#include <unistd.h>

#include "sockets.h"

/*
 * A source under the test's thumb: some bytes, as they come, then an end. While
 * it is dry it is pending.
 */
struct script {
    evf_future future;
    evf_waker waker;
    const char *bytes;
    size_t len, at;
    size_t step;    /* what one read yields at most */
    uint32_t cuts;  /* bit n: the first n + 1 bytes come apart from the rest */
    bool shy;       /* each read is pending once, and then wakes */
    bool dry;       /* pending until script_goes_on() */
    intptr_t end;   /* 0 or an error, when the bytes are used up */
    size_t surplus; /* what it says it has read too much */
    /* Called once, inside of the source's code. */
    void (*in_read)(void *arg), (*in_poll)(void *arg), (*in_drop)(void *arg);
    void *arg;
    unsigned reads, drops;
    bool shown; /* has been pending already */
    char *buf;
    size_t room, most_room;
};

static inline void
act(void (**hook)(void *arg), void *arg)
{
    void (*fn)(void *) = *hook;

    *hook = NULL;
    if (fn != NULL)
        fn(arg);
}

/* How much comes at once. */
static inline size_t
script_next(const struct script *s)
{
    size_t n = s->len - s->at, most = s->step < s->room ? s->step : s->room;

    if (n > most)
        n = most;
    for (size_t i = 1; i < n; i++)
        if (s->at + i <= 32 && s->cuts >> (s->at + i - 1) & 1)
            return i;
    return n;
}

static inline enum evf_poll
script_poll(evf_future *self, evf_context *cx)
{
    struct script *s = evf_container_of(self, struct script, future);
    size_t n;

    act(&s->in_poll, s->arg);
    if (s->shy && !s->shown)
        evf_waker_wake_by_ref(evf_context_waker(cx));
    if (s->dry || (s->shy && !s->shown)) {
        s->shown = true;
        evf_waker_update(&s->waker, evf_context_waker(cx));
        return EVF_PENDING;
    }
    s->shown = false;
    n = script_next(s);
    if (n == 0)
        return evf_future_ready(self, s->end);
    memcpy(s->buf, s->bytes + s->at, n);
    s->at += n;
    return evf_future_ready(self, (intptr_t)(n + s->surplus));
}

static inline void
script_drop(evf_future *self)
{
    struct script *s = evf_container_of(self, struct script, future);

    act(&s->in_drop, s->arg);
    s->drops++;
    self->ops = NULL;
    evf_waker_drop(&s->waker);
}

static const evf_future_ops script_ops = {
    .size = sizeof(struct script),
    .name = "script",
    .poll = script_poll,
    .drop = script_drop,
};

static inline evf_future *
script_read(evf_op *op, void *source, void *buf, size_t len)
{
    struct script *s = source;

    (void)op;
    if (s->future.ops != NULL || len == 0)
        ck_abort_msg("two reads at a time, or one of nothing");
    s->reads++;
    s->buf = buf;
    s->room = len;
    s->most_room = len > s->most_room ? len : s->most_room;
    act(&s->in_read, s->arg);
    evf_future_init(&s->future, &script_ops);
    return &s->future;
}

static const evf_source_ops script_source = {.read = script_read};

static inline struct script
script(const char *bytes, size_t step)
{
    return (struct script){.bytes = bytes, .len = strlen(bytes), .step = step};
}

static inline void
script_goes_on(struct script *s)
{
    s->dry = false;
    evf_waker_wake(&s->waker);
}

static inline evf_reader *
reader_of(struct script *s, size_t limit)
{
    evf_reader *reader = evf_reader_new(&script_source, s, limit);

    ck_assert_ptr_nonnull(reader);
    return reader;
}

/* A reader of one end of a stream; the other one is the test's. */
static inline evf_reader *
reader_of_pair(evf_socket **socket, int *peer)
{
    evf_reader *reader;

    *socket = adopt_pair(peer);
    reader = evf_reader_new(&evf_socket_source, *socket, 100);
    ck_assert_ptr_nonnull(reader);
    return reader;
}

static inline void
close_pair(evf_reader *reader, evf_socket *socket, int peer)
{
    evf_reader_free(reader);
    evf_socket_close(socket);
    close(peer);
}

static inline intptr_t
exactly(evf_reader *reader, size_t count, char **data)
{
    return finish_now(evf_read_exact(NULL, reader, count, data));
}

static inline intptr_t
until(evf_reader *reader, const char *delimiter, char **data)
{
    return finish_now(
        evf_read_until(NULL, reader, delimiter, strlen(delimiter), data));
}

static inline intptr_t
line(evf_reader *reader, char **data)
{
    return finish_now(evf_read_line(NULL, reader, data));
}

/* Makes a line of so many bytes, its end included; where it ends. */
static inline char *
put_line(char *at, size_t len)
{
    for (size_t i = 1; i < len; i++)
        *at++ = 'x';
    *at++ = '\n';
    return at;
}

/* A piece that is asked for; what comes of it, and, on success, the bytes. */
struct piece {
    char kind;
    const char *delimiter;
    size_t count;
    intptr_t result;
    const char *data; /* the NUL that follows belongs to it */
};

#define EXACT(count, result, data)                                             \
    {                                                                          \
        'e', NULL, count, result, data                                         \
    }
#define UNTIL(delimiter, result, data)                                         \
    {                                                                          \
        'u', delimiter, 0, result, data                                        \
    }
#define LINE(result, data)                                                     \
    {                                                                          \
        'l', NULL, 0, result, data                                             \
    }
#define END(kind)                                                              \
    {                                                                          \
        kind, "x", 1, 0, ""                                                    \
    }
#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static inline evf_future *
ask(evf_op *op, evf_reader *reader, const struct piece *piece, char **data)
{
    switch (piece->kind) {
    case 'e':
        return evf_read_exact(op, reader, piece->count, data);
    case 'u':
        return evf_read_until(op, reader, piece->delimiter,
            strlen(piece->delimiter), data);
    default:
        return evf_read_line(op, reader, data);
    }
}

/*
 * Polls until it is ready; the impatient drop the call whenever it is pending,
 * and make a new one.
 */
static inline intptr_t
answer(evf_reader *reader, const struct piece *piece, bool impatient,
    char **data)
{
    evf_op op = {0};
    struct probe probe;
    enum evf_poll poll = EVF_PENDING;
    intptr_t result = 0;

    probe_init(&probe);
    for (unsigned n = 0; poll == EVF_PENDING; n++) {
        evf_future *future = ask(&op, reader, piece, data);

        do
            poll = poll_with(future, &probe, executor);
        while (poll == EVF_PENDING && !impatient && n++ < 10000);
        result = evf_future_take(future);
        evf_future_drop(future);
        if (n >= 10000 || probe_live(&probe) != 0)
            ck_abort_msg("it does not end, or leaves a waker");
    }
    return result;
}

#endif
