#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Every program in README.md and docs/ compiles with -Werror, runs, and prints
# what stands below it: a ```c block with a main(), and the ```text block that
# follows it, if one does. Every other ```c block is a fragment, which compiles
# as a function, or as the body of one, with what docs-harness.h declares.
set -u
: "${EVF_SRCDIR:?}" "${EVF_LIBDIR:?}" "${EVF_CC:=cc}"
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
passed=0
failed=0

for document in "$EVF_SRCDIR"/README.md "$EVF_SRCDIR"/docs/*.md; do
    name=$(basename "$document" .md)
    awk -v prefix="$dir/$name" '
        /^```c$/    { n++; file = sprintf("%s-%02d.c", prefix, n); next }
        /^```text$/ { file = sprintf("%s-%02d.expected", prefix, n); next }
        /^```/      { file = ""; next }
        file != ""  { print > file }
    ' "$document"
done

# A fragment as a whole file: at file scope if it begins with a function.
whole() { # FRAGMENT
    local op='evf_op op'

    grep -q 'op\[' "$1" && op='evf_op op[3]'
    printf '#define OP %s\n#include "docs-harness.h"\n' "$op"
    if ! grep -q '^static' "$1"; then
        printf 'enum evf_poll run(evf_future *self, evf_context *cx);\n'
        printf 'enum evf_poll run(evf_future *self, evf_context *cx) {\n'
        printf 'struct flow *f = evf_frame_of(self, struct flow);\n'
        printf 'struct session *s = NULL; struct event_base *base = NULL;\n'
        printf 'evf_executor *executor = NULL; evf_socket *peer = NULL;\n'
        printf 'struct echo *e = NULL;\n'
        printf 'intptr_t n, m; EVF_BEGIN(self, cx);\n'
    fi
    cat "$1"
    if ! grep -q '^static' "$1"; then
        grep -q EVF_FINALLY "$1" || printf 'EVF_FINALLY; EVF_END;\n'
        printf '}\n'
    fi
}

for program in "$dir"/*.c; do
    grep -q '^main(' "$program" && continue
    name=$(basename "$program" .c)
    whole "$program" >"$dir/fragment"
    # shellcheck disable=SC2086
    if $EVF_CC ${EVF_CPPFLAGS-} -std=gnu11 -Wall -Wextra -Werror \
        -Wno-unused -I "$EVF_SRCDIR/include" -I "$EVF_SRCDIR/tests" \
        -fsyntax-only -x c "$dir/fragment" >"$dir/log" 2>&1; then
        passed=$((passed + 1))
    else
        echo "FAILED: $name does not compile"
        cat "$dir/log"
        failed=$((failed + 1))
    fi
done

for program in "$dir"/*.c; do
    grep -q '^main(' "$program" || continue
    name=$(basename "$program" .c)
    # shellcheck disable=SC2086
    if ! $EVF_CC ${EVF_CPPFLAGS-} ${EVF_CFLAGS-} -std=gnu11 -Wall -Wextra \
        -Werror -I "$EVF_SRCDIR/include" "$program" -o "$dir/$name" \
        -L "$EVF_LIBDIR" -Wl,-rpath,"$EVF_LIBDIR" -levfuture -levent_core \
        >"$dir/log" 2>&1; then
        echo "FAILED: $name does not compile"
        cat "$dir/log"
        failed=$((failed + 1))
        continue
    fi
    timeout 60 "$dir/$name" >"$dir/$name.out" 2>&1
    status=$?
    if [ "$status" -ne 0 ]; then
        echo "FAILED: $name: exit status $status"
        cat "$dir/$name.out"
        failed=$((failed + 1))
    elif [ -f "$dir/$name.expected" ] &&
        ! diff -u "$dir/$name.expected" "$dir/$name.out"; then
        echo "FAILED: $name prints something else"
        failed=$((failed + 1))
    else
        passed=$((passed + 1))
    fi
done

printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
