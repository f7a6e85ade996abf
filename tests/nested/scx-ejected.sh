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
eventually 5 "the dump has the queues" dump_has 'bindings=[1-9].* urgent_queued='
eventually 5 "the dump has a CPU" dump_has 'urgency=.* deadline='
eventually 5 "the dump has a task" dump_has 'vruntime=.* weight='
echo 0 >$tracing/events/sched_ext/sched_ext_dump/enable
scx_healthy " after the dump"

echo S >/proc/sysrq-trigger
eventually 10 "the scheduler is disabled" scx_is disabled
actuator_is_not_scx() { [ "$(pvschedctl --json stats | jq -r .actuator.name)" != scx ]; }
eventually 60 "pvschedd runs with another actuator" actuator_is_not_scx
kill -0 "$pid" || fail "pvschedd is another process"
eventually 10 "pvschedd binds both vCPUs again" has_bound pair 2
reason=$(pvschedctl --json scheduler status | jq -r .last_exit.reason)
echo "reason: $reason"
echo "$reason" | grep -qi sysrq || fail "the exit record has the reason '$reason'"
eventually 5 "vCPU 1 is boosted without the scheduler" has_state pair 1 boosted
unspin pair
expect_guest_computes pair
stop_pvschedd || fail "pvschedd ended with status $?"
