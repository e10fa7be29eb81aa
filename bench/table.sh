# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash disable=SC2154
#
# Part of bench/run: the table, and the limits.

figures=()
declare -A cells=()
failures=0

# figure NAME TOKIO: a new row.  What Tokio 1.24 reached on the same type of
# machine is a constant: it is not built here.
figure() {
    figures+=("$1")
    cells["$1|tokio"]=$2
}

cell() {
    cells["$1|$2"]=$3
}

remark() {
    cells["$1|remark"]="${cells["$1|remark"]:+${cells["$1|remark"]}, }$2"
}

# gate NAME LIMIT: evfuture's value in this row must not be above LIMIT.
gate() {
    local value=${cells["$1|evfuture"]:-}

    if [[ -z $value ]]; then
        remark "$1" "<= $2 NOT MEASURED"
        failures=$((failures + 1))
    elif awk "BEGIN { exit !($value <= $2) }"; then
        remark "$1" "<= $2 ok"
    else
        remark "$1" "<= $2 FAILED"
        failures=$((failures + 1))
    fi
}

print_table() {
    local format='%-46s %9s %9s %11s %9s %9s  %s\n'
    local row column line

    printf '\n%s, Linux %s, libevent %s\n\n' \
        "$(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1)" \
        "$(uname -r)" "$("$bin/micro" --version)"
    # shellcheck disable=SC2059
    printf "$format" figure epoll libevent bufferevent evfuture 'Tokio*' gate
    for row in "${figures[@]}"; do
        line=("$row")
        for column in "${servers[@]}" tokio; do
            line+=("${cells["$row|$column"]:--}")
        done
        # shellcheck disable=SC2059
        printf "$format" "${line[@]}" "${cells["$row|remark"]:-report}"
    done
    printf '\n* Tokio 1.24, current_thread, measured before on the same type'
    printf ' of machine; see README.md\n'
}
