#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# A guest that sleeps holds nothing; when it wakes it is known again.
. /lab/tests/lib.sh

start_pvschedd
lab-guest start sleeper --vcpus 2 || fail "the guest did not start"
eventually 10 "pvschedd knows both threads" has_bound sleeper 2
lab-guest exec sleeper 'grep -q mem /sys/power/state' || skip "the guest's machine has no S3"
lab-guest exec sleeper '(sleep 1; echo mem >/sys/power/state) >/dev/null 2>&1 &'
eventually 30 "pvschedd knows no thread" has_bound sleeper 0
eventually 30 "QEMU says it sleeps" holds 'qmp sleeper "{\"execute\":\"query-status\"}" | grep -q suspended'
qmp sleeper '{"execute":"system_wakeup"}' >"$OUT/wakeup"
eventually 60 "pvschedd knows both threads again" has_bound sleeper 2
spin sleeper 1
eventually 5 "vCPU 1's thread is boosted" is "$(thread sleeper 1)" "RR - 8"
