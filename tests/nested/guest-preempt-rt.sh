#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
#
# A PREEMPT_RT guest without real-time tasks of its own is never boosted, under each actuator,
# though its kernel's threads are real-time. With such a task it is.
#
# guest-kernel: rt
. /lab/tests/lib.sh

idle_s=${LAB_IDLE_SECONDS:-3}
parameter=/sys/module/pvsched/parameters/urgent_kthreads

boosts() { echo $(($(vcpu rt 0 .boosts) + $(vcpu rt 1 .boosts))); }

# boosts_in SECONDS: of the idle guest.
boosts_in() {
  local before
  before=$(boosts)
  sleep "$1"
  echo $(($(boosts) - before))
}

# Under the actuator that pvschedd has.
check() {
  eventually 20 "pvschedd binds both vCPUs under $1" has_bound rt 2
  # Critical sections are boosted, whatever runs in them.
  pvschedctl tunable set critical-rt-prio 0 >/dev/null || fail "tunable set"
  sleep 1.5 # boosts for interrupts before the change end
  expect "boosts of an idle guest under $1" "$(boosts_in "$idle_s")" 0
  spin rt 1
  eventually 10 "vCPU 1 is boosted for a task of SCHED_RR 8 under $1" has_state rt 1 boosted
  unspin rt
  eventually 10 "vCPU 1's boost ends under $1" has_state rt 1 normal
}

start_pvschedd
lab-guest start rt --kernel rt --vcpus 2 || fail "the guest did not start"
lab-guest exec rt 'uname -v' | grep -q PREEMPT_RT || fail "the guest's kernel is not PREEMPT_RT"
keep_off_1 rt
check agent

# The kernel's threads would be boosted: with the parameter they are.
lab-guest exec rt "echo Y >$parameter" || fail "the parameter cannot be set"
got=$(boosts_in 2)
[ "$got" -gt 0 ] || fail "with urgent_kthreads an idle guest is not boosted"
lab-guest exec rt "rmmod pvsched && insmod /pvsched.ko" || fail "the driver does not load again"
expect "the parameter after a reload" "$(lab-guest exec rt "cat $parameter")" N

stop_pvschedd
load_host_module
start_pvschedd --actuator kfunc
check kfunc

if [ -e $scx/state ]; then
  stop_pvschedd
  start_scx
  check scx
  scx_healthy
fi

lab-guest exec rt "rmmod pvsched" || fail "the driver does not unload"
eventually 10 "no vCPU is registered" has_vcpus 0
expect_clean_guest_log rt
[ -e $scx/state ] || skip "under scx, as the kernel has no sched_ext; the other actuators' parts passed"
