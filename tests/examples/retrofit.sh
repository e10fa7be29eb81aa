#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Puts the two versions of the gateway in examples/retrofit through the same
# conversations.
#
# EXAMPLES_DIR       where retrofit-callbacks, retrofit-converted and
#                    retrofit-backend are
# EXAMPLES_WRAPPER   optional: a command to run the gateway under
# EXAMPLES_PATIENCE  optional: seconds to wait for anything (20)
# RETROFIT_VERSIONS  optional: which versions, "callbacks converted"
#
# Nothing here sleeps: the script waits for lines that the programs print or
# for replies, and each wait has a limit.

# The tools set variables that are named in their arguments.
# shellcheck disable=SC2154

set -u
trap '' PIPE

dir=${EXAMPLES_DIR:?}
wrapper=${EXAMPLES_WRAPPER:-}
patience=${EXAMPLES_PATIENCE:-20}
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
passed=0
failed=0
# shellcheck source=retrofit-tools.sh
. "$(dirname "$0")/retrofit-tools.sh"

scenario_talk() {
    start_backend alpha
    start_gateway "$alpha_port"
    dial one
    send "$one" "GET k"
    expect "$one" "VALUE k alpha/k"
    send "$one" "GET k" "PUT k two words" "GET k" "GET no-k" "GET no-k"
    expect "$one" "VALUE k alpha/k" "STORED k" "VALUE k two words" \
        "MISS no-k" "MISS no-k"
    send "$one" "" "FROB" "GET" "GET k k" "PUT k" "STAT"
    expect "$one" "ERR empty command" "ERR bad command" "ERR bad command" \
        "ERR bad command" "ERR bad command" \
        "STAT clients=1 pending=0 cached=1 gets=5 puts=1 hits=2 errors=0 *"
    send "$one" QUIT
    expect "$one" BYE
    expect_end "$one"
    stop gateway TERM
    # Only what was not in the cache has reached the backend.
    until_line "$alpha_log" "heard: GET k"
    until_line "$alpha_log" "heard: *"
    until_line "$alpha_log" "heard: PUT k two words"
    until_line "$alpha_log" "heard: GET no-k"
    until_line "$alpha_log" "heard: *"
    until_line "$alpha_log" "heard: GET no-k"
}

scenario_pipelined() {
    local i requests=() replies=()

    start_backend alpha -q
    start_gateway "$alpha_port"
    note_idle
    for ((i = 0; i < 100; i++)); do
        requests+=("GET a$i" "PUT b$i v$i" "GET b$i")
        replies+=("VALUE a$i alpha/a$i" "STORED b$i" "VALUE b$i v$i")
    done
    dial one
    send "$one" "${requests[@]}" QUIT
    expect "$one" "${replies[@]}" BYE
    expect_end "$one"
    hang_up "$one"
    expect_idle
    stop gateway TERM
}

scenario_many_clients() {
    local i fd fds=()

    start_backend alpha -q -d 5
    start_gateway "$alpha_port"
    note_idle
    for ((i = 0; i < 40; i++)); do
        dial fd
        fds+=("$fd")
        send "$fd" "GET k$i" "GET l$i"
    done
    for ((i = 39; i >= 0; i--)); do
        expect "${fds[i]}" "VALUE k$i alpha/k$i" "VALUE l$i alpha/l$i"
        hang_up "${fds[i]}"
    done
    expect_idle
    stop gateway TERM
}

scenario_bytewise_backend() {
    start_backend alpha -d 1 -t
    start_gateway "$alpha_port"
    dial one
    send "$one" "GET k" "PUT k v"
    expect "$one" "VALUE k alpha/k" "STORED k"
    stop gateway TERM
}

scenario_cache_expires() {
    start_backend alpha
    start_gateway "$alpha_port" "ttl 1" "stats 1"
    dial one
    send "$one" "GET k"
    expect "$one" "VALUE k alpha/k"
    until_line "$gateway_log" "stats: clients=1 pending=0 cached=0 gets=1 *"
    send "$one" "GET k" STAT
    expect "$one" "VALUE k alpha/k" "STAT * hits=0 *"
    stop gateway TERM
}

# The client goes away while its request is at each stage.
client_leaves() {               # FAULT WHAT_THE_BACKEND_SAYS_THEN
    start_backend alpha -f "$1"
    start_gateway "$alpha_port"
    note_idle
    dial one
    send "$one" "GET k" "GET l"
    until_line "$alpha_log" "$2"
    hang_up "$one"
    until_line "$alpha_log" "gone: *"
    expect_idle
    stop gateway TERM
}

scenario_client_leaves_before_greeting() {
    client_leaves silent@greeting accepted
}

scenario_client_leaves_before_hello() {
    client_leaves silent@hello "heard: HELLO gateway"
}

