/* SPDX-License-Identifier: BSD-3-Clause */
#include "support.h"

#include <stdlib.h>
#include <string.h>

#include "core/alloc-internal.h"

static size_t asked;
static unsigned allocated, released;

static void *
dirty_malloc(size_t size)
{
    void *memory = malloc(size);

    ck_assert_ptr_nonnull(memory);
    asked = size;
    allocated++;
    return memset(memory, 0x5a, size);
}

static void *
no_malloc(size_t size)
{
    asked = size;
    return NULL;
}

static void
counted_free(void *memory)
{
    ck_assert_ptr_nonnull(memory);
    released++;
    free(memory);
}

/*
 * The suite's allocator has given the case its executor, and so gets that back
 * first. The C library's is left behind for whatever runs in this process next.
 */
static void
replace_allocator(void *(*allocate)(size_t), void (*release)(void *))
{
    executor_done();
    allocated = 0;
    released = 0;
    evf_set_allocator(allocate, release);
}

START_TEST(new_memory_is_zeroed_whatever_the_allocator_returns)
{
    unsigned char *memory;

    replace_allocator(dirty_malloc, counted_free);
    memory = evfi_new(100);
    ck_assert_ptr_nonnull(memory);
    ck_assert_uint_eq(asked, 100);
    for (size_t i = 0; i < 100; i++)
        ck_assert_uint_eq(memory[i], 0);
    evfi_release(memory);
    ck_assert_uint_eq(allocated, 1);
    ck_assert_uint_eq(released, 1);
    evf_set_allocator(NULL, NULL);
}
END_TEST

START_TEST(buffers_are_left_as_the_allocator_returns_them)
{
    unsigned char *memory;

    replace_allocator(dirty_malloc, counted_free);
    memory = evfi_allocate(10);
    ck_assert_uint_eq(asked, 10);
    ck_assert_uint_eq(memory[0], 0x5a);
    ck_assert_uint_eq(memory[9], 0x5a);
    evfi_release(memory);
    ck_assert_uint_eq(released, 1);
    evf_set_allocator(NULL, NULL);
}
END_TEST

START_TEST(release_of_null_does_not_reach_the_allocator)
{
    replace_allocator(dirty_malloc, counted_free);
    evfi_release(NULL);
    ck_assert_uint_eq(released, 0);
    evf_set_allocator(NULL, NULL);
}
END_TEST

/* F28 */
START_TEST(allocator_that_has_nothing_makes_constructors_fail)
{
    replace_allocator(no_malloc, counted_free);
    ck_assert_ptr_null(evfi_new(7));
    ck_assert_uint_eq(asked, 7);
    ck_assert_ptr_null(evfi_allocate(8));
    ck_assert_uint_eq(asked, 8);
    ck_assert_ptr_null(evf_ready(NULL, 1, NULL));
    ck_assert_uint_eq(released, 0);
    evf_set_allocator(NULL, NULL);
}
END_TEST

START_TEST(null_brings_the_c_library_back)
{
    void *memory;

    replace_allocator(dirty_malloc, counted_free);
    evf_set_allocator(NULL, NULL);
    memory = evfi_new(64);
    ck_assert_ptr_nonnull(memory);
    ck_assert_uint_eq(allocated, 0);
    evfi_release(memory);
    ck_assert_uint_eq(released, 0);
}
END_TEST

/* A program that replaces both gets everything that the library allocates. */
START_TEST(library_allocates_through_the_programs_allocator_alone)
{
    evf_future *future;

    replace_allocator(dirty_malloc, counted_free);
    base = event_base_new();
    executor = evf_executor_new(base);
    ck_assert_uint_gt(allocated, 0);
    future = evf_ready(NULL, 3, NULL);
    ck_assert_int_eq(evf_block_on(executor, future), 3);
    executor_done();
    ck_assert_uint_eq(allocated, released);
    evf_set_allocator(NULL, NULL);
}
END_TEST

TEST_MAIN("alloc", new_memory_is_zeroed_whatever_the_allocator_returns,
    buffers_are_left_as_the_allocator_returns_them,
    release_of_null_does_not_reach_the_allocator,
    allocator_that_has_nothing_makes_constructors_fail,
    null_brings_the_c_library_back,
    library_allocates_through_the_programs_allocator_alone)
