/* SPDX-License-Identifier: BSD-3-Clause */
#include "fuzz-world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

struct fuzz_world fuzz;
char *fuzz_message;
uint64_t fuzz_clock;

int
clock_gettime(clockid_t id, struct timespec *now)
{
    if (id == CLOCK_REALTIME)
        return (int)syscall(SYS_clock_gettime, id, now);
    fuzz_clock++;
    now->tv_sec = (time_t)(fuzz_clock / 1000000);
    now->tv_nsec = (long)(fuzz_clock % 1000000 * 1000);
    return 0;
}

void
fuzz_fail(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(fuzz_message, FUZZ_MESSAGE, format, args);
    va_end(args);
    fflush(stdout);
    _exit(EXIT_FAILURE);
}

void
fuzz_say(const char *format, ...)
{
    const struct fuzz_running *running = fuzz.running;
    va_list args;

    if (!fuzz.trace)
        return;
    for (; running != NULL; running = running->previous)
        printf("  ");
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    printf("\n");
    fflush(stdout);
}

/*
 * splitmix64: Steele, Lea and Flood, "Fast splittable pseudorandom number
 * generators", 2014, with the constants of Vigna's public-domain version.
 */
static uint64_t
bits(void)
{
    uint64_t z = fuzz.random += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

unsigned
below(unsigned limit)
{
    return (unsigned)((bits() >> 32) * limit >> 32);
}

bool
chance(unsigned percent)
{
    return below(100) < percent;
}

intptr_t
token_new(void)
{
    if (fuzz.tokens == FUZZ_TOKENS)
        return 0;
    fuzz_say("token %u is made", fuzz.tokens);
    fuzz.token[fuzz.tokens] = true;
    return (intptr_t)&fuzz.token[fuzz.tokens++];
}

void
token_end(intptr_t result)
{
    uintptr_t at = (uintptr_t)result - (uintptr_t)fuzz.token;

    if (at >= sizeof(fuzz.token))
        return;
    fuzz_say("token %u ends", (unsigned)at);
    REQUIRE(fuzz.token[at], "a result was disposed of or taken twice");
    fuzz.token[at] = false;
}

void
token_dispose(void *result)
{
    token_end((intptr_t)result);
}

intptr_t
some_result(void)
{
    static const int errors[] = {-EIO, -ECANCELED, -ETIMEDOUT, -EPIPE};

    if (chance(50))
        return token_new();
    return chance(50) ? (intptr_t)below(1000) : errors[below(4)];
}
