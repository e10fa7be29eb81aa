# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash disable=SC2154
#
# Part of bench/run: everything that a clock tells. Contestants take turns
# within a round, and only ratios within a round are kept.

# open_all NAME...: starts a server for each; the same server may stand there
# twice under two names, of which the second ends in -again.
declare -A ports=() pids=()
open_all() {
    local name

    for name; do
        start "${name%-again}"
        ports[$name]=$port
        pids[$name]=$started
    done
}

close_all() {
    local name

    for name; do
        stop "${name%-again}" "${pids[$name]}"
    done
}

# rounds COUNT NAMES LOAD-OPTIONS...: interleaved, each round in random order.
# Leaves nanoseconds and trips per second, a line a round, in $work/time.NAME
rounds() {
    local count=$1 names=$2 name round

    shift 2
    rm -f "$work"/time.*
    for ((round = 0; round < count; round++)); do
        # shellcheck disable=SC2086
        for name in $(shuf -e $names); do
            load "${ports[$name]}" "$@" --server-pid "${pids[$name]}" |
                tr '=' ' ' | awk '{ print $8 / $2, $6 }' >> "$work/time.$name"
        done
    done
}

# ratio NAME COLUMN: the median of the ratios to libevent within a round.
ratio() {
    paste -d ' ' "$work/time.$1" "$work/time.libevent" |
        awk -v c="$2" '{ print $c / $(c + 2) }' | median |
        awk '{ printf "%.2f", $1 }'
}

cpu_case() {
    local row="CPU per trip / libevent, $1" name
    local names="${servers[*]} libevent-again"

    figure "$row" "$2"
    shift 2
    note "$row"
    rounds 31 "$names" "$@"
    for name in "${servers[@]}"; do
        cell "$row" "$name" "$(ratio "$name" 1)"
    done
    remark "$row" "report, A/A $(ratio libevent-again 1)"
}

section_cpu() {
    open_all "${servers[@]}" libevent-again
    cpu_case '50 connections, 64 B' 0.98 --connections 50 --trips 4000
    cpu_case '1 connection, 64 B' 1.03 --connections 1 --trips 3000
    cpu_case '50 connections, 16 KiB' 1.12 --connections 50 --size 16384 \
        --trips 1500
    close_all "${servers[@]}" libevent-again
}

throughput_case() {
    local row="trips per second, $1" name

    figure "$row" -
    shift
    note "$row"
    rounds 11 "${servers[*]}" "$@"
    for name in "${servers[@]}"; do
        cell "$row" "$name" \
            "$(cut -d ' ' -f 2 "$work/time.$name" | median)"
    done
    remark "$row" "report, $(ratio evfuture 2) of libevent"
}

# micro_ns OP...: the medians of seven runs of 0.2 s, interleaved.
micro_ns() {
    local op round
    local -A counts=()

    rm -f "$work"/ns.*
    for op; do
        counts[$op]=$("$bin/micro" "$op" 100000 | tr '=' ' ' |
            awk '{ printf "%.0f", 2e8 / ($6 + 1) }')
    done
    for ((round = 0; round < 7; round++)); do
        for op; do
            taskset -c "$cpu" "$bin/micro" "$op" "${counts[$op]}" |
                sed 's/.*ns=//' >> "$work/ns.$op"
        done
    done
}

section_throughput() {
    local op label twin tokio ns limit client_cpu

    client_cpu=$(processors | grep -vx "$cpu" | head -n 1 || true)
    open_all "${servers[@]}"
    throughput_case '50 connections, 64 B' --connections 50 --seconds 0.2
    throughput_case '50 connections, 16 KiB' --connections 50 --size 16384 \
        --seconds 0.2
    close_all "${servers[@]}"
    while IFS='|' read -r op label twin tokio ns limit; do
        note "$label, ns"
        figure "$label, ns" "$ns"
        # shellcheck disable=SC2046
        micro_ns $(printf '%s\n' "$op" "$twin" | grep -vx -- -)
        [[ $twin = - ]] ||
            cell "$label, ns" libevent "$(median < "$work/ns.$twin")"
        [[ $op = - ]] || cell "$label, ns" evfuture "$(median < "$work/ns.$op")"
    done < <(micro_rows)
}
