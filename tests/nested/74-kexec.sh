#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# A guest that starts another kernel by kexec: the records are withdrawn before their
# memory is another's, and the new kernel's are known.
. /lab/tests/lib.sh

vmlinuz=$(ls /boot/vmlinuz-"$(uname -r)" /usr/lib/modules/"$(uname -r)"/vmlinuz* 2>/dev/null | head -1)
[ -n "$vmlinuz" ] || skip "the host has no compressed kernel for a guest"
disk() { echo "-drive file=$2,if=none,id=$1,format=raw,readonly=on -device nvme,drive=$1,serial=$1"; }
start_pvschedd
# shellcheck disable=SC2046 # lists of options
lab-guest start kx --memory 512 -- $(disk kernel "$vmlinuz") $(disk initrd /lab/guest/initramfs) || fail "the guest did not start"
eventually 10 "pvschedd knows its thread" has_bound kx 1
zero=$(thread kx 0)
lab-guest exec kx "
  for disk in /sys/block/nvme*; do
    cp /dev/\${disk##*/} /tmp/\$(tr -d ' ' <\$disk/device/serial) || exit 1
  done
  (sleep 1; kexec-now /tmp/kernel /tmp/initrd \"\$(cat /proc/cmdline)\" >/dev/ttyS0 2>&1) >/dev/null 2>&1 &" ||
  fail "the guest has not got the new kernel"
# To load it took an emulated guest longer than 20 s.
eventually 60 "pvschedd knows no thread" has_bound kx 0
eventually 5 "the thread is ordinary" is "$zero" "$ORDINARY"
eventually 150 "pvschedd knows the thread again" has_bound kx 1
expect "the thread is the same" "$(vcpu kx 0 .tid)" "$zero"
expect "the new kernel computes" "$(lab-guest exec kx 'echo $((6 * 7))')" 42
