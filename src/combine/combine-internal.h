/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef EVFI_COMBINE_INTERNAL_H
#define EVFI_COMBINE_INTERNAL_H

#include <evfuture/combine.h>

/* A constructor's failure: what it would have taken is dropped. */
static inline evf_future *
evfi_combine_refuse(size_t n, evf_future *const *futures, void *error)
{
    if (futures != NULL)
        for (size_t i = 0; i < n; i++)
            evf_future_drop(futures[i]);
    return error;
}

#endif
