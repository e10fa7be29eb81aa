#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Three clients chat; one of them stops reading, and is shown out.
set -u
# shellcheck source=tests/examples/tools.sh
. "$(dirname "$0")/tools.sh"

hear() { # FD: the next line
    local said

    IFS= read -r -t 30 said <&"$1" || said="(nothing)"
    printf '%s' "$said"
}

start 04-line-chat
port=${line##* }

exec 4<>"/dev/tcp/127.0.0.1/$port"
exec 5<>"/dev/tcp/127.0.0.1/$port"
check "the first hears the second" "2 comes in" "$(hear 4)"
printf 'hello\r\n' >&5
check "and what it says" "2 says: hello" "$(hear 4)"
printf 'good day\n' >&4
check "the second hears the first" "1 says: good day" "$(hear 5)"

# The third never reads. Whoever talks on is not held up by it.
exec 6<>"/dev/tcp/127.0.0.1/$port"
check "the third is heard of" "3 comes in" "$(hear 4)"
check "by both" "3 comes in" "$(hear 5)"
text=$(printf '%01000d' 7)
(
    for ((i = 0; i < 20000; i++)); do
        printf '%s\n' "$text"
    done >&5
) &
talker=$!
left=no
while IFS= read -r -t 30 line <&4; do
    case $line in
    '3 leaves') left=yes ;;
    '2 says: '*) heard=$((${heard-0} + 1)) ;;
    esac
    [ "${heard-0}" -eq 20000 ] && break
done
wait "$talker"
check "the talker is heard to the end" 20000 "${heard-0}"
check "who did not read has left" yes "$left"

exec 5>&-
check "the second leaves" "2 leaves" "$(hear 4)"
exec 4>&-
exec 6>&-
stop
check "SIGTERM: exit status" 0 "$status"
summary
