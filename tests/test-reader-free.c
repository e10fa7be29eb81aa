/* SPDX-License-Identifier: BSD-3-Clause */
#include "reader-support.h"

START_TEST(reader_freed_during_a_call) /* F49 F6 */
{
    struct script s = script("x\n", 100);
    evf_reader *reader = reader_of(&s, 100);
    struct hand h = {0}, unpolled = {0}, dropped = {0};
    char *data = NULL;

    s.dry = true;
    grasp(&h, evf_read_line(&h.op, reader, &data));
    grasp(&unpolled, evf_read_line(&unpolled.op, reader, &data));
    grasp(&dropped, evf_read_exact(&dropped.op, reader, 1, &data));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    evf_reader_free(reader);
    ck_assert_uint_eq(s.drops, 1); /* the source is the program's again */
    ck_assert_uint_eq(h.probe.wakes, 1);
    let_go(&dropped);
    ck_assert_int_eq(hand_end(&h), -EBADF);
    ck_assert_int_eq(hand_end(&unpolled), -EBADF);
    ck_assert_uint_eq(s.reads, 1);
    ck_assert_ptr_null(data);
    ck_assert_uint_eq(heap_blocks(), 1);
}
END_TEST

START_TEST(reader_freed_with_a_line_in_it_is_ebadf_all_the_same)
{
    struct script s = script("x\ny\n", 100);
    evf_reader *reader = reader_of(&s, 100);
    struct hand h = {0};
    char *data = NULL;

    ck_assert_int_eq(line(reader, &data), 2);
    grasp(&h, evf_read_line(&h.op, reader, &data));
    evf_reader_free(reader);
    ck_assert_int_eq(hand_end(&h), -EBADF);
}
END_TEST

static void
free_reader(void *arg)
{
    evf_reader *reader = *(evf_reader **)arg;

    *(evf_reader **)arg = NULL;
    evf_reader_free(reader);
}

START_TEST(reader_freed_by_its_source) /* F49 */
{
    for (int i = 0; i < 4; i++) {
        struct script s = script("x\n", 100);
        evf_reader *reader = reader_of(&s, 100);
        struct hand h = {0};
        char *data = NULL;

        s.arg = &reader;
        s.in_read = i == 0 ? free_reader : NULL;
        s.in_poll = i == 1 || i == 2 ? free_reader : NULL;
        s.in_drop = i == 3 ? free_reader : NULL;
        s.dry = i == 2;
        grasp(&h, evf_read_line(&h.op, reader, &data));
        ck_assert_int_eq(hand_end(&h), -EBADF);
        ck_assert_ptr_null(reader);
        ck_assert_ptr_null(data);
        ck_assert_uint_eq(s.drops, 1);
        ck_assert_uint_eq(heap_blocks(), 1);
    }
}
END_TEST

START_TEST(reader_freed_by_the_source_of_a_dropped_call) /* F49 */
{
    struct script s = script("x\n", 100);
    evf_reader *reader = reader_of(&s, 100);
    struct hand h = {0};
    char *data = NULL;

    s.dry = true;
    s.arg = &reader;
    s.in_drop = free_reader;
    grasp(&h, evf_read_line(&h.op, reader, &data));
    ck_assert_int_eq(hand_poll(&h), EVF_PENDING);
    let_go(&h);
    ck_assert_ptr_null(reader);
    ck_assert_uint_eq(s.drops, 1);
    ck_assert_uint_eq(heap_blocks(), 1);
}
END_TEST

/* A waker that acts when it is dropped, as foreign code may. */
struct meddler {
    void (*act)(void *arg);
    void *arg;
    int live;
};

static void *
meddler_clone(void *data)
{
    ((struct meddler *)data)->live++;
    return data;
}

static void
meddler_drop(void *data)
{
    struct meddler *m = data;

    m->live--;
    act(&m->act, m->arg);
}

static void
meddler_wake(void *data)
{
    (void)data;
}

