/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * F42: what async functions may look like.  Every form of the macros compiles
 * without a warning, under all that tests/compile/run asks for.
 */

#include <stdlib.h>
#include <evfuture.h>

struct empty {
    evf_frame frame;
};

static enum evf_poll
empty_run(evf_future *self, evf_context *cx)
{
    EVF_BEGIN(self, cx);
    EVF_FINALLY;
    EVF_END;
}

const evf_frame_ops empty_ops = EVF_FRAME_OPS(struct empty, empty_run);

struct text {
    evf_frame frame;
    char *owned;
    const char *given;
    uint64_t bytes;
    evf_op op[2];
    evf_future *children[2];
    evf_interval interval;
    unsigned which, i;
    int kind;
};

enum color {
    RED,
    GREEN
};

static evf_future *
text_child(struct text *text, size_t i)
{
    return text->children[i];
}

/* Results go to whatever can hold one. */
static enum evf_poll
text_run(evf_future *self, evf_context *cx)
{
    struct text *text = evf_frame_of(self, struct text);
    evf_executor *executor = cx != NULL ? evf_context_executor(cx) : NULL;
    const char *line;
    struct empty *object;
    void *pointer;
    intptr_t n;
    volatile intptr_t unoptimised;

    (void)executor;
    EVF_BEGIN(self, cx);
    EVF_AWAIT(n, text_child(text, 0));
    text->bytes += (uint64_t)n;
    EVF_TRY(line, text_child(text, 1));
    text->given = line;
    EVF_TRY(text->owned, evf_ready(&text->op[0], 0, free));
    EVF_AWAIT(pointer, NULL);
    EVF_AWAIT(object, evf_future_failed(-EBUSY));
    if (object == NULL)
        EVF_RETURN(-EINVAL);
    else
        EVF_TRY(pointer, evf_yield(&text->op[0]));
    if (text->bytes > 9)
        EVF_RETURN(pointer);
    EVF_AWAIT(unoptimised, evf_yield(&text->op[0]));
    text->bytes += (uint64_t)unoptimised;
    EVF_RETURN(text->owned);
    EVF_FINALLY;
    EVF_END;
}

const evf_frame_ops text_ops = EVF_FRAME_OPS(struct text, text_run,
    .dispose = free);

/* Control flow is ordinary, around awaits and in EVF_FINALLY. */
static enum evf_poll
flow_run(evf_future *self, evf_context *cx)
{
    struct text *text = evf_frame_of(self, struct text);
    intptr_t n = 0;

    EVF_BEGIN(self, cx);
    while (n < 3) {
        EVF_TRY(n, evf_sleep(&text->op[0], 10));
        if (n == 2)
            continue;
        if (n == 1)
            break;
    }
    for (text->i = 0; text->i < 3; text->i++)
        EVF_TRY(n, evf_interval_tick(&text->op[0], &text->interval));
    do
        EVF_AWAIT(n, evf_timeout(&text->op[0], 5, evf_yield(&text->op[1])));
    while (evf_failed(n));
    switch (text->kind) {
    case 1:
        EVF_RETURN(text->given);
    case 2:
        goto again;
    default:
        break;
    }
again:
    EVF_TRY(n,
        evf_select(&text->op[0], &text->which, 2,
            (evf_future *[]){evf_yield(&text->op[1]), NULL}));
    EVF_RETURN(text->owned);
    EVF_FINALLY;
    for (size_t i = 0; i < 2; i++)
        evf_future_drop(text->children[i]);
    switch (text->kind) {
    default:
        free(text->owned);
    }
    EVF_END;
}

const evf_frame_ops flow_ops = EVF_FRAME_OPS(struct text, flow_run);

/* A typedef's name serves as well as a struct's. */
typedef struct short_name {
    evf_frame frame;
    enum color color;
} short_name;

static enum evf_poll
short_run(evf_future *self, evf_context *cx)
{
    short_name *s = evf_frame_of(self, short_name);
    EVF_BEGIN(self, cx);
    if (s->color == GREEN)
        break;
    EVF_RETURN(s->color);
    EVF_FINALLY;
    EVF_END;
}

const evf_frame_ops short_ops = EVF_FRAME_OPS(short_name, short_run);
