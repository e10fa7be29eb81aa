/* SPDX-License-Identifier: BSD-3-Clause */
#include <check.h>
#include <stdlib.h>

#include "core/list-internal.h"

/* The link is not the first member, so that container_of has work to do. */
struct item {
    int id;
    struct evfi_list link;
};

static struct evfi_list list;
static struct item items[6];

static void
start(void)
{
    evfi_list_init(&list);
    for (int i = 0; i < 6; i++)
        items[i] = (struct item){.id = i};
}

/* Compares a list with digits, forwards and backwards. */
static void
assert_list(const struct evfi_list *head, const char *ids)
{
    const struct evfi_list *last = head;
    struct evfi_list *node;

    evfi_list_for_each(node, head) {
        ck_assert_ptr_eq(node->prev, last);
        ck_assert(evfi_list_linked(node));
        ck_assert(*ids);
        ck_assert_int_eq(evf_container_of(node, struct item, link)->id,
            *ids - '0');
        last = node;
        ids++;
    }
    ck_assert_ptr_eq(head->prev, last);
    ck_assert_int_eq(*ids, 0);
}

START_TEST(append_and_prepend_at_either_end)
{
    ck_assert(evfi_list_empty(&list));
    ck_assert_ptr_null(evfi_list_first(&list));
    ck_assert(!evfi_list_linked(&items[0].link));

    evfi_list_append(&list, &items[0].link);
    evfi_list_append(&list, &items[1].link);
    evfi_list_prepend(&list, &items[2].link);
    ck_assert(!evfi_list_empty(&list));
    ck_assert_ptr_eq(evfi_list_first(&list), &items[2].link);
    assert_list(&list, "201");
}
END_TEST

START_TEST(remove_is_idempotent)
{
    for (int i = 0; i < 3; i++)
        evfi_list_append(&list, &items[i].link);
    evfi_list_remove(&items[1].link);
    ck_assert(!evfi_list_linked(&items[1].link));
    evfi_list_remove(&items[1].link);
    evfi_list_remove(&items[5].link);
    assert_list(&list, "02");

    evfi_list_append(&list, &items[1].link);
    assert_list(&list, "021");
    for (int i = 0; i < 3; i++)
        evfi_list_remove(&items[i].link);
    ck_assert(evfi_list_empty(&list));
    assert_list(&list, "");
}
END_TEST

START_TEST(splice_appends_and_leaves_nothing)
{
    struct evfi_list to;

    evfi_list_init(&to);
    evfi_list_splice(&list, &to);
    assert_list(&to, "");

    evfi_list_append(&list, &items[0].link);
    evfi_list_append(&list, &items[1].link);
    evfi_list_splice(&list, &to);
    assert_list(&to, "01");
    assert_list(&list, "");

    evfi_list_append(&list, &items[2].link);
    evfi_list_append(&list, &items[3].link);
    evfi_list_splice(&list, &to);
    assert_list(&to, "0123");
    assert_list(&list, "");
    evfi_list_splice(&list, &to);
    assert_list(&to, "0123");
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("list");
    TCase *tc = tcase_create("list");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tc, start, NULL);
    tcase_add_test(tc, append_and_prepend_at_either_end);
    tcase_add_test(tc, remove_is_idempotent);
    tcase_add_test(tc, splice_appends_and_leaves_nothing);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
