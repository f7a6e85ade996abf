#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
#
# If the VMM does not share the guest's memory, the driver refuses the device, names the reason,
# and the guest stays up.
. /lab/tests/lib.sh

start_pvschedd
lab-guest start private --no-driver --share off || fail "the guest did not start"
lab-guest exec private 'insmod /pvsched.ko; ls -d /sys/bus/pci/drivers/pvsched/0000:*' >"$OUT/bound" 2>&1 &&
  fail "the driver is bound to a device that cannot access guest memory: $(cat "$OUT/bound")"
lab-guest exec private 'dmesg | grep pvsched' >"$OUT/dmesg"
grep -qi 'share' "$OUT/dmesg" || fail "the driver's message does not mention sharing: $(tail -1 "$OUT/dmesg")"
expect_guest_computes private
expect "registered vCPUs" "$(vcpus)" 0
