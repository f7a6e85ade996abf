#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# pvschedd as the host's scheduler: a guest's urgent work gets its vCPU more than a fair
# share, only while it is urgent; another policy takes its place while it runs; EEVDF is
# back when pvschedd stops.
. /lab/tests/lib.sh

need_scx
start_scx
use_pair
eventually 10 "pvschedd knows both threads" has_bound pair 2
expect "the actuator" "$(pvschedctl --json stats | jq -r .actuator.name)" scx
pvschedctl tunable set budget 1000 >/dev/null || fail "tunable set"

# Four on one CPU, the vCPU and three of the host's own: 25 % is fair.
one=$(thread pair 1)
taskset -p -c 1 "$one" >/dev/null || fail "taskset"
for _ in 1 2 3; do host_spin 1; done
spin pair 1 "-o 0"
share=$(cpu_shares 5 "$one")
echo "ordinary work: $share %"
[ "$share" -ge 8 ] && [ "$share" -le 45 ] || fail "the vCPU has $share % of its CPU with ordinary work, not about 25 %"
unspin pair

spin pair 1
eventually 5 "vCPU 1 is boosted" holds '[ "$(vcpu pair 1 .state)" = boosted ]'
share=$(cpu_shares 5 "$one")
echo "urgent work: $share %"
[ "$share" -ge 60 ] || fail "the vCPU has only $share % of its CPU with urgent work"
unspin pair
eventually 10 "vCPU 1 is boosted no longer" holds '[ "$(vcpu pair 1 .state)" = normal ]'
scx_healthy ""

# One that does not know of tasks, then the default one again. Time for pvschedd to hear
# of a scheduler's end, if it takes it for one.
still_scx() {
  sleep 2
  expect "the actuator $1" "$(pvschedctl --json stats | jq -r .actuator.name)" scx
  expect "the scheduler $1" "$(cat $scx/state)" enabled
  expect "the scheduler's last end $1" "$(pvschedctl --json scheduler status | jq -r .last_end)" ""
}
pvschedctl policy load /lab/policies/critical_only.bpf.o || fail "the policy is refused"
still_scx "with another policy"
spin pair 1
sleep 2
expect "vCPU 1 under a policy that ignores tasks" "$(vcpu pair 1 .state)" normal
pvschedctl policy reset || fail "policy reset"
still_scx "with the default policy again"
eventually 5 "vCPU 1 is boosted by the default policy again" holds '[ "$(vcpu pair 1 .state)" = boosted ]'
unspin pair

stop_pvschedd TERM || fail "pvschedd's exit status is $?"
eventually 10 "the scheduler is gone" scx_is disabled
for id in 0 1; do expect "vCPU $id's thread" "$(params "$(thread pair $id)")" "$ORDINARY"; done
expect "what the guest computes" "$(lab-guest exec pair 'echo $((6 * 7))')" 42
