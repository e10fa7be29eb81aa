/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef EVFUTURE_REACTOR_H
#define EVFUTURE_REACTOR_H

#include <evfuture/executor.h>

EVF_C_BEGIN

/*
 * The reactor maps (fd, event id) to wakers: the `event_map` and the
 * `add_io_event_interest` of the Rust async book's chapter "Executors and
 * System IO". Where the chapter blocks on an IoBlocker of its own, here the
 * program's event_base_dispatch() does.
 *
 * An interest fires once, with the signals that occurred, and wakes its waker;
 * the next poll registers it again. The struct is a member of whoever waits, so
 * registering allocates nothing. A future written by hand removes its interest
 * in its drop.
 *
 * A file descriptor of the program's is armed in libevent exactly while somebody
 * waits for it, since its close would go unseen: end the wait before closing.
 * Host events on the same descriptor go on working unchanged, with one exception
 * of libevent's making: an edge-triggered event that is added while a wait is
 * pending is served level-triggered until it is added anew. It misses nothing.
 * To find those that are there before, arming looks at the events of all lower
 * descriptors, some nanoseconds each; a socket (socket.h) is armed without.
 */
#define EVF_READABLE (1u << 0) /* a read would not block; also EOF and errors */
#define EVF_WRITABLE (1u << 1) /* a write would not block; also errors */
#define EVF_CLOSED   (1u << 2) /* the peer's close, where the system can tell */

/* What is waited for, under a label; or what occurred. */
typedef struct evf_event {
    uint64_t id;      /* the caller's; 0 draws one that was never used */
    uint32_t signals; /* EVF_READABLE | EVF_WRITABLE [| EVF_CLOSED] */
} evf_event;

struct evfi_entry;

/* A registration. It starts zeroed; only the first two fields are for use. */
typedef struct evf_interest {
    evf_event event;          /* as registered */
    uint32_t occurred;        /* the signals that it fired with; 0 before */
    int32_t error;            /* why it was woken without any */
    struct evfi_entry *entry; /* NULL unless registered */
    struct evfi_list link;
    evf_waker waker;
} evf_interest;

/*
 * Registers: when a signal of `event` occurs on `fd`, `waker` is woken, with
 * `interest->occurred` set; or with none, and `interest->error` set: -EBADF
 * when a socket of the library's is closed, -ESHUTDOWN when the executor goes,
 * and -EAGAIN when libevent could not go on waiting and whoever waits is to try
 * again: to make the call, or to register. An interest that is registered
 * already is moved.
 *
 * In libevent's debug mode (event_enable_debug_mode()) libevent itself aborts
 * for a descriptor that would block.
 *
 * Returns: 0. -EBADF if the fd is not open; -ENOTSUP for a regular file or a
 *   directory, which are always ready (threads read those); -EEXIST if another
 *   interest is registered under this (fd, id); -EINVAL for neither READABLE
 *   nor WRITABLE, or for NULL; -ENOMEM; -ESHUTDOWN once the executor is gone. On
 *   failure the interest is not registered.
 * Ownership: `interest` is pinned until it fires or is removed; `waker` is
 *   cloned.
 * Context: loop thread.
 * Since: 0.1
 */
EVF_API int evf_reactor_add_io_event_interest(evf_reactor *reactor, int fd,
    evf_interest *interest, evf_event event, const evf_waker *waker);

/*
 * Removes the interest, without a wake. Not registered, zeroed, NULL: fine.
 *
 * Context: loop thread.
 * Since: 0.1
 */
EVF_API void evf_interest_remove(evf_interest *interest);

/*
 * Awaits any of `signals` on a file descriptor of the program's, for a protocol
 * that reads and writes by itself. `executor` NULL means the context's.
 *
 * Returns: the future: the signals that occurred. Its errors are those of
 *   evf_reactor_add_io_event_interest(), and -ENOTSUP without an executor. NULL
 *   (-ENOMEM) or the -EBUSY future.
 * Ownership: `fd` is borrowed, and must stay open, until the future is dropped.
 *   Its flags are not touched.
 * Cancellation: no event is left on the fd.
 * Context: loop thread.
 * Since: 0.1
 */
EVF_API evf_future *evf_wait_fd(evf_op *op, evf_executor *executor, int fd,
    uint32_t signals);

EVF_C_END

#endif
