#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# vCPUs that go offline and come back, and one that is plugged in and out.
. /lab/tests/lib.sh

start_pvschedd
use_pair
eventually 10 "pvschedd knows both threads" has_bound pair 2
one=$(thread pair 1)
lab-guest exec pair 'echo 0 >/sys/devices/system/cpu/cpu1/online' || fail "CPU 1 does not go offline"
eventually 10 "pvschedd knows one thread" has_bound pair 1
eventually 5 "the other is ordinary" is "$one" "$ORDINARY"
lab-guest exec pair 'echo 1 >/sys/devices/system/cpu/cpu1/online' || fail "CPU 1 does not come back"
eventually 10 "pvschedd knows both threads again" has_bound pair 2
spin pair 1
eventually 5 "vCPU 1's thread is boosted" is "$one" "RR - 8"
unspin pair
lab-guest exec pair 'rmmod pvsched'

lab-guest start plug -- -smp 1,maxcpus=2 || fail "the guest did not start"
eventually 10 "pvschedd knows its one thread" has_bound plug 1
qmp plug '{"execute":"query-hotpluggable-cpus"}' >"$OUT/cpus"
add=$(grep '"props"' "$OUT/cpus" | jq -c '.return[] | select(.["qom-path"] == null) |
  {execute: "device_add", arguments: ({driver: .type, id: "plugged"} + .props)}')
[ -n "$add" ] || fail "QEMU has no vCPU to plug in: $(cat "$OUT/cpus")"
qmp plug "$add" >"$OUT/add"
eventually 20 "the guest sees a second CPU" lab-guest exec plug '[ -e /sys/devices/system/cpu/cpu1 ]'
lab-guest exec plug '[ "$(cat /sys/devices/system/cpu/cpu1/online)" = 1 ] || echo 1 >/sys/devices/system/cpu/cpu1/online' ||
  fail "the new CPU does not come online"
eventually 10 "pvschedd knows the new thread" has_bound plug 2
qmp plug '{"execute":"device_del","arguments":{"id":"plugged"}}' >"$OUT/del"
eventually 20 "pvschedd knows one thread again" has_bound plug 1
expect "the guest still computes" "$(lab-guest exec plug 'echo $((6 * 7))')" 42
