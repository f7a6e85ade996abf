#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
#
# A vCPU that is preempted while it holds a spinlock is boosted if another vCPU of its guest
# waits for the lock. The guest's paravirtual spinlocks show that by a halt.
. /lab/tests/lib.sh

boosts() { vcpu pair 1 .boosts; }

# hold WAITS: the guest's CPU 1 holds a spinlock while a busy loop of the host shares the CPU.
# Sets $got to the boosts of vCPU 1 and prints for how long the lock was held.
hold() {
  local before
  before=$(boosts)
  lab-guest exec pair "taskset -p 1 \$\$ >/dev/null; insmod /held_lock.ko waits=$1 rounds=10 hold_ms=20" ||
    fail "held_lock.ko does not load"
  got=$(($(boosts) - before))
  echo "$actuator, waits=$1: $got boosts, the lock was held for $(lab-guest exec pair \
    'cat /sys/module/held_lock/parameters/held_us && rmmod held_lock') us"
}

check() {
  actuator=$1
  use_pair
  eventually 10 "pvschedd binds both vCPUs" has_bound pair 2
  { taskset -p -c 0 "$(thread pair 0)" && taskset -p -c 1 "$(thread pair 1)"; } >/dev/null || fail "taskset"
  host_spin 1
  sleep 1
  hold 0 # for comparison: on a slow host vCPUs also wait for locks of the guest's kernel
  hold 1
  [ "$got" -gt 0 ] || fail "vCPU 1 is not boosted while vCPU 0 waits for its lock, under $1"
  kill -KILL "$hog"
  lab-guest exec pair 'rmmod pvsched' || fail "rmmod failed"
}

start_pvschedd
check agent

stop_pvschedd
load_host_module
start_pvschedd --actuator kfunc
check kfunc

stop_pvschedd
[ -e $scx/state ] || skip "under scx, as the kernel has no sched_ext; the other actuators' parts passed"
start_scx
check scx
scx_healthy
