/* SPDX-License-Identifier: BSD-3-Clause */
#include "reader-support.h"

#include <stdlib.h>

START_TEST(new_refuses_what_makes_no_sense) /* F47 */
{
    struct script s = script("", 1);

    ck_assert_ptr_null(evf_reader_new(NULL, &s, 10));
    ck_assert_ptr_null(evf_reader_new(&script_source, NULL, 10));
    ck_assert_ptr_null(evf_reader_new(&script_source, &s, 0));
    ck_assert_ptr_null(evf_reader_new(&script_source, &s, SIZE_MAX / 2 + 1));
    ck_assert_ptr_null(evf_reader_new(&script_source, &s, SIZE_MAX));
    for (size_t n = 1; n <= 2; n++) { /* F28 */
        heap_fail_at(n);
        ck_assert_ptr_null(evf_reader_new(&script_source, &s, 10));
        ck_assert_uint_eq(heap_blocks(), 1);
    }
    evf_reader_free(evf_reader_new(&script_source, &s, SIZE_MAX / 2));
    evf_reader_free(NULL);
    ck_assert_uint_eq(s.reads, 0);
}
END_TEST

START_TEST(calls_that_cannot_be_are_refused) /* F47 F34 */
{
    struct script s = script("abc\n", 1);
    evf_reader *reader = reader_of(&s, 10);
    struct hand h = {0};
    char *data = NULL;

    ck_assert_int_eq(exactly(reader, 11, &data), -EMSGSIZE);
    ck_assert_int_eq(exactly(reader, SIZE_MAX, &data), -EMSGSIZE);
    ck_assert_int_eq(until(reader, "", &data), -EINVAL);
    ck_assert_int_eq(finish_now(evf_read_until(NULL, reader, NULL, 1, &data)),
        -EINVAL);
    grasp(&h, evf_read_line(&h.op, reader, &data));
    ck_assert_int_eq(finish_now(evf_read_line(&h.op, reader, &data)), -EBUSY);
    ck_assert_int_eq(finish_now(evf_read_exact(&h.op, reader, 1, &data)),
        -EBUSY);
    ck_assert_int_eq(finish_now(evf_read_until(&h.op, reader, "b", 1, &data)),
        -EBUSY);
    ck_assert_uint_eq(s.reads, 0); /* F1 */
    ck_assert_ptr_null(data);
    ck_assert_int_eq(hand_end(&h), 4); /* unharmed */
    ck_assert_str_eq(data, "abc");
    evf_reader_free(reader);
}
END_TEST

/* So nobody has to look at what evf_reader_new() returns. */
START_TEST(null_reader_is_enomem) /* F47 */
{
    evf_op op = {0};
    char *data = NULL;

    ck_assert_int_eq(exactly(NULL, 1, &data), -ENOMEM);
    ck_assert_int_eq(until(NULL, "x", &data), -ENOMEM);
    ck_assert_int_eq(line(NULL, &data), -ENOMEM);
    ck_assert_int_eq(finish_now(evf_read_line(&op, NULL, &data)), -ENOMEM);
    ck_assert_ptr_null(op.future.ops);
    ck_assert_ptr_null(data);
}
END_TEST

enum manner {
    AT_ONCE,
    SHY,
    IMPATIENT,
    MANNERS
};

static void
cut(const char *bytes, size_t len, const struct piece *pieces, size_t count,
    uint32_t cuts, enum manner manner)
{
    struct script s = {.bytes = bytes,
        .len = len,
        .step = len,
        .cuts = cuts,
        .shy = manner != AT_ONCE};
    evf_reader *reader = reader_of(&s, 100);

    for (size_t i = 0; i < count; i++) {
        char *data = NULL;
        intptr_t n = answer(reader, &pieces[i], manner == IMPATIENT, &data);

        if (n != pieces[i].result ||
            (n < 0 ? data != NULL
                   : memcmp(data, pieces[i].data, (size_t)n + 1) != 0))
            ck_abort_msg("cuts %x, manner %d, piece %d yields %d", cuts, manner,
                (int)i, (int)n);
    }
    ck_assert_uint_eq(s.reads, s.drops);
    evf_reader_free(reader);
}

