#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Memory that the VMM does not share: the driver refuses and says why, and the
# guest goes on.
. /lab/tests/lib.sh

start_pvschedd
lab-guest start private --no-driver --share off || fail "the guest did not start"
lab-guest exec private 'insmod /pvsched.ko; ls -d /sys/bus/pci/drivers/pvsched/0000:*' >"$OUT/bound" 2>&1 &&
  fail "the driver bound to a device that cannot see the guest's memory: $(cat "$OUT/bound")"
lab-guest exec private 'dmesg | grep pvsched' >"$OUT/dmesg"
grep -qi 'share' "$OUT/dmesg" || fail "the driver's message does not speak of sharing: $(tail -1 "$OUT/dmesg")"
expect "what the guest computes" "$(lab-guest exec private 'echo $((6 * 7))')" 42
expect "vCPUs that pvschedd knows" "$(pvschedctl --json vcpu list | jq length)" 0
