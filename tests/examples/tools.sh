# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# What the scripts of the single-program examples share: a directory, a count of
# checks, and one program at a time whose first line says where it listens.

: "${EXAMPLES_DIR:?the directory of the built examples}"
dir=$(mktemp -d)
passed=0
failed=0
pid=
line=
status=

cleanup() {
    [ -n "$pid" ] && kill -KILL "$pid" 2>/dev/null
    rm -rf "$dir"
}
trap cleanup EXIT

# Clients that the script talks with; without one of them it is skipped.
need() { # COMMAND...
    local client

    for client; do
        if ! command -v "$client" >/dev/null; then
            echo "$client is not installed"
            exit 77
        fi
    done
}

check() { # NAME EXPECTED GOT
    if [ "$2" = "$3" ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf 'FAILED: %s\n  expected: %s\n  got:      %s\n' "$1" "$2" "$3"
    fi
}

# Starts a program; its first line is in $line, the others can be read from 3.
start() { # PROGRAM ARGUMENTS...
    local program=$EXAMPLES_DIR/$1

    shift
    rm -f "$dir/out"
    mkfifo "$dir/out"
    "$program" "$@" >"$dir/out" 2>"$dir/err" &
    pid=$!
    exec 3<"$dir/out"
    IFS= read -r -t 30 line <&3 || line="(nothing)"
}

# Waits for its end: $status, and its next line in $line.
ended() {
    wait "$pid"
    status=$?
    pid=
    IFS= read -r -t 30 line <&3 || line="(nothing)"
    exec 3<&-
    cat "$dir/err"
}

stop() {
    kill -TERM "$pid"
    ended
}

summary() {
    printf '%d passed, %d failed\n' "$passed" "$failed"
    [ "$failed" -eq 0 ]
}