/* With its bytes in one, in each way in two, and so on, up to one by one. */
static void
cut_everywhere(const char *bytes, size_t len, const struct piece *pieces,
    size_t count)
{
    for (uint32_t cuts = 0; cuts < 1u << (len - 1); cuts++)
        for (enum manner manner = AT_ONCE; manner < MANNERS; manner++)
            cut(bytes, len, pieces, count, cuts, manner);
}

START_TEST(counts_however_the_bytes_come) /* F13 */
{
    static const struct piece pieces[] = {EXACT(3, 3, "abc"), EXACT(0, 0, ""),
        EXACT(1, 1, "d"), EXACT(4, 4, "efgh"), EXACT(2, 2, "ij"), END('e'),
        END('l'), END('u')};

    cut_everywhere("abcdefghij", 10, pieces, COUNT(pieces));
}
END_TEST

START_TEST(lines_however_the_bytes_come) /* F13 */
{
    static const struct piece pieces[] = {LINE(4, "ab\0\0"), LINE(1, "\0"),
        LINE(2, "\0\0"), LINE(4, "c\rd\0"), END('l'), END('e'), END('l')};

    cut_everywhere("ab\r\n\n\r\nc\rd\n", 11, pieces, COUNT(pieces));
}
END_TEST

START_TEST(delimiters_however_the_bytes_come) /* F13 */
{
    static const struct piece aab[] = {UNTIL("aab", 4, "aaab"),
        UNTIL("aab", 4, "xaab"), UNTIL("aab", 3, "aab"), END('u')};
    static const struct piece abab[] = {UNTIL("abab", 7, "abaabab"),
        UNTIL("abab", 4, "abab"), END('u')};
    static const struct piece aa[] = {UNTIL("aa", 2, "aa"),
        UNTIL("aa", 2, "aa"), UNTIL("aa", -ENODATA, NULL),
        UNTIL("aaa", -ENODATA, NULL), EXACT(1, 1, "a"), END('u')};

    cut_everywhere("aaabxaabaab", 11, aab, COUNT(aab));
    cut_everywhere("abaabababab", 11, abab, COUNT(abab));
    cut_everywhere("aaaaa", 5, aa, COUNT(aa));
}
END_TEST

START_TEST(all_kinds_of_pieces_however_the_bytes_come) /* F13 */
{
    static const struct piece pieces[] = {LINE(3, "5\0\0"),
        EXACT(5, 5, "a\nb\0c"), LINE(1, "\0"), UNTIL(";", 1, ";"), END('l')};

    cut_everywhere("5\r\na\nb\0c\n;", 10, pieces, COUNT(pieces));
}
END_TEST

START_TEST(nul_bytes_are_as_good_as_any)
{
    static const struct piece pieces[] = {LINE(3, "a\0\0"), LINE(4, "\0\0\0\0"),
        EXACT(2, 2, "\0b"), END('e')};
    struct script s = {.bytes = "a\0b\0\0c", .len = 6, .step = 1};
    evf_reader *reader = reader_of(&s, 100);
    char *data = NULL;

    cut_everywhere("a\0\n\0\0\r\n\0b", 9, pieces, COUNT(pieces));
    ck_assert_int_eq(finish_now(evf_read_until(NULL, reader, "\0\0", 2, &data)),
        5);
    ck_assert_int_eq(memcmp(data, "a\0b\0\0", 6), 0);
    ck_assert_int_eq(exactly(reader, 1, &data), 1);
    ck_assert_str_eq(data, "c");
    evf_reader_free(reader);
}
END_TEST

/* A piece that was cut off is not taken for whole; it can still be had. */
START_TEST(stream_that_ends_inside_of_a_piece_is_enodata)
{
    static const struct piece pieces[] = {LINE(3, "a\0\0"),
        LINE(-ENODATA, NULL), LINE(-ENODATA, NULL), UNTIL("#", -ENODATA, NULL),
        EXACT(4, -ENODATA, NULL), EXACT(1, 1, "b"),
        UNTIL("c\r\n", -ENODATA, NULL), EXACT(2, 2, "c\r"), END('l'), END('u'),
        END('e')};

    cut_everywhere("a\r\nbc\r", 6, pieces, COUNT(pieces));
}
END_TEST

