#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
#
# An urgent vCPU preempts batch work before a service: the host's tasks rank by their nice value, and
# SCHED_IDLE has the lowest rank.
. /lab/tests/lib.sh

need_scx
[ "$(nproc)" = 2 ] || skip "the test wants a host of two CPUs"
start_scx
use_pair
eventually 10 "pvschedd binds both vCPUs" has_bound pair 2
pvschedctl tunable set budget 1000 >/dev/null || fail "tunable set"
mapfile -t vcpus < <(lab-guest threads pair)

# beside RANK-0 RANK-1: shares of a busy task on CPU 0 and one on CPU 1, with these chrt options, while
# an urgent vCPU wants one CPU. It begins on the CPU of the second task.
beside() {
  local first second
  host_spin 0 "$1"
  first=$hog
  host_spin 1 "$2"
  second=$hog
  taskset -p -c 1 "${vcpus[1]}" >/dev/null || fail "taskset"
  spin pair 1
  eventually 5 "vCPU 1 is boosted" has_state pair 1 boosted
  taskset -p -c 0-1 "${vcpus[1]}" >/dev/null || fail "taskset"
  # A busy vCPU keeps its CPU. It chooses a CPU when it wakes.
  unspin pair
  lab-guest exec pair 'chrt -r 8 taskset -c 1 sh -c "while :; do i=0; while [ \$i -lt 20000 ]; do i=\$((i + 1)); done; usleep 2000; done" >/dev/null 2>&1 & echo $! >/tmp/spin' ||
    fail "the guest's task did not start"
  sleep 1
  mapfile -t shares < <(cpu_shares 6 "$first" "$second" "${vcpus[1]}")
  unspin pair
  kill "$first" "$second"
}

beside "-i 0" "-o 0"
echo "shares in % of a CPU: SCHED_IDLE task ${shares[0]}, task of nice 0 ${shares[1]}, urgent vCPU ${shares[2]}"
[ "${shares[2]}" -ge 20 ] || fail "the urgent vCPU has only ${shares[2]} % of a CPU"
[ "${shares[0]}" -lt "${shares[1]}" ] || fail "the urgent vCPU preempts a service before batch work"
[ "${shares[1]}" -ge 75 ] || fail "the service has only ${shares[1]} % of its CPU beside batch work"
scx_healthy
