#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
#
# A guest is saved to a file and restored, which is how QEMU migrates it, too. QEMU restores
# nothing of the device. So the driver restores its registers and registers the vCPUs again,
# on a host with pvschedd, on one without pvschedd, and after one without the device.
. /lab/tests/lib.sh

saved=/run/lab/moved.saved
trap 'rm -f $saved' EXIT
driver() { lab-guest exec moved "cat /sys/bus/pci/drivers/pvsched/0000:*/pvsched/$1"; }
move() {
  lab-guest save moved $saved || fail "the guest was not saved"
  lab-guest restore moved $saved "$@" || fail "the guest was not restored"
}
# The number of lines with this text in the guest's log.
logged() { lab-guest exec moved "dmesg | grep -c '$1'"; }
has_used() { driver used | grep -q 1; }
has_cpus() { [ "$(driver cpus)" = "$1" ]; }

start_pvschedd
lab-guest start moved --vcpus 2 || fail "the guest did not start"
eventually 20 "pvschedd binds both vCPUs" has_bound moved 2
# The task moves with the guest, and its ticks let vCPU 1 see that the host writes.
spin moved 1
eventually 20 "vCPU 1's thread is boosted" has_params "$(thread moved 1)" "RR - 8"
eventually 30 "the driver sees that the host uses vCPU 1's record" has_used

move
eventually 30 "pvschedd binds both vCPUs after the move" has_bound moved 2
eventually 20 "vCPU 1's thread is boosted after the move" has_params "$(thread moved 1)" "RR - 8"
expect "the driver's recoveries" "$(logged 'had lost its state')" 1
eventually 30 "the driver sees that the new host uses vCPU 1's record" has_used

move --no-pvsched
eventually 60 "the driver finds no device" has_cpus ""
sleep 5
expect "the log's lines on the lost device" "$(logged 'the device is gone')" 1
expect_guest_computes moved

stop_pvschedd
move
eventually 120 "the driver finds its device again" has_cpus 0-1
expect "the log's lines on the device's return" "$(logged 'the device serves the guest again')" 1
eventually 60 "the driver says that no host uses its records" \
  holds '[ -z "$(driver used)" ] && [ "$(logged "the host does not use the records")" -ge 1 ]'
move
eventually 60 "the driver registers on a host without pvschedd" holds '[ "$(logged "had lost its state")" = 2 ]'
start_pvschedd
eventually 30 "pvschedd binds both vCPUs once it runs" has_bound moved 2
eventually 20 "vCPU 1's thread is boosted by the new pvschedd" has_params "$(thread moved 1)" "RR - 8"

unspin moved
lab-guest exec moved 'rmmod pvsched' || fail "the driver did not unload"
eventually 10 "no vCPU is registered" has_vcpus 0
expect "records that the driver could not free" "$(logged 'keeping .* bytes')" 0

# Nothing restores the registers while the driver is not loaded.
move
lab-guest exec moved 'insmod /pvsched.ko' || fail "the driver did not load after a move"
eventually 20 "pvschedd binds both vCPUs of the loaded driver" has_bound moved 2
