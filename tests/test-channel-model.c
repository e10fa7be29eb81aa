/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "channel-support.h"

/*
 * Random operations against a model, in which there are no claims: whoever
 * asked as the kth of those that wait gets the kth item.
 */
#define OPS  12
#define DEEP 3

static struct {
    int items[DEEP], n_items;
    int receivers[OPS], n_receivers;
    int senders[OPS], sent[OPS], n_senders;
    int n_received, next_item;
    bool closed;
} model;

static char tokens[1 << 16];
static struct operation ops[OPS];
static bool is_sender[OPS];
static int holds[OPS]; /* the item of a sender that has not waited */

static int
find(const int *list, int n, int what)
{
    for (int i = 0; i < n; i++)
        if (list[i] == what)
            return i;
    return -1;
}

static int
cut(int *list, int *n, int at)
{
    int what = list[at];

    memmove(&list[at], &list[at + 1], (size_t)(--*n - at) * sizeof(*list));
    return what;
}

static void
model_serve(void)
{
    int n = model.n_senders;

    while (n > 0 && model.n_items < DEEP) {
        model.items[model.n_items++] = cut(model.sent, &n, 0);
        n = model.n_senders;
        cut(model.senders, &model.n_senders, 0);
        n--;
    }
}

static void
assert_woken(void)
{
    for (int i = 0; i < OPS; i++) {
        int at = find(model.receivers, model.n_receivers, i);

        if (ops[i].future != NULL && at >= 0)
            ck_assert_uint_eq(ops[i].probe.wakes,
                at < model.n_items || (model.closed && model.n_items == 0));
    }
}

static void
poll_receiver(int i)
{
    int at = find(model.receivers, model.n_receivers, i);
    int want = at >= 0 ? at : model.n_receivers;
    intptr_t result;

    if (want < model.n_items) {
        result = finish(&ops[i]);
        ck_assert_int_eq((char *)result - tokens,
            cut(model.items, &model.n_items, want));
        model.n_received++;
    } else if (model.closed && model.n_items == 0) {
        ck_assert_int_eq(finish(&ops[i]), -EPIPE);
    } else {
        ck_assert_int_eq(poll_one(&ops[i]), EVF_PENDING);
        if (at < 0)
            model.receivers[model.n_receivers++] = i;
        return;
    }
    if (at >= 0)
        cut(model.receivers, &model.n_receivers, at);
    model_serve();
}

static void
poll_sender(int i)
{
    bool waits = find(model.senders, model.n_senders, i) >= 0;

    if (waits) {
        ck_assert_int_eq(poll_one(&ops[i]), EVF_PENDING);
    } else if (holds[i] < 0) {
        finish(&ops[i]); /* added, or refused when the channel was closed */
    } else if (model.closed) {
        ck_assert_int_eq(finish(&ops[i]), -EPIPE);
    } else if (model.n_items < DEEP && model.n_senders == 0) {
        ck_assert_int_eq(finish(&ops[i]), 0);
        model.items[model.n_items++] = holds[i];
    } else {
        ck_assert_int_eq(poll_one(&ops[i]), EVF_PENDING);
        model.sent[model.n_senders] = holds[i];
        model.senders[model.n_senders++] = i;
        holds[i] = -1;
    }
}

static void
drop_operation(int i)
{
    int at = find(model.receivers, model.n_receivers, i), n;

    if (at >= 0)
        cut(model.receivers, &model.n_receivers, at);
    at = find(model.senders, model.n_senders, i);
    n = model.n_senders;
    if (at >= 0) {
        cut(model.sent, &n, at);
        cut(model.senders, &model.n_senders, at);
    }
    drop(&ops[i]);
}

static void
model_push(void)
{
    int item = model.next_item++;
    int err = evf_channel_push(channel, &tokens[item]);

    if (model.closed) {
        ck_assert_int_eq(err, -EPIPE);
    } else if (model.n_items == DEEP) {
        ck_assert_int_eq(err, -EAGAIN);
    } else {
        ck_assert_int_eq(err, 0);
        model.items[model.n_items++] = item;
    }
}

