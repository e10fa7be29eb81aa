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
left=no
heard=0
for ((i = 0; i < 200; i++)); do
    for ((k = 0; k < 16; k++)); do
        printf '%s\n' "$text"
    done >&5
    for ((k = 0; k < 16; k++)); do
        case $(hear 4) in
        '3 leaves')
            left=yes
            k=$((k - 1))
            ;;
        "2 says: $text") heard=$((heard + 1)) ;;
        esac
    done
    [ "$left" = yes ] && break
done
check "who did not read has left" yes "$left"
check "nobody else missed a line" "$((16 * (i + 1)))" "$heard"
check "the talker hears it too" "3 leaves" "$(hear 5)"

exec 5>&-
check "the second leaves" "2 leaves" "$(hear 4)"
exec 4>&-
exec 6>&-
stop
check "SIGTERM: exit status" 0 "$status"
summary
