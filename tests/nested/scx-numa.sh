#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
#
# Two busy NUMA nodes are balanced: tasks that were bound 8:4 to the nodes have fair shares soon
# after they may run everywhere, though no CPU is ever idle.
# topology: sockets=2,cores=2,threads=2,numa
. /lab/tests/lib.sh

BALANCE_MAX_S=40    # from the end of the binding until the shares are fair
WINDOW_S=6          # of a measurement of the shares
GROUPS_LEAST=75     # the lesser of the nodes' mean shares, in % of the other; EEVDF has 80 and more
TASK_LEAST=50       # the least share of a task, in % of the mean

need_scx
expect "the host's nodes" "$(cat /sys/devices/system/node/online)" 0-1
expect "the CPUs of node 1" "$(cat /sys/devices/system/node/node1/cpulist)" 4-7
start_scx
chrt -f -p 60 $$ # the observer must run beside the busy loops

loops=()
for cpus in 0-3 0-3 0-3 0-3 0-3 0-3 0-3 0-3 4-7 4-7 4-7 4-7; do
  host_spin $cpus
  loops+=("$hog")
done
mapfile -t shares < <(cpu_shares 3 "${loops[@]}")
echo "shares while eight tasks are bound to node 0 and four to node 1, in % of a CPU: ${shares[*]}"
for hog in "${loops[@]}"; do taskset -p -c 0-7 "$hog" >/dev/null || fail "taskset"; done

# fair: prints the mean shares of the eight and of the four tasks, and the least of all. Its status is
# 0 if they are fair.
fair() {
  awk -v groups="$GROUPS_LEAST" -v task="$TASK_LEAST" '
    { sum[NR > 8] += $1; if (NR == 1 || $1 < least) least = $1 }
    END {
      first = sum[0] / 8; second = sum[1] / 4; mean = (sum[0] + sum[1]) / 12
      printf "mean of the eight %d, of the four %d, least of all %d\n", first, second, least
      lesser = first < second ? first : second; greater = first < second ? second : first
      exit !(100 * lesser >= groups * greater && 100 * least >= task * mean)
    }'
}

begun=$SECONDS
until mapfile -t shares < <(cpu_shares $WINDOW_S "${loops[@]}") && result=$(printf '%s\n' "${shares[@]}" | fair); do
  echo "not fair after $((SECONDS - begun)) s, in % of a CPU: ${shares[*]}: $result"
  [ $((SECONDS - begun)) -lt $BALANCE_MAX_S ] || fail "the nodes are not balanced after $BALANCE_MAX_S s: $result"
done
echo "fair after $((SECONDS - begun)) s, in % of a CPU: ${shares[*]}: $result"
scx_healthy
