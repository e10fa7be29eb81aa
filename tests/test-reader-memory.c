/* SPDX-License-Identifier: BSD-3-Clause */
#include "reader-support.h"

#include <stdlib.h>

static void
limited(size_t limit, size_t step)
{
    char *bytes = malloc(3 * limit + 3), *data = NULL, *untouched = NULL, *at;
    struct script s = {.bytes = bytes, .step = step};
    evf_reader *reader = reader_of(&s, limit);

    at = limit > 1 ? put_line(bytes, limit - 1) : bytes;
    at = put_line(put_line(put_line(at, limit), limit + 1), 1);
    s.len = (size_t)(at - bytes);
    if (limit > 1)
        ck_assert_int_eq(line(reader, &data), (intptr_t)limit - 1);
    ck_assert_int_eq(line(reader, &data), (intptr_t)limit);
    ck_assert_uint_eq(strspn(data, "x"), limit - 1);
    ck_assert_int_eq(line(reader, &untouched), -EMSGSIZE);
    ck_assert_int_eq(until(reader, "x\n", &untouched), -EMSGSIZE);
    ck_assert_int_eq(exactly(reader, limit + 1, &untouched), -EMSGSIZE);
    ck_assert_ptr_null(untouched);
    ck_assert_int_eq(exactly(reader, limit, &data), (intptr_t)limit);
    ck_assert_uint_eq(strspn(data, "x"), limit); /* it stays */
    ck_assert_int_eq(line(reader, &data), 1);
    ck_assert_int_eq(line(reader, &data), 1);
    ck_assert_int_eq(line(reader, &data), 0);
    ck_assert_uint_le(s.most_room, limit);
    evf_reader_free(reader);
    free(bytes);
}

/* Also beside the size of the first buffer, and of those that it grows to. */
START_TEST(limit_is_what_a_call_yields_at_most) /* F47 */
{
    static const size_t limits[] = {1, 2, 3, 10, 4094, 4095, 4096, 4097, 8190,
        8191, 8192, 8193, 10000};

    for (size_t i = 0; i < COUNT(limits); i++) {
        limited(limits[i], limits[i] < 100 ? 1 : 97);
        limited(limits[i], limits[i]);
        limited(limits[i], SIZE_MAX);
    }
}
END_TEST

START_TEST(limit_holds_although_the_stream_ends_there)
{
    struct script s = script("abc", 100);
    evf_reader *reader = reader_of(&s, 3);
    char *data = NULL;

    ck_assert_int_eq(line(reader, &data), -EMSGSIZE);
    ck_assert_int_eq(until(reader, "abcd", &data), -EMSGSIZE);
    ck_assert_ptr_null(data);
    ck_assert_int_eq(exactly(reader, 3, &data), 3);
    ck_assert_int_eq(line(reader, &data), 0);
    evf_reader_free(reader);
}
END_TEST

START_TEST(buffer_grows_by_doubling)
{
    enum {
        LEN = 1 << 20
    };
    char *bytes = malloc(LEN), *data = NULL;
    struct script s = {.bytes = bytes, .len = LEN, .step = 1000};
    evf_reader *reader = reader_of(&s, LEN);
    struct hand h = {0};
    size_t before;

    for (int i = 0; i < LEN - 1; i++)
        bytes[i] = (char)('a' + i % 23);
    bytes[LEN - 1] = '\n';
    before = heap_allocations();
    grasp(&h, evf_read_line(&h.op, reader, &data));
    ck_assert_int_eq(hand_end(&h), LEN);
    ck_assert_int_eq(memcmp(data, bytes, LEN - 1), 0);
    ck_assert_uint_le(heap_allocations() - before, 9); /* up from 4 KiB */
    ck_assert_uint_le(s.most_room, LEN);
    evf_reader_free(reader);

    /* Where it is known how much will be needed, it is made in one. */
    s.at = 0;
    reader = reader_of(&s, LEN);
    before = heap_allocations();
    grasp(&h, evf_read_exact(&h.op, reader, LEN, &data));
    ck_assert_int_eq(hand_end(&h), LEN);
    ck_assert_int_eq(memcmp(data, bytes, LEN), 0);
    ck_assert_uint_eq(heap_allocations() - before, 1);
    evf_reader_free(reader);
    free(bytes);
}
END_TEST

START_TEST(counts_that_move_what_is_buffered)
{
    enum {
        LEN = 100000
    };
    char *bytes = malloc(LEN), *data = NULL;
    struct script s = {.bytes = bytes, .len = LEN, .step = 50000};
    evf_reader *reader = reader_of(&s, LEN);

    for (int i = 0; i < LEN; i++)
        bytes[i] = (char)(i * 2654435761u >> 24);
    ck_assert_int_eq(exactly(reader, 60000, &data), 60000);
    ck_assert_int_eq(memcmp(data, bytes, 60000), 0);
    ck_assert_int_eq(exactly(reader, 40000, &data), 40000);
    ck_assert_int_eq(memcmp(data, bytes + 60000, 40000), 0);
    evf_reader_free(reader);
    free(bytes);
}
END_TEST

