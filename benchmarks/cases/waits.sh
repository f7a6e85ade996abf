#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
#
# The longest waits of a guest of four vCPUs on a busy host of two CPUs: cyclictest runs in the
# guest while the host traces its timers, wake-ups and switches. ../waits.py lists the longest
# waits of each round with their causes. `decisions` and `stats` of a round are pvschedd's.
# ./lab exec benchmarks/cases/waits.sh [ROUNDS [SECONDS [POLICY...]]], then
# python3 benchmarks/waits.py build/lab/out
default_policies="scx agent rr"
. "${0%/*}/lib.sh"
seconds=${2:-30} vcpus=4 buffer_kib=65536
policies=("${policies[@]:1}") # without EEVDF
tracing=/sys/kernel/tracing

setup() { guest g1 --vcpus $vcpus --no-driver; }
on() { policy_on "$policy" g1 || die "$why"; }
off() { policy_off "$policy" g1 || die "$why"; }

# trace_on TID...
trace_on() {
  local tid switch='' wake='' event
  for tid; do
    switch+=" || prev_pid == $tid || next_pid == $tid" wake+=" || pid == $tid"
  done
  echo mono >$tracing/trace_clock
  echo $buffer_kib >$tracing/buffer_size_kb
  echo >$tracing/trace
  echo "${switch# || }" >$tracing/events/sched/sched_switch/filter
  echo "${wake# || }" >$tracing/events/sched/sched_wakeup/filter
  # The vCPUs' timers, and the ticks that show a stall: other timers would fill the buffer.
  for event in hrtimer_start hrtimer_expire_entry; do
    echo "function.function == apic_timer_fn || function.function == tick_nohz_handler" \
      >$tracing/events/timer/$event/filter || die "the kernel cannot filter $event by function"
  done
  for event in sched/sched_{switch,wakeup} timer/hrtimer_{start,expire_entry}; do
    echo 1 >$tracing/events/$event/enable
  done
}

# trace_off FILE
trace_off() {
  echo 0 >$tracing/events/enable
  cat $tracing/trace >"$1"
  echo >$tracing/trace
}

one() {
  local tids
  mapfile -t tids < <(lab-guest threads g1)
  printf '%s\n' "${tids[@]}" >"$round/vcpus"
  start_load
  decisions=
  [ "$(kind_of "$policy")" != pvsched ] || { pvschedctl --json trace -s 0 >"$round/decisions" & decisions=$!; }
  trace_on "${tids[@]}"
  run_in g1 "$seconds" "$in_guest -t $vcpus -a" || { trace_off "$round/trace"; end_load; return 1; }
  trace_off "$round/trace"
  [ -z "$decisions" ] || { kill -INT "$decisions"; pvschedctl --json stats >"$round/stats"; }
  end_load || die "stress-ng failed: $(tail -1 "$round/work")"
  result_of g1 || return 1
  figure p99 "$(percentile 0.99 "$round/g1.json")"
  figure max "$(jq '[.thread[].max] | max' "$round/g1.json")"
}

compare
jq -rs 'group_by(.policy)[] | .[0].policy as $p | map(select(.figure == "max").value) | sort
  | "\($p): maxima of the rounds in us: \(join(", "))"' "$OUT/figures"