static const evf_waker_ops meddler_ops = {
    .clone = meddler_clone,
    .wake = meddler_drop,
    .wake_by_ref = meddler_wake,
    .drop = meddler_drop,
};

/* The waker of an earlier poll goes while a later one is under way. */
START_TEST(reader_freed_by_a_waker_that_is_dropped) /* F12 F49 */
{
    struct script s = script("x\n", 100);
    evf_reader *reader = reader_of(&s, 100);
    struct meddler m = {.arg = &reader};
    evf_waker waker = {&meddler_ops, &m};
    struct hand h = {0};
    evf_context cx;
    char *data = NULL;

    s.dry = true;
    grasp(&h, evf_read_line(&h.op, reader, &data));
    evf_context_init(&cx, &waker, NULL);
    ck_assert_int_eq(evf_future_poll(h.future, &cx), EVF_PENDING);
    evf_waker_drop(&s.waker); /* the reader's is left */
    ck_assert_int_eq(m.live, 1);
    m.act = free_reader;
    ck_assert_int_eq(hand_poll(&h), EVF_READY);
    ck_assert_int_eq(evf_future_take(h.future), -EBADF);
    ck_assert_ptr_null(reader);
    ck_assert_int_eq(m.live, 0);
    ck_assert_uint_eq(s.drops, 1);
    let_go(&h);
    ck_assert_uint_eq(heap_blocks(), 1);
}
END_TEST

struct nested {
    evf_reader *reader;
    intptr_t result;
};

static void
read_inside(void *arg)
{
    static const struct piece piece = EXACT(0, 0, NULL);
    struct nested *n = arg;

    n->result = answer(n->reader, &piece, false, NULL);
}

START_TEST(call_from_inside_of_the_source_is_ealready) /* F12 */
{
    for (int i = 0; i < 4; i++) {
        struct script s = script("x\n", 100);
        struct nested n = {.reader = reader_of(&s, 100)};
        struct hand h = {0};
        char *data = NULL;

        s.arg = &n;
        s.in_read = i == 0 ? read_inside : NULL;
        s.in_poll = i == 1 ? read_inside : NULL;
        s.in_drop = i >= 2 ? read_inside : NULL;
        s.dry = i == 3;
        grasp(&h, evf_read_line(&h.op, n.reader, &data));
        ck_assert_int_eq(hand_poll(&h), i == 3 ? EVF_PENDING : EVF_READY);
        let_go(&h);
        ck_assert_int_eq(n.result, -EALREADY);
        s.dry = false;
        ck_assert_int_eq(line(n.reader, &data), i == 3 ? 2 : 0);
        evf_reader_free(n.reader);
    }
}
END_TEST

START_TEST(reader_freed_by_the_waker_of_its_call) /* F12 F49 */
{
    struct script s = script("x\n", 100);
    evf_reader *reader = reader_of(&s, 100);
    struct trap trap;
    struct hand h = {0};
    evf_context cx;
    char *data = NULL;

    trap_init(&trap, free_reader, &reader);
    s.dry = true;
    grasp(&h, evf_read_line(&h.op, reader, &data));
    evf_context_init(&cx, &trap.waker, NULL);
    ck_assert_int_eq(evf_future_poll(h.future, &cx), EVF_PENDING);
    script_goes_on(&s);
    ck_assert_ptr_null(reader);
    ck_assert_uint_eq(trap.wakes, 2); /* by the source, and by the reader */
    ck_assert_int_eq(trap.live, 0);
    ck_assert_int_eq(hand_end(&h), -EBADF);
    ck_assert_uint_eq(s.drops, 1);
}
END_TEST

TEST_MAIN("reader-free", reader_freed_during_a_call,
    reader_freed_with_a_line_in_it_is_ebadf_all_the_same,
    reader_freed_by_its_source, reader_freed_by_the_source_of_a_dropped_call,
    reader_freed_by_a_waker_that_is_dropped,
    call_from_inside_of_the_source_is_ealready,
    reader_freed_by_the_waker_of_its_call)
