/* SPDX-License-Identifier: BSD-3-Clause */
#include <evfuture/alloc.h>

#include <stdlib.h>
#include <string.h>

#include "core/alloc-internal.h"

static void *(*allocate_hook)(size_t size) = malloc;
static void (*release_hook)(void *memory) = free;

void
evf_set_allocator(void *(*allocate)(size_t size), void (*release)(void *memory))
{
    allocate_hook = allocate != NULL ? allocate : malloc;
    release_hook = release != NULL ? release : free;
}

void *
evfi_allocate(size_t size)
{
    return allocate_hook(size);
}

void *
evfi_new(size_t size)
{
    void *memory = allocate_hook(size);

    return memory != NULL ? memset(memory, 0, size) : NULL;
}

void
evfi_release(void *memory)
{
    if (memory != NULL)
        release_hook(memory);
}
