/* SPDX-License-Identifier: BSD-3-Clause */
#include <evfuture/reader.h>

#include <string.h>

#include "core/alloc-internal.h"
#include "core/future-internal.h"
#include "core/misuse-internal.h"
#include "core/op-internal.h"
#include "core/waker-internal.h"

/* What a reader's buffer begins with, if its limit allows. */
#define FIRST_SIZE 4096u

struct evf_reader {
    const evf_source_ops *ops;
    void *source; /* NULL once freed */
    size_t limit;
    uint32_t refs; /* the handle's, and each call's */

    /* buf[start..end) is buffered; there is always room for a NUL behind. */
    char *buf;
    size_t size, start, end;
    char kept; /* what stood at buf[start], where a NUL ends the last result */
    bool cut;  /* whether one does */

    /* The call that is pending, its waker, and the read that it awaits. */
    struct call *call;
    evf_waker waker;
    evf_op op;
    evf_future *child; /* NULL: none */
    bool polled;
    bool polling; /* inside of the source's code */
};

enum mode { EXACT, UNTIL, LINE };

struct call {
    struct evf_op_head_placeholder;
};
