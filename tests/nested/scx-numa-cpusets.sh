#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
#
# No task is lost on a host of two nodes: tasks in cpusets run on after changes of their cpuset, and
# after CPUs and a whole node went offline.
# topology: sockets=2,cores=2,threads=2,numa
. /lab/tests/lib.sh

PROGRESS_MAX_S=20   # within which every task has run after a change

need_scx
top=/sys/fs/cgroup
echo +cpuset >$top/cgroup.subtree_control || skip "the kernel has no cgroup v2 cpuset controller"
start_scx
chrt -f -p 60 $$ # the observer must run beside the busy loops

# cpuset NAME CPUS
cpuset() {
  mkdir -p "$top/pvsched-$1"
  echo "$2" >"$top/pvsched-$1/cpuset.cpus" || fail "the cpuset of $1 cannot be $2"
}

loops=()
# spin_in NAME COUNT: starts busy loops in a cgroup.
spin_in() {
  for _ in $(seq "$2"); do
    host_spin 0-7
    echo $hog >"$top/pvsched-$1/cgroup.procs" || fail "a busy loop does not move to $1"
    loops+=("$hog")
  done
}

# all_run WHEN: every task gets CPU time soon.
all_run() {
  local task ns i before=() end=$((SECONDS + PROGRESS_MAX_S))
  for task in "${loops[@]}"; do
    read -r ns _ <"/proc/$task/schedstat"
    before+=("$ns")
  done
  for i in "${!loops[@]}"; do
    while read -r ns _ <"/proc/${loops[i]}/schedstat" && [ "$ns" -le "${before[i]}" ]; do
      [ $SECONDS -lt $end ] || fail "task ${loops[i]} has not run for $PROGRESS_MAX_S s $1"
      sleep 0.2
    done
  done
  scx_healthy " $1"
  echo "all tasks run $1, $SECONDS s"
}

# online VALUE CPU...: sets CPUs online or offline.
online() {
  local cpu
  for cpu in "${@:2}"; do echo "$1" >"/sys/devices/system/cpu/cpu$cpu/online" || fail "CPU $cpu: online $1"; done
}

cpuset zero 0-3
cpuset one 4-7
cpuset across 3-4
spin_in zero 5
spin_in one 5
spin_in across 2
for cpus in 1 6 0-7; do host_spin $cpus; loops+=("$hog"); done
all_run "in its cpuset"

cpuset one 6
all_run "after its cpuset became one CPU"
cpuset one 0-1
all_run "after its cpuset moved to the other node"
cpuset one 4-7
all_run "after its cpuset moved back"

online 0 5 6
all_run "while a part of node 1 is offline"
online 0 4 7
all_run "while node 1 is offline"
online 1 4 5 6 7
all_run "after node 1 is online"
for _ in 1 2 3; do
  online 0 3 7
  cpuset across 2,6
  online 1 3 7
  cpuset across 3-4
done
all_run "after changes of cpusets and CPUs in turn"
