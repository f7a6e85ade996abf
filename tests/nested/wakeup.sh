#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
#
# A real-time task that wakes up every 10 ms causes boosts, and the boosted CPU time is counted.
. /lab/tests/lib.sh

start_pvschedd
use_pair
eventually 10 "pvschedd binds both vCPUs" has_bound pair 2
before=$(vcpu pair 0 .boosts)
lab-guest exec pair 'taskset -c 0 cyclictest --mlockall -q -p 8 --policy=rr -i 10000 -l 200' >"$OUT/cyclictest" ||
  fail "cyclictest failed"
after=$(vcpu pair 0 .boosts)
[ "$after" -gt "$before" ] || fail "no boost in 200 wake-ups (.boosts was $before and is $after)"
[ "$(vcpu pair 0 .boosted_ns)" -gt 0 ] || fail "no boosted CPU time was counted"
eventually 10 "the thread has default parameters again" has_params "$(thread pair 0)" "$DEFAULT_PARAMS"
