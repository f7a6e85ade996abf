#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
#
# The kernel keeps the scheduler under stress: racing affinity changes, CPU hot-plug, real-time hogs and
# reloads, with an urgent task in a guest. Takes 40 s, or LAB_STRESS_SECONDS.
. /lab/tests/lib.sh

need_scx
phase=$((${LAB_STRESS_SECONDS:-40} / 5))

stress() { stress-ng "$@" --timeout $phase --temp-path /var/tmp --quiet || fail "stress-ng $*: exit status $?"; }
aggressive() { stress --aggressive -c 2 -f 1 --affinity 1 --affinity-delay 1 --affinity-pin; }
races() { stress --race-sched 2 --sleep 1 --sleep-max 256; }

allowed_cpus() { awk '/^Cpus_allowed_list/ { print $2 }' "/proc/$1/status"; }

# Busy tasks bound to CPU 1 wait for it when it goes offline. A scheduler without hot-plug
# callbacks is unregistered by the kernel, and pvschedd must load it again.
hotplug() {
  local cpu=/sys/devices/system/cpu/cpu1/online bound=() begun
  for _ in 1 2 3; do
    host_spin 1
    eventually 10 "a busy task is bound to CPU 1" holds '[ "$(allowed_cpus $hog)" = 1 ]'
    bound+=("$hog")
  done
  while [ $SECONDS -lt $end ]; do
    begun=$SECONDS
    echo 0 >$cpu || fail "CPU 1 does not go offline"
    [ $((SECONDS - begun)) -le 5 ] || fail "CPU 1 took $((SECONDS - begun)) s to go offline"
    sleep 0.3
    echo 1 >$cpu || fail "CPU 1 does not come online"
    # The kernel has widened the affinity of tasks that were bound to it.
    for hog in "${bound[@]}"; do taskset -p -c 1 "$hog" >/dev/null || fail "taskset"; done
    sleep 0.3
  done
  kill -KILL "${bound[@]}"
  eventually 20 "the scheduler is enabled after hot-plug" scx_is enabled
  scx_seq=$(cat $scx/enable_seq)
}

# The hog pauses every 3 s: an endless hog starves tasks under EEVDF, too.
hog() {
  while [ $SECONDS -lt $end ]; do
    host_spin 1 "-f 50"
    sleep 3
    kill -KILL $hog
    sleep 0.5
  done
}

reload() {
  stress-ng --cpu 2 --fork 1 --timeout $phase --quiet &
  local busy=$!
  while [ $SECONDS -lt $end ]; do
    stop_pvschedd TERM || fail "pvschedd's exit status is $?"
    start_scx
  done
  wait $busy
}

start_scx
use_pair
eventually 10 "pvschedd binds both vCPUs" has_bound pair 2
spin pair 1
for what in aggressive races hotplug hog reload; do
  end=$((SECONDS + phase))
  $what
  scx_healthy " after $what"
  echo "$what: done after $SECONDS s"
done
lab-guest pid pair >/dev/null || fail "the guest has ended: $(tail -n 3 /run/lab/guest/pair/{console,qemu}.log)"
eventually 30 "both vCPUs are bound at the end" has_bound pair 2
eventually 20 "vCPU 1 is boosted at the end" holds '[ "$(vcpu pair 1 .boosts)" -gt 0 ]'
unspin pair
expect_guest_computes pair
scx_healthy " at the end"
