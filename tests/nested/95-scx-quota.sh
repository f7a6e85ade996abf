#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# A control group's quota of CPU time holds under the scheduler as it does under EEVDF.
. /lab/tests/lib.sh

need_scx
grep -q cgroup_set_bandwidth /sys/kernel/btf/vmlinux || skip "this kernel tells no scheduler of quotas"
top=/sys/fs/cgroup
grep -qw cpu $top/cgroup.controllers 2>/dev/null || skip "there are no control groups with the cpu controller"
echo +cpu >$top/cgroup.subtree_control
mkdir -p $top/pvsched-quota
echo "20000 100000" >$top/pvsched-quota/cpu.max || fail "the quota cannot be set"

# loops NUMBER: more of them in the group, all on CPU 0.
loops() {
  for _ in $(seq "$1"); do
    host_spin 0
    echo $hog >$top/pvsched-quota/cgroup.procs || fail "the busy loop does not move into the group"
  done
}
used_ms() { awk '$1 == "usage_usec" { printf "%d", $2 / 1000 }' $top/pvsched-quota/cpu.stat; }
# The ticks tell a CPU that had none from a quota that does not hold.
ticks() { awk '$1 == "LOC:" { print $2 }' /proc/interrupts; }
# Who else runs, and what the scheduler knows: what it takes to say why.
tell() {
  cat $scx/state $scx/root/events 2>&1
  ps -eLo tid,psr,stat,cls,rtprio,pcpu,comm | awk '$3 ~ /^R/'
  bpftool map dump name pvsched_.bss | grep -E 'pvs_(limited|parks|wake_at)'
  cat $top/pvsched-quota/cpu.max /proc/$hog/cgroup
}
# In the long run: what a group used too much, as after a tick that was late, it owes.
# has_share LOW HIGH WHEN
has_share() {
  local start=$(uptime_ms) used=$(used_ms) had=$(ticks) took share
  for _ in {1..5}; do
    sleep 6
    took=$(($(uptime_ms) - start))
    share=$((($(used_ms) - used) * 100 / took))
    [ $share -lt "$1" ] || [ $share -gt "$2" ] || return 0
    echo "$share % of a CPU $3 in $took ms, $(($(ticks) - had)) ticks"
  done
  tell
  fail "the group has $share % of a CPU $3, not $1 to $2"
}
loops 1
has_share 14 28 "with a quota of 20 %, under EEVDF"
start_scx
has_share 14 28 "with a quota of 20 %, under the scheduler"
# All of them wait for the same moment, and each stops at a tick.
loops 15
has_share 14 28 "with a quota of 20 % for many tasks"
# One that is set, and one that is lifted, while the scheduler runs.
echo "60000 100000" >$top/pvsched-quota/cpu.max
has_share 45 75 "after a change to 60 %"
echo max >$top/pvsched-quota/cpu.max
has_share 75 100 "without a quota"
scx_healthy ""