START_TEST(stream_that_goes_on_after_its_end)
{
    struct script s = script("abc\ndef\n", 100);
    evf_reader *reader = reader_of(&s, 100);
    char *data = NULL;

    s.len = 2;
    ck_assert_int_eq(line(reader, &data), -ENODATA);
    ck_assert_int_eq(until(reader, "bcd", &data), -ENODATA);
    s.len = 4;
    ck_assert_int_eq(line(reader, &data), 4);
    ck_assert_str_eq(data, "abc");
    ck_assert_int_eq(line(reader, &data), 0);
    s.len = 8;
    ck_assert_int_eq(line(reader, &data), 4);
    ck_assert_str_eq(data, "def");
    evf_reader_free(reader);
}
END_TEST

START_TEST(empty_line_is_not_the_end)
{
    struct script s = script("\n\r\n", 100);
    evf_reader *reader = reader_of(&s, 100);
    char *data = NULL;

    ck_assert_int_eq(line(reader, &data), 1);
    ck_assert_str_eq(data, "");
    ck_assert_int_eq(line(reader, &data), 2);
    ck_assert_str_eq(data, "");
    ck_assert_int_eq(line(reader, &data), 0);
    ck_assert_str_eq(data, "");
    evf_reader_free(reader);
}
END_TEST

/* What comes at once is read once, however many pieces it holds. */
START_TEST(pieces_that_came_together_need_one_read)
{
    struct script s = script("one\ntwo\nthree\nand four", 100);
    evf_reader *reader = reader_of(&s, 100);
    struct hand h = {0};
    char *data = NULL;

    for (int i = 0; i < 3; i++) {
        grasp(&h, evf_read_line(&h.op, reader, &data));
        ck_assert_int_eq(hand_poll(&h), EVF_READY);
        let_go(&h);
    }
    ck_assert_str_eq(data, "three");
    ck_assert_int_eq(exactly(reader, 3, &data), 3);
    ck_assert_int_eq(until(reader, "ou", &data), 4);
    ck_assert_str_eq(data, " fou");
    ck_assert_int_eq(exactly(reader, 0, &data), 0);
    ck_assert_int_eq(exactly(reader, 1, &data), 1);
    ck_assert_int_eq(exactly(reader, 0, &data), 0);
    ck_assert_uint_eq(s.reads, 1);
    ck_assert_int_eq(exactly(reader, 1, &data), 0);
    ck_assert_uint_eq(s.reads, 2);
    evf_reader_free(reader);
}
END_TEST

struct seen {
    evf_future *call, *expected;
    unsigned children;
};

static void
count_children(void *arg, evf_future *child, const char *text)
{
    struct seen *seen = arg;

    (void)text;
    ck_assert_ptr_eq(child, seen->expected);
    seen->children++;
}

static void
look(void *arg)
{
    struct seen *seen = arg;

    seen->call->ops->visit(seen->call, count_children, seen);
}

START_TEST(visit_shows_the_read_that_is_awaited) /* F41 */
{
    struct script s = script("x\n", 1);
    struct seen seen = {.expected = &s.future};
    evf_reader *reader = reader_of(&s, 100);
    struct hand h = {0};
    char *data = NULL;

    s.dry = true;
    s.arg = &seen;
    grasp(&h, evf_read_line(&h.op, reader, &data));
    seen.call = h.future;
    ck_assert_str_eq(h.future->ops->name, "read_line");
    look(&seen);
    ck_assert_uint_eq(seen.children, 0);
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    look(&seen);
    ck_assert_uint_eq(seen.children, 1);
    script_goes_on(&s);
    /* Between the first read, which is gone, and the second. */
    s.in_read = look;
    ck_assert_int_eq(hand_poll(&h), EVF_READY);
    ck_assert_uint_eq(s.reads, 2);
    ck_assert_uint_eq(seen.children, 1);
    look(&seen);
    ck_assert_uint_eq(seen.children, 1);
    let_go(&h);
    evf_reader_free(reader);
}
END_TEST

START_TEST(visit_of_another_call_shows_nothing) /* F41 */
{
    struct script s = script("x\n", 1);
    struct seen seen = {.expected = &s.future};
    evf_reader *reader = reader_of(&s, 100);
    struct hand h = {0}, other = {0};
    char *data = NULL;

    s.dry = true;
    grasp(&h, evf_read_exact(&h.op, reader, 1, &data));
    grasp(&other, evf_read_until(&other.op, reader, "x", 1, &data));
    ck_assert_str_eq(h.future->ops->name, "read_exact");
    ck_assert_str_eq(other.future->ops->name, "read_until");
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    seen.call = other.future;
    look(&seen);
    ck_assert_uint_eq(seen.children, 0);
    let_go(&other);
    let_go(&h);
    evf_reader_free(reader);
}
END_TEST

