/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef EVFI_ALLOC_INTERNAL_H
#define EVFI_ALLOC_INTERNAL_H

#include <stddef.h>

/* Zeroed memory of the program's allocator, or NULL. */
void *evfi_new(size_t size);

/* Uninitialised memory, for buffers. */
void *evfi_allocate(size_t size);

void evfi_release(void *memory);

#endif
