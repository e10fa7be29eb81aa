/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef EVFUTURE_EXPORT_H
#define EVFUTURE_EXPORT_H

/*
 * What every other header needs: how a function is exported, how a header is
 * made fit for C++, and the words that all of evfuture uses for a result.
 *
 * A result is one machine word. Failure is told as a system call tells it:
 * the words from -4095 to -1 are -errno, all others are values or pointers.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define EVF_API __attribute__((visibility("default")))
#else
#define EVF_API
#endif

#ifdef __cplusplus
#define EVF_C_BEGIN extern "C" {
#define EVF_C_END   }
#else
#define EVF_C_BEGIN
#define EVF_C_END
#endif

/*
 * Whether a word or a pointer is an error: -errno, or a future that a
 * constructor could not make.
 *
 * Context: any thread.
 * Since: 0.1
 */
#define evf_failed(word) ((uintptr_t)(word) > (uintptr_t)-4096)

/*
 * The object of which `member`, at `pointer`, is a part.
 *
 * Context: any thread.
 * Since: 0.1
 */
#define evf_container_of(pointer, type, member)                                \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

/*
 * The library's link in structs that callers embed. A zeroed one is in no list.
 */
struct evfi_list {
    struct evfi_list *prev;
    struct evfi_list *next; /* NULL exactly when a node is in no list */
};

#endif
