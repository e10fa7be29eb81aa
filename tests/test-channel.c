/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "channel-support.h"

START_TEST(items_come_out_in_order_and_no_more_than_fit) /* F44 */
{
    for (size_t capacity = 1; capacity <= 4; capacity++) {
        open_channel(capacity);
        for (int round = 0; round < 5; round++) { /* around the ring */
            for (size_t i = 0; i < capacity; i++)
                ck_assert_int_eq(push((int)i), 0);
            ck_assert_int_eq(push(7), -EAGAIN);
            ck_assert_int_eq(next(), 0);
            ck_assert_int_eq(push(6), 0);
            ck_assert_int_eq(push(7), -EAGAIN);
            for (size_t i = 1; i < capacity; i++)
                ck_assert_int_eq(next(), (int)i);
            ck_assert_int_eq(next(), 6);
        }
        evf_channel_free(channel);
        ck_assert_uint_eq(disposals(), 0);
    }
}
END_TEST

START_TEST(arguments_that_are_refused) /* F47 F28 */
{
    void *error = evf_future_failed(-EIO);
    evf_op op = {0};

    ck_assert_ptr_null(evf_channel_new(0, NULL));
    ck_assert_ptr_null(evf_channel_new(SIZE_MAX, NULL));
    ck_assert_ptr_null(evf_channel_new(SIZE_MAX / sizeof(void *), NULL));
    heap_fail_at(1);
    ck_assert_ptr_null(evf_channel_new(1, NULL));
    evf_channel_free(NULL);
    evf_channel_close(NULL);
    open_channel(1);
    ck_assert_int_eq(evf_channel_push(NULL, &things[0]), -EINVAL);
    ck_assert_int_eq(evf_channel_push(channel, error), -EINVAL);
    ck_assert_ptr_eq(evf_channel_send(&op, NULL, &things[0]),
        evf_future_failed(-EINVAL));
    ck_assert_ptr_eq(evf_channel_send(&op, channel, error),
        evf_future_failed(-EINVAL));
    ck_assert_ptr_eq(evf_channel_recv(&op, NULL), evf_future_failed(-EINVAL));
    ck_assert_ptr_null(op.future.ops);
    evf_channel_free(channel);
}
END_TEST

START_TEST(failing_constructors_release_what_they_took) /* F28 F34 */
{
    struct operation o;
    evf_op op = {0};

    open_channel(1);
    o.future = evf_channel_recv(&op, channel);
    probe_init(&o.probe);
    ck_assert_ptr_eq(evf_channel_recv(&op, channel), evf_future_failed(-EBUSY));
    ck_assert_ptr_eq(evf_channel_send(&op, channel, &things[0]),
        evf_future_failed(-EBUSY));
    ck_assert_uint_eq(things[0].disposals, 1);
    ck_assert_int_eq(push(1), 0);
    ck_assert_int_eq(number(finish(&o)), 1);
    heap_fail_at(1);
    ck_assert_ptr_null(evf_channel_recv(NULL, channel));
    heap_fail_at(1);
    ck_assert_ptr_null(evf_channel_send(NULL, channel, &things[2]));
    ck_assert_uint_eq(things[2].disposals, 1);
    evf_channel_free(channel);
}
END_TEST

START_TEST(null_is_an_item_and_dispose_may_be_absent)
{
    struct operation o;

    channel = evf_channel_new(2, NULL);
    ck_assert_int_eq(evf_channel_push(channel, NULL), 0);
    receiver(&o);
    ck_assert_int_eq(finish(&o), 0);
    probe_init(&o.probe);
    o.future = evf_channel_send(NULL, channel, NULL);
    ck_assert_int_eq(finish(&o), 0);
    receiver(&o);
    ck_assert_int_eq(finish(&o), 0);
    ck_assert_int_eq(push(0), 0);
    evf_channel_free(channel);
}
END_TEST

START_TEST(push_wakes_receivers_in_the_order_of_asking) /* F44 F9 */
{
    struct operation o[3];

    open_channel(4);
    for (int i = 0; i < 3; i++) {
        receiver(&o[i]);
        ck_assert_uint_eq(o[i].probe.clones, 0); /* F1 */
        ck_assert_int_eq(poll_one(&o[i]), EVF_PENDING);
    }
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(push(i), 0);
        for (int k = 0; k < 3; k++)
            ck_assert_uint_eq(o[k].probe.wakes, k <= i);
    }
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(number(finish(&o[i])), i);
    evf_channel_free(channel);
}
END_TEST

START_TEST(each_receiver_gets_its_item_in_whatever_order_polled)
{
    static const int orders[][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0},
        {2, 0, 1}, {2, 1, 0}};
    struct operation o[3];

    for (size_t k = 0; k < 6; k++) {
        open_channel(4);
        for (int i = 0; i < 3; i++)
            wait_to_receive(&o[i]);
        for (int i = 0; i < 4; i++)
            ck_assert_int_eq(push(i), 0);
        ck_assert_int_eq(push(4), -EAGAIN); /* claimed items take room */
        ck_assert_int_eq(next(), 3);        /* the one that nobody claims */
        for (int i = 0; i < 3; i++)
            ck_assert_int_eq(number(finish(&o[orders[k][i]])), orders[k][i]);
        evf_channel_free(channel);
        ck_assert_uint_eq(disposals(), 0);
    }
}
END_TEST

