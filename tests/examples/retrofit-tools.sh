# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash disable=SC2154
#
# What retrofit.sh's scenarios are made of: processes, clients, and waiting for
# lines. It sets `version`, `work`, `dir`, `wrapper` and `patience`.

# A scenario is a function that runs in a subshell; `fail` ends it.

fail() {
    echo "    $*" >&2
    exit 1
}

# start NAME COMMAND...: sets NAME_pid, NAME_log (an fd to read its output
# from) and NAME_port.
start() {
    local name=$1 fd

    shift
    rm -f "$work/$name"
    mkfifo "$work/$name" || fail "no fifo"
    "$@" >"$work/$name" 2>&1 &
    printf -v "${name}_pid" %s $!
    pids+=($!)
    exec {fd}<"$work/$name"
    printf -v "${name}_log" %s "$fd"
    until_line "$fd" "listening on port *"
    printf -v "${name}_port" %s "${reply##* }"
}

start_backend() {               # NAME [SWITCHES]
    local name=$1

    shift
    start "$name" "$dir/retrofit-backend" -n "$name" "$@"
}

configure() {                   # BACKEND_PORT [LINE...]
    printf '%s\n' "backend 127.0.0.1:$1" "greeting hello" \
        "deadline ${patience}000" "${@:2}" >"$work/config"
}

start_gateway() {               # BACKEND_PORT [LINE...]
    configure "$@"
    # shellcheck disable=SC2086
    start gateway $wrapper "$dir/retrofit-$version" "$work/config"
}

# The next line of an fd that matches a pattern, in $reply.
until_line() {                  # FD PATTERN
    local end=$((SECONDS + patience + 1)) seen=() status=0

    while ((SECONDS < end)); do
        read -r -t "$patience" -u "$1" reply || { status=$?; break; }
        # shellcheck disable=SC2053
        [[ $reply == $2 ]] && return
        seen+=("$reply")
    done
    ((status > 128)) || seen+=("its end")
    fail "waited in vain for '$2', and saw:${seen[*]/#/ | }"
}

# Reads an fd to its end, which must come.
until_end() {                   # FD
    local status

    while :; do
        read -r -t "$patience" -u "$1" reply
        status=$?
        ((status == 0)) && continue
        ((status > 128)) && fail "waited in vain for the end"
        return 0
    done
}

stop() {                        # NAME SIGNAL...
    local name=$1 pid=${1}_pid log=${1}_log signal

    shift
    for signal; do
        kill -s "$signal" "${!pid}" || fail "$name is gone"
    done
    finish "$name"
}

# Waits until a process ends, which it must with 0.
finish() {                      # NAME
    local pid=${1}_pid log=${1}_log status

    until_end "${!log}"
    wait "${!pid}"
    status=$?
    ((status == 0)) || fail "$1 ends with $status"
}

# Sets NAME to the fd of a new client.
dial() {                        # NAME [GREETING]
    local socket

    exec {socket}<>"/dev/tcp/127.0.0.1/$gateway_port" || fail "cannot connect"
    printf -v "$1" %s "$socket"
    expect "$socket" "+ ${2:-hello}"
}

hang_up() {                     # FD
    local fd=$1

    exec {fd}>&-
}

send() {                        # FD LINE...
    printf '%s\n' "${@:2}" >&"$1"
}

expect() {                      # FD PATTERN...
    local fd=$1 pattern

    for pattern in "${@:2}"; do
        read -r -t "$patience" -u "$fd" reply || fail "no line, not '$pattern'"
        # shellcheck disable=SC2053
        [[ $reply == $pattern ]] || fail "'$reply', not '$pattern'"
    done
}

expect_end() {                  # FD
    until_end "$1"
    [[ $reply == "" ]] || fail "'$reply' before the end"
}

# Asks until the gateway has no client but this one, nothing under way, and, if
# a number is given, so many fds open.  Sets n_fds.
until_alone() {                 # FD [FDS]
    local end=$((SECONDS + patience)) open

    while ((SECONDS < end)); do
        send "$1" STAT
        expect "$1" "STAT *"
        [[ $reply == "STAT clients=1 pending=0 "* ]] || continue
        open=(/proc/"$gateway_pid"/fd/*)
        n_fds=${#open[@]}
        ((n_fds == ${2:-n_fds})) && return
    done
    fail "something is left: $reply, ${n_fds:-?} fds of ${2:-?}"
}

# Call it first: what expect_idle expects.
note_idle() {
    local one

    dial one
    until_alone "$one"
    idle_fds=$n_fds
    hang_up "$one"
}

# All others have hung up, and the gateway has nothing left of them.
expect_idle() {
    local one

    dial one
    until_alone "$one" "$idle_fds"
    hang_up "$one"
}

now_ms() {
    local t=$EPOCHREALTIME

    echo $((${t/[.,]/} / 1000))
}
