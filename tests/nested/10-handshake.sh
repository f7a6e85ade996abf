#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# A guest sees the device, its driver registers, and pvschedd knows its vCPU.
. /lab/tests/lib.sh

start_pvschedd
lab-guest start one || fail "the guest did not start"

expect "the device's PCI ids in the guest" \
  "$(lab-guest exec one 'cat /sys/bus/pci/drivers/pvsched/*/vendor /sys/bus/pci/drivers/pvsched/*/device' | paste -sd:)" \
  "0x1af4:0x10f5"
eventually 10 "pvschedd knows the vCPU's thread" has_bound one 1
expect "the VM's process" "$(pvschedctl --json vm list | jq -r '.[] | select(.vm == "one") | .pid')" "$(lab-guest pid one)"
expect "vCPU 0's thread" "$(vcpu one 0 .tid)" "$(thread one 0)"
