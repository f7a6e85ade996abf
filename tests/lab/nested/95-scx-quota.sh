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

host_spin 0
echo $hog >$top/pvsched-quota/cgroup.procs || fail "the busy loop does not move into the group"
about_20() { [ "$2" -ge 14 ] && [ "$2" -le 28 ] || fail "a group with a quota of 20 % has $2 % of a CPU $1"; }
about_20 "under EEVDF" "$(cpu_shares 4 $hog)"
start_scx
about_20 "under the scheduler" "$(cpu_shares 6 $hog)"
# One that is set, and one that is lifted, while the scheduler runs.
echo "60000 100000" >$top/pvsched-quota/cpu.max
share=$(cpu_shares 4 $hog)
[ "$share" -ge 45 ] && [ "$share" -le 75 ] || fail "after a change to 60 % it has $share %"
scx_healthy ""
