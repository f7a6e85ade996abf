# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
#
# The suite `overhead`, on an idle host. Case guest-1x1: hackbench in the guest, whose
# messages cause context switches and wake-ups; exits, interrupts and CPU time of a timer
# wake-up; the mean time of the BPF programs; memory. Case host: hackbench on the host.
# Results: hackbench (s), g1.json, counts.json, programs.json, memory.json.

overhead_setup() {
  if [ "$1" = host ]; then drop_guests; else use_guests "${1#*-}"; fi
}

# hackbench_in CMD...: runs hackbench by CMD and keeps its time.
hackbench_in() { "$@" | awk '/Time:/ { print $2; seen = 1 } END { exit !seen }' >"$round/hackbench"; }

overhead_measure() {
  if [ "$1" = host ]; then
    hackbench_in taskset -c 1 hackbench -p -T -g 1 -f 1 -l 200000 || wrong "hackbench failed on the host"
    return
  fi
  LAB_GUEST_TIMEOUT=120 hackbench_in lab-guest exec g1 'hackbench -p -T -g 1 -f 1 -l 100000' ||
    wrong "hackbench failed in the guest" || return 1
  cost_of_wakeups && { [ "$(kind_of "$policy")" != pvsched ] || { cost_of_programs && memory_of; }; }
}

# kvm_count NAME: a counter of KVM, summed over all VMs.
kvm_count() { cat "/sys/kernel/debug/kvm/$1" 2>/dev/null || echo null; }

cost_of_wakeups() {
  local tid names="exits irq_injections halt_wakeup host_state_reload" name before=() cpu
  tid=$(lab-guest threads g1)
  for name in $names; do before+=("$(kvm_count "$name")"); done
  cpu=$(cpu_s "$tid")
  latency_in g1 4 || wrong "cyclictest failed in the guest" || return 1
  cpu=$(calc "$(cpu_s "$tid") - $cpu")
  for name in $names; do
    jq -n --arg name "$name" --argjson before "${before[0]}" --argjson after "$(kvm_count "$name")" \
      'if $after == null then {} else {($name): ($after - $before)} end'
    before=("${before[@]:1}")
  done | jq -s --argjson cpu "$cpu" 'add + {cpu_s: $cpu}' >"$round/counts.json"
}

cost_of_programs() {
  sysctl -qw kernel.bpf_stats_enabled=1
  LAB_GUEST_TIMEOUT=60 lab-guest exec g1 "$in_guest -D 3" >/dev/null
  sysctl -qw kernel.bpf_stats_enabled=0
  bpftool -j prog list >"$round/programs.json"
}

rss_kib() { awk '/^VmRSS/ { print $2 }' "/proc/$1/status"; }

memory_of() {
  jq -n --argjson pvschedd "$(rss_kib "$daemon")" \
    --argjson device "$(rss_kib "$(cat /run/lab/guest/g1/device.pid)")" \
    --argjson maps "$(bpftool -j map list | jq '[.[].bytes_memlock] | add / 1024')" '$ARGS.named' >"$round/memory.json"
}
