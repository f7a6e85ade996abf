# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
#
# The suite `latency`: cyclictest runs in the guests and on the host at the same time. A case
# is busy-GUESTSxVCPUS or idle-GUESTSxVCPUS. Results: host.json, GUEST.json, guest_cpu (two
# numbers: the vCPUs' CPU time and the elapsed time, in s), and on a busy host work
# (stress-ng's metrics).

latency_setup() { use_guests "${1#*-}"; }

latency_measure() {
  local kind=${1%%-*} vcpus=${1##*x} jobs=() vcpu_threads from before host job g status=0
  mapfile -t vcpu_threads < <(for g in "${guests[@]}"; do lab-guest threads "$g"; done)
  [ "$kind" = idle ] || start_load
  from=$(now) before=$(cpu_s "${vcpu_threads[@]}")
  $in_host --json="$round/host.json" >/dev/null 2>"$round/host.err" &
  host=$!
  for g in "${guests[@]}"; do
    run_in "$g" "$seconds" "$in_guest -t $vcpus -a" &
    jobs+=($!)
  done
  for job in "${jobs[@]}"; do wait "$job" || status=1; done
  [ $status = 0 ] || why="the guest's measurement did not complete"
  echo "$(calc "$(cpu_s "${vcpu_threads[@]}") - $before") $(calc "$(now) - $from")" >"$round/guest_cpu"
  kill $host 2>/dev/null # it has measured; on a busy host it then writes for seconds
  [ "$kind" = idle ] || end_load || wrong "stress-ng failed: $(tail -1 "$round/work")" || status=1
  wait $host || wrong "cyclictest failed on the host: $(tail -1 "$round/host.err")" || status=1
  for g in "${guests[@]}"; do
    [ $status != 0 ] || result_of "$g" || wrong "the guest did not return its measurement" || status=1
  done
  return $status
}
