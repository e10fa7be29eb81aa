/* SPDX-License-Identifier: BSD-3-Clause */
#include "channel-support.h"
#include "core/context-internal.h"

START_TEST(closed_channel_is_drained_first) /* F44 */
{
    struct operation o;

    open_channel(2);
    ck_assert_int_eq(push(0), 0);
    ck_assert_int_eq(push(1), 0);
    evf_channel_close(channel);
    evf_channel_close(channel);
    ck_assert_int_eq(push(2), -EPIPE);
    sender(&o, 3);
    ck_assert_int_eq(finish(&o), -EPIPE);
    ck_assert_uint_eq(things[3].disposals, 1);
    ck_assert_uint_eq(things[2].disposals, 0);
    ck_assert_int_eq(next(), 0);
    ck_assert_int_eq(next(), 1);
    ck_assert_int_eq(next(), -EPIPE);
    ck_assert_int_eq(next(), -EPIPE);
    evf_channel_free(channel);
    ck_assert_uint_eq(disposals(), 1);
}
END_TEST

START_TEST(close_ends_whoever_waits) /* F44 */
{
    struct operation o[4];

    for (int freed = 0; freed <= 1; freed++) {
        open_channel(1);
        wait_to_receive(&o[0]);
        wait_to_receive(&o[1]);
        freed ? evf_channel_free(channel) : evf_channel_close(channel);
        for (int i = 0; i < 2; i++) {
            ck_assert_uint_eq(o[i].probe.wakes, 1);
            ck_assert_int_eq(finish(&o[i]), -EPIPE);
        }
        if (!freed)
            evf_channel_free(channel);
        open_channel(1);
        ck_assert_int_eq(push(0), 0);
        wait_to_send(&o[2], 1);
        wait_to_send(&o[3], 2);
        freed ? evf_channel_free(channel) : evf_channel_close(channel);
        ck_assert_uint_eq(things[0].disposals, (unsigned)freed);
        for (int i = 2; i < 4; i++) {
            ck_assert_uint_eq(things[i - 1].disposals, 1);
            ck_assert_uint_eq(o[i].probe.wakes, 1);
        }
        ck_assert_int_eq(finish(&o[2]), -EPIPE);
        drop(&o[3]);
        if (!freed) {
            ck_assert_int_eq(next(), 0);
            evf_channel_free(channel);
        }
        ck_assert_uint_eq(disposals(), freed ? 3 : 2);
    }
}
END_TEST

START_TEST(receiver_waits_on_while_a_claim_may_still_come_back) /* F13 F44 */
{
    struct operation o[2];

    for (int dropped = 0; dropped <= 1; dropped++) {
        open_channel(1);
        wait_to_receive(&o[0]);
        wait_to_receive(&o[1]);
        ck_assert_int_eq(push(0), 0);
        evf_channel_close(channel);
        ck_assert_uint_eq(o[1].probe.wakes, 0);
        ck_assert_int_eq(poll_one(&o[1]), EVF_PENDING);
        if (dropped)
            drop(&o[0]);
        else
            ck_assert_int_eq(number(finish(&o[0])), 0);
        ck_assert_uint_eq(o[1].probe.wakes, 1);
        ck_assert_int_eq(finish(&o[1]),
            dropped ? (intptr_t)&things[0] : -EPIPE);
        evf_channel_free(channel);
        ck_assert_uint_eq(disposals(), 0);
    }
}
END_TEST

START_TEST(free_disposes_of_all_but_what_is_claimed) /* F44 F33 */
{
    struct operation o[2], waiting, unpolled;

    for (int dropped = 0; dropped <= 1; dropped++) {
        open_channel(4);
        wait_to_receive(&o[0]);
        wait_to_receive(&o[1]);
        for (int i = 0; i < 4; i++)
            ck_assert_int_eq(push(i), 0);
        receiver(&unpolled);
        evf_channel_free(channel);
        ck_assert_uint_eq(disposals(), 2);
        ck_assert_uint_eq(things[0].disposals + things[1].disposals, 0);
        ck_assert_int_eq(finish(&unpolled), -EPIPE);
        if (dropped) {
            drop(&o[0]); /* the other one gets the older item */
            ck_assert_uint_eq(things[1].disposals, 1);
            ck_assert_int_eq(number(finish(&o[1])), 0);
        } else {
            ck_assert_int_eq(number(finish(&o[1])), 1);
            ck_assert_int_eq(number(finish(&o[0])), 0);
        }
        ck_assert_uint_eq(disposals(), dropped ? 3 : 2);
    }
    open_channel(1); /* those who wait behind a claim are told at once */
    wait_to_receive(&o[0]);
    wait_to_receive(&waiting);
    ck_assert_int_eq(push(0), 0);
    evf_channel_free(channel);
    ck_assert_uint_eq(waiting.probe.wakes, 1);
    ck_assert_int_eq(finish(&waiting), -EPIPE);
    drop(&o[0]);
    ck_assert_uint_eq(things[0].disposals, 1);
}
END_TEST

