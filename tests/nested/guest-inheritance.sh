#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
#
# An ordinary task of the guest holds a lock with priority inheritance on a vCPU that the host
# has preempted. When an urgent task on the other vCPU waits for the lock, the host boosts the
# holder's vCPU, until the lock is released.
#
# lab: last test of a boot, because it changes limits of the host's scheduler.
. /lab/tests/lib.sh

start_pvschedd
use_pair
eventually 10 "pvschedd binds both vCPUs" has_bound pair 2
one=$(thread pair 1)
{ taskset -p -c 0 "$(thread pair 0)" && taskset -p -c 1 "$one"; } >/dev/null || fail "taskset"
# What the tasks' priorities ask for is the only reason of a boost.
for tunable in critical-rt-prio irq-rt-prio halt-rt-prio; do
  pvschedctl tunable set $tunable 0 >/dev/null || fail "tunable set $tunable"
done

lab-guest exec pair 'lock-inversion >/tmp/inversion 2>&1 & echo $! >/tmp/spin' || fail "lock-inversion does not start"
sleep 1.5 # boosts for interrupts before the change end
before=$(vcpu pair 1 .boosts)
# An RT task below the boost: vCPU 1 runs only while it is boosted.
let_rt_tasks_keep_cpu 1
host_spin 1 "-f 1"
eventually 60 "vCPU 1 is boosted for the task that waits for the lock" holds '[ "$(vcpu pair 1 .boosts)" -gt "$before" ]'
# The holder still computes. The kernel may not have switched to another task since.
eventually 20 "vCPU 1's thread has default parameters after the unlock" has_params "$one" "$DEFAULT_PARAMS"
kill -KILL "$hog"
eventually 20 "the urgent task gets the lock" lab-guest exec pair 'grep "has the lock" /tmp/inversion'
unspin pair
