/* SPDX-License-Identifier: BSD-3-Clause */
#include <evfuture/reader.h>

#include <string.h>

#include "core/alloc-internal.h"
#include "core/future-internal.h"
#include "core/misuse-internal.h"
#include "core/op-internal.h"
#include "core/waker-internal.h"

/* What a buffer begins with, if the limit allows. */
#define FIRST_SIZE 4096u

struct call;

struct evf_reader {
    const evf_source_ops *ops;
    void *source; /* NULL once the reader is freed */
    size_t limit;
    uint32_t refs; /* the handle's, and each call's */

    /* buf[start..end) is buffered, never more than the limit; end < size. */
    char *buf;
    size_t size, start, end;
    bool cut;  /* a NUL that ends the last result stands at buf[start] */
    char kept; /* in the place of this */

    struct call *call; /* the one that is pending */
    evf_waker waker;   /* its waker, for evf_reader_free() */
    evf_future *child; /* the read that it awaits, if `reading` */
    bool reading;
    bool polled;  /* the child's, for the await rule */
    bool outside; /* inside of the source's code */
    evf_op op;    /* the child's storage */
};

/* In op.detail. */
enum mode {
    EXACT,
    UNTIL,
    LINE
};

struct call {
    struct evfi_op op;
    evf_reader *reader; /* a reference */
    char **data;
    const char *delimiter;
    size_t length;  /* of the delimiter, or of what is wanted */
    size_t scanned; /* where, from `start`, the search goes on */
};

EVFI_OP_FITS(struct call);

static evf_future *
read_socket(evf_op *op, void *source, void *buf, size_t len)
{
    return evf_read(op, source, buf, len);
}

const evf_source_ops evf_socket_source = {.read = read_socket};

evf_reader *
evf_reader_new(const evf_source_ops *ops, void *source, size_t limit)
{
    evf_reader *reader;

    if (ops == NULL || source == NULL || limit == 0 || limit > SIZE_MAX / 2)
        return NULL;
    reader = evfi_new(sizeof(*reader));
    if (reader == NULL)
        return NULL;
    reader->size = limit < FIRST_SIZE ? limit + 1 : FIRST_SIZE;
    reader->buf = evfi_allocate(reader->size);
    if (reader->buf == NULL) {
        evfi_release(reader);
        return NULL;
    }
    reader->ops = ops;
    reader->source = source;
    reader->limit = limit;
    reader->refs = 1;
    return reader;
}

static void
unref(evf_reader *reader)
{
    if (--reader->refs > 0)
        return;
    evfi_release(reader->buf);
    evfi_release(reader);
}

static void
stop_reading(evf_reader *reader)
{
    evf_future *child = reader->child;

    if (!reader->reading)
        return;
    reader->reading = false;
    reader->child = NULL;
    evf_future_drop(child);
}

/* From inside of the source's code, fill() will see it. */
void
evf_reader_free(evf_reader *reader)
{
    if (reader == NULL)
        return;
    reader->source = NULL;
    if (!reader->outside)
        stop_reading(reader);
    evfi_waker_wake(&reader->waker);
    unref(reader);
}

/*
 * Makes room for `need` bytes from `start` on, more than there are. Moving what
 * is there costs little while it is less than half of the buffer, and nothing
 * if it is nothing.
 */
static int
make_room(evf_reader *reader, size_t need)
{
    size_t have = reader->end - reader->start, size = reader->size;
    char *from = reader->buf + reader->start, *buf = reader->buf;

    if (have > 0 && reader->start + need < size)
        return 0;
    if (size <= reader->limit && (have > size / 2 || need >= size)) {
        size = size > reader->limit / 2 ? reader->limit + 1 : size * 2;
        size = size > need ? size : need + 1;
        buf = evfi_allocate(size);
        if (buf == NULL)
            return -ENOMEM;
        memcpy(buf, from, have);
        evfi_release(reader->buf);
        reader->buf = buf;
        reader->size = size;
    } else {
        memmove(buf, from, have);
    }
    reader->start = 0;
    reader->end = have;
    return 0;
}

static int
start_reading(evf_reader *reader, size_t need)
{
    int err = make_room(reader, need);

    if (err < 0)
        return err;
    reader->outside = true;
    reader->child = reader->ops->read(&reader->op, reader->source,
        reader->buf + reader->end, reader->size - 1 - reader->end);
    reader->outside = false;
    reader->reading = true;
    reader->polled = false;
    return 0;
}

/* Reads some more: how much, 0 at the end, or an error. */
static enum evf_poll
fill(evf_reader *reader, evf_context *cx, size_t need, intptr_t *n)
{
    enum evf_poll poll = EVF_PENDING;
    void (*dispose)(void *result);

    if (!reader->reading) {
        *n = start_reading(reader, need);
        if (*n < 0)
            return EVF_READY;
    }
    if (reader->source != NULL) {
        reader->outside = true;
        poll = evf_future_poll_child(reader->child, cx, &reader->polled, n,
            &dispose);
        reader->outside = false;
        reader->reading = poll == EVF_PENDING;
    }
    if (reader->source == NULL) {
        stop_reading(reader);
        *n = -EBADF;
        return EVF_READY;
    }
    if (poll == EVF_PENDING)
        return EVF_PENDING;
    if (!evf_failed(*n) && (size_t)*n > reader->size - 1 - reader->end) {
        evfi_misuse("a source has read more than it was asked to");
        *n = -EINVAL;
    }
    if (!evf_failed(*n))
        reader->end += (size_t)*n;
    return EVF_READY;
}