static void
step(unsigned seed)
{
    int i = (int)(seed % OPS);

    if (ops[i].future == NULL) {
        is_sender[i] = (seed >> 8 & 1) != 0;
        probe_init(&ops[i].probe);
        holds[i] = is_sender[i] ? model.next_item++ : -1;
        ops[i].future = is_sender[i]
            ? evf_channel_send(NULL, channel, &tokens[holds[i]])
            : evf_channel_recv(NULL, channel);
    } else if ((seed >> 8 & 7) == 0) {
        drop_operation(i);
    } else if (is_sender[i]) {
        poll_sender(i);
    } else {
        poll_receiver(i);
    }
    if ((seed >> 12 & 3) == 0)
        model_push();
}

START_TEST(random_operations_agree_with_the_model) /* F44 F13 F2 */
{
    unsigned seed = 1, received = 0;

    for (int round = 0; round < 200; round++) {
        memset(&model, 0, sizeof(model));
        channel = evf_channel_new(DEEP, NULL);
        for (int n = 0; n < 400; n++) {
            seed = seed * 1664525u + 1013904223u;
            step(seed >> 8);
            assert_woken();
            if (n == 300 && (seed >> 16 & 1) != 0) {
                evf_channel_close(channel);
                model.closed = true;
                model.n_senders = 0;
            }
            if (model.closed && model.n_items == 0)
                model.n_receivers = 0;
        }
        received += (unsigned)model.n_received;
        for (int i = 0; i < OPS; i++)
            if (ops[i].future != NULL)
                drop(&ops[i]);
        evf_channel_free(channel);
    }
    ck_assert_uint_gt(received, 5000);
}
END_TEST

/* Two async functions, and a callback of the loop that pushes. */
struct producer {
    evf_frame frame;
    char *next;
    int left;
    evf_op op;
};

static enum evf_poll
produce(evf_future *self, evf_context *cx)
{
    struct producer *p = evf_frame_of(self, struct producer);
    intptr_t n;

    EVF_BEGIN(self, cx);
    while (p->left-- > 0)
        EVF_TRY(n, evf_channel_send(&p->op, channel, p->next++));
    evf_channel_close(channel);
    (void)n;
    EVF_FINALLY;
    EVF_END;
}

static const evf_frame_ops producer_ops = EVF_FRAME_OPS(struct producer,
    produce);

struct consumer {
    evf_frame frame;
    char *expected;
    evf_op op;
};

static enum evf_poll
consume(evf_future *self, evf_context *cx)
{
    struct consumer *c = evf_frame_of(self, struct consumer);
    char *item;

    EVF_BEGIN(self, cx);
    for (;;) {
        EVF_TRY(item, evf_channel_recv(&c->op, channel));
        ck_assert_ptr_eq(item, c->expected);
        c->expected++;
    }
    EVF_FINALLY;
    EVF_END;
}

static const evf_frame_ops consumer_ops = EVF_FRAME_OPS(struct consumer,
    consume);

START_TEST(tasks_stream_through_a_small_channel) /* F44 */
{
    static struct producer p;
    static struct consumer c;

    for (size_t capacity = 1; capacity <= 3; capacity++) {
        memset(&p, 0, sizeof(p));
        memset(&c, 0, sizeof(c));
        channel = evf_channel_new(capacity, NULL);
        evf_frame_init(&p, &producer_ops);
        evf_frame_init(&c, &consumer_ops);
        p.next = c.expected = tokens;
        p.left = 1000;
        evf_task_detach(evf_spawn(executor, &p.frame.future));
        ck_assert_int_eq(evf_block_on(executor, &c.frame.future), -EPIPE);
        ck_assert_ptr_eq(c.expected, tokens + 1000);
        run();
        evf_channel_free(channel);
    }
}
END_TEST

TEST_MAIN("channel-model", random_operations_agree_with_the_model,
    tasks_stream_through_a_small_channel)
