/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef EVFUTURE_READER_H
#define EVFUTURE_READER_H

#include <evfuture/socket.h>

EVF_C_BEGIN

/*
 * A reader buffers a stream and cuts it: an exact count, a line, up to a
 * delimiter. It has a limit, so that a peer cannot make it grow for ever.
 *
 *     EVF_TRY(n, evf_read_line(&f->op, f->reader, &f->line));
 *     if (n == 0)
 *         EVF_RETURN(0);                          end of the stream
 *
 * What a call yields is whole: a stream that ends inside of a piece makes it
 * fail with -ENODATA. It lies in the reader's buffer, is followed by a NUL byte
 * that does not count, and lives until the next call on the reader. Dropping a
 * pending call loses no data: what was buffered stays for the next one.
 */
typedef struct evf_reader evf_reader;

/*
 * Where the bytes come from: a future that reads some into `buf`, as evf_read()
 * does, losing none when it is dropped.
 */
typedef struct evf_source_ops {
    evf_future *(*read)(evf_op *op, void *source, void *buf, size_t len);
} evf_source_ops;

/* The source that an evf_socket is. */
EVF_API extern const evf_source_ops evf_socket_source;

/*
 * A reader of `source` (an evf_socket for evf_socket_source) whose calls yield
 * at most `limit` bytes.
 *
 * Returns: the reader; NULL if memory is out, `ops` or `source` is NULL, or
 *   `limit` is 0 or above half of the address space. It need not be checked:
 *   calls on a NULL reader fail with -ENOMEM.
 * Ownership: returns owned; `source` is borrowed until evf_reader_free().
 * Context: loop thread.
 * Since: 0.1
 */
EVF_API evf_reader *evf_reader_new(const evf_source_ops *ops, void *source,
    size_t limit);

/*
 * Frees the reader and what is buffered. A call that is pending keeps what it
 * needs, and fails with -EBADF. NULL is fine.
 *
 * Ownership: takes.
 * Context: loop thread.
 * Since: 0.1
 */
EVF_API void evf_reader_free(evf_reader *reader);

/*
 * Reads exactly `count` bytes; 0 of them are there at once.
 *
 * Returns: the future: `count`; 0 if the stream ended before the first of
 *   them; -ENODATA if it ended after; -EMSGSIZE if `count` is above the limit;
 *   the source's errors; -EBADF once the reader is freed; -EALREADY while
 *   another call on it is pending. After an error what is buffered stays. NULL
 *   (-ENOMEM), also for a NULL reader, or the -EBUSY future.
 * Ownership: `*data` is written before it is ready, is the reader's, and lives
 *   until its next call. `data` is pinned until the future is dropped.
 * Cancellation: loses no data.
 * Context: loop thread.
 * Since: 0.1
 */
EVF_API evf_future *evf_read_exact(evf_op *op, evf_reader *reader, size_t count,
    char **data);

/*
 * Reads through the next occurrence of `length` bytes at `delimiter`, which
 * belong to what it yields. A last piece without them is none: it stays
 * buffered, where evf_read_exact() can have it.
 *
 * Returns: the future: the length, at most the limit; 0 if the stream ended
 *   before the first byte; -ENODATA if it ended after, before the delimiter;
 *   -EMSGSIZE when the limit is reached before the delimiter; -EINVAL for a
 *   NULL `delimiter` or a `length` of 0. Otherwise as evf_read_exact().
 * Ownership: `delimiter` is pinned until the future is dropped.
 * Since: 0.1
 */
EVF_API evf_future *evf_read_until(evf_op *op, evf_reader *reader,
    const void *delimiter, size_t length, char **data);

/*
 * Reads a line: up to "\n". What it yields ends with neither "\n" nor "\r\n":
 * those are replaced by NUL bytes, and count in the result, so that an empty
 * line is not the end of the stream, which is 0.
 *
 *     EVF_TRY(n, evf_read_line(&f->op, f->reader, &f->line));
 *     if (n == 0)
 *         EVF_RETURN(-EPIPE);             the end, where a line should be
 *     if (f->line[0] == '\0')
 *         EVF_RETURN(0);                  an empty line: the headers are over
 *
 * As evf_read_until() otherwise.
 * Since: 0.1
 */
EVF_API evf_future *evf_read_line(evf_op *op, evf_reader *reader, char **line);

EVF_C_END

#endif
