#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
#
# A guest's CPUs go offline and online, and QEMU plugs a vCPU in and out. pvschedd withdraws and
# binds the vCPUs accordingly.
. /lab/tests/lib.sh

start_pvschedd
use_pair
eventually 10 "pvschedd binds both vCPUs" has_bound pair 2
one=$(thread pair 1)
lab-guest exec pair 'echo 0 >/sys/devices/system/cpu/cpu1/online' || fail "CPU 1 does not go offline"
eventually 10 "one vCPU is bound" has_bound pair 1
eventually 5 "vCPU 1's thread has default parameters" has_params "$one" "$DEFAULT_PARAMS"
lab-guest exec pair 'echo 1 >/sys/devices/system/cpu/cpu1/online' || fail "CPU 1 does not come online"
eventually 10 "pvschedd binds both vCPUs again" has_bound pair 2
spin pair 1
eventually 5 "vCPU 1's thread is boosted" has_params "$one" "RR - 8"
unspin pair
lab-guest exec pair 'rmmod pvsched'

lab-guest start plug -- -smp 1,maxcpus=2 || fail "the guest did not start"
eventually 10 "pvschedd binds its only vCPU" has_bound plug 1
qmp plug '{"execute":"query-hotpluggable-cpus"}' >"$OUT/cpus"
add=$(grep '"props"' "$OUT/cpus" | jq -c '.return[] | select(.["qom-path"] == null) |
  {execute: "device_add", arguments: ({driver: .type, id: "plugged"} + .props)}')
[ -n "$add" ] || fail "QEMU has no free vCPU slot: $(cat "$OUT/cpus")"
qmp plug "$add" >"$OUT/add"
eventually 20 "the guest sees a second CPU" lab-guest exec plug '[ -e /sys/devices/system/cpu/cpu1 ]'
lab-guest exec plug '[ "$(cat /sys/devices/system/cpu/cpu1/online)" = 1 ] || echo 1 >/sys/devices/system/cpu/cpu1/online' ||
  fail "the new CPU does not come online"
eventually 10 "pvschedd binds the new vCPU" has_bound plug 2
qmp plug '{"execute":"device_del","arguments":{"id":"plugged"}}' >"$OUT/del"
eventually 20 "one vCPU is bound again" has_bound plug 1
expect_guest_computes plug
