#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# pvschedd gives each thread the parameters it had, an admin's own included.
. /lab/tests/lib.sh

use_pair
one=$(thread pair 1)
renice -n 5 -p "$one" >/dev/null
start_pvschedd
eventually 10 "pvschedd knows both threads" has_bound pair 2
spin pair 1
eventually 5 "vCPU 1's thread is boosted" is "$one" "RR - 8"
stop_pvschedd TERM || fail "pvschedd's exit status is $?"
expect "vCPU 1's thread once pvschedd has stopped" "$(params "$one")" "TS 5 -"
expect "vCPU 0's thread once pvschedd has stopped" "$(params "$(thread pair 0)")" "$ORDINARY"
