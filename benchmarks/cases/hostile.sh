#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
#
# What a hostile guest costs the host and its neighbour. The VM "hostile" claims
# SCHED_FIFO 99 on both vCPUs permanently and spins, on a busy host, beside the VM
# "neighbour". pvschedd applies the caps for untrusted VMs. The base is the same with mode
# off for the hostile VM, so the cost of the neighbour's boosts is in both.
# ./lab exec benchmarks/cases/hostile.sh [ROUNDS [SECONDS [ACTUATOR]]].
base="mode off"
default_policies=agent
actuator=${3:-$default_policies}
. "${0%/*}/lib.sh"
seconds=${2:-20} budget=50 window=1000

mkdir -p /etc/pvsched
printf '[vm.hostile]\nbudget = %s\nmax-rt-prio = 1\n' $budget >/etc/pvsched/pvsched.toml

setup() {
  guest neighbour
  guest hostile --vcpus 2 --no-driver
  lab-guest exec hostile "insmod /hostile.ko mode=claim &&
    for cpu in 0 1; do taskset -c \$cpu sh -c 'while :; do :; done' >/dev/null 2>&1 & done" || die "hostile.ko does not load"
}

on() {
  policy_on "$actuator" || die "$why"
  [ "$policy" != eevdf ] || pvschedctl tunable set --vm hostile mode off >/dev/null || die "mode cannot be set for the hostile VM"
}
off() { policy_off "$actuator" || die "$why"; }

boosted_s() { jq '[.vcpus[] | select(.vm == "hostile") | .boosted_ns] | add / 1e9' <<<"$1"; }
# shellcheck disable=SC2046 # a list of threads
hostile_s() { cpu_s $(lab-guest threads hostile); }

one() {
  local stats used cpu start took host
  served 3 || return 1
  start_load
  # The time is read directly after each value: every program in between takes a second on a busy host.
  stats=$(pvschedctl --json stats) start=$EPOCHREALTIME cpu=$(hostile_s)
  used=$(boosted_s "$stats")
  $in_host -D "$seconds" --json="$round/host.json" >/dev/null &
  host=$!
  run_in neighbour "$seconds" || { end_load; stop $host; return 1; }
  wait $host || die "cyclictest failed"
  lab-guest pid hostile >/dev/null || { why="the hostile VM ended"; end_load; return 1; }
  stats=$(pvschedctl --json stats) took="($EPOCHREALTIME - $start)" cpu="($(hostile_s) - $cpu)"
  used="($(boosted_s "$stats") - $used)"
  end_load || die "stress-ng failed: $(tail -1 "$round/work")"
  result_of neighbour || return 1
  figure host.p99 "$(percentile 0.99 "$round/host.json")"
  figure work "$(work "$round/work")"
  figure neighbour.p99 "$(percentile 0.99 "$round/neighbour.json")"
  figure hostile.cpu "$(calc "$cpu / $took")"
  figure of-budget "$(calc "$used / $took / (2 * $budget / $window)")"
}

compare
report
echo "The hostile VM's boosted CPU time as a ratio to its budget ($budget of $window ms for each vCPU):" \
  "$(jq -s 'map(select(.figure == "of-budget" and .policy != "eevdf") | .value * 100 | round / 100)' -c "$OUT/figures")"
# The p99 of one round is noisy, as the emulator's late timers begin there. So percentiles of all rounds follow.
for side in host neighbour; do
  for fraction in 0.98 0.99 0.995; do
    bare=$(percentile $fraction "$OUT"/round-*-eevdf/$side.json)
    with=$(percentile $fraction "$OUT"/round-*-"$actuator"/$side.json)
    echo "$side, quantile $fraction over all rounds: $with us; $bare us with $base; ratio $(printf %.2f "$(calc "$with / $bare")")"
  done
done
