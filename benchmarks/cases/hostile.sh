#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# What a guest that lies costs the others: ./lab exec benchmarks/cases/hostile.sh
# [ROUNDS [SECONDS [ACTUATOR]]]. A stranger's VM claims SCHED_FIFO 99 on both vCPUs for
# ever and spins, on a busy host, beside a neighbour's VM, under pvsched with a
# stranger's caps. The base is the same without the stranger being listened to, so that
# its vCPUs are at EEVDF: what the neighbour's boosts cost the host is not the stranger's.
base="a stranger at EEVDF"
default_policies=agent
actuator=${3:-$default_policies}
. "${0%/*}/lib.sh"
seconds=${2:-20} budget=50 window=1000

mkdir -p /etc/pvsched
printf '[vm.stranger]\nbudget = %s\nmax-rt-prio = 1\n' $budget >/etc/pvsched/pvsched.toml

setup() {
  guest neighbour
  guest stranger --vcpus 2 --no-driver
  lab-guest exec stranger "insmod /hostile.ko mode=claim &&
    for cpu in 0 1; do taskset -c \$cpu sh -c 'while :; do :; done' >/dev/null 2>&1 & done" || die "hostile.ko does not load"
}

on() {
  policy_on "$actuator" || die "$why"
  [ "$policy" != eevdf ] || pvschedctl tunable set --vm stranger mode off >/dev/null || die "the stranger is listened to"
}
off() { policy_off "$actuator" || die "$why"; }

boosted_s() { jq '[.vcpus[] | select(.vm == "stranger") | .boosted_ns] | add / 1e9' <<<"$1"; }
# shellcheck disable=SC2046 # a list of threads
stranger_s() { cpu_s $(lab-guest threads stranger); }

one() {
  local stats used cpu start took host
  served 3 || return 1
  start_load
  # The time right after each reading: on a busy host every program in between takes a second.
  stats=$(pvschedctl --json stats) start=$EPOCHREALTIME cpu=$(stranger_s)
  used=$(boosted_s "$stats")
  $in_host -D "$seconds" --json="$round/host.json" >/dev/null &
  host=$!
  run_in neighbour "$seconds" || { end_load; stop $host; return 1; }
  wait $host || die "cyclictest failed"
  lab-guest pid stranger >/dev/null || { why="the stranger is gone"; end_load; return 1; }
  stats=$(pvschedctl --json stats) took="($EPOCHREALTIME - $start)" cpu="($(stranger_s) - $cpu)"
  used="($(boosted_s "$stats") - $used)"
  end_load || die "stress-ng failed: $(tail -1 "$round/work")"
  result_of neighbour || return 1
  figure host.p99 "$(percentile 0.99 "$round/host.json")"
  figure work "$(work "$round/work")"
  figure neighbour.p99 "$(percentile 0.99 "$round/neighbour.json")"
  figure stranger.cpu "$(calc "$cpu / $took")"
  figure of-budget "$(calc "$used / $took / (2 * $budget / $window)")"
}

compare
report
echo "The stranger's boosted CPU time, to what its budget ($budget of $window ms for each vCPU) allows:" \
  "$(jq -s 'map(select(.figure == "of-budget" and .policy != "eevdf") | .value * 100 | round / 100)' -c "$OUT/figures")"
# One round's p99 is often where the lateness of the emulator's timers begins, and differs.
for who in host neighbour; do
  for fraction in 0.98 0.99 0.995; do
    bare=$(percentile $fraction "$OUT"/round-*-eevdf/$who.json)
    with=$(percentile $fraction "$OUT"/round-*-"$actuator"/$who.json)
    echo "$who, $fraction of all wake-ups of all rounds: $with us, $(printf %.2f "$(calc "$with / $bare")") of $base's $bare"
  done
done