START_TEST(latecomer_does_not_overtake) /* F9 */
{
    struct operation first, late;

    open_channel(2);
    wait_to_receive(&first);
    ck_assert_int_eq(push(0), 0);
    wait_to_receive(&late);
    ck_assert_int_eq(number(finish(&first)), 0);
    ck_assert_int_eq(push(1), 0);
    ck_assert_int_eq(number(finish(&late)), 1);
    evf_channel_free(channel);
}
END_TEST

START_TEST(items_of_dropped_receivers_keep_their_order) /* F13 F44 F26 */
{
    static const int orders[][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0},
        {2, 0, 1}, {2, 1, 0}};
    struct operation o[3];
    int expected;

    /* In each order the first `gone` are dropped, and the others polled. */
    for (size_t k = 0; k < 6; k++) {
        for (int gone = 0; gone <= 3; gone++) {
            open_channel(4);
            for (int i = 0; i < 3; i++)
                wait_to_receive(&o[i]);
            for (int i = 0; i < 4; i++)
                ck_assert_int_eq(push(i), 0);
            for (int i = 0; i < gone; i++)
                drop(&o[orders[k][i]]);
            expected = 0;
            for (int i = 0; i < 3; i++)
                if (o[i].future != NULL)
                    ck_assert_int_eq(number(finish(&o[i])), expected++);
            while (expected < 4)
                ck_assert_int_eq(next(), expected++);
            evf_channel_free(channel);
            ck_assert_uint_eq(disposals(), 0);
        }
    }
}
END_TEST

START_TEST(claim_of_a_dropped_receiver_passes_to_the_next) /* F13 */
{
    struct operation o[3];

    open_channel(2);
    for (int i = 0; i < 3; i++)
        wait_to_receive(&o[i]);
    ck_assert_int_eq(push(0), 0);
    ck_assert_int_eq(push(1), 0);
    ck_assert_uint_eq(o[2].probe.wakes, 0);
    drop(&o[0]);
    ck_assert_uint_eq(o[1].probe.wakes, 1);
    ck_assert_uint_eq(o[2].probe.wakes, 1);
    ck_assert_int_eq(number(finish(&o[1])), 0);
    ck_assert_int_eq(number(finish(&o[2])), 1);
    evf_channel_free(channel);
}
END_TEST

START_TEST(waiting_receiver_that_is_dropped_is_forgotten) /* F13 */
{
    struct operation o[3];

    open_channel(2);
    for (int i = 0; i < 3; i++)
        wait_to_receive(&o[i]);
    drop(&o[1]);
    ck_assert_int_eq(push(0), 0);
    ck_assert_int_eq(push(1), 0);
    ck_assert_int_eq(number(finish(&o[0])), 0);
    ck_assert_uint_eq(o[2].probe.wakes, 1);
    ck_assert_int_eq(number(finish(&o[2])), 1);
    receiver(&o[0]);
    drop(&o[0]); /* never polled */
    evf_channel_free(channel);
}
END_TEST

START_TEST(received_and_untaken_is_freed) /* F33 */
{
    struct operation o;

    open_channel(1);
    ck_assert_int_eq(push(0), 0);
    receiver(&o);
    ck_assert_int_eq(poll_one(&o), EVF_READY);
    drop(&o);
    ck_assert_uint_eq(things[0].disposals, 1);
    evf_channel_free(channel);
}
END_TEST

START_TEST(send_goes_at_once_or_waits_its_turn) /* F44 */
{
    struct operation o[4];

    open_channel(2);
    for (int i = 0; i < 4; i++)
        sender(&o[i], i);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(poll_one(&o[i]), i < 2 ? EVF_READY : EVF_PENDING);
    drop(&o[0]);
    drop(&o[1]);
    ck_assert_int_eq(push(7), -EAGAIN);
    ck_assert_int_eq(next(), 0);
    ck_assert_uint_eq(o[2].probe.wakes, 1);
    ck_assert_uint_eq(o[3].probe.wakes, 0);
    ck_assert_int_eq(push(7), -EAGAIN); /* it does not overtake */
    ck_assert_int_eq(finish(&o[2]), 0);
    for (int i = 1; i < 4; i++)
        ck_assert_int_eq(next(), i);
    ck_assert_int_eq(finish(&o[3]), 0);
    ck_assert_int_eq(push(7), 0);
    evf_channel_free(channel);
    ck_assert_uint_eq(disposals(), 1);
}
END_TEST

START_TEST(send_meets_a_receiver_that_waits)
{
    struct operation from, to;

    open_channel(1);
    wait_to_receive(&to);
    sender(&from, 3);
    ck_assert_int_eq(finish(&from), 0);
    ck_assert_uint_eq(to.probe.wakes, 1);
    ck_assert_int_eq(number(finish(&to)), 3);
    evf_channel_free(channel);
}
END_TEST

