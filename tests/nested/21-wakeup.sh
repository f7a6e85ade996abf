#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# A task that wakes up every 10 ms is urgent anew each time: the host counts its
# boosts, and little CPU time is spent in them.
. /lab/tests/lib.sh

start_pvschedd
use_pair
eventually 10 "pvschedd knows both threads" has_bound pair 2
before=$(vcpu pair 0 .boosts)
lab-guest exec pair 'taskset -c 0 cyclictest --mlockall -q -p 8 --policy=rr -i 10000 -l 200' >"$OUT/cyclictest" ||
  fail "cyclictest failed"
after=$(vcpu pair 0 .boosts)
[ "$after" -gt "$before" ] || fail "no boost in 200 wake-ups ($before before, $after after)"
[ "$(vcpu pair 0 .boosted_ns)" -gt 0 ] || fail "no CPU time was counted while boosted"
eventually 10 "the thread is ordinary again" is "$(thread pair 0)" "$ORDINARY"
