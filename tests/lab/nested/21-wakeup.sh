#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# A task that wakes up every 10 ms is urgent anew each time: the host counts its
# boosts, and little CPU time is spent in them.
. /lab/tests/lib.sh

start_pvschedd
lab-guest start cyclic || fail "the guest did not start"
eventually 10 "pvschedd knows the vCPU's thread" holds '[ "$(bound cyclic)" = 1 ]'
before=$(vcpu cyclic 0 .boosts)
lab-guest exec cyclic 'cyclictest --mlockall -q -p 8 --policy=rr -i 10000 -l 200' >"$OUT/cyclictest" ||
  fail "cyclictest failed"
after=$(vcpu cyclic 0 .boosts)
[ "$after" -gt "$before" ] || fail "no boost in 200 wake-ups ($before before, $after after)"
[ "$(vcpu cyclic 0 .boosted_ns)" -gt 0 ] || fail "no CPU time was counted while boosted"
eventually 10 "the thread is ordinary again" holds '[ "$(params "$(thread cyclic 0)")" = "$ORDINARY" ]'
