/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef EVFUTURE_ALLOC_H
#define EVFUTURE_ALLOC_H

#include <evfuture/export.h>

EVF_C_BEGIN

/*
 * Where the library's memory comes from. It allocates in constructors, in
 * evf_spawn() and in evf_group_add(); never in a wake, nor on the path of an
 * operation in its steady state.
 */

/*
 * Replaces malloc and free; NULL for both brings the C library's back. An
 * allocator that returns NULL makes constructors fail with -ENOMEM (or NULL)
 * and loses nothing.
 *
 * Context: any thread, before the first object of the library is made.
 * Since: 0.1
 */
EVF_API void evf_set_allocator(void *(*allocate)(size_t size),
    void (*release)(void *memory));

EVF_C_END

#endif