scenario_client_leaves_before_reply() {
    client_leaves silent@reply "heard: GET k"
}

scenario_client_leaves_within_reply() {
    client_leaves half@reply "heard: GET k"
}

scenario_client_leaves_within_line() {
    start_backend alpha
    start_gateway "$alpha_port"
    note_idle
    dial one
    dial two
    printf 'GET ' >&"$one"
    hang_up "$one"
    until_alone "$two"
    send "$two" "GET k"
    expect "$two" "VALUE k alpha/k"
    hang_up "$two"
    expect_idle
    stop gateway TERM
}

scenario_line_too_long() {
    local long

    printf -v long '%5000s' ""
    start_backend alpha
    start_gateway "$alpha_port"
    note_idle
    dial one
    send "$one" "GET k" "GET ${long// /k}" "GET l"
    expect "$one" "VALUE k alpha/k" "ERR line too long"
    expect_end "$one"
    hang_up "$one"
    dial one
    printf '%s' "GET ${long// /k}" >&"$one"
    expect "$one" "ERR line too long"
    expect_end "$one"
    hang_up "$one"
    expect_idle
    stop gateway TERM
}

scenario_backend_away() {
    start_backend alpha
    start_gateway "$alpha_port"
    stop alpha TERM
    note_idle
    dial one
    send "$one" "GET k" "PUT k v" "STAT"
    expect "$one" "ERR backend refused" "ERR backend refused" \
        "STAT * cached=0 gets=1 puts=1 hits=0 errors=2 *"
    hang_up "$one"
    expect_idle
    stop gateway TERM
}

# The backend misbehaves at each stage; the reason is the client's reply.
backend_fails() {               # REASON FAULT...
    local reason=$1 fault

    for fault in "${@:2}"; do
        start_backend alpha -f "$fault"
        start_gateway "$alpha_port"
        note_idle
        dial one
        send "$one" "GET k" STAT "GET l" "PUT k v"
        expect "$one" "ERR $reason" "STAT * pending=0 cached=0 *" \
            "ERR $reason" "ERR $reason"
        hang_up "$one"
        expect_idle
        stop gateway TERM
        stop alpha TERM
    done
}

scenario_backend_resets() {
    backend_fails "backend reset" reset@greeting reset@hello reset@reply
}

scenario_backend_closes() {
    backend_fails "backend closed" close@greeting close@hello close@reply \
        cut@greeting cut@hello cut@reply
}

scenario_backend_speaks_nonsense() {
    backend_fails "backend speaks nonsense" garbage@greeting garbage@hello \
        garbage@reply
}

scenario_backend_line_too_long() {
    backend_fails "backend line too long" long@greeting long@hello long@reply
}

scenario_deadline_passes() {
    local fault began

    for fault in silent@greeting silent@hello silent@reply half@reply; do
        start_backend alpha -f "$fault"
        start_gateway "$alpha_port" "deadline 60"
        note_idle
        dial one
        began=$(now_ms)
        send "$one" "GET k"
        expect "$one" "ERR deadline passed"
        # libevent's own timers follow a clock of 4 ms.
        (($(now_ms) - began >= 50)) || fail "too early at $fault"
        until_line "$alpha_log" "gone: *"
        hang_up "$one"
        expect_idle
        stop gateway TERM
        stop alpha TERM
    done
}

reload() {                      # BACKEND_PORT [LINE...]
    configure "$@"
    kill -s HUP "$gateway_pid"
    until_line "$gateway_log" reloaded
}

scenario_reload_mid_request() {
    start_backend alpha -f hold@reply
    start_backend beta
    start_gateway "$alpha_port"
    dial one
    send "$one" "GET k" "GET l"
    until_line "$alpha_log" "heard: GET k"
    reload "$beta_port" "greeting welcome"
    dial two welcome
    send "$two" "GET k" STAT
    expect "$two" "VALUE k beta/k" "STAT clients=2 pending=1 cached=1 *"
    kill -s USR2 "$alpha_pid"
    expect "$one" "VALUE k alpha/k" "VALUE l beta/l"
    send "$two" "GET k"         # the late answer is not in the cache
    expect "$two" "VALUE k beta/k"
    stop gateway TERM
}

scenario_reload_of_a_bad_file() {
    start_backend alpha
    start_gateway "$alpha_port"
    dial one
    configure "$alpha_port" "deadline soon"
    kill -s HUP "$gateway_pid"
    until_line "$gateway_log" "config: bad value for 'deadline': 'soon'"
    rm "$work/config"
    kill -s HUP "$gateway_pid"
    until_line "$gateway_log" "config: cannot use *"
    until_line "$gateway_log" "config: cannot use *"
    send "$one" "GET k" STAT
    expect "$one" "VALUE k alpha/k" "STAT * reloads=0 *"
    stop gateway TERM
}

