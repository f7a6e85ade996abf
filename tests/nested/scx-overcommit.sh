#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
#
# Two boosted vCPUs per CPU share the CPUs: none starves, the host's own task does not starve, and
# slices are long enough to limit context switches.
. /lab/tests/lib.sh

need_scx
start_scx
urgent=$((2 * $(nproc)))
# vCPU 0 stays free for the guest's other tasks.
lab-guest start overcommit --vcpus $((urgent + 1)) || fail "the guest did not start"
eventually 20 "pvschedd binds all vCPUs" has_bound overcommit $((urgent + 1))
busy_cpus=$(seq -s ' ' "$urgent")

switches() { awk '/^ctxt/ { print $2 }' /proc/stat; }
# switches_during CMD...: context switches per second; CMD's output goes to $OUT/shares.
switches_during() {
  local before start
  before=$(switches) start=$(uptime_ms)
  "$@" >"$OUT/shares"
  echo $((($(switches) - before) * 1000 / ($(uptime_ms) - start)))
}

host_spin 0
mapfile -t threads < <(lab-guest threads overcommit | sed 1d)
spin overcommit "$busy_cpus" "-o 0"
before=$(switches_during cpu_shares 5 "${threads[@]}" "$hog")
echo "ordinary tasks: $before switches/s, shares in % of a CPU: $(paste -sd" " "$OUT/shares")"
unspin overcommit

# The observer must run even if ordinary tasks starve.
chrt -f -p 60 $$
spin overcommit "$busy_cpus" "-r 8"
for id in $(seq $urgent); do
  eventually 10 "vCPU $id is boosted" holds "[ \"\$(vcpu overcommit $id .boosts)\" -gt 0 ]"
done
after=$(switches_during cpu_shares 8 "${threads[@]}" "$hog")
echo "urgent tasks: $after switches/s, shares in % of a CPU: $(paste -sd" " "$OUT/shares")"
unspin overcommit
[ "$after" -le $((4 * before + 1000)) ] || fail "$after context switches/s with urgent tasks, $before with ordinary tasks"
mapfile -t shares <"$OUT/shares"
for id in $(seq $urgent); do
  # The fair share is 50 %.
  [ "${shares[id - 1]}" -ge 10 ] || fail "vCPU $id has ${shares[id - 1]} % of a CPU"
done
[ "${shares[urgent]}" -ge 1 ] || fail "the host's busy loop has ${shares[urgent]} % of a CPU"
scx_healthy " at the end"
