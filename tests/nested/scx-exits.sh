#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
#
# Under the scheduler no program hooks a VM exit, whatever a guest registers. A record for a vCPU
# that the VM does not have is refused.
. /lab/tests/lib.sh

need_scx
command -v bpftool >/dev/null || skip "the host has no bpftool"
# Programs that run at each exit of each VM.
exit_hooks() { bpftool -j prog list | jq -r '.[] | .name // ""' | grep -E '^pvs_(kvm_(userspace_)?exit|svm_handle_exit|vmx_handle_exit)' | sort | uniq -c; }

start_pvschedd
expect "agent's hooks on exits" "$(exit_hooks | wc -l)" 2
stop_pvschedd TERM

start_scx
use_pair --no-driver
eventually 60 "pvschedd knows the VM" has_vm pair
lab-guest exec pair 'insmod /hostile.ko mode=absent' || fail "hostile.ko mode=absent does not load"
expect "the device's answer for APIC id 900 (9: refused)" \
  "$(lab-guest exec pair 'cat /sys/module/hostile/parameters/absent_result')" 9
expect "registered vCPUs" "$(vcpus)" 0
expect "hooks on exits after the refusal" "$(exit_hooks)" ""
lab-guest exec pair 'rmmod hostile' || fail "rmmod failed"
grep -q 'the VM has no vCPU with APIC id 900: it has 2 vCPUs, up to APIC id 1' /run/lab/guest/pair/device.log ||
  fail "the device's log does not say why"

lab-guest exec pair 'insmod /pvsched.ko' || fail "the driver does not load"
eventually 10 "pvschedd binds both vCPUs" has_bound pair 2
expect "hooks on exits with bound vCPUs" "$(exit_hooks)" ""
scx_healthy