scenario_sigterm_idle() {
    start_backend alpha
    start_gateway "$alpha_port"
    dial one
    stop gateway TERM
    expect_end "$one"
}

scenario_sigterm_waits_for_a_reply() {
    start_backend alpha -f hold@reply
    start_gateway "$alpha_port"
    dial one
    dial two
    send "$one" "GET k" "GET l"
    until_line "$alpha_log" "heard: GET k"
    kill -s TERM "$gateway_pid"
    expect_end "$two"
    kill -s USR2 "$alpha_pid"
    expect "$one" "VALUE k alpha/k"
    expect_end "$one"
    finish gateway
}

scenario_sigterm_twice() {
    start_backend alpha -f silent@reply
    start_gateway "$alpha_port"
    dial one
    dial two
    send "$one" "GET k"
    until_line "$alpha_log" "heard: GET k"
    kill -s TERM "$gateway_pid"
    expect_end "$two"
    stop gateway TERM
    expect_end "$one"
    until_line "$alpha_log" "gone: *"
}

scenario_probe_flushes_the_cache() {
    start_backend alpha -q
    start_gateway "$alpha_port" "probe 5"
    until_line "$gateway_log" "backend up"
    until_line "$gateway_log" "backend epoch 1, cache flushed"
    dial one
    send "$one" "GET k" "GET k" STAT
    expect "$one" "VALUE k alpha/k" "VALUE k alpha/k" \
        "STAT * cached=1 * hits=1 * backend=up"
    kill -s USR1 "$alpha_pid"
    until_line "$gateway_log" "backend epoch 2, cache flushed"
    send "$one" STAT
    expect "$one" "STAT * cached=0 * backend=up"
    stop gateway TERM
}

scenario_probe_goes_down_and_up() {
    start_backend alpha -q
    start_gateway "$alpha_port" "probe 20" "retry 1" "deadline 200"
    until_line "$gateway_log" "backend up"
    dial one
    kill -s STOP "$alpha_pid"
    until_line "$gateway_log" "probe: deadline passed"
    until_line "$gateway_log" "backend down"
    send "$one" "GET k"
    expect "$one" "ERR backend down"
    kill -s CONT "$alpha_pid"
    until_line "$gateway_log" "backend up"
    stop gateway TERM
}

scenario_probe_faults() {
    local case

    for case in "reset@greeting:backend reset" "cut@pong:backend closed" \
        "garbage@greeting:backend speaks nonsense" \
        "garbage@pong:backend speaks nonsense" \
        "long@pong:backend line too long"; do
        start_backend alpha -q -f "${case%%:*}"
        start_gateway "$alpha_port" "probe 4" "retry 1"
        until_line "$gateway_log" "probe: ${case#*:}"
        until_line "$gateway_log" "backend down"
        stop gateway TERM
        stop alpha TERM
    done
}

scenario_probe_finds_nobody() {
    start_backend alpha
    start_backend beta
    stop alpha TERM
    start_gateway "$alpha_port" "probe 4" "retry 1"
    until_line "$gateway_log" "probe: backend refused"
    until_line "$gateway_log" "backend down"
    dial one
    reload "$beta_port" "probe 4" "retry 1"
    send "$one" "GET k" "GET k"
    expect "$one" "VALUE k beta/k" "VALUE k beta/k"
    until_line "$gateway_log" "backend up"
    stop gateway TERM
}

scenario_reload_mid_probe() {
    start_backend alpha -f silent@pong
    start_backend beta -q
    start_gateway "$alpha_port" "probe 1000"
    until_line "$alpha_log" "heard: PING"
    reload "$beta_port" "probe 1000"
    until_line "$alpha_log" "gone: *"
    until_line "$gateway_log" "backend up"
    stop gateway TERM
}

scenario_sigterm_mid_probe() {
    start_backend alpha -f silent@pong
    start_gateway "$alpha_port" "probe 1000"
    until_line "$alpha_log" "heard: PING"
    stop gateway TERM
    until_line "$alpha_log" "gone: *"
}

run() {                         # SCENARIO
    if (
        pids=()
        trap 'kill -s KILL "${pids[@]}" 2>/dev/null; wait' EXIT
        "scenario_$1"
        exit 0
    ) 2>"$work/errors"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAIL: $version: $1"
        grep -v Killed "$work/errors"
    fi
}

scenarios=$(compgen -A function scenario_)
for version in ${RETROFIT_VERSIONS:-callbacks converted}; do
    if ! [ -x "$dir/retrofit-$version" ]; then
        echo "FAIL: there is no $dir/retrofit-$version"
        failed=$((failed + 1))
        continue
    fi
    for scenario in $scenarios; do
        run "${scenario#scenario_}"
    done
done
echo "$passed passed, $failed failed"
((failed == 0 && passed > 0))
