/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef EVFUTURE_SOCKET_H
#define EVFUTURE_SOCKET_H

#include <sys/types.h>
#include <sys/uio.h>
#include <evfuture/reactor.h>

EVF_C_BEGIN

struct addrinfo;
struct sockaddr;

/*
 * A socket owns a file descriptor that can be polled: TCP, UDP, Unix, a pipe, a
 * FIFO, a terminal. One task may read and another write at the same time.
 *
 * Operations are lazy: the system call is made when the future is polled, and
 * whenever that would block the operation waits. They hold a reference on the
 * socket; closing it makes them fail with -EBADF. Their other errors are those
 * of the system call; -EAGAIN where waiting would be in vain: what the system
 * reports is not what the call waits for, such as an error queue that is not
 * empty (read it by evf_recvmsg() with MSG_ERRQUEUE), or a datagram's receiver
 * that is full. SIGPIPE is never raised: on sockets by MSG_NOSIGNAL, elsewhere by
 * blocking it during the call, which costs two calls more.
 *
 * NULL, and an error that EVF_AWAIT stored in the place of a socket, are no
 * socket: operations fail with -EBADF, and closing it is fine.
 *
 * After evf_executor_free() operations fail with -ESHUTDOWN, and the socket is
 * still to be closed.
 */
typedef struct evf_socket evf_socket;

/*
 * Takes over a file descriptor. Its flags are not touched: sockets are read
 * with MSG_DONTWAIT; others, if they would block, are polled first and written
 * PIPE_BUF bytes at a time. Such a descriptor still blocks if another process
 * takes what there was between the two calls, or if it is a terminal that is
 * stopped or whose reader is slow: set O_NONBLOCK on what nobody shares. In
 * libevent's debug mode (event_enable_debug_mode()) libevent itself aborts when
 * a descriptor that would block is to be waited for.
 *
 * Returns: 0. -EBADF if it is not open; -ENOTSUP for a regular file, a
 *   directory or a block device; -EEXIST if the executor has a socket or a live
 *   wait on it; -ENOMEM; -ESHUTDOWN while the executor is being freed; -EINVAL
 *   for a NULL executor. `*socket` is written on success only.
 * Ownership: takes `fd` on success; returns owned.
 * Context: loop thread.
 * Since: 0.1
 */
EVF_API int evf_socket_new(evf_socket **socket, evf_executor *executor, int fd);

/*
 * Ends the socket: whoever waits gets -EBADF, the file descriptor is closed.
 * NULL and failed results are fine.
 *
 * Ownership: takes.
 * Context: loop thread; inside any poll; after the executor is gone.
 * Since: 0.1
 */
EVF_API void evf_socket_close(evf_socket *socket);

/*
 * As evf_socket_close(), but gives the file descriptor back, with no event of
 * the library's on it.
 *
 * Returns: the fd; -EBADF for NULL.
 * Ownership: takes the socket; the fd is the caller's.
 * Context: loop thread.
 * Since: 0.1
 */
EVF_API int evf_socket_release_fd(evf_socket *socket);

/*
 * The file descriptor, for getsockopt() and the like; -1 for NULL, and once the
 * socket is closed.
 *
 * Ownership: borrowed.
 * Context: loop thread.
 * Since: 0.1
 */
EVF_API int evf_socket_fd(const evf_socket *socket);

/*
 * A reference, for a future written by hand that may be polled after somebody
 * has closed the socket: it keeps the object, whose fd is -1 then, and not the
 * file descriptor. NULL is fine.
 *
 * Returns: ref: the socket.
 * Ownership: ref: returns owned; unref: takes.
 * Context: loop thread.
 * Since: 0.1
 */
EVF_API evf_socket *evf_socket_ref(evf_socket *socket);
EVF_API void evf_socket_unref(evf_socket *socket);

/*
 * evf_socket_close() for a socket that is a result: the `dispose` of a function
 * that returns one.
 *
 * Ownership: takes.
 * Context: loop thread.
 * Since: 0.1
 */
EVF_API void evf_socket_dispose(void *socket);