START_TEST(item_of_a_waiting_sender_meets_a_receiver) /* both wait, in turn */
{
    struct operation from[2], to[3];

    open_channel(1);
    ck_assert_int_eq(push(0), 0);
    wait_to_send(&from[0], 1);
    wait_to_send(&from[1], 2);
    for (int i = 0; i < 3; i++)
        receiver(&to[i]);
    ck_assert_int_eq(number(finish(&to[0])), 0); /* makes room for 1 */
    ck_assert_int_eq(number(finish(&to[1])), 1);
    ck_assert_int_eq(number(finish(&to[2])), 2);
    ck_assert_int_eq(finish(&from[1]), 0);
    ck_assert_int_eq(finish(&from[0]), 0);
    evf_channel_free(channel);
}
END_TEST

START_TEST(dropped_sender_frees_what_was_not_added) /* F13 F44 */
{
    struct operation o[3];

    open_channel(1);
    sender(&o[0], 0); /* never polled */
    drop(&o[0]);
    ck_assert_uint_eq(things[0].disposals, 1);
    ck_assert_int_eq(push(1), 0);
    wait_to_send(&o[1], 2);
    wait_to_send(&o[2], 3);
    drop(&o[1]);
    ck_assert_uint_eq(things[2].disposals, 1);
    ck_assert_int_eq(next(), 1);
    ck_assert_uint_eq(o[2].probe.wakes, 1);
    drop(&o[2]); /* it was added, though it has not heard */
    ck_assert_uint_eq(things[3].disposals, 0);
    ck_assert_int_eq(next(), 3);
    evf_channel_free(channel);
    ck_assert_uint_eq(disposals(), 2);
}
END_TEST

START_TEST(spurious_polls_and_another_waker) /* F2 F8 */
{
    struct probe other;
    struct operation o;

    for (int sends = 0; sends <= 1; sends++) {
        open_channel(1);
        if (sends) {
            ck_assert_int_eq(push(0), 0);
            wait_to_send(&o, 1);
        } else {
            wait_to_receive(&o);
        }
        for (int i = 0; i < 3; i++)
            ck_assert_int_eq(poll_one(&o), EVF_PENDING);
        ck_assert_uint_eq(o.probe.clones, 1);
        probe_init(&other);
        ck_assert_int_eq(poll_with(o.future, &other, executor), EVF_PENDING);
        ck_assert_int_eq(probe_live(&o.probe), 0);
        ck_assert_int_eq(sends ? next() : push(0), 0);
        ck_assert_uint_eq(o.probe.wakes, 0);
        ck_assert_uint_eq(other.wakes, 1);
        ck_assert_int_eq(probe_live(&other), 0);
        finish(&o);
        evf_channel_free(channel);
    }
}
END_TEST

START_TEST(operations_may_move_before_their_first_poll) /* F18 */
{
    struct operation o;
    evf_op here = {0}, there = {0};

    open_channel(1);
    evf_channel_recv(&here, channel);
    memcpy(&there, &here, sizeof(there));
    memset(&here, 0xff, sizeof(here));
    o.future = &there.future;
    probe_init(&o.probe);
    ck_assert_int_eq(poll_one(&o), EVF_PENDING);
    ck_assert_int_eq(push(2), 0);
    ck_assert_int_eq(number(finish(&o)), 2);
    ck_assert_ptr_null(there.future.ops);
    evf_channel_free(channel);
}
END_TEST

START_TEST(nothing_is_allocated_on_the_way)
{
    struct operation o[2];
    size_t before;

    open_channel(1);
    ck_assert_int_eq(push(0), 0);
    sender(&o[0], 1);
    receiver(&o[1]);
    before = heap_allocations();
    ck_assert_int_eq(poll_one(&o[0]), EVF_PENDING);
    ck_assert_int_eq(poll_one(&o[1]), EVF_READY);
    ck_assert_int_eq(poll_one(&o[0]), EVF_READY);
    ck_assert_uint_eq(heap_allocations(), before);
    drop(&o[0]);
    drop(&o[1]);
    evf_channel_free(channel);
    ck_assert_uint_eq(disposals(), 2);
}
END_TEST

TEST_MAIN("channel", items_come_out_in_order_and_no_more_than_fit,
    arguments_that_are_refused, failing_constructors_release_what_they_took,
    null_is_an_item_and_dispose_may_be_absent,
    push_wakes_receivers_in_the_order_of_asking,
    each_receiver_gets_its_item_in_whatever_order_polled,
    latecomer_does_not_overtake, items_of_dropped_receivers_keep_their_order,
    claim_of_a_dropped_receiver_passes_to_the_next,
    waiting_receiver_that_is_dropped_is_forgotten,
    received_and_untaken_is_freed, send_goes_at_once_or_waits_its_turn,
    send_meets_a_receiver_that_waits, item_of_a_waiting_sender_meets_a_receiver,
    dropped_sender_frees_what_was_not_added, spurious_polls_and_another_waker,
    operations_may_move_before_their_first_poll,
    nothing_is_allocated_on_the_way)
