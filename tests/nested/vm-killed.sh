#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
#
# QEMU is killed while a vCPU is boosted. Its device ends, pvschedd drops the VM and serves the
# next one.
. /lab/tests/lib.sh

start_pvschedd
use_pair
eventually 10 "pvschedd binds both vCPUs" has_bound pair 2
spin pair 1
eventually 5 "vCPU 1's thread is boosted" has_params "$(thread pair 1)" "RR - 8"
device=$(cat /run/lab/guest/pair/device.pid)
kill -KILL "$(lab-guest pid pair)"
eventually 10 "pvschedd drops the VM" has_vms 0
eventually 10 "pvsched-device ends" holds "! kill -0 $device"
kill -0 "$(pvschedd_pid)" || fail "pvschedd ended"
lab-guest start next || fail "the next guest did not start"
eventually 10 "pvschedd binds the next guest's vCPU" has_bound next 1
