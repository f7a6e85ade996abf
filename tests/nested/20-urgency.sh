#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# While a real-time task runs in the guest, its vCPU's thread is real-time, and
# only that one; when the task ends, the thread is what it was.
. /lab/tests/lib.sh

start_pvschedd
use_pair
eventually 10 "pvschedd knows both threads" has_bound pair 2
zero=$(thread pair 0) one=$(thread pair 1)
eventually 5 "vCPU 1's thread is ordinary at first" is "$one" "$ORDINARY"

# A guest that moves a running task about does so by its CPUs' stoppers, which are no urgent work.
pvschedctl tunable set critical-rt-prio 0 >/dev/null || fail "tunable set"
boosts() { echo "$(vcpu pair 0 .boosts) $(vcpu pair 1 .boosts)"; }
spin pair 1 "-o 0"
sleep 1.5 # an interrupt may have brought urgent work before
before=$(boosts)
lab-guest exec pair 'for turn in 1 2 3 4 5 6 7 8 9 10; do
    taskset -p 1 $(cat /tmp/spin) && usleep 20000 && taskset -p 2 $(cat /tmp/spin) && usleep 20000 || exit 1
  done >/dev/null' || fail "the guest does not move its task"
expect "boosts of a guest that moved a task" "$(boosts)" "$before"
unspin pair
pvschedctl tunable set critical-rt-prio 1 >/dev/null || fail "tunable set"

spin pair 1
eventually 5 "vCPU 1's thread is SCHED_RR 8" is "$one" "RR - 8"
eventually 5 "vCPU 0's thread is ordinary meanwhile" is "$zero" "$ORDINARY"
unspin pair
eventually 10 "vCPU 1's thread is ordinary again" is "$one" "$ORDINARY"
