#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
#
# pvschedd as the host's scheduler: a vCPU gets more than its fair share only while its guest's task
# is urgent, policies are replaced while the scheduler runs, and EEVDF is back when pvschedd stops.
. /lab/tests/lib.sh

need_scx
start_scx
# The guest may have been booted for this test: the boot boost would give it more weight.
pvschedctl tunable set boot-time 0 >/dev/null || fail "tunable set"
use_pair
eventually 10 "pvschedd binds both vCPUs" has_bound pair 2
expect "the actuator" "$(pvschedctl --json stats | jq -r .actuator.name)" scx
pvschedctl tunable set budget 1000 >/dev/null || fail "tunable set"

# The vCPU and three busy loops of the host share CPU 1: the fair share is 25 %.
one=$(thread pair 1)
taskset -p -c 1 "$one" >/dev/null || fail "taskset"
for _ in 1 2 3; do host_spin 1; done
spin pair 1 "-o 0"
share=$(cpu_shares 5 "$one")
echo "share with an ordinary task: $share %"
[ "$share" -ge 8 ] && [ "$share" -le 45 ] || fail "the vCPU has $share % of its CPU with an ordinary task, not about 25 %"
unspin pair

spin pair 1
eventually 5 "vCPU 1 is boosted" has_state pair 1 boosted
share=$(cpu_shares 5 "$one")
echo "share with an urgent task: $share %"
[ "$share" -ge 60 ] || fail "the vCPU has only $share % of its CPU with an urgent task"
unspin pair
eventually 10 "vCPU 1's boost ends" has_state pair 1 normal
scx_healthy

# Replace the policy: critical_only ignores tasks. pvschedd gets 2 s to notice a scheduler
# exit, if there is one.
still_scx() {
  sleep 2
  expect "the actuator $1" "$(pvschedctl --json stats | jq -r .actuator.name)" scx
  expect "the scheduler's state $1" "$(cat $scx/state)" enabled
  expect "the scheduler's last exit $1" "$(pvschedctl --json scheduler status | jq -r .last_end)" ""
}
pvschedctl policy load /lab/policies/critical_only.bpf.o || fail "policy load"
still_scx "with another policy"
spin pair 1
sleep 2
expect "vCPU 1's state under a policy that ignores tasks" "$(vcpu pair 1 .state)" normal
pvschedctl policy reset || fail "policy reset"
still_scx "with the default policy again"
eventually 5 "the default policy boosts vCPU 1 again" has_state pair 1 boosted
unspin pair

stop_pvschedd TERM || fail "pvschedd's exit status is $?"
eventually 10 "the scheduler is disabled" scx_is disabled
for id in 0 1; do expect "vCPU $id's thread" "$(params "$(thread pair $id)")" "$DEFAULT_PARAMS"; done
expect_guest_computes pair
