#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
#
# A real-time task of the guest that runs for less time than passes between two events of the
# host is urgent work: the vCPU halts boosted after it, and so wakes up boosted.
. /lab/tests/lib.sh

need_scx
start_scx
use_pair
eventually 10 "pvschedd binds both vCPUs" has_bound pair 2
expect "the feature in the guest" \
  "$(lab-guest exec pair 'grep -ow ran_urgent /sys/bus/pci/drivers/pvsched/0000:*/pvsched/features')" ran_urgent

# What the host saw at an earlier event does not count, and no other boost does.
for tunable in urgent-memory inject-hold critical-rt-prio; do
  pvschedctl tunable set $tunable 0 >/dev/null || fail "tunable set $tunable"
done
# wakeups normal|boosted: vCPU 1's wake-ups in this state.
wakeups() { pvschedctl --json stats | jq ".vcpus[] | select(.vm == \"pair\" and .vcpu == 1) | .wakeup_us.$1 | add"; }
normal=$(wakeups normal) boosted=$(wakeups boosted)
lab-guest exec pair 'cyclictest -q -t 1 -a 1 -p 8 --policy=rr -i 100000 -l 40 >/dev/null' || fail "cyclictest"
normal=$(($(wakeups normal) - normal)) boosted=$(($(wakeups boosted) - boosted))
echo "wake-ups: $boosted boosted, $normal not"
# On a loaded emulated host other events come between the task's work and the halt.
[ "$boosted" -ge 20 ] || fail "of 40 wake-ups for real-time work only $boosted were boosted"

for tunable in urgent-memory inject-hold critical-rt-prio; do
  pvschedctl tunable reset $tunable >/dev/null || fail "tunable reset $tunable"
done
scx_healthy
