#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# The driver comes and goes while urgent work runs: each time the threads are
# given back, and nothing is left over in pvschedd or the device.
. /lab/tests/lib.sh

start_pvschedd
use_pair
eventually 10 "pvschedd knows both threads" has_bound pair 2
one=$(thread pair 1)
spin pair 1
eventually 20 "vCPU 1's thread is boosted" is "$one" "RR - 8"
holdings pair >"$OUT/before"
for round in 1 2 3 4 5; do
  lab-guest exec pair 'rmmod pvsched' || fail "rmmod failed in round $round"
  expect "vCPU 1's thread in round $round" "$(params "$one")" "$ORDINARY"
  lab-guest exec pair 'insmod /pvsched.ko' || fail "insmod failed in round $round"
done
eventually 10 "pvschedd knows both threads" has_bound pair 2
eventually 20 "vCPU 1's thread is boosted" is "$one" "RR - 8"
holdings pair >"$OUT/after"
diff "$OUT/before" "$OUT/after" || fail "something leaked"
unspin pair
