#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Names and pages through completers, asked for with dig and curl.
set -u
# shellcheck source=tests/examples/tools.sh
. "$(dirname "$0")/tools.sh"
need dig curl

start 03-callback-to-future
http=$(expr "$line" : 'http port \([0-9]*\)')
dns=${line##* }

check "dig" 127.0.0.1 \
    "$(dig +short +time=10 +tries=1 -p "$dns" @127.0.0.1 here.test)"
check "curl" "here.test is 127.0.0.1 and says 200" \
    "$(curl -s -m 30 "http://127.0.0.1:$http/look?here.test")"
check "a name that nobody knows" "nowhere.test: No route to host" \
    "$(curl -s -m 30 "http://127.0.0.1:$http/look?nowhere.test")"

# Visits are taken one after the other; none is lost.
for i in 1 2 3 4 5 6 7 8; do
    curl -s -m 30 "http://127.0.0.1:$http/look?here.test" >"$dir/$i" &
    clients[i]=$!
done
wait "${clients[@]}"
check "eight at once" 8 "$(cat "$dir"/[1-8] | grep -c 'says 200')"

stop
check "SIGTERM: exit status" 0 "$status"
summary
