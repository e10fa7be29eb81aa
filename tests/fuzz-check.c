/* SPDX-License-Identifier: BSD-3-Clause */
#include "fuzz-root.h"

#include <string.h>

/*
 * F31: a request reaches the innermost await, so that nothing waits on below
 * one, but for what is in a shield and what does as it likes. Other roots,
 * which groups and joins lead to, are looked at by themselves.
 */
static void
check_asked(void *arg, evf_future *child, const char *note)
{
    const evf_future_ops *ops;

    (void)note;
    if (child == NULL || evf_failed(child))
        return;
    ops = child->ops;
    REQUIRE(ops->flags & EVF_PASSES_CANCEL, "%s waits on under a request",
        ops->name);
    if (ops->visit != NULL && strcmp(ops->name, "shield") != 0 &&
        !root_is_meter(child))
        ops->visit(child, check_asked, arg);
}

static void
check_idle(const struct fuzz_root *root, unsigned i)
{
    REQUIRE(!root->doomed, "root %u should have ended", i);
    if (root->polls == 0 || root->stranded)
        return;
    REQUIRE(!root->woken, "root %u was woken, and not polled", i);
    REQUIRE(!root->asked || root->request != 0,
        "root %u was cancelled, and not told", i);
    if (fuzz.exact && root->link != NULL && !root->link->stranded &&
        (root->link->request != 0 || root->link->failed))
        REQUIRE(root->request != 0, "root %u is not told to end", i);
    if (root->request != 0)
        root->future->ops->visit(root->future, check_asked, NULL);
}

void
roots_check_idle(void)
{
    for (unsigned i = 0; i < fuzz.roots; i++)
        if (!fuzz.root[i].dropped)
            check_idle(&fuzz.root[i], i);
}

unsigned
roots_live(void)
{
    unsigned live = 0;

    for (unsigned i = 0; i < fuzz.roots; i++)
        live += !fuzz.root[i].dropped;
    return live;
}

void
roots_check_end(void)
{
    for (unsigned i = 0; i < fuzz.roots; i++)
        if (!fuzz.root[i].dropped)
            fuzz_say("root %u lives", i);
    REQUIRE(roots_live() == 0, "%u roots were never dropped", roots_live());
    REQUIRE(fuzz.bells == 0, "%u wakers were never dropped", fuzz.bells);
    for (unsigned i = 0; i < fuzz.roots; i++) {
        const struct fuzz_root *root = &fuzz.root[i];

        REQUIRE(root->native || root->polls <= root->wakes + root->requests + 1,
            "root %u: %u polls, %u wakes", i, root->polls, root->wakes);
        REQUIRE(!root->then || root->silent || root->calls == 1,
            "the callback of root %u did not come", i);
    }
}
