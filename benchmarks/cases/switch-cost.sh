#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
#
# switch-cost.sh TRIPS REPEATS POLICY...: the cost of context switches and wake-ups.
# ../switch_cost.py runs it on a host of one CPU whose clock advances by 1 ns for each
# instruction. Prints a line for each repetition, "counted POLICY CASE TRIPS SECONDS", and
# "missing POLICY REASON" for a policy that does not load. "loading POLICY" shows the progress.
# The cases:
#   alone    two processes pass a byte back and forth TRIPS times
#   waiting  the same, three times as often, beside $waiting computing tasks of nice 19
#   quota    alone, while another cgroup of the host has a cpu.max
#   idle-vm  alone, while a VM is registered and idle
#   wake     a vCPU's thread is woken, whose guest is urgent; three repetitions. It sleeps in its
#            VMM, where agent and kfunc see no wake-up, so these are not counted.
set -u
. policies.sh
trips=$1 repeats=$2 waiting=50 wakes=100 wake_repeats=3
group=/sys/fs/cgroup/pvsched-quota
shift 2

# count CASE TRIPS PROGRAM ARGUMENT...
count() {
  local i seconds
  for ((i = 0; i < repeats; i++)); do
    seconds=$("${@:3}") || { echo "switch-cost: $3 failed under $policy"; exit 1; }
    echo "counted $policy $1 $2 $seconds"
  done
}

# The kernel finishes in the background what the last step began.
settle() { sleep 1; }

quota_on() {
  echo +cpu >/sys/fs/cgroup/cgroup.subtree_control && mkdir "$group" && echo "20000 100000" >"$group/cpu.max" || exit 1
  sleep infinity &
  limited=$!
  echo $limited >"$group/cgroup.procs"
  settle
}

quota_off() {
  kill $limited
  wait $limited
  rmdir "$group" && echo -cpu >/sys/fs/cgroup/cgroup.subtree_control
}

# with_vm CMD...: runs CMD while a VM is idle. $served: an option of counted-vm.
with_vm() {
  local vm line
  exec 5< <(exec counted-vm idle $served)
  vm=$!
  read -r line <&5 || { echo "switch-cost: counted-vm failed under $policy"; exit 1; }
  settle
  "$@"
  kill $vm
  exec 5<&-
}

for policy; do
  echo "loading $policy"
  policy_on "$policy" || { echo "missing $policy $why"; continue; }
  [ "$policy" != scx ] || until [ "$(scx_state)" = enabled ]; do sleep 0.2; done
  served=
  [ "$(kind_of "$policy")" != pvsched ] || served=--served
  settle
  ping-pong $((trips / 4)) >/dev/null # a warm-up
  count alone "$trips" ping-pong "$trips"
  count waiting $((3 * trips)) ping-pong $((3 * trips)) --waiting $waiting
  quota_on
  count quota "$trips" ping-pong "$trips"
  quota_off 2>/dev/null
  with_vm count idle-vm "$trips" ping-pong "$trips"
  case $policy in
    agent | kfunc) ;;
    *) repeats=$wake_repeats count wake 1 counted-vm wake $wakes $served ;;
  esac
  if [ "$policy" = eevdf ]; then
    policy=rr repeats=$wake_repeats count wake 1 counted-vm wake $wakes --rr $rt_priority
  fi
  policy_off "$policy" || echo "missing $policy $why"
done
