#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# What an admin does to a boosted thread stays: scheduling parameters, affinity,
# the control group.
. /lab/tests/lib.sh

start_pvschedd
use_pair
eventually 10 "pvschedd knows both threads" has_bound pair 2
one=$(thread pair 1)
spin pair 1
eventually 5 "vCPU 1's thread is boosted" is "$one" "RR - 8"

taskset -p -c 1 "$one" >/dev/null || fail "taskset"
renice -n 0 -p "$one" >/dev/null
mkdir -p /sys/fs/cgroup/pvsched-test
echo "$(lab-guest pid pair)" >/sys/fs/cgroup/pvsched-test/cgroup.procs || fail "the VM does not move into the group"
sleep 1
eventually 5 "vCPU 1's thread is boosted in its group, on its CPU" is "$one" "RR - 8"
unspin pair
eventually 10 "vCPU 1's thread is ordinary again" is "$one" "$ORDINARY"
expect "its affinity" "$(taskset -p -c "$one" | sed 's/.*: //')" 1
expect "its group" "$(cut -d: -f3 "/proc/$(lab-guest pid pair)/task/$one/cgroup")" /pvsched-test
echo "$(lab-guest pid pair)" >/sys/fs/cgroup/cgroup.procs
rmdir /sys/fs/cgroup/pvsched-test || fail "something is left in the group"

spin pair 1
eventually 5 "vCPU 1's thread is boosted" is "$one" "RR - 8"
chrt --fifo -p 20 "$one"
unspin pair
sleep 1
expect "vCPU 1's thread after an admin's chrt" "$(params "$one")" "FF - 20"
lab-guest exec pair 'rmmod pvsched' || fail "rmmod failed"
expect "and after the driver is gone" "$(params "$one")" "FF - 20"
