#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# The echo server against real clients: socat over TCP and Unix sockets, a limit
# on connections, an idle timeout, and SIGTERM with and without a connection.
set -u
# shellcheck source=tests/examples/tools.sh
. "$(dirname "$0")/tools.sh"
need socat

serve() { # ARGUMENTS...
    start 02-echo-server "$@"
    port=${line##* }
}

serve --port 0
check "an echo" "hello, loop" \
    "$(printf 'hello, loop' | timeout 30 socat -t 10 - "TCP:127.0.0.1:$port")"
head -c 3000000 /dev/urandom >"$dir/data"
timeout 60 socat -t 10 - "TCP:127.0.0.1:$port" <"$dir/data" >"$dir/back"
check "three megabytes" same "$(cmp "$dir/data" "$dir/back" && echo same)"
stop
check "SIGTERM: exit status" 0 "$status"
check "SIGTERM: last word" drained "$line"

serve --unix "$dir/socket"
check "the Unix socket's name" "listening on $dir/socket" "$line"
check "an echo over it" "hello" \
    "$(printf hello | timeout 30 socat -t 10 - "UNIX:$dir/socket")"
stop
check "SIGTERM: exit status" 0 "$status"
check "the name is gone" no "$([ -e "$dir/socket" ] && echo yes || echo no)"

# The second client is served when the first has gone.
serve --max-connections 1
exec 4<>"/dev/tcp/127.0.0.1/$port"
printf first >&4
IFS= read -r -t 30 -N 5 got <&4
check "the first of one connection" first "$got"
exec 5<>"/dev/tcp/127.0.0.1/$port"
printf second >&5
IFS= read -r -t 0.3 -N 6 got <&5
check "the second waits" "" "$got"
exec 4>&-
IFS= read -r -t 30 -N 6 got <&5
check "the second is served" second "$got"
exec 5>&-
stop
check "SIGTERM: exit status" 0 "$status"

# A client that sends nothing is shown the door.
serve --idle-timeout 100
check "the idle client sees the end" "" \
    "$(timeout 30 socat -u "TCP:127.0.0.1:$port" - </dev/null 2>/dev/null)"
stop
check "SIGTERM: exit status" 0 "$status"

# A connection that is open when SIGTERM comes may still finish.
serve
exec 4<>"/dev/tcp/127.0.0.1/$port"
printf before >&4
IFS= read -r -t 30 -N 6 got <&4
kill -TERM "$pid"
printf after >&4
IFS= read -r -t 30 -N 5 got <&4
check "draining goes on serving" after "$got"
exec 4>&-
ended
check "and ends with the connection" 0 "$status"

"$EXAMPLES_DIR/02-echo-server" --port nonsense >/dev/null 2>"$dir/err"
check "a port that does not parse" 1 $?

summary
