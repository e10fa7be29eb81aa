/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef EVFUTURE_FRAME_H
#define EVFUTURE_FRAME_H

#include <evfuture/context.h>

EVF_C_BEGIN

/*
 * Async functions. One is a struct, its frame, and a function that is the
 * frame's poll function; six macros write the state machine.
 *
 *     struct echo {
 *         evf_frame   frame;              first: a future, and where it stands
 *         evf_socket *peer;               arguments; locals that outlive awaits
 *         evf_op      op;                 storage of what is awaited
 *         char        buf[4096];
 *     };
 *
 *     static enum evf_poll
 *     echo_run(evf_future *self, evf_context *cx)
 *     {
 *         struct echo *e = evf_frame_of(self, struct echo);
 *         intptr_t n;                     not kept across an await
 *
 *         EVF_BEGIN(self, cx);
 *         for (;;) {
 *             EVF_TRY(n, evf_read(&e->op, e->peer, e->buf, sizeof(e->buf)));
 *             if (n == 0)
 *                 EVF_RETURN(0);
 *             EVF_TRY(n, evf_write_all(&e->op, e->peer, e->buf, (size_t)n));
 *         }
 *         EVF_FINALLY;                    once: return, error, cancel, drop
 *         evf_socket_close(e->peer);
 *         EVF_END;
 *     }
 *
 *     static const evf_frame_ops echo_ops =
 *         EVF_FRAME_OPS(struct echo, echo_run);
 *
 * Rules:
 * - Locals do not survive an await. What must, stands in the frame.
 * - Code before EVF_BEGIN runs at every resume, and once more for EVF_FINALLY
 *   with a NULL `cx`: only derive pointers there.
 * - One await per line; none inside a nested `switch`; none after EVF_FINALLY.
 *   The last two do not compile with warnings as errors.
 * - EVF_FINALLY is mandatory. It releases what the frame owns, never the frame,
 *   and tolerates fields that are still zero: a frame may end before it began.
 * - EVF_TRY returns past clean-up that awaits. Reach such code with EVF_AWAIT
 *   and `break`, and put what it awaits into evf_shield() (time.h).
 * - A plain `return` is misuse; falling off the end, or a stray `break`,
 *   returns 0.
 *
 * The macros are C only. In C++ co_await does their work.
 */
typedef struct evf_frame_ops {
    evf_future_ops future;
    void (*dispose)(void *result); /* of what the function returns, or NULL */
    const char *function;          /* for the async backtrace */
    const char *file;
} evf_frame_ops;

typedef struct evf_frame {
    evf_future future;
    evf_future *child; /* what is awaited at `line`; may be a failed future */
    uint32_t line;     /* where it is suspended, or one of the states below */
    bool polled;       /* child's, for the await rule */
    bool heap;         /* the library allocated this frame */
    bool stressed;     /* EVF_STRESS has suspended this await already */
} evf_frame;

/*
 * The frame's struct, from the future that poll and drop are given.
 *
 * Context: any thread.
 * Since: 0.1
 */
#define evf_frame_of(self, type) ((type *)(void *)(self))

/*
 * Makes a frame ready to be awaited or spawned: zeroes it and fills its header;
 * the caller then sets the arguments. The future is `&f->frame.future`.
 *
 * Returns: the frame. NULL if `storage` is NULL and memory is out, and, which
 *   is misuse, if `storage` is in use by a frame that has not been dropped.
 * Ownership: `storage` is the caller's, zeroed before its first use, and pinned
 *   until the future is dropped; NULL takes the heap's, freed by the drop.
 * Cancellation: dropping the future drops what it awaits, runs EVF_FINALLY, and
 *   releases the storage.
 * Context: loop thread.
 * Since: 0.1
 */
EVF_API void *evf_frame_init(void *storage, const evf_frame_ops *ops);

/* What the macros call; not for use by hand. */
EVF_API enum evf_poll evfi_future_unanswered(evf_future *future);
EVF_API enum evf_poll evfi_frame_await_slowly(evf_frame *frame, evf_context *cx,
    uint32_t line, intptr_t *value);
EVF_API void evfi_frame_tried(evf_frame *frame, evf_context *cx, uint32_t line,
    intptr_t error);
EVF_API bool evfi_frame_lost(evf_frame *frame, uint32_t line, intptr_t *result);
EVF_API void evfi_frame_drop(evf_future *self);
EVF_API void evfi_frame_visit(evf_future *self, evf_visit_fn *fn, void *arg);

/*
 * Takes what is awaited from here on. If `polled` is set it is a future indeed,
 * and paid for; anything else is left to the function that looks closer.
 */
static inline void
evfi_frame_start(evf_frame *frame, evf_context *cx, evf_future *child)
{
    struct evfi_budget *budget = cx->budget;

    frame->child = child;
    frame->polled = false;
    /* Neither NULL nor an error, and not the last of the budget. */
    if ((uintptr_t)child - 1 < (uintptr_t)-4096 && budget->credit > 1) {
        frame->polled = true;
        budget->credit--;
    }
}

/*
 * evf_future_poll_child() where there is no request and budget is left, which
 * is nearly always; the rest, and all misuse, is left to the other function.
 */
static inline enum evf_poll
evfi_frame_await(evf_frame *frame, evf_context *cx, uint32_t line,
    intptr_t *value)
{
    evf_future *child = frame->child;

    if (!frame->polled || cx->budget->credit == 0 ||
        child->result != EVF_RESULT_PENDING)
        return evfi_frame_await_slowly(frame, cx, line, value);
    child->result = EVF_RESULT_POLLING;
    if (child->ops->poll(child, cx) == EVF_PENDING) {
        child->result = EVF_RESULT_PENDING;
        frame->line = line;
        return EVF_PENDING;
    }
    if (child->result == EVF_RESULT_POLLING)
        evfi_future_unanswered(child);
    *value = child->result;
    child->result = EVF_RESULT_POLLING; /* nobody drops it meanwhile */
    child->ops->drop(child);
    return EVF_READY;
}

