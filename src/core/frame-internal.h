/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef EVFI_FRAME_INTERNAL_H
#define EVFI_FRAME_INTERNAL_H

#include <evfuture/frame.h>

/*
 * Where failing EVF_TRYs go: an executor's ring, which this room does not know.
 * Executors set it when the first of them is made.
 */
typedef void evfi_failure_fn(evf_executor *executor, const evf_frame_ops *ops,
    uint32_t line, int error);
extern evfi_failure_fn *_Atomic evfi_failure_noted;

#endif