/*
 * The chapter's set_readable_callback, and its twin: wakes `waker` when the
 * socket becomes readable (writable). To be called after a system call has said
 * EAGAIN, with an id of 0 in `interest->event`, or the caller's.
 *
 * Returns: 0; -EBADF; -EEXIST; -ESHUTDOWN; -ENOMEM; -EINVAL, as in reactor.h.
 * Ownership: `interest` is pinned until it fires or is removed; `waker` is
 *   cloned.
 * Context: loop thread.
 * Since: 0.1
 */
EVF_API int evf_socket_set_readable_callback(evf_socket *socket,
    evf_interest *interest, const evf_waker *waker);
EVF_API int evf_socket_set_writable_callback(evf_socket *socket,
    evf_interest *interest, const evf_waker *waker);

/*
 * Reads once: up to `len` bytes, as soon as there are some. `buf` must have
 * that many: if it cannot, the system fails with -EFAULT on what is no socket.
 *
 * Returns: the future: the number of bytes; 0 at the end of the stream, which
 *   is also what shutdown(2) makes of a datagram socket, or for a `len` of 0.
 *   NULL (-ENOMEM) or the -EBUSY future.
 * Ownership: `buf` is pinned until the future is dropped.
 * Cancellation: loses no data.
 * Context: loop thread.
 * Since: 0.1
 */
EVF_API evf_future *evf_read(evf_op *op, evf_socket *socket, void *buf,
    size_t len);

/*
 * Writes once: as much as the system takes, at least 1 byte (0 for a `len` of
 * 0).
 *
 * Returns: the future: the number of bytes. NULL (-ENOMEM) or the -EBUSY
 *   future.
 * Ownership: `buf` is pinned until the future is dropped.
 * Cancellation: nothing was written unless the future was ready.
 * Context: loop thread.
 * Since: 0.1
 */
EVF_API evf_future *evf_write(evf_op *op, evf_socket *socket, const void *buf,
    size_t len);

/*
 * As evf_write(), from `count` pieces. -EINVAL if `count` is above IOV_MAX.
 *
 * Ownership: `iov` and what it points to are pinned until the future is
 *   dropped.
 * Since: 0.1
 */
EVF_API evf_future *evf_writev(evf_op *op, evf_socket *socket,
    const struct iovec *iov, int count);

/*
 * Writes all of `len` bytes.
 *
 * Returns: the future: `len` (0 to SSIZE_MAX; more is -EINVAL). NULL (-ENOMEM)
 *   or the -EBUSY future.
 * Ownership: `buf` is pinned until the future is dropped.
 * Cancellation: a first part may have been written, of a size that nobody
 *   knows: close the socket, or use evf_write().
 * Context: loop thread.
 * Since: 0.1
 */
EVF_API evf_future *evf_write_all(evf_op *op, evf_socket *socket,
    const void *buf, size_t len);

/*
 * shutdown(2) with SHUT_RD, SHUT_WR or SHUT_RDWR. It never blocks.
 *
 * Returns: 0; -EBADF for NULL; the errors of shutdown(2).
 * Context: loop thread.
 * Since: 0.1
 */
EVF_API int evf_socket_shutdown(evf_socket *socket, int how);

/*
 * Connects a new stream socket to one address.
 *
 * Returns: the future: an evf_socket *; the errors of socket(2) and connect(2),
 *   -EAGAIN if the backlog of a Unix socket is full; -EINVAL for no address;
 *   -ENOTSUP without an executor. NULL (-ENOMEM) or the -EBUSY future.
 * Ownership: `address` is pinned until the future is dropped; the socket is the
 *   caller's.
 * Cancellation: the attempt is closed.
 * Context: loop thread.
 * Since: 0.1
 */
EVF_API evf_future *evf_connect(evf_op *op, const struct sockaddr *address,
    unsigned length);

/*
 * Connects to the first address of a list that accepts, in its order, as
 * getaddrinfo() and evutil_getaddrinfo() return one. Each entry's family,
 * type and protocol count.
 *
 * Returns: the future: an evf_socket *; the last address's error; -EINVAL for
 *   an empty list. Otherwise as evf_connect().
 * Ownership: `list` is pinned until the future is dropped; the socket is the
 *   caller's.
 * Cancellation: the attempt is closed.
 * Context: loop thread.
 * Since: 0.1
 */
EVF_API evf_future *evf_connect_list(evf_op *op, const struct addrinfo *list);

EVF_C_END

#endif