EVF_C_END

#ifndef __cplusplus

/* States beyond every source line, so that line numbers are states too. */
#define EVFI_LINE_START   0u
#define EVFI_LINE_RUNNING UINT32_MAX
#define EVFI_LINE_FINALLY (UINT32_MAX - 1)
#define EVFI_LINE_ENDED   (UINT32_MAX - 2)

/* Beyond int: in a nested switch over anything narrower this label warns. */
#define EVFI_LABEL(line) (((int64_t)1 << 33) + (int64_t)(line))

#if defined(__GNUC__)
#define EVFI_FALLTHROUGH  __attribute__((fallthrough))
#define EVFI_UNUSED_LABEL __attribute__((unused))
#else
#define EVFI_FALLTHROUGH
#define EVFI_UNUSED_LABEL
#endif

/* An error here: `frame` is not the struct's first member, or no evf_frame. */
#define EVFI_FRAME_SIZE(type)                                                  \
    (sizeof(type) * sizeof(char[offsetof(type, frame) == 0 ? 1 : -1]) *        \
        _Generic(((type *)0)->frame, evf_frame : 1))

#define EVFI_FRAME_OPS(type, run, ...)                                         \
    {                                                                          \
        .future = {EVFI_FRAME_SIZE(type), #type, EVF_PASSES_CANCEL, run,       \
            evfi_frame_drop, evfi_frame_visit},                                \
        .function = #run, .file = __FILE__, __VA_ARGS__                        \
    }

/*
 * The initialiser of an evf_frame_ops. A function that returns something to be
 * freed says how: EVF_FRAME_OPS(struct dial, dial_run,
 * .dispose = evf_socket_dispose).
 */
#define EVF_FRAME_OPS(type, ...) EVFI_FRAME_OPS(type, __VA_ARGS__, )

/*
 * `var` is an intptr_t or any pointer. A bool, for which every error would be
 * true, is given a struct, which no compiler accepts.
 */
/* clang-format off */
#define EVFI_STORE(var, value)                                                 \
    ((var) = _Generic((var), intptr_t : (value), bool : *evfi_frame,           \
         default : (void *)(value)))
/* clang-format on */

/* Opens the function's body. */
#define EVF_BEGIN(self, cx)                                                    \
    evf_frame *const evfi_frame = (evf_frame *)(void *)(self);                 \
    evf_context *const evfi_cx = (cx);                                         \
    const uint32_t evfi_line = evfi_frame->line;                               \
    intptr_t evfi_result = 0;                                                  \
    evfi_frame->line = EVFI_LINE_RUNNING;                                      \
    {                                                                          \
        enum {                                                                 \
            no_await_or_return_after_EVF_FINALLY                               \
        };                                                                     \
        switch (EVFI_LABEL(evfi_line)) {                                       \
        default:                                                               \
            if (evfi_frame_lost(evfi_frame, evfi_line, &evfi_result))          \
                return EVF_READY;                                              \
            break;                                                             \
        case EVFI_LABEL(EVFI_LINE_FINALLY):                                    \
            break;                                                             \
        case EVFI_LABEL(EVFI_LINE_START):

#define EVFI_AWAIT(future, ...)                                                \
    do {                                                                       \
        intptr_t evfi_value;                                                   \
        (void)no_await_or_return_after_EVF_FINALLY;                            \
        evfi_frame_start(evfi_frame, evfi_cx, (future));                       \
        EVFI_FALLTHROUGH;                                                      \
    case EVFI_LABEL(__LINE__):                                                 \
        if (evfi_frame_await(evfi_frame, evfi_cx, __LINE__, &evfi_value) ==    \
            EVF_PENDING)                                                       \
            return EVF_PENDING;                                                \
        __VA_ARGS__                                                            \
    } while (0)

/* Awaits `future`, and stores its result in `var`, error or not. */
#define EVF_AWAIT(var, future) EVFI_AWAIT(future, EVFI_STORE(var, evfi_value);)

/*
 * Awaits; an error is returned and leaves `var` untouched. The executor notes
 * function, line and error for its dump.
 */
#define EVF_TRY(var, future)                                                   \
    EVFI_AWAIT(                                                                \
        future, if (evf_failed(evfi_value)) {                                  \
            evfi_frame_tried(evfi_frame, evfi_cx, __LINE__, evfi_value);       \
            evfi_result = evfi_value;                                          \
            goto evfi_finally;                                                 \
        } EVFI_STORE(var, evfi_value);)

/* Ends the function; EVF_FINALLY runs. `result` is a word or a pointer. */
#define EVF_RETURN(result)                                                     \
    do {                                                                       \
        (void)no_await_or_return_after_EVF_FINALLY;                            \
        evfi_result = (intptr_t)(result);                                      \
        goto evfi_finally;                                                     \
    } while (0)

/* Closes the body, and opens what runs exactly once, however it ended. */
#define EVF_FINALLY                                                            \
    }                                                                          \
    }                                                                          \
    evfi_finally:                                                              \
    EVFI_UNUSED_LABEL;                                                         \
    {
/* Closes the function. */
#define EVF_END                                                                \
    }                                                                          \
    (void)evfi_cx;                                                             \
    evfi_frame->line = EVFI_LINE_ENDED;                                        \
    return evf_future_ready(&evfi_frame->future, evfi_result)

#endif

#endif
