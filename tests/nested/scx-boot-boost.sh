#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
#
# The boot boost is CPU time: a new VM's process has all of it, however long it waits for its
# CPU. A chain of processes that each create a VM has no more boosted time than the user's
# pool holds.
. /lab/tests/lib.sh

need_scx

# A process on CPU 0 that creates a VM (KVM_CREATE_VM is 0xAE01), sleeps, as the boost begins
# at a wake-up, and computes until it has used as many seconds of CPU time as its argument says.
# shellcheck disable=SC2016 # perl's variables
new_vm=(taskset -c 0 perl -e 'open(my $kvm, "+<", "/dev/kvm") or die;
  ioctl($kvm, 0xAE01, 0) or die; select(undef, undef, undef, 0.05); while ((times)[0] < $ARGV[0]) { for (1 .. 1000) { } }')
cpu_ms() { echo $(($(used_ns "$1") / 1000000)); }
has_used() { [ "$(cpu_ms "$1")" -ge "$2" ]; }
counted() { pvschedctl --json scheduler status | jq ".counts.$1"; }

# of_both: sets $own and $other to the CPU time of the VM's process and of a task beside it.
of_both() { own=$(cpu_ms "$vm") other=$(cpu_ms "$hog"); }

# Eight tasks share CPU 0 with the VM's process. Boosted it has 4 of 12 parts, else 1 of 9.
for _ in {1..8}; do host_spin 0; done

# 2 s of CPU time last 6 s then; as wall-clock time they would be over after 0.7 s of CPU time.
start_scx
pvschedctl tunable set boot-time 2000 >/dev/null || fail "tunable set"
"${new_vm[@]}" 60 &
vm=$!
hogs+=" $vm"
eventually 30 "the VM's process computes" has_used $vm 300
of_both
own_before=$own other_before=$other
eventually 60 "the VM's process uses 1.3 s" has_used $vm $((own + 1300))
of_both
echo "a VM's process in its boot boost: $((own - own_before)) ms, a task beside it: $((other - other_before)) ms"
[ $((own - own_before)) -ge $((2 * (other - other_before))) ] || fail "the boost ended before its CPU time was used"
eventually 60 "the VM's process uses 2.3 s" has_used $vm $((own_before + 2000))
of_both
own_before=$own other_before=$other
sleep 4
of_both
echo "after its boot boost: $((own - own_before)) ms, a task beside it: $((other - other_before)) ms"
[ $((2 * (own - own_before))) -le $((3 * (other - other_before))) ] || fail "the boost did not end"
[ "$(counted boot_boosted)" -gt 0 ] || fail "no wake-up with a boot boost was counted"
expect "wake-ups that found an empty pool" "$(counted boot_refused)" 0
kill $vm
scx_healthy
stop_pvschedd || fail "pvschedd's end"

# The pool holds 0.4 s and refills with 0.04 s a second. Of 12 s the chain would have 4 s of
# CPU time if each VM had a boost, and 1.3 s without any.
start_pvschedd --actuator scx --scx-param boot-boost-window=10000 --scx-param boot-boost-user-share=2
eventually 10 "the scheduler is enabled" scx_is enabled
other=$(cpu_ms "$hog")
chain_end=$((SECONDS + 12))
time_of_chain=$(
  while [ $SECONDS -lt $chain_end ]; do "${new_vm[@]}" 0.5 || exit; done
  times >/run/lab/times # not through a pipe: that is a process without children
  awk -F '[ms ]+' 'NR == 2 { printf "%d", 1000 * ($2 + $4) + 60000 * ($1 + $3) }' /run/lab/times
)
other=$(($(cpu_ms "$hog") - other))
echo "a chain of VMs used $time_of_chain ms, a task beside it $other ms"
[ "$time_of_chain" -ge 500 ] || fail "the chain of VMs did not run"
[ "$time_of_chain" -le $((5 * other / 2)) ] || fail "a user's boost grows with the number of VMs"
expect "the scheduler's state" "$(cat $scx/state)" enabled
