#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
#
# On a PREEMPT_RT host an urgent vCPU is boosted by each actuator, and a cgroup's cpu.max holds
# under the scheduler, whose timer is pvschedd's there.
#
# host-kernel: rt
. /lab/tests/lib.sh

grep -q PREEMPT_RT /proc/version || fail "the host's kernel is not PREEMPT_RT: $(cat /proc/version)"

# boosts ACTUATOR: an urgent vCPU is boosted while its task is urgent.
boosts() {
  expect "the actuator" "$(pvschedctl --json stats | jq -r .actuator.name)" "$1"
  eventually 30 "pvschedd binds both vCPUs under $1" has_bound pair 2
  spin pair 1
  eventually 10 "vCPU 1 is boosted under $1" has_state pair 1 boosted
  unspin pair
  eventually 10 "vCPU 1's boost ends under $1" has_state pair 1 normal
}

start_pvschedd
use_pair
boosts agent
stop_pvschedd

need_scx
start_scx
boosts scx

top=/sys/fs/cgroup
echo +cpu >$top/cgroup.subtree_control
mkdir -p $top/pvsched-quota
echo "20000 100000" >$top/pvsched-quota/cpu.max || fail "cpu.max cannot be set"
host_spin 0
echo $hog >$top/pvsched-quota/cgroup.procs || fail "the busy loop does not move to the cgroup"
sleep 1
echo 1 >/proc/sys/kernel/bpf_stats_enabled
share=$(cpu_shares 10 $hog)
# Other work of a CPU that is not quite idle ends the throttling, too, though later.
fired=$(bpftool -j prog show name pvs_bw_timer | jq '[.. | objects | .run_cnt // empty] | add // 0')
echo 0 >/proc/sys/kernel/bpf_stats_enabled
echo "pvschedd's timer fired $fired times in 10 s, with a period of 100 ms"
[ "$fired" -ge 50 ] || fail "pvschedd's timer fired $fired times in 10 s"
echo "share of a CPU with a quota of 20 %: $share %"
[ "$share" -ge 12 ] && [ "$share" -le 30 ] || fail "the cgroup has $share % of a CPU, its quota is 20 %"
scx_healthy
