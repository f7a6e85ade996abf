#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
#
# What an admin changes during a boost persists: scheduling parameters, affinity, cgroup.
. /lab/tests/lib.sh

start_pvschedd
use_pair
eventually 10 "pvschedd binds both vCPUs" has_bound pair 2
one=$(thread pair 1)
spin pair 1
eventually 5 "vCPU 1's thread is boosted" has_params "$one" "RR - 8"

taskset -p -c 1 "$one" >/dev/null || fail "taskset"
renice -n 0 -p "$one" >/dev/null
group=/sys/fs/cgroup/pvsched-test
mkdir -p $group
echo "$(lab-guest pid pair)" >$group/cgroup.procs || fail "the VM does not move to the cgroup"
sleep 1
eventually 5 "vCPU 1's thread is boosted in its cgroup, on its CPU" has_params "$one" "RR - 8"
unspin pair
eventually 10 "vCPU 1's thread has default parameters again" has_params "$one" "$DEFAULT_PARAMS"
expect "its affinity" "$(taskset -p -c "$one" | sed 's/.*: //')" 1
expect "its cgroup" "$(cut -d: -f3 "/proc/$(lab-guest pid pair)/task/$one/cgroup")" /pvsched-test
echo "$(lab-guest pid pair)" >/sys/fs/cgroup/cgroup.procs
rmdir $group || fail "a task remains in the cgroup"

spin pair 1
eventually 5 "vCPU 1's thread is boosted" has_params "$one" "RR - 8"
chrt --fifo -p 20 "$one"
unspin pair
sleep 1
expect "vCPU 1's thread after an admin's chrt" "$(params "$one")" "FF - 20"
lab-guest exec pair 'rmmod pvsched' || fail "rmmod failed"
expect "vCPU 1's thread after rmmod of the driver" "$(params "$one")" "FF - 20"
