/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef EVFI_MISUSE_INTERNAL_H
#define EVFI_MISUSE_INTERNAL_H

/*
 * Tells the handler. Called with nothing of ours half changed, after which the
 * caller returns without effect.
 */
void evfi_misuse(const char *message);

#endif
