/* SPDX-License-Identifier: BSD-3-Clause */
#include <evfuture/misuse.h>

#include "core/misuse-internal.h"

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#ifdef EVF_DEBUG
#include <stdio.h>
#include <stdlib.h>

static void
handle_by_default(const char *message)
{
    fprintf(stderr, "evfuture: misuse: %s\n", message);
    abort();
}
#else
static void
handle_by_default(const char *message)
{
    (void)message;
}
#endif

static evf_misuse_fn *handler = handle_by_default;

void
evf_set_misuse_handler(evf_misuse_fn *fn)
{
    handler = fn != NULL ? fn : handle_by_default;
}

void
evfi_misuse(const char *message)
{
    handler(message);
}
