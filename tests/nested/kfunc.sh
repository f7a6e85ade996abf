#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
#
# The kfunc actuator: BPF programs apply grants through the module. The module restores every
# thread when pvschedd ends in any way.
. /lab/tests/lib.sh

pvschedd --actuator kfunc 2>&1 | grep -q 'needs the module pvsched_host' ||
  fail "pvschedd --actuator kfunc does not name the missing module"
if insmod /lab/pvsched_host-without-btf.ko 2>/dev/null; then fail "the module loads without BTF"; fi
kernel_log | grep -q 'pvsched_host.*built without BTF' || fail "the module does not say why it refuses to load"

load_host_module
start_pvschedd --actuator kfunc
use_pair
eventually 10 "pvschedd binds both vCPUs" has_bound pair 2
expect "the actuator" "$(pvschedctl --json stats | jq -r .actuator.name)" kfunc
zero=$(thread pair 0) one=$(thread pair 1)
spin pair 1
eventually 5 "vCPU 1's thread is boosted" has_params "$one" "RR - 8"
eventually 5 "vCPU 0's thread keeps default parameters" has_params "$zero" "$DEFAULT_PARAMS"
eventually 5 "pvschedctl shows the boost" holds '[ "$(vcpu pair 1 .applied.rt_prio)" = 8 ]'
expect "vCPU 1's baseline" "$(vcpu pair 1 '"\(.baseline.policy) \(.baseline.nice)"')" "normal 0"
[ "$(pvschedctl --json stats | jq .actuator.calls)" -gt 0 ] || fail "no call was counted"
! rmmod pvsched_host 2>/dev/null || fail "the module unloads while pvschedd uses it"
unspin pair
eventually 10 "vCPU 1's thread has default parameters again" has_params "$one" "$DEFAULT_PARAMS"

# Only one process may open the device.
! (exec 3<>/dev/pvsched_host) 2>/dev/null || fail "a second process opens /dev/pvsched_host"

# Parameters that an admin sets during a boost become the thread's baseline.
spin pair 1
eventually 5 "vCPU 1's thread is boosted" has_params "$one" "RR - 8"
chrt --fifo -p 20 "$one"
unspin pair
sleep 1
expect "vCPU 1's thread after an admin's chrt" "$(params "$one")" "FF - 20"
chrt --other -p 0 "$one"

# pvschedd is killed during a boost: the module restores the thread. With the default
# budget the vCPU might be throttled at that moment.
pvschedctl tunable set budget 1000 >/dev/null || fail "tunable set"
spin pair 1
eventually 5 "vCPU 1's thread is boosted" has_params "$one" "RR - 8"
stop_pvschedd KILL
eventually 5 "vCPU 1's thread has default parameters" has_params "$one" "$DEFAULT_PARAMS"
unspin pair
unload_host_module
expect_clean_log
