#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
#
# A guest is restored without the device, then with the device on a host without pvschedd. The
# driver says what it lost, finds its device again, and is served once pvschedd runs.
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
has_logged() { [ "$(logged "$1")" -ge 1 ]; }

lab-guest start moved --vcpus 2 || fail "the guest did not start"
expect "the driver's CPUs at first" "$(driver cpus)" 0-1
spin moved 1
move --no-pvsched
eventually 60 "the driver says that its device is gone" has_logged 'runs without pvsched'
expect "the driver's CPUs without the device" "$(driver cpus)" ""
# Tries of the driver in this time log nothing.
sleep 5
expect "the log's lines on the lost device" "$(logged 'the device is gone')" 1
expect_guest_computes moved

move
eventually 120 "the driver finds its device again" has_logged 'the device serves the guest again'
expect "the driver's CPUs with the device" "$(driver cpus)" 0-1
eventually 60 "the driver says that no host uses its records" has_logged 'the host does not use the records'
expect "CPUs whose records the host uses" "$(driver used)" ""

start_pvschedd
eventually 30 "pvschedd binds both vCPUs once it runs" has_bound moved 2
eventually 20 "vCPU 1's thread is boosted" has_params "$(thread moved 1)" "RR - 8"
eventually 30 "the driver says that the host uses its records" has_logged 'the host uses the records'
