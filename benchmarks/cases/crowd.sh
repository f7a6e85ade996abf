#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
#
# An overcommitted host: four guests of two vCPUs each. Three guests spin on every vCPU, and
# one has a periodic urgent task. Figures: the urgent guest's latency, and each guest's CPU
# time, for which EEVDF's share is the fair share.
# ./lab exec benchmarks/cases/crowd.sh [ROUNDS [SECONDS [POLICY...]]].
default_policies="scx agent"
. "${0%/*}/lib.sh"
seconds=${2:-20}
spinning="busy1 busy2 busy3"

# All policies use the same guests, which have the driver.
setup() {
  local guest
  for guest in urgent $spinning; do
    guest $guest --vcpus 2 --memory 160
  done
  for guest in $spinning; do
    lab-guest exec $guest "for cpu in 0 1; do taskset -c \$cpu sh -c 'while :; do :; done' >/dev/null 2>&1 & done" ||
      die "guest $guest does not spin"
  done
}

# Prints "GUEST TID" for each vCPU.
vcpus() {
  local guest tid tids
  for guest in urgent $spinning; do
    tids=$(lab-guest threads $guest) || return 1
    for tid in $tids; do echo "$guest $tid"; done
  done
}

# Prints "GUEST TID CPU-TIME" for each vCPU. It starts no program, as that takes a second on a busy host.
cpu_times() {
  local guest tid ns
  while read -r guest tid; do
    read -r ns _ <"/proc/$tid/schedstat" || return 1 # the guest ended
    echo "$guest $tid $ns"
  done <"$round/vcpus"
}

one() {
  local start took
  serves 8 || return 1
  vcpus >"$round/vcpus" || return 1
  sleep 1 # until the change of policy has settled
  start=$(now)
  cpu_times >"$round/before" || return 1
  run_in urgent "$seconds" || return 1
  cpu_times >"$round/after" || return 1
  took=$(calc "$(now) - $start")
  result_of urgent || return 1
  figure urgent.p50 "$(percentile 0.5 "$round/urgent.json")"
  figure urgent.p99 "$(percentile 0.99 "$round/urgent.json")"
  join -j 2 <(sort -k 2 "$round/before") <(sort -k 2 "$round/after") |
    awk -v took="$took" '{ used = ($5 - $3) / took / 1e9; sum[$2] += used
        if ($2 != "urgent" && (least == "" || used < least)) least = used }
      END { for (g in sum) print g ".cpu", sum[g]; print "least.vcpu", least }' | sort >"$round/cpu"
  while read -r name value; do figure "$name" "$value"; done <"$round/cpu"
}

compare
report
