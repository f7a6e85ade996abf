#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
#
# An urgent task of the guest waits for a vCPU that runs an ordinary task, and that the host has
# preempted: for a lock with priority inheritance, and for the answer to an IPI. The host boosts
# that vCPU, until the task waits no longer.
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

# vCPU 1 has had no urgent task lately, so no other interrupt boosts it. The next IPI is sent after
# the answer to the last one. No command runs in the guest meanwhile: it might wait for vCPU 1.
pvschedctl tunable set irq-rt-prio 8 >/dev/null || fail "tunable set"
lab-guest exec pair 'ipi-wait 4 20 >/tmp/ipis 2>&1 &' || fail "ipi-wait does not start"
sleep 2
before=$(vcpu pair 1 .boosts)
host_spin 1 "-f 1"
eventually 60 "vCPU 1 is boosted for the IPIs of an urgent task" holds '[ "$(vcpu pair 1 .boosts)" -ge $((before + 10)) ]'
kill -KILL "$hog"
eventually 20 "all IPIs are answered" lab-guest exec pair 'grep "20 IPIs are answered" /tmp/ipis'