/* How much the call yields, -EAGAIN if more is needed, or an error. */
static intptr_t
search(struct call *c)
{
    const evf_reader *reader = c->reader;
    const char *from = reader->buf + reader->start, *found = NULL;
    size_t have = reader->end - reader->start;

    if (c->op.detail == EXACT)
        return have >= c->length ? (intptr_t)c->length : -EAGAIN;
    if (have - c->scanned >= c->length) {
        found = memmem(from + c->scanned, have - c->scanned, c->delimiter,
            c->length);
        c->scanned = have - c->length + 1;
    }
    if (found != NULL)
        return found - from + (intptr_t)c->length;
    return have < reader->limit ? -EAGAIN : -EMSGSIZE;
}

/* At the end of the stream: 0, unless it is inside of a piece. */
static intptr_t
search_at_end(const struct call *c)
{
    return c->reader->end > c->reader->start ? -ENODATA : 0;
}

static void
strip_line_end(char *line, size_t n)
{
    if (n == 0 || line[n - 1] != '\n')
        return;
    line[n - 1] = '\0';
    if (n > 1 && line[n - 2] == '\r')
        line[n - 2] = '\0';
}

/* Hands out the first `n` bytes. */
static void
yield(struct call *c, size_t n)
{
    evf_reader *reader = c->reader;
    char *data = reader->buf + reader->start;

    if (c->op.detail == LINE)
        strip_line_end(data, n);
    reader->start += n;
    reader->cut = reader->start < reader->end;
    reader->kept = reader->cut ? data[n] : '\0';
    data[n] = '\0';
    if (c->data != NULL)
        *c->data = data;
}

/* Makes the call the reader's: 0, or why it may not. */
static int
begin(struct call *c)
{
    evf_reader *reader = c->reader;

    if (reader->source == NULL)
        return -EBADF;
    if (reader->call == c)
        return 0;
    if (reader->call != NULL)
        return -EALREADY;
    reader->call = c;
    if (reader->cut)
        reader->buf[reader->start] = reader->kept;
    reader->cut = false;
    return 0;
}

static enum evf_poll
call_poll(evf_future *self, evf_context *cx)
{
    struct call *c = (struct call *)self;
    evf_reader *reader = c->reader;
    intptr_t n = begin(c), more = 1;
    size_t need;

    if (n < 0)
        return evf_future_ready(self, n);
    while ((n = search(c)) == -EAGAIN) {
        need = c->op.detail == EXACT ? c->length
                                     : reader->end - reader->start + 1;
        if (fill(reader, cx, need, &more) == EVF_PENDING) {
            evfi_waker_update(&reader->waker, &cx->waker);
            if (reader->source != NULL)
                return EVF_PENDING;
            more = -EBADF;
        }
        if (more <= 0) {
            n = more < 0 ? more : search_at_end(c);
            break;
        }
    }
    if (n >= 0)
        yield(c, (size_t)n);
    reader->call = NULL;
    evfi_waker_drop(&reader->waker);
    return evf_future_ready(self, n);
}

static void
call_drop(evf_future *self)
{
    struct call *c = (struct call *)self;
    evf_reader *reader = c->reader;

    if (reader->call == c) {
        stop_reading(reader);
        reader->call = NULL;
        evfi_waker_drop(&reader->waker);
    }
    unref(reader);
    evfi_op_release(&c->op);
}

static void
call_visit(evf_future *self, evf_visit_fn *fn, void *arg)
{
    struct call *c = (struct call *)self;
    evf_reader *reader = c->reader;

    if (reader->call == c && reader->reading &&
        evfi_future_is_real(reader->child))
        fn(arg, reader->child, NULL);
}

static const evf_future_ops exact_ops = {
    .size = sizeof(struct call),
    .name = "read_exact",
    .poll = call_poll,
    .drop = call_drop,
    .visit = call_visit,
};

static const evf_future_ops until_ops = {
    .size = sizeof(struct call),
    .name = "read_until",
    .poll = call_poll,
    .drop = call_drop,
    .visit = call_visit,
};

static const evf_future_ops line_ops = {
    .size = sizeof(struct call),
    .name = "read_line",
    .poll = call_poll,
    .drop = call_drop,
    .visit = call_visit,
};

static evf_future *
call_new(evf_op *op, const evf_future_ops *ops, enum mode mode,
    evf_reader *reader, const void *delimiter, size_t length, char **data)
{
    struct call *c = evfi_op_claim(op, ops);

    if (!evfi_future_is_real(c))
        return (evf_future *)c;
    c->op.detail = mode;
    c->reader = reader;
    reader->refs++;
    c->data = data;
    c->delimiter = delimiter;
    c->length = length;
    return &c->op.future;
}

evf_future *
evf_read_exact(evf_op *op, evf_reader *reader, size_t count, char **data)
{
    if (reader == NULL)
        return NULL;
    if (count > reader->limit)
        return evf_future_failed(-EMSGSIZE);
    return call_new(op, &exact_ops, EXACT, reader, NULL, count, data);
}

evf_future *
evf_read_until(evf_op *op, evf_reader *reader, const void *delimiter,
    size_t length, char **data)
{
    if (reader == NULL)
        return NULL;
    if (delimiter == NULL || length == 0)
        return evf_future_failed(-EINVAL);
    return call_new(op, &until_ops, UNTIL, reader, delimiter, length, data);
}

evf_future *
evf_read_line(evf_op *op, evf_reader *reader, char **line)
{
    if (reader == NULL)
        return NULL;
    return call_new(op, &line_ops, LINE, reader, "\n", 1, line);
}
