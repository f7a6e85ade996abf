# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
#
# The suite `numa`, on a host of 8 CPUs with SMT in two nodes: $numa_loops busy loops, which may
# run on every CPU, and cyclictest in a guest. The case busy-GUESTSxVCPUS names the guests.
# Results: GUEST.json; switches (three numbers of lab-switches: switches to vCPUs, those onto
# another CPU than the last, those onto another node); shares (the CPU time of each loop, in s).

numa_setup() { use_guests "${1#*-}"; }

numa_measure() {
  local vcpus=${1##*x} vcpu_threads loops=() before=() i g status=0
  mapfile -t vcpu_threads < <(for g in "${guests[@]}"; do lab-guest threads "$g"; done)
  for ((i = 0; i < numa_loops; i++)); do
    sh -c 'while :; do :; done' &
    loops+=($!)
  done
  sleep 3 # until the loops have their places
  for i in "${loops[@]}"; do before+=("$(cpu_s "$i")"); done
  lab-switches start "${vcpu_threads[@]}"
  for g in "${guests[@]}"; do
    run_in "$g" "$seconds" "$in_guest -t $vcpus -a" || wrong "the guest's measurement did not complete" || status=1
  done
  lab-switches stop >"$round/switches"
  for ((i = 0; i < numa_loops; i++)); do
    calc "$(cpu_s "${loops[i]}") - ${before[i]}"
  done >"$round/shares"
  kill "${loops[@]}"
  wait "${loops[@]}" 2>/dev/null
  for g in "${guests[@]}"; do
    [ $status != 0 ] || result_of "$g" || wrong "the guest did not return its measurement" || status=1
  done
  return $status
}
