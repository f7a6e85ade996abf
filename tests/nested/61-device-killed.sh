#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# A pvsched-device that is killed leaves its VM running, at its own priority.
. /lab/tests/lib.sh

start_pvschedd
lab-guest start solo || fail "the guest did not start"
eventually 10 "pvschedd knows the thread" has_bound solo 1
zero=$(thread solo 0)
lab-guest exec solo "chrt -r 8 sh -c 'for i in 1 2 3 4 5 6 7 8 9; do usleep 500000; done' >/dev/null 2>&1 &
  chrt -r 5 sh -c 'end=\$((\$(date +%s) + 8)); while [ \$(date +%s) -lt \$end ]; do :; done' >/dev/null 2>&1 &" ||
  fail "the busy task did not start"
eventually 5 "the thread is boosted" is "$zero" "RR - 5"
kill -KILL "$(cat /run/lab/guest/solo/device.pid)"
eventually 5 "the thread is ordinary" is "$zero" "$ORDINARY"
eventually 5 "pvschedd forgets the VM" holds '[ "$(pvschedctl --json vm list | jq length)" = 0 ]'
expect "what the guest computes" "$(lab-guest exec solo 'echo $((6 * 7))')" 42
