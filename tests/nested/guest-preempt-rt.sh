#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
#
# An idle PREEMPT_RT guest without real-time tasks of its own is never boosted, under each
# actuator, though its kernel's threads are real-time. Under ordinary load it is hardly boosted:
# only for critical sections that another vCPU awaits. With a real-time task it is boosted.
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

# In us: CPU time of the vCPUs while boosted, and all of it.
boosted_us() { pvschedctl --json stats | jq '[.vcpus[].boosted_ns] | add / 1000 | floor'; }
used_us() { echo $((($(cut -d' ' -f1 "/proc/$(thread rt 0)/schedstat" "/proc/$(thread rt 1)/schedstat" | paste -sd+)) / 1000)); }

check_load() {
  local boosted used
  boosted=$(boosted_us) used=$(used_us)
  LAB_GUEST_TIMEOUT=120 lab-guest exec rt 'taskset -p 3 $$ >/dev/null; hackbench -g 1 -l 15' >/dev/null || fail "hackbench"
  boosted=$(($(boosted_us) - boosted)) used=$(($(used_us) - used))
  echo "under $1 hackbench used $used us, $boosted us of them boosted"
  # Boosts for all preempted critical sections would take more than 5 %.
  [ $((100 * boosted)) -le $((4 * used)) ] || fail "ordinary load was boosted for $boosted of $used us under $1"
}

# Under the actuator that pvschedd has.
check() {
  eventually 20 "pvschedd binds both vCPUs under $1" has_bound rt 2
  sleep 1.5 # boosts for interrupts before the driver was loaded end
  expect "boosts of an idle guest under $1" "$(boosts_in "$idle_s")" 0
  check_load "$1"
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