START_TEST(steady_state_allocates_nothing)
{
    enum {
        LINES = 5000
    };
    char *bytes = malloc(LINES * 10), *data;
    struct script s = {.bytes = bytes, .len = LINES * 10, .step = 1003};
    struct hand h = {0};
    evf_reader *reader = reader_of(&s, 100000);
    size_t before;

    for (int i = 0; i < LINES; i++)
        memcpy(bytes + 10 * i, "012345678\n", 10);
    before = heap_allocations();
    for (int i = 0; i < LINES; i++) {
        grasp(&h, evf_read_line(&h.op, reader, &data));
        ck_assert_int_eq(hand_end(&h), 10);
        ck_assert_str_eq(data, "012345678");
    }
    ck_assert_uint_eq(heap_allocations(), before);
    evf_reader_free(reader);
    free(bytes);
}
END_TEST

/* Requests that come one by one never meet the end of the buffer. */
START_TEST(reader_that_is_empty_has_all_of_its_room) /* F28 */
{
    struct script s = script("0123456789\n", 11);
    evf_reader *reader = reader_of(&s, 100);
    char *data;

    for (int i = 0; i < 50; i++) {
        s.at = 0;
        ck_assert_int_eq(line(reader, &data), 11);
        ck_assert_str_eq(data, "0123456789");
        ck_assert_uint_eq(s.room, 100);
    }
    ck_assert_uint_eq(s.reads, 50);
    evf_reader_free(reader);
}
END_TEST

/* The result; if memory is out, that of the next try, and tells so. */
static intptr_t
try_twice(evf_reader *reader, const struct piece *piece, char **data,
    bool *failed)
{
    intptr_t n = finish_now(ask(NULL, reader, piece, data));

    if (n != -ENOMEM)
        return n;
    ck_assert(!*failed);
    *failed = true;
    return finish_now(ask(NULL, reader, piece, data));
}

START_TEST(each_allocation_fails_and_nothing_is_lost) /* F28 */
{
    enum {
        LEN = 9000
    };
    static const struct piece pieces[] = {EXACT(5000, 5000, NULL),
        LINE(LEN - 5000, NULL), END('e')};
    static char bytes[LEN];
    size_t blocks = heap_blocks();
    bool failed = true;

    put_line(bytes, LEN);
    for (size_t n = 1; failed; n++) {
        struct script s = {.bytes = bytes, .len = LEN, .step = 1000};
        evf_reader *reader;
        char *data = NULL;

        failed = false;
        heap_fail_at(n);
        reader = evf_reader_new(&script_source, &s, LEN);
        for (size_t i = 0; i < COUNT(pieces) && reader != NULL; i++)
            ck_assert_int_eq(try_twice(reader, &pieces[i], &data, &failed),
                pieces[i].result);
        failed = failed || reader == NULL;
        heap_fail_at(0);
        evf_reader_free(reader);
        ck_assert_uint_eq(heap_blocks(), blocks);
        ck_assert_uint_lt(n, 50);
        ck_assert(failed || n > 5);
    }
}
END_TEST

START_TEST(growth_that_fails_leaves_what_is_buffered) /* F28 */
{
    static char bytes[9000];
    struct script s = {.bytes = bytes, .len = 9000, .step = 1000};
    struct hand h = {0};
    evf_reader *reader = reader_of(&s, 9000);
    char *data = NULL;

    put_line(bytes, 9000);
    grasp(&h, evf_read_line(&h.op, reader, &data));
    heap_fail_at(1);
    ck_assert_int_eq(hand_end(&h), -ENOMEM);
    grasp(&h, evf_read_exact(&h.op, reader, 9000, &data));
    heap_fail_at(1);
    ck_assert_int_eq(hand_end(&h), -ENOMEM);
    heap_fail_at(0);
    ck_assert_ptr_null(data);
    ck_assert_int_eq(line(reader, &data), 9000);
    ck_assert_int_eq(memcmp(data, bytes, 8999), 0);
    evf_reader_free(reader);
}
END_TEST

TEST_MAIN("reader-memory", limit_is_what_a_call_yields_at_most,
    limit_holds_although_the_stream_ends_there, buffer_grows_by_doubling,
    counts_that_move_what_is_buffered, steady_state_allocates_nothing,
    reader_that_is_empty_has_all_of_its_room,
    each_allocation_fails_and_nothing_is_lost,
    growth_that_fails_leaves_what_is_buffered)
