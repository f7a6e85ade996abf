#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
#
# A preempted vCPU is boosted for each interrupt that KVM raises, by a kick or by a wake-up of a
# vCPU whose interrupt was posted, and for nothing else. A module calls KVM's functions, because
# the emulated processor has no APIC virtualisation.
. /lab/tests/lib.sh

command -v bpftool >/dev/null || skip "the host has no bpftool"
[ -e /sys/kernel/btf/kvm ] || skip "the kernel has no BTF of kvm"
bpftool -j btf dump file /sys/kernel/btf/kvm >"$OUT/kvm.btf" || fail "bpftool cannot read kvm's BTF"

# The offset of each member in bytes, in this order.
mapfile -t offsets < <(jq '.types as $types |
  (["kvm_lapic", "apicv_active"], ["kvm_lapic", "irr_pending"], ["kvm_lapic", "regs"], ["kvm_lapic", "lapic_timer"],
   ["kvm_timer", "pending"]) as [$struct, $member] |
  first($types[] | select(.kind == "STRUCT" and .name == $struct) | .members[] | select(.name == $member)) |
  .bits_offset / 8' "$OUT/kvm.btf")
[ ${#offsets[@]} = 5 ] || fail "kvm's BTF lacks a member"
symbols=$(grep -E ' (kvm_vcpu_wake_up|(__)?kvm_vcpu_kick)\s' /proc/kallsyms)
address() { awk -v name="$1" '$3 == name { print "0x" $1; exit }' <<<"$symbols"; }
apicv=${offsets[0]} irr_pending=${offsets[1]} regs=${offsets[2]} timer=$((offsets[3] + offsets[4]))
wake_up=wake_up=$(address kvm_vcpu_wake_up)
kick=kick=$(address __kvm_vcpu_kick)
[ "$kick" != kick= ] || kick=kick=$(address kvm_vcpu_kick)

# Of vCPU 1: its boosts and its interrupts.
counts() { pvschedctl --json stats | jq -r '.vcpus[] | select(.vm == "pair" and .vcpu == 1) | "\(.boosts) \(.interrupts)"'; }
# preempt: an RT task takes CPU 1, so vCPU 1 stays preempted, and the rest of the guest stops. No
# event comes then but what this test causes. A vCPU that was preempted in an interrupt may run again.
preempt() {
  local try
  for try in 1 2 3 4 5; do
    host_spin 1 "-f 90"
    eventually 5 "the busy loop is real-time" has_params $hog "FF - 90"
    sleep 0.1
    kill -STOP "$(lab-guest pid pair)"
    sleep 0.5 # inject-hold ends
    pvschedctl tunable set weight 100 >/dev/null || fail "tunable set" # has the policy decide
    [ "$(vcpu pair 1 .state)" != normal ] || return 0
    release
    sleep 0.$try
  done
  fail "vCPU 1 is boosted without an interrupt"
}
release() {
  kill -KILL "$hog"
  kill -CONT "$(lab-guest pid pair)"
}
# call WHAT BOOSTS TICKETS PARAMETER...: calls KVM's functions for vCPU 1.
call() {
  local what="$1 ($actuator)" boosts tickets before
  preempt
  before=$(counts)
  insmod /lab/kvm_calls.ko "tid=$one" "regs=$regs" "${@:4}" || fail "kvm_calls.ko does not load"
  expect "the state of vCPU 1's thread" "$(cut -d' ' -f3 <<<"$(sed 's/(.*)/()/' "/proc/$one/stat")")" R
  read -r boosts tickets <<<"$(counts)"
  boosts=$((boosts - ${before% *})) tickets=$((tickets - ${before#* }))
  release
  # Only now: rmmod waits for a thread that was preempted in a read section of RCU.
  rmmod kvm_calls || fail "kvm_calls.ko does not unload"
  expect "boosts for $what" "$boosts" "$2"
  expect "interrupts counted for $what" "$tickets" "$3"
}

# nested_kicks: CPU 0 kicks vCPU 1 all the time, and interrupts that it gets meanwhile kick vCPU 0.
# Some arrive while a program serves vCPU 1's kick.
nested_kicks() {
  local before count=1000
  kill -STOP "$(lab-guest pid pair)"
  sleep 0.5
  before=$(pvschedctl --json stats | jq '.vcpus[] | select(.vm == "pair" and .vcpu == 0) | .events')
  taskset -c 0 insmod /lab/kvm_calls.ko "tid=$one" "irq_tid=$zero" irq_kicks=$count "regs=$regs" "$kick" "bytes=$irr_pending" ||
    fail "kvm_calls.ko does not load"
  rmmod kvm_calls
  before=$(($(pvschedctl --json stats | jq '.vcpus[] | select(.vm == "pair" and .vcpu == 0) | .events') - before))
  kill -CONT "$(lab-guest pid pair)"
  echo "$before events of $count interrupts ($actuator)"
  # An interrupt in each of the two programs, one after the other, may hide a kick.
  [ "$before" -ge $((99 * count / 100)) ] || fail "of $count interrupts during another vCPU's kick $before were events ($actuator)"
}

let_rt_tasks_keep_cpu 1

check() {
  pvschedctl tunable set urgent-memory 60000 >/dev/null || fail "tunable set"
  pvschedctl tunable set inject-hold 300000 >/dev/null || fail "tunable set"
  pvschedctl tunable set critical-rt-prio 0 >/dev/null || fail "tunable set"
  use_pair
  eventually 10 "pvschedd binds both vCPUs" has_bound pair 2
  zero=$(thread pair 0) one=$(thread pair 1)
  { taskset -p -c 0 "$zero" && taskset -p -c 1 "$one"; } >/dev/null || fail "taskset"
  # Urgent lately, and now busy with an ordinary task.
  spin pair 1
  eventually 5 "vCPU 1 is boosted" has_state pair 1 boosted
  unspin pair
  spin pair 1 "-o 0"

  call "a posted interrupt" 1 1 "$wake_up" irr=1 "bytes=$apicv"
  call "a wake-up without an interrupt" 0 0 "$wake_up" "bytes=$apicv"
  call "a wake-up with an emulated APIC" 0 0 "$wake_up" irr=1
  call "a kick with an emulated APIC" 1 "$kick_tickets" "$kick" "bytes=$irr_pending"
  call "a kick for the timer under APICv" 1 1 "$kick" "bytes=$apicv,$irr_pending,$timer"
  call "a kick for a request" 0 0 "$kick"
  call "a kick for a request under APICv" 0 0 "$kick" irr=1 "bytes=$apicv,$irr_pending"
  call "an interrupt in both calls" 1 1 "$kick" "$wake_up" irr=1 "bytes=$apicv,$irr_pending,$timer"

  nested_kicks
  unspin pair
  expect "events that no decision followed" "$(pvschedctl --json scheduler status | jq .events_lost)" 0
  lab-guest exec pair 'rmmod pvsched' || fail "rmmod failed"
}

# With agent the injection takes the ticket of an interrupt that KVM itself injects.
actuator=agent kick_tickets=0
start_pvschedd
check
stop_pvschedd TERM

[ -e $scx/state ] || skip "under scx, as the kernel has no sched_ext; the agent's part passed"
actuator=scx kick_tickets=1
start_scx
check
scx_healthy
