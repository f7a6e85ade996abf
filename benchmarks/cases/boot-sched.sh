#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
#
# The scheduling of a small VM's boot on a busy host, one boot under EEVDF and one under each
# policy. $OUT/POLICY.trace.gz has the switches and wake-ups of all CPUs from before the exec
# of QEMU to its end; benchmarks/sched_trace.py converts it for Perfetto.
# ./lab exec benchmarks/cases/boot-sched.sh [POLICY...]
set -- 1 1 "${@:-scx}"
. "${0%/*}/lib.sh"

tracing=/sys/kernel/tracing/instances/boot-sched
# Of wake-ups only those of QEMU's threads: a busy host has thousands a second.
of_qemu='comm ~ "CPU*" || comm ~ "qemu*"'

trace_on() {
  local event
  mkdir -p $tracing
  echo 16384 >$tracing/buffer_size_kb
  for event in sched_wakeup sched_wakeup_new; do echo "$of_qemu" >$tracing/events/sched/$event/filter; done
  for event in sched_switch sched_wakeup sched_wakeup_new; do echo 1 >$tracing/events/sched/$event/enable; done
}

trace_off() {
  echo 0 >$tracing/tracing_on
  gzip -1 <$tracing/trace >"$OUT/$policy.trace.gz"
  rmdir $tracing
}

one() {
  local status=0
  start_load_for $((2 * boot_limit))
  trace_on
  pvsched-boot --json -- timeout "$boot_limit" lab-guest boot --append 'console=ttyS0 quiet' -- \
    -serial "file:$round/console" >"$round/boot.json" 2>"$round/boot.log" || status=1
  end_load # the trace's text takes an emulated host a minute
  trace_off
  figure "busy end" "$(jq '.commands[0].runs[0].ms.exec_to_end' "$round/boot.json")"
  return $status
}

compare
report
