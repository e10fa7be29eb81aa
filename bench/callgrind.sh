# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash disable=SC2154
#
# Part of bench/run: everything that callgrind counts. A figure is the
# difference of two runs of different lengths over the difference in length, so
# what is done once cancels out.

# callgrind_server NAME CONNECTIONS TRIPS: leaves $work/NAME.CONNECTIONS.TRIPS
callgrind_server() {
    local out=$work/$1.$2.$3

    start "$1" valgrind --tool=callgrind --callgrind-out-file="$out" -q
    load "$port" --connections "$2" --trips "$3" > /dev/null
    stop "$1" "$started"
}

callgrind_micro() {
    valgrind --tool=callgrind --callgrind-out-file="$work/$1.$2" -q \
        "$bin/micro" "$1" "$2" > /dev/null
}

# callgrind_difference FROM TO SHORT LONG: instructions per trip.
callgrind_difference() {
    local short long

    short=$(awk '/^(summary|totals):/ { print $2; exit }' "$work/$1")
    long=$(awk '/^(summary|totals):/ { print $2; exit }' "$work/$2")
    calculate %.0f "($long - $short) / ($4 - $3)"
}

section_instructions() {
    local name count row

    need valgrind
    figure 'instructions per trip, 50 connections' 842
    figure 'instructions per trip, 1 connection' 1737
    for count in 50 1; do
        row="instructions per trip, $count connection"
        [[ $count = 1 ]] || row+=s
        for name in "${servers[@]}"; do
            note "instructions: $name, $count"
            callgrind_server "$name" "$count" "$short_trips"
            callgrind_server "$name" "$count" "$long_trips"
            cell "$row" "$name" "$(callgrind_difference \
                "$name.$count.$short_trips" "$name.$count.$long_trips" \
                "$short_trips" "$long_trips")"
        done
    done
    gate 'instructions per trip, 50 connections' 800
    gate 'instructions per trip, 1 connection' 1450
}

readonly short_count=10000 long_count=60000

# Operation and its name; what libevent would do instead; Tokio's instructions
# and ns; our limit, to which timers may add the reading of the clock.
micro_rows() {
    cat << 'ROWS'
spawn|spawn + complete|libevent-spawn|655|83|700
spawn-frame|spawn + complete, heap frame|-|-|-|-
yield|yield|libevent-yield|281|45|250
wake|wake to poll|-|-|-|140
ping-pong|ping-pong, two channels|libevent-ping-pong|1322|231|-
clock|reading of the clock|-|-|-|-
wait-10|wait on a fd above 10 others|libevent-wait-10|-|-|-
wait-1000|wait on a fd above 1,000|libevent-wait-1000|-|-|-
timer-early-10|timer before 10 others|libevent-timer-early-10|-|-|320
timer-early-1000|timer before 1,000|libevent-timer-early-1000|-|-|320
timer-early-100000|timer before 100,000|libevent-timer-early-100000|-|370|320
timer-late-10|timer after 10 others|libevent-timer-late-10|-|-|320
timer-late-1000|timer after 1,000|libevent-timer-late-1000|-|-|320
timer-late-100000|timer after 100,000|libevent-timer-late-100000|468|102|320
-|timer, common timeouts, 100,000|libevent-timer-common-100000|-|-|-
ROWS
}

micro_instructions() {
    callgrind_micro "$1" "$short_count"
    callgrind_micro "$1" "$long_count"
    callgrind_difference "$1.$short_count" "$1.$long_count" \
        "$short_count" "$long_count"
}

section_micro() {
    local op label twin tokio ns limit value least='' most=0 clock=0

    need valgrind
    while IFS='|' read -r op label twin tokio ns limit; do
        note "micro: $label"
        figure "$label, instructions" "$tokio"
        [[ $twin = - ]] ||
            cell "$label, instructions" libevent "$(micro_instructions "$twin")"
        [[ $op != - ]] || continue
        value=$(micro_instructions "$op")
        cell "$label, instructions" evfuture "$value"
        [[ $op != clock ]] || clock=$value
        [[ $op != timer-* ]] || limit=$((limit + clock))
        [[ $limit = - ]] || gate "$label, instructions" "$limit"
        [[ $op = timer-* ]] || continue
        [[ -n $least && $least -le $value ]] || least=$value
        [[ $most -ge $value ]] || most=$value
    done < <(micro_rows)
    figure 'timer, dearest of the six / cheapest' -
    cell 'timer, dearest of the six / cheapest' evfuture \
        "$(calculate %.2f "$most / $least")"
    gate 'timer, dearest of the six / cheapest' 1.5
}

# functions FILE: instructions, name and object of each function, one a line,
# tabs between. What was inlined into a function from other files has a line of
# its own, without the object.
functions() {
    callgrind_annotate --threshold=100 --show-percs=no --auto=no "$1" |
        awk '/^ *[0-9][0-9,]* / && !/PROGRAM TOTALS/ {
            n = $1
            gsub(",", "", n)
            sub(/^ *[0-9,]+ +/, "")
            object = ""
            if (match($0, / \[.*\]$/)) {
                object = substr($0, RSTART + 2, RLENGTH - 3)
                sub(/.*\//, "", object)
                $0 = substr($0, 1, RSTART - 1)
            }
            sub(/^[^:]*:/, "")
            print n "\t" $0 "\t" object
        }'
}

# print_profile TITLE SHORT LONG TRIPS
print_profile() {
    printf '\n%s\n%12s  %s\n' "$1" instructions function
    {
        functions "$work/$2" | sed 's/^/-/'
        functions "$work/$3"
    } | awk -F '\t' -v trips="$4" '
        {
            n[$2] += $1
            total += $1
            if ($3 != "")
                object[$2] = "[" $3 "]"
        }
        END {
            printf "%12.1f  all\n", total / trips
            for (f in n)
                if (n[f] / trips >= 0.5)
                    printf "%12.1f  %s %s\n", n[f] / trips, f, object[f]
        }' | sort -rg
}

section_profile() {
    local what=${1:-evfuture/50} name count

    need valgrind callgrind_annotate
    name=${what%/*}
    count=${what#"$name"}
    count=${count#/}
    if [[ -x $bin/echo-$name ]]; then
        note "profile: $what"
        callgrind_server "$name" "${count:=50}" "$short_trips"
        callgrind_server "$name" "$count" "$long_trips"
        print_profile "echo-$name, $count connection(s), per round trip" \
            "$name.$count.$short_trips" "$name.$count.$long_trips" \
            $((long_trips - short_trips))
    else
        callgrind_micro "$name" "$short_count"
        callgrind_micro "$name" "$long_count"
        print_profile "$name, per operation" "$name.$short_count" \
            "$name.$long_count" $((long_count - short_count))
    fi
}