START_TEST(operations_outlive_the_handle) /* F6 */
{
    struct operation from, to;

    open_channel(1);
    sender(&from, 0);
    receiver(&to);
    evf_channel_free(channel);
    ck_assert_int_eq(finish(&to), -EPIPE);
    ck_assert_int_eq(finish(&from), -EPIPE);
    ck_assert_uint_eq(things[0].disposals, 1);
}
END_TEST

static enum evf_poll
poll_child(struct operation *o, int request, bool *polled, intptr_t *result)
{
    void (*dispose)(void *);
    evf_context cx;

    evfi_context_init_root(&cx, &o->probe.waker, executor, request);
    return evf_future_poll_child(o->future, &cx, polled, result, &dispose);
}

START_TEST(last_poll_takes_what_is_there) /* F31 F35 */
{
    struct operation o, other;
    intptr_t result;
    bool polled;

    /* Nothing; a claim; an item that another one claims. */
    for (int row = 0; row < 3; row++) {
        open_channel(1);
        if (row == 2)
            wait_to_receive(&other);
        receiver(&o);
        polled = false;
        ck_assert_int_eq(poll_child(&o, 0, &polled, &result), EVF_PENDING);
        if (row > 0)
            ck_assert_int_eq(push(0), 0);
        ck_assert_int_eq(poll_child(&o, -ECANCELED, &polled, &result),
            EVF_READY);
        ck_assert_int_eq(result, row == 1 ? (intptr_t)&things[0] : -ECANCELED);
        if (row == 2)
            ck_assert_int_eq(number(finish(&other)), 0);
        evf_channel_free(channel);
    }
    /* First polled for the last time, as in a composite that is dropped. */
    open_channel(1);
    ck_assert_int_eq(push(1), 0);
    receiver(&o);
    polled = true;
    ck_assert_int_eq(poll_child(&o, -ECANCELED, &polled, &result), EVF_READY);
    ck_assert_int_eq(number(result), 1);
    evf_channel_free(channel);
    ck_assert_uint_eq(disposals(), 0);
}
END_TEST

START_TEST(request_to_a_sender_tells_whether_it_was_added) /* F35 */
{
    struct operation o;
    intptr_t result;
    bool polled;

    for (int added = 0; added <= 1; added++) {
        open_channel(1);
        ck_assert_int_eq(push(0), 0);
        sender(&o, 1);
        polled = false;
        ck_assert_int_eq(poll_child(&o, 0, &polled, &result), EVF_PENDING);
        if (added)
            ck_assert_int_eq(next(), 0);
        ck_assert_int_eq(poll_child(&o, -ECANCELED, &polled, &result),
            EVF_READY);
        ck_assert_int_eq(result, added ? 0 : -ECANCELED);
        ck_assert_uint_eq(things[1].disposals, !added);
        evf_channel_free(channel);
    }
}
END_TEST

/* A foreign waker that does something at once, whatever that is; F12. */
struct act {
    void (*what)(struct act *act);
    struct operation *on;
    unsigned wakes;
    intptr_t got;
};

static void *
act_clone(void *data)
{
    return data;
}

static void
act_wake(void *data)
{
    struct act *act = data;

    act->wakes++;
    act->what(act);
}

static void
act_drop(void *data)
{
    (void)data;
}

static const evf_waker_ops act_ops = {act_clone, act_wake, act_wake, act_drop};

static enum evf_poll
poll_acting(struct operation *o, struct act *act)
{
    evf_waker waker = {&act_ops, act};
    evf_context cx;

    evf_context_init(&cx, &waker, NULL);
    return evf_future_poll(o->future, &cx);
}

static void
drop_it(struct act *act)
{
    drop(act->on);
}

static void
take_it(struct act *act)
{
    ck_assert_int_eq(poll_acting(act->on, act), EVF_READY);
    act->got = evf_future_take(act->on->future);
    drop(act->on);
}

static void
free_channel(struct act *act)
{
    (void)act;
    evf_channel_free(channel);
    channel = NULL;
}

