#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
#
# A guest is saved to a file and restored, which is how QEMU migrates it, too. QEMU restores
# nothing of the device, so the driver restores its registers and registers the vCPUs again.
# A driver that is loaded after the move restores the registers too.
. /lab/tests/lib.sh

saved=/run/lab/moved.saved
trap 'rm -f $saved' EXIT
move() {
  lab-guest save moved $saved || fail "the guest was not saved"
  lab-guest restore moved $saved || fail "the guest was not restored"
}
has_used() { lab-guest exec moved 'cat /sys/bus/pci/drivers/pvsched/0000:*/pvsched/used' | grep -q 1; }
# The number of lines with this text in the guest's log.
logged() { lab-guest exec moved "dmesg | grep -c '$1'"; }

start_pvschedd
lab-guest start moved --vcpus 2 || fail "the guest did not start"
eventually 20 "pvschedd binds both vCPUs" has_bound moved 2
# The task moves with the guest, and its ticks let vCPU 1 see that the host writes.
spin moved 1
eventually 30 "the driver sees that the host uses vCPU 1's record" has_used

move
eventually 30 "pvschedd binds both vCPUs after the move" has_bound moved 2
eventually 20 "vCPU 1's thread is boosted after the move" has_params "$(thread moved 1)" "RR - 8"
expect "the driver's recoveries" "$(logged 'had lost its state')" 1
eventually 30 "the driver sees that the new host uses vCPU 1's record" has_used

unspin moved
lab-guest exec moved 'rmmod pvsched' || fail "the driver did not unload"
eventually 10 "no vCPU is registered" has_vcpus 0
expect "records that the driver could not free" "$(logged 'keeping .* bytes')" 0

move
lab-guest exec moved 'insmod /pvsched.ko' || fail "the driver did not load after a move"
eventually 20 "pvschedd binds both vCPUs of the loaded driver" has_bound moved 2
