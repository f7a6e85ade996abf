#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
#
# A kernel thread of the guest at a real-time priority of the kernel's own is not urgent. At
# another priority, and with the parameter urgent_kthreads, it is. Only root reads the files
# that show the vCPUs' timing.
. /lab/tests/lib.sh

start_pvschedd
use_pair
eventually 10 "pvschedd binds both vCPUs" has_bound pair 2

modes=$(lab-guest exec pair 'cd /sys/devices/system/cpu/cpu0/pvsched && stat -c "%a %n" * | sort -k2' | tr '\n' ' ')
expect "the modes of CPU 0's files" "$modes" \
  "400 boosted_ns 400 granted 400 intent 400 irq_ack 400 irq_ticket 400 state 400 throttles 444 vcpu_id 400 waiting "

# Critical sections are boosted, whatever runs in them.
pvschedctl tunable set critical-rt-prio 0 >/dev/null || fail "tunable set"
boosts() { echo $(($(vcpu pair 0 .boosts) + $(vcpu pair 1 .boosts))); }

rcu=$(lab-guest exec pair 'grep -lx "rcu_preempt\|rcu_sched" /proc/[0-9]*/comm' | cut -d/ -f3)
[ -n "$rcu" ] || fail "the guest has no RCU thread"

# Grace periods run the guest's RCU thread. Prints the boosts meanwhile.
boosts_of_rcu() {
  local before
  sleep 1.5 # boosts for interrupts before the change end
  before=$(boosts)
  lab-guest exec pair 'mkdir -p /tmp/mounted
    for round in $(seq 10); do
      mount -t tmpfs tmpfs /tmp/mounted && umount /tmp/mounted || exit 1
    done' || fail "the guest does not mount a file system"
  echo $(($(boosts) - before))
}

# set_rcu CHRT-OPTIONS
set_rcu() { lab-guest exec pair "chrt $1 $rcu" || fail "chrt $1 of the guest's RCU thread"; }

for prio in 1 49 50; do
  set_rcu "-f -p $prio"
  expect "boosts for a kernel thread of FIFO $prio" "$(boosts_of_rcu)" 0
done

set_rcu "-f -p 51"
got=$(boosts_of_rcu)
[ "$got" -gt 0 ] || fail "a kernel thread of FIFO 51, which an admin has set, is not boosted"

set_rcu "-f -p 50"
parameter=/sys/module/pvsched/parameters/urgent_kthreads
lab-guest exec pair "echo Y >$parameter" || fail "the parameter cannot be set"
got=$(boosts_of_rcu)
[ "$got" -gt 0 ] || fail "with urgent_kthreads a kernel thread is not boosted"

lab-guest exec pair "echo N >$parameter" || fail "the parameter cannot be set"
expect "boosts with the parameter's default" "$(boosts_of_rcu)" 0
set_rcu "-o -p 0"
pvschedctl tunable set critical-rt-prio 1 >/dev/null || fail "tunable set"