START_TEST(waker_that_drops_a_neighbour_or_itself) /* F12 F49 */
{
    struct operation o[3];
    struct act act = {drop_it, NULL, 0, 0};

    for (int victim = 0; victim < 3; victim++) {
        for (int closes = 0; closes <= 1; closes++) {
            open_channel(2);
            for (int i = 0; i < 3; i++)
                receiver(&o[i]);
            act.on = &o[victim];
            ck_assert_int_eq(poll_acting(&o[0], &act), EVF_PENDING);
            ck_assert_int_eq(poll_one(&o[1]), EVF_PENDING);
            ck_assert_int_eq(poll_one(&o[2]), EVF_PENDING);
            if (closes)
                evf_channel_close(channel);
            else
                ck_assert_int_eq(push(0), 0);
            if (!closes && victim == 0)
                ck_assert_uint_eq(o[1].probe.wakes, 1);
            for (int i = 0; i < 3; i++)
                if (o[i].future != NULL)
                    drop(&o[i]);
            ck_assert_uint_eq(disposals(), 0);
            if (!closes)
                ck_assert_int_eq(next(), 0);
            evf_channel_free(channel);
        }
    }
}
END_TEST

START_TEST(waker_that_frees_the_channel) /* F12 F49 */
{
    struct operation o[2];
    struct act act = {free_channel, NULL, 0, 0};

    open_channel(2);
    receiver(&o[0]);
    ck_assert_int_eq(poll_acting(&o[0], &act), EVF_PENDING);
    ck_assert_int_eq(push(0), 0);
    ck_assert_ptr_null(channel);
    ck_assert_int_eq(number(finish(&o[0])), 0);

    open_channel(1);
    ck_assert_int_eq(push(1), 0);
    sender(&o[0], 2);
    ck_assert_int_eq(poll_acting(&o[0], &act), EVF_PENDING);
    wait_to_send(&o[1], 3);
    ck_assert_int_eq(next(), 1);
    ck_assert_ptr_null(channel);
    ck_assert_int_eq(finish(&o[0]), 0);
    ck_assert_int_eq(finish(&o[1]), -EPIPE);
    ck_assert_uint_eq(disposals(), 2);
}
END_TEST

static void
ask(struct act *act)
{
    wait_to_receive(act->on);
}

START_TEST(receiver_that_asks_inside_a_wake_does_not_overtake) /* F12 F9 */
{
    struct operation first, second, late, from;
    struct act act = {ask, &late, 0, 0};

    open_channel(1);
    wait_to_receive(&first);
    ck_assert_int_eq(push(0), 0);
    wait_to_receive(&second);
    sender(&from, 1);
    ck_assert_int_eq(poll_acting(&from, &act), EVF_PENDING);
    ck_assert_int_eq(number(finish(&first)), 0);
    ck_assert_uint_eq(act.wakes, 1);
    ck_assert_uint_eq(second.probe.wakes, 1);
    ck_assert_int_eq(number(finish(&second)), 1);
    ck_assert_int_eq(finish(&from), 0);
    drop(&late);
    evf_channel_free(channel);
}
END_TEST

START_TEST(waker_that_receives_inline) /* F12 */
{
    struct operation o, behind;
    struct act act = {take_it, &o, 0, 0};

    open_channel(1);
    receiver(&o);
    ck_assert_int_eq(poll_acting(&o, &act), EVF_PENDING);
    wait_to_receive(&behind);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(push(i), 0);
        ck_assert_int_eq(number(act.got), 0);
    }
    ck_assert_uint_eq(act.wakes, 1);
    ck_assert_int_eq(number(finish(&behind)), 1);
    evf_channel_free(channel);
}
END_TEST

/* Disposal is the program's code too. */
static struct operation *dispose_drops;

static void
dispose_and_drop(void *thing)
{
    struct operation *o = dispose_drops;

    thing_dispose(thing);
    dispose_drops = NULL;
    if (o != NULL)
        drop(o);
}

START_TEST(disposal_that_drops_the_next_sender) /* F12 F49 */
{
    struct operation o[3];

    memset(things, 0, sizeof(things));
    channel = evf_channel_new(1, dispose_and_drop);
    ck_assert_int_eq(push(0), 0);
    for (int i = 0; i < 3; i++)
        wait_to_send(&o[i], i + 1);
    dispose_drops = &o[1];
    evf_channel_free(channel);
    ck_assert_uint_eq(disposals(), 4);
    ck_assert_int_eq(finish(&o[0]), -EPIPE);
    ck_assert_int_eq(finish(&o[2]), -EPIPE);
}
END_TEST

TEST_MAIN("channel-end", closed_channel_is_drained_first,
    close_ends_whoever_waits,
    receiver_waits_on_while_a_claim_may_still_come_back,
    free_disposes_of_all_but_what_is_claimed, operations_outlive_the_handle,
    last_poll_takes_what_is_there,
    request_to_a_sender_tells_whether_it_was_added,
    waker_that_drops_a_neighbour_or_itself, waker_that_frees_the_channel,
    receiver_that_asks_inside_a_wake_does_not_overtake,
    waker_that_receives_inline, disposal_that_drops_the_next_sender)
