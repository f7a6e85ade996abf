# SPDX-License-Identifier: Apache-2.0
#
# The suite `latency`: cyclictest in the guests and on the host at once. A case is
# busy-GUESTSxVCPUS or idle-GUESTSxVCPUS. Leaves host.json, GUEST.json, guest_cpu (what
# the vCPUs took: seconds of CPU time, and of how many), and, where the host is busy, work:
# stress-ng's metrics.

latency_setup() { use_guests "${1#*-}"; }

vcpu_s() {
  # shellcheck disable=SC2046 # a list of threads
  cpu_s $(for g in "${guests[@]}"; do lab-guest threads "$g"; done)
}

latency_measure() {
  local kind=${1%%-*} vcpus=${1##*x} jobs=() from before host job g status=0
  [ "$kind" = idle ] || start_load
  from=$(now) before=$(vcpu_s)
  $in_host --json="$round/host.json" >/dev/null 2>"$round/host.err" &
  host=$!
  for g in "${guests[@]}"; do
    run_in "$g" "$seconds" "$in_guest -t $vcpus -a" &
    jobs+=($!)
  done
  for job in "${jobs[@]}"; do wait "$job" || status=1; done
  [ $status = 0 ] || why="the guest's measurement did not come to its end"
  echo "$(calc "$(vcpu_s) - $before") $(calc "$(now) - $from")" >"$round/guest_cpu"
  stop $host || wrong "cyclictest failed on the host: $(tail -1 "$round/host.err")" || status=1
  [ "$kind" = idle ] || end_load || wrong "stress-ng failed: $(tail -1 "$round/work")" || status=1
  for g in "${guests[@]}"; do
    [ $status != 0 ] || result_of "$g" || wrong "the guest did not hand its measurement out" || status=1
  done
  return $status
}
