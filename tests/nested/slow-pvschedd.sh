#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
#
# pvschedd is stopped while the guest's driver is loaded. The driver stays bound, and pvschedd
# serves every vCPU once it continues. The vCPU that was not answered keeps no other from its
# record.
. /lab/tests/lib.sh

start_pvschedd
use_pair --no-driver
kill -STOP "$(pvschedd_pid)"
lab-guest exec pair 'insmod /pvsched.ko; cat /sys/bus/pci/drivers/pvsched/0000:*/pvsched/cpus' >"$OUT/cpus" 2>&1
kill -CONT "$(pvschedd_pid)"
grep -q '[01]' "$OUT/cpus" || fail "no vCPU is registered because pvschedd did not answer for one: $(cat "$OUT/cpus")"
spin pair "0 1" "-o 0" # the driver tries again at ticks
eventually 30 "pvschedd binds both vCPUs" has_bound pair 2
unspin pair
lab-guest exec pair 'dmesg | grep pvsched' >"$OUT/dmesg"
grep -q 'did not answer in time' "$OUT/dmesg" || fail "the guest's log does not say that pvschedd was slow: $(cat "$OUT/dmesg")"
lab-guest exec pair 'rmmod pvsched' || fail "rmmod failed"
expect "records that the driver could not free" "$(lab-guest exec pair 'dmesg | grep -c "keeping .* bytes"')" 0
