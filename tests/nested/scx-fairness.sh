#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
#
# No ordinary task starves under the scheduler: neither a task bound to one CPU, nor an old task beside
# short-lived ones, nor a task whose CPU is preempted by RT, nor a host task beside busy vCPUs.
# Weights count if many tasks are queued.
. /lab/tests/lib.sh

need_scx

# used TID...: CPU time in ms.
used() { used_ns "$@" | awk '{ printf "%d\n", $1 / 1000000 }'; }

# beside_chains: the CPU time in ms that a busy task gets in 8 s beside four chains of
# processes. Each process forks its successor and exits within a slice.
beside_chains() {
  local before _
  host_spin 0-1
  for _ in 1 2 3 4; do
    # shellcheck disable=SC2016 # perl's variables
    perl -e 'my $end = time + 10; while (time < $end) { exit 0 if fork; for (1 .. 2000) { } }' &
  done
  sleep 1
  before=$(used "$hog")
  sleep 8
  beside_chains=$(($(used "$hog") - before))
  kill "$hog"
  eventually 10 "the chains end" holds '! pgrep -x perl'
}

beside_chains
by_eevdf=$beside_chains
start_scx
beside_chains
echo "a busy task beside four chains of short processes: $beside_chains ms in 8 s, $by_eevdf ms under EEVDF"
# A fork that left the parent's debt behind would make it 46 % instead of 69 %.
[ $((100 * beside_chains)) -ge $((57 * by_eevdf)) ] || fail "an old task starves beside short-lived tasks"

# Two tasks bound to CPU 0 run alone for a while, so the vtime of their queue advances.
bound=()
for _ in 1 2; do
  host_spin 0
  bound+=("$hog")
done
sleep 5
free=()
for _ in 1 2 3 4; do
  host_spin 0-1
  free+=("$hog")
done
before=$(used "${bound[@]}" "${free[@]}")
sleep 6
least=$(paste <(echo "$before") <(used "${bound[@]}" "${free[@]}") | awk '{ print $2 - $1 }' | sort -n | head -1)
# If all could run anywhere, each would get 2000 of 12000 ms.
echo "least CPU time of six busy tasks in 6 s: $least ms"
[ "$least" -ge 500 ] || fail "a task of another queue starves"
kill "${bound[@]}" "${free[@]}"

# By the kernel's weights the heavy tasks get 2864 / (2864 + 10 x 100) of each CPU.
heavy=() light=()
for _ in 1 2; do
  host_spin 0-1
  renice -n -15 -p "$hog" >/dev/null || fail "renice"
  heavy+=("$hog")
done
for _ in {1..20}; do
  host_spin 0-1
  light+=("$hog")
done
sum() { used "$@" | awk '{ s += $1 } END { print s }'; }
sleep 1
before_heavy=$(sum "${heavy[@]}") before_light=$(sum "${light[@]}")
sleep 8
used_heavy=$(($(sum "${heavy[@]}") - before_heavy)) used_light=$(($(sum "${light[@]}") - before_light))
share=$((100 * used_heavy / (used_heavy + used_light)))
echo "share of two busy tasks of nice -15 beside twenty of nice 0: $share %, 74 % by weight"
[ $share -ge 66 ] && [ $share -le 82 ] || fail "weights do not count if many tasks are queued"
kill "${heavy[@]}" "${light[@]}"

# A task preempted by the RT task on CPU 0 must move to CPU 1.
preempted=()
for _ in 1 2; do
  host_spin 0-1
  preempted+=("$hog")
done
sleep 1
host_spin 0 "-r 8"
mapfile -t shares < <(cpu_shares 6 "${preempted[@]}")
kill "$hog" "${preempted[@]}"
echo "shares of two busy tasks while RT holds one of two CPUs, in % of a CPU: ${shares[*]}"
for share in "${shares[@]}"; do
  [ "$share" -ge 25 ] || fail "a preempted task waits for the end of an RT task"
done

# The guest has interrupts and critical sections, and a task that migrates. It may have been booted for
# this test: the boot boost would give it more weight.
pvschedctl tunable set boot-time 0 >/dev/null || fail "tunable set"
use_pair
eventually 10 "pvschedd binds both vCPUs" has_bound pair 2
for _ in 1 2 3 4; do
  host_spin 0-1
  beside+=("$hog")
done
lab-guest exec pair 'busy() { taskset -c $1 sh -c "while :; do :; done" >/dev/null 2>&1 & echo $!; }
  one=$(busy 0) two=$(busy 1) moved=$(busy 0)
  sh -c "while :; do taskset -p 2 $moved; usleep 100000; taskset -p 1 $moved; usleep 100000; done" >/dev/null 2>&1 &
  echo $one $two $moved $! >/tmp/spin' || fail "the guest's busy loops did not start"
mapfile -t vcpus < <(lab-guest threads pair)
mapfile -t shares < <(cpu_shares 15 "${vcpus[@]}" "${beside[@]}")
echo "shares in 15 s, in % of a CPU: two busy vCPUs ${shares[*]:0:2}, four busy tasks ${shares[*]:2}"
for share in "${shares[@]:0:2}"; do
  for other in "${shares[@]:2}"; do
    [ $((4 * share)) -le $((5 * other)) ] || fail "a vCPU has $share % of a CPU for ordinary tasks, a host task $other %"
  done
done
unspin pair
scx_healthy
