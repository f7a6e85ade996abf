#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
#
# While a real-time task runs in the guest, only the thread of its vCPU is SCHED_RR. When the
# task ends, the thread has its own parameters again.
. /lab/tests/lib.sh

start_pvschedd
use_pair
eventually 10 "pvschedd binds both vCPUs" has_bound pair 2
zero=$(thread pair 0) one=$(thread pair 1)
eventually 5 "vCPU 1's thread starts with default parameters" has_params "$one" "$DEFAULT_PARAMS"

# The guest's kernel migrates a running task with its stopper threads, which are not
# urgent. Critical sections are, so they are switched off here.
pvschedctl tunable set critical-rt-prio 0 >/dev/null || fail "tunable set"
boosts() { echo "$(vcpu pair 0 .boosts) $(vcpu pair 1 .boosts)"; }
spin pair 1 "-o 0"
sleep 1.5 # boosts for interrupts before the change end
before=$(boosts)
lab-guest exec pair 'for round in 1 2 3 4 5 6 7 8 9 10; do
    taskset -p 1 $(cat /tmp/spin) && usleep 20000 && taskset -p 2 $(cat /tmp/spin) && usleep 20000 || exit 1
  done >/dev/null' || fail "the guest does not migrate its task"
expect "boosts after the guest migrated a task" "$(boosts)" "$before"
unspin pair
pvschedctl tunable set critical-rt-prio 1 >/dev/null || fail "tunable set"

spin pair 1
eventually 5 "vCPU 1's thread is SCHED_RR 8" has_params "$one" "RR - 8"
eventually 5 "vCPU 0's thread keeps default parameters" has_params "$zero" "$DEFAULT_PARAMS"
unspin pair
eventually 10 "vCPU 1's thread has default parameters again" has_params "$one" "$DEFAULT_PARAMS"
