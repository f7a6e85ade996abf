#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
#
# The guest sees the PCI device, its driver registers a vCPU, and pvschedd binds it to the
# vCPU's thread.
. /lab/tests/lib.sh

start_pvschedd
lab-guest start one || fail "the guest did not start"

expect "the device's PCI ids in the guest" \
  "$(lab-guest exec one 'cat /sys/bus/pci/drivers/pvsched/*/vendor /sys/bus/pci/drivers/pvsched/*/device' | paste -sd:)" \
  "0x1af4:0x10f5"
eventually 10 "pvschedd binds the vCPU" has_bound one 1
expect "the VM's pid" "$(pvschedctl --json vm list | jq -r '.vms[] | select(.vm == "one") | .pid')" "$(lab-guest pid one)"
expect "vCPU 0's tid" "$(vcpu one 0 .tid)" "$(thread one 0)"
