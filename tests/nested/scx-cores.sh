#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
#
# Tasks leave a core whose other CPU is busy, and small CPUs, as soon as better CPUs are idle. With
# urgent-sibling a core's other CPU idles while an urgent vCPU runs, or runs its VM's vCPUs, and the
# starvation guard serves the tasks that wait for it.
# topology: sockets=2,cores=2,threads=2,numa
. /lab/tests/lib.sh

need_scx

# The observer must run beside the busy loops. The guest's threads would inherit its class.
preempt_all() { chrt -f -p 60 $$ || fail "chrt"; }
preempt_none() { chrt -o -p 0 $$ || fail "chrt"; }

# cpus_of TID...: the CPU of each task, at one moment as far as possible.
cpus_of() { awk '{ sub(/.*\) /, ""); print $37 }' "${@/*//proc/&/stat}"; }
end() {
  kill -KILL "$@"
  wait "$@" 2>/dev/null
}

# observe_from CPU: this script's processes, which preempt all others, run there.
observe_from() { taskset -p -c "$1" $$ >/dev/null || fail "taskset"; }

# busy_core FIRST LAST CPUS: busy loops that may use a node's CPUs, FIRST to LAST, run on the two
# given ones and nowhere else in the node. Sets `kept` to them.
busy_core() {
  local loops=() cpus i
  for i in {1..4}; do
    host_spin "$1-$2"
    loops+=("$hog")
  done
  eventually 10 "each CPU of the node has a busy loop" holds "[ \$(cpus_of ${loops[*]} | sort -u | wc -l) = 4 ]"
  mapfile -t cpus < <(cpus_of "${loops[@]}")
  kept=()
  for i in {0..3}; do
    [[ " $3 " != *" ${cpus[i]} "* ]] || { kept+=("${loops[i]}") && unset "loops[i]"; }
  done
  end "${loops[@]}"
}

# idle_and_shares CPU SECONDS TID...: sets `idle` to the CPU's idle time and `shares` to the CPU time of
# each task, in %.
idle_of() { awk -v cpu="cpu$1" '$1 == cpu { print $5 + $6 }' /proc/stat; }
idle_and_shares() {
  local before start
  before=$(idle_of "$1") start=$(uptime_ms)
  mapfile -t shares < <(cpu_shares "${@:2}")
  idle=$((($(idle_of "$1") - before) * 1000 / ($(uptime_ms) - start)))
}
counted() { pvschedctl --json scheduler status | jq ".counts.$1"; }

# vCPU 1 is urgent on CPU 6. Busy loops fill the host, and one is bound to the core's other CPU.
urgent_beside_load() {
  preempt_none
  use_pair
  eventually 20 "pvschedd binds both vCPUs" has_bound pair 2
  preempt_all
  taskset -p -c 6 "$(thread pair 1)" >/dev/null || fail "taskset"
  spin pair 1
  for _ in {1..12}; do host_spin 0-7; done
  host_spin 7
  bound_loop=$hog
  eventually 10 "vCPU 1 is boosted" has_state pair 1 boosted
  sleep 1
}
stop_load() {
  unspin pair
  # shellcheck disable=SC2086 # a list of processes
  end $hogs
  hogs=
}

start_scx --small-cpus 2-3 --scx-param urgent-sibling=2

# cores_used: how many cores the two busy loops use.
cores_used() { cpus_of "${kept[@]}" | awk '{ print int($1 / 2) }' | sort -u | wc -l; }
preempt_all
observe_from 0
busy_core 4 7 "4 5"
eventually 5 "two busy loops on one core move to two" holds '[ "$(cores_used)" = 2 ]'
end "${kept[@]}"
observe_from 7
busy_core 0 3 "2 3"
eventually 5 "two busy loops on small CPUs move to CPU 0 and 1" holds '[ "$(cpus_of "${kept[@]}" | sort | tr -d "\n")" = 01 ]'
end "${kept[@]}"
observe_from 0-7
hogs=
[ "$(counted upgraded)" -ge 3 ] || fail "fewer than three moves were counted"

urgent_beside_load
idle_and_shares 7 4 "$bound_loop"
echo "beside an urgent vCPU its core's other CPU idles $idle %; a task bound to it has ${shares[0]} %"
# The starvation guards of both CPUs act in turns, each for one or two ticks after 50 ms.
[ "$idle" -ge 45 ] || fail "a CPU idles $idle % beside an urgent vCPU, not 65 or more"
[ "${shares[0]}" -ge 1 ] || fail "a task bound to a held CPU starves"
unspin pair
spin pair 1 "-o 0"
idle_and_shares 7 3 "$bound_loop"
echo "beside an ordinary vCPU it idles $idle %"
[ "$idle" -le 20 ] || fail "a CPU idles $idle % beside an ordinary vCPU"
[ "$(counted held)" -gt 0 ] || fail "no hold was counted"
stop_load
scx_healthy " with urgent-sibling=2"
lab-guest exec pair 'rmmod pvsched' || fail "rmmod failed"
stop_pvschedd || fail "pvschedd's end"
preempt_none

start_scx --scx-param urgent-sibling=1
urgent_beside_load
taskset -p -c 7 "$(thread pair 0)" >/dev/null || fail "taskset"
lab-guest exec pair 'taskset -c 0 sh -c "while :; do :; done" >/dev/null 2>&1 & echo $! >>/tmp/spin'
sleep 1
idle_and_shares 7 4 "$(thread pair 0)" "$bound_loop"
echo "beside vCPU 1, vCPU 0 has ${shares[0]} %, a busy loop of the host ${shares[1]} % of CPU 7"
# Both would have half of it, or less.
[ "${shares[0]}" -ge 55 ] || fail "vCPU 0 has ${shares[0]} % of the core's other CPU, not 66 or more"
[ "${shares[1]}" -ge 1 ] || fail "a task bound to the held CPU starves"
stop_load
scx_healthy " with urgent-sibling=1"
