/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef EVFUTURE_MISUSE_H
#define EVFUTURE_MISUSE_H

#include <evfuture/export.h>

EVF_C_BEGIN

/*
 * What happens when the library sees that it is used wrongly: a future polled
 * after it was ready, an executor freed inside a poll, a frame that returned
 * without EVF_RETURN.
 *
 * Misuse is told to one handler for the whole process. The default does
 * nothing, or, in a library configured with --enable-debug, writes the message
 * to standard error and aborts. Whatever the handler does, the call that was
 * wrong has no other effect, or fails with -EINVAL.
 */
typedef void evf_misuse_fn(const char *message);

/*
 * Replaces the handler; NULL brings back the default.
 *
 * Ownership: `message` is borrowed, and lives for ever.
 * Context: any thread, before the first executor is made. The handler runs
 *   where the misuse happened, and must not call evfuture.
 * Since: 0.1
 */
EVF_API void evf_set_misuse_handler(evf_misuse_fn *handler);

EVF_C_END

#endif
