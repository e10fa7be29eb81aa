#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# The chapter's sample prints what the chapter says.
set -u
# shellcheck source=tests/examples/tools.sh
. "$(dirname "$0")/tools.sh"

"$EXAMPLES_DIR/01-chapter" >"$dir/told"
check "exit status" 0 $?
check "socket 1" 1 "$(grep -cx 'Socket 1 is now READABLE' "$dir/told")"
check "socket 2" 1 "$(grep -cx 'Socket 2 is now WRITABLE' "$dir/told")"
check "SocketRead" "5 bytes: hello" "$(tail -n 1 "$dir/told")"

summary
