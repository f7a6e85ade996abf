#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
#
# The scheduler enforces a cgroup's cpu.max like EEVDF.
. /lab/tests/lib.sh

need_scx
grep -q cgroup_set_bandwidth /sys/kernel/btf/vmlinux || skip "this kernel has no cgroup_set_bandwidth callback"
top=/sys/fs/cgroup
grep -qw cpu $top/cgroup.controllers 2>/dev/null || skip "the kernel has no cgroup v2 cpu controller"
echo +cpu >$top/cgroup.subtree_control
group=$top/pvsched-quota
mkdir -p $group
echo "20000 100000" >$group/cpu.max || fail "cpu.max cannot be set"

# loops COUNT: starts that many more busy loops in the cgroup, all on CPU 0.
loops() {
  for _ in $(seq "$1"); do
    host_spin 0
    echo $hog >$group/cgroup.procs || fail "the busy loop does not move to the cgroup"
  done
}
used_ms() { awk '$1 == "usage_usec" { printf "%d", $2 / 1000 }' $group/cpu.stat; }
# Ticks of the host's CPUs: a stalled emulator has few, an unenforced quota many.
ticks() { awk '$1 == "LOC:" { print $2 }' /proc/interrupts; }
# What else ran and what the scheduler knows of the quota.
print_state() {
  cat $scx/state $scx/root/events 2>&1
  ps -eLo tid,psr,stat,cls,rtprio,pcpu,comm | awk '$3 ~ /^R/'
  bpftool map dump name pvsched_.bss | grep -E 'throttle|refill|limited|parks|wake_at'
  cat $group/cpu.max /proc/$hog/cgroup
}
# has_share LOW HIGH WHEN: the cgroup's share of a CPU in %. Its mean counts: time used
# beyond the quota, as after a late tick, is paid back.
has_share() {
  local start used ticks elapsed share
  start=$(uptime_ms) used=$(used_ms) ticks=$(ticks)
  for _ in {1..10}; do
    sleep 3
    elapsed=$(($(uptime_ms) - start))
    share=$((($(used_ms) - used) * 100 / elapsed))
    echo "$share % of a CPU $3 in $elapsed ms, $(($(ticks) - ticks)) ticks"
    [ $share -lt "$1" ] || [ $share -gt "$2" ] || return 0
  done
  print_state
  fail "the cgroup has $share % of a CPU $3, not $1 to $2 %"
}
loops 1
has_share 14 28 "with a quota of 20 %, under EEVDF"
start_scx
has_share 14 28 "with a quota of 20 %, under the scheduler"
# All tasks wait for the same refill, and each is stopped by a tick.
loops 15
has_share 14 28 "with a quota of 20 % for 16 tasks"
# The quota is changed and removed while the scheduler runs.
echo "60000 100000" >$group/cpu.max
has_share 45 75 "after a change to 60 %"
echo max >$group/cpu.max
has_share 75 100 "without a quota"
scx_healthy
# As on PREEMPT_RT, which has no timer for the programs.
stop_pvschedd
echo "20000 100000" >$group/cpu.max
start_scx --scx-param bw-kernel-timer=0
has_share 14 28 "with a quota of 20 % and pvschedd's timer"
scx_healthy
