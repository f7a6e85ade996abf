#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
#
# A guest starts another kernel by kexec. The driver withdraws the records before the new kernel
# reuses their memory, and the new kernel registers its own.
. /lab/tests/lib.sh

vmlinuz=$(ls /boot/vmlinuz-"$(uname -r)" /usr/lib/modules/"$(uname -r)"/vmlinuz* 2>/dev/null | head -1)
[ -n "$vmlinuz" ] || skip "the host has no compressed kernel for a guest"
disk() { echo "-drive file=$2,if=none,id=$1,format=raw,readonly=on -device nvme,drive=$1,serial=$1"; }
start_pvschedd
# shellcheck disable=SC2046 # lists of options
lab-guest start kx --memory 512 -- $(disk kernel "$vmlinuz") $(disk initrd /lab/guest/initramfs) || fail "the guest did not start"
eventually 10 "pvschedd binds the vCPU" has_bound kx 1
zero=$(thread kx 0)
lab-guest exec kx "
  for disk in /sys/block/nvme*; do
    cp /dev/\${disk##*/} /tmp/\$(tr -d ' ' <\$disk/device/serial) || exit 1
  done
  (sleep 1; kexec-now /tmp/kernel /tmp/initrd \"\$(cat /proc/cmdline)\" >/dev/ttyS0 2>&1) >/dev/null 2>&1 &" ||
  fail "the guest cannot read the new kernel"
# An emulated guest needs more than 20 s to load the kernel.
eventually 60 "no vCPU is bound" has_bound kx 0
eventually 5 "the thread has default parameters" has_params "$zero" "$DEFAULT_PARAMS"
eventually 150 "pvschedd binds the new kernel's vCPU" has_bound kx 1
expect "vCPU 0's tid" "$(vcpu kx 0 .tid)" "$zero"
expect_guest_computes kx
