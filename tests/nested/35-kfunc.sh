#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# The kfunc actuator: the programs apply their decisions through the module, which
# gives every thread back when its user goes, however that comes.
. /lab/tests/lib.sh

pvschedd --actuator kfunc 2>&1 | grep -q 'needs the module pvsched_host' ||
  fail "pvschedd --actuator kfunc does not ask for the module"
if insmod /lab/pvsched_host-without-btf.ko 2>/dev/null; then fail "the module loads without BTF"; fi
dmesg | grep -q 'pvsched_host.*built without BTF' || fail "the module does not say why it refuses"

load_host_module
start_pvschedd --actuator kfunc
use_pair
eventually 10 "pvschedd knows both threads" has_bound pair 2
expect "the actuator" "$(pvschedctl --json stats | jq -r .actuator.name)" kfunc
zero=$(thread pair 0) one=$(thread pair 1)
spin pair 1
eventually 5 "vCPU 1's thread is boosted" is "$one" "RR - 8"
eventually 5 "vCPU 0's thread is ordinary meanwhile" is "$zero" "$ORDINARY"
eventually 5 "pvschedd shows it" holds '[ "$(vcpu pair 1 .applied.rt_prio)" = 8 ]'
expect "its baseline" "$(vcpu pair 1 '"\(.baseline.policy) \(.baseline.nice)"')" "normal 0"
[ "$(pvschedctl --json stats | jq .actuator.calls)" -gt 0 ] || fail "no call was counted"
! rmmod pvsched_host 2>/dev/null || fail "the module unloads under pvschedd"
unspin pair
eventually 10 "vCPU 1's thread is ordinary again" is "$one" "$ORDINARY"

# Nobody but pvschedd: the device has one user.
! (exec 3<>/dev/pvsched_host) 2>/dev/null || fail "a second process opens the module's device"

# An admin's word, while boosted, is the thread's own from then on.
spin pair 1
eventually 5 "vCPU 1's thread is boosted" is "$one" "RR - 8"
chrt --fifo -p 20 "$one"
unspin pair
sleep 1
expect "vCPU 1's thread after an admin's chrt" "$(params "$one")" "FF - 20"
chrt --other -p 0 "$one"

# Killed while it boosts (with the default budget it would throttle now and then): nobody
# has to clean up.
pvschedctl tunable set budget 1000 >/dev/null || fail "the budget was not set"
spin pair 1
eventually 5 "vCPU 1's thread is boosted" is "$one" "RR - 8"
stop_pvschedd KILL
eventually 5 "vCPU 1's thread has its own parameters back" is "$one" "$ORDINARY"
unspin pair
unload_host_module
! dmesg | grep -E 'BUG|WARNING|Oops' || fail "the kernel complains"
