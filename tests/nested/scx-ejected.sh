#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
#
# The scheduler's debug dump, and the kernel ends the scheduler: pvschedd continues in the
# same process with another actuator, and keeps the reason.
. /lab/tests/lib.sh

need_scx
tracing=/sys/kernel/tracing
dump_has() { grep -q "pvsched: $1" $tracing/trace; }

start_scx
use_pair
eventually 10 "pvschedd binds both vCPUs" has_bound pair 2
pid=$(pvschedd_pid)

echo 1 >$tracing/events/sched_ext/sched_ext_dump/enable
spin pair 1
echo D >/proc/sysrq-trigger
eventually 5 "the dump has the queues" dump_has 'llc=0 queued=[0-9]* urgent_queued='
eventually 5 "the dump has a CPU" dump_has 'urgency=.* lead='
eventually 5 "the dump has a task" dump_has 'clock=.* vruntime=.* weight='
echo 0 >$tracing/events/sched_ext/sched_ext_dump/enable
scx_healthy " after the dump"

echo S >/proc/sysrq-trigger
eventually 10 "the scheduler is disabled" scx_is disabled
# The restarted pvschedd first verifies its programs, which takes 10 s under emulation.
runs_agent() { [ "$(pvschedctl --json stats | jq -r .actuator.name)" = agent ]; }
eventually 90 "pvschedd continues with the agent" runs_agent
kill -0 "$pid" || fail "pvschedd is another process"
expect "the process's name" "$(cat "/proc/$pid/comm")" pvschedd
eventually 30 "pvschedd binds both vCPUs again" has_bound pair 2
reason=$(pvschedctl --json scheduler status | jq -r .last_exit.reason)
echo "reason: $reason"
echo "$reason" | grep -qi sysrq || fail "the exit record has the reason '$reason'"
eventually 5 "vCPU 1 is boosted without the scheduler" has_state pair 1 boosted
unspin pair
expect_guest_computes pair
stop_pvschedd || fail "pvschedd ended with status $?"

# A stall: an RT task keeps an ordinary task from its CPU for longer than the watchdog's
# 10 s, while nothing reserves CPU time for ordinary tasks. This error has a dump.
mountpoint -q /sys/kernel/debug || mount -t debugfs debugfs /sys/kernel/debug
servers=$(ls /sys/kernel/debug/sched/*_server/cpu1/runtime 2>/dev/null)
[ -n "$servers" ] || skip "the kernel has no debugfs entry for the reserve of ordinary tasks"
runtime=$(cat /proc/sys/kernel/sched_rt_runtime_us)
restore_reserve() {
  echo "$runtime" >/proc/sys/kernel/sched_rt_runtime_us
  for server in $servers; do echo 50000000 >"$server"; done
}

start_scx
for server in $servers; do echo 0 >"$server"; done
echo -1 >/proc/sys/kernel/sched_rt_runtime_us
host_spin 1 "-f 20"
rt_hog=$hog
host_spin 1
trap 'kill -KILL $hogs 2>/dev/null; restore_reserve' EXIT
# The end itself waits for RCU, and so for tasks behind the RT task: the RT task ends first.
eventually 60 "the kernel begins to end the scheduler" holds '! scx_is enabled'
kill -KILL "$rt_hog"
restore_reserve
eventually 60 "the scheduler is disabled by the stall" scx_is disabled
eventually 90 "pvschedd continues with the agent after the stall" runs_agent
pvschedctl --json scheduler status | jq -r '.last_exit | "\(.reason): \(.message)"' | tee "$OUT/reason"
grep -q stall "$OUT/reason" || fail "the exit record has another reason"
pvschedctl scheduler dump >"$OUT/dump" || fail "pvschedctl scheduler dump ended with $?"
grep -q 'pvsched: bindings=' "$OUT/dump" || fail "the exit's dump has no line of the scheduler"