/* What a call yields by its documentation, of all that is still to come. */
static intptr_t
expected(const struct piece *piece, const char *rest, size_t left, size_t limit)
{
    const char *delimiter = piece->kind == 'u' ? piece->delimiter : "\n";
    const char *found;
    size_t n;

    if (piece->kind == 'e')
        return left >= piece->count ? (intptr_t)piece->count
            : left == 0             ? 0
                                    : -ENODATA;
    found = memmem(rest, left, delimiter, strlen(delimiter));
    n = found != NULL ? (size_t)(found - rest) + strlen(delimiter) : left;
    if (n > limit || (found == NULL && n == limit))
        return -EMSGSIZE;
    return found != NULL || n == 0 ? (intptr_t)n : -ENODATA;
}

/* A generator of our own, so that a seed says the same everywhere. */
static uint32_t
draw(uint32_t *state, uint32_t n)
{
    *state = *state * 1664525u + 1013904223u;
    return (*state >> 8) % n;
}

static struct piece
draw_piece(uint32_t *state, size_t limit)
{
    static const char *const delimiters[] = {"ab", "aab", "aaba", "x"};

    return (struct piece){.kind = "eul"[draw(state, 3)],
        .delimiter = delimiters[draw(state, 4)],
        .count = 1 + draw(state, (uint32_t)limit)};
}

/* One call, then, if it has failed, all that it has left; how much went. */
static size_t
one_piece(evf_reader *reader, uint32_t *state, const char *rest, size_t left,
    size_t limit)
{
    struct piece piece = draw_piece(state, limit);
    intptr_t meant = expected(&piece, rest, left, limit), got, text;
    char *data = NULL;

    got = answer(reader, &piece, draw(state, 2), &data);
    ck_assert_msg(got == meant, "%c with %d to come: %d, not %d", piece.kind,
        (int)left, (int)got, (int)meant);
    if (got < 0) {
        piece = (struct piece)EXACT(left < limit ? left : limit, 0, NULL);
        got = answer(reader, &piece, draw(state, 2), &data);
        ck_assert_int_eq(got, (intptr_t)piece.count);
    }
    ck_assert_int_eq(data[got], '\0');
    text = got;
    while (piece.kind == 'l' && text > 0 && data[text - 1] == '\0')
        text--;
    ck_assert_int_eq(memcmp(data, rest, (size_t)text), 0);
    return (size_t)got;
}

static void
one_stream(uint32_t seed)
{
    uint32_t state = seed;
    size_t len = draw(&state, 9000), limit = 1 + draw(&state, 600), at = 0, n;
    char *bytes = malloc(len + 1);
    struct script s = {.bytes = bytes, .len = len, .shy = draw(&state, 2)};
    evf_reader *reader = reader_of(&s, limit);

    for (size_t i = 0; i < len; i++)
        bytes[i] = "aaabxyz\n\r"[draw(&state, 9)];
    do {
        s.step = 1 + draw(&state, 700);
        n = one_piece(reader, &state, bytes + at, len - at, limit);
        at += n;
    } while (n > 0);
    ck_assert_uint_eq(at, len);
    evf_reader_free(reader);
    free(bytes);
}

START_TEST(random_streams_are_cut_as_documented)
{
    for (uint32_t seed = 1; seed <= 60; seed++)
        one_stream(seed);
}
END_TEST

TEST_MAIN("reader", new_refuses_what_makes_no_sense,
    calls_that_cannot_be_are_refused, null_reader_is_enomem,
    counts_however_the_bytes_come, lines_however_the_bytes_come,
    delimiters_however_the_bytes_come,
    all_kinds_of_pieces_however_the_bytes_come, nul_bytes_are_as_good_as_any,
    stream_that_ends_inside_of_a_piece_is_enodata,
    stream_that_goes_on_after_its_end, empty_line_is_not_the_end,
    pieces_that_came_together_need_one_read,
    visit_shows_the_read_that_is_awaited, visit_of_another_call_shows_nothing,
    random_streams_are_cut_as_documented)
