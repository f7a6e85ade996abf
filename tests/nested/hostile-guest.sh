#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
#
# A guest writes false records: its boosts stay within its budget, nothing leaks, pvschedd and the
# device stay up. scx-hostile-guest sets $start to run this under the scheduler.
. /lab/tests/lib.sh

# Boosted CPU time of both vCPUs, in ms.
boosted_ms() { pvschedctl --json stats | jq '[.vcpus[] | select(.vm == "pair") | .boosted_ns] | add / 1e6 | floor'; }

load_hostile() { lab-guest exec pair "insmod /hostile.ko mode=$1" || fail "hostile.ko mode=$1 does not load"; }
unload_hostile() { lab-guest exec pair 'rmmod hostile' || fail "hostile.ko does not unload"; }
# threads_restored SECONDS WHEN
threads_restored() {
  local id
  for id in 0 1; do
    eventually "$1" "vCPU $id's thread has default parameters $2" has_params "$(thread pair $id)" "$DEFAULT_PARAMS"
  done
}

"${start:-start_pvschedd}"
pvschedctl tunable set budget 300 >/dev/null
use_pair --no-driver
eventually 60 "pvschedd knows the VM" has_vm pair
holdings pair >"$OUT/before"

load_hostile claim
eventually 10 "pvschedd binds both vCPUs" has_bound pair 2
spin pair "0 1" "-o 0"
sleep 2
begun=$(uptime_ms) before=$(boosted_ms)
sleep 10
used=$(($(boosted_ms) - before)) elapsed=$(($(uptime_ms) - begun))
[ $used -gt 0 ] || fail "no boost was granted, so nothing was tested"
# Each of two vCPUs may use 300 ms a second, plus a tick or two for each throttling.
limit=$((elapsed * 2 * 330 / 1000))
echo "claim: $used ms boosted, its budget is $((elapsed * 600 / 1000)) ms in $elapsed ms"
[ $used -le $limit ] || fail "$used ms boosted in $elapsed ms: more than the budget"
[ "$(vcpu pair 0 .throttles)" -gt 0 ] || fail "the vCPU was never throttled"
unspin pair
unload_hostile
threads_restored 10 "after claim"

for mode in random flip churn; do
  load_hostile $mode
  sleep 3
  kill -0 "$(pvschedd_pid)" || fail "pvschedd ended in mode $mode"
  [ "$(lab-guest exec pair 'cat /sys/module/hostile/parameters/rounds')" -gt 0 ] || fail "mode $mode wrote nothing"
  unload_hostile
  threads_restored 20 "after $mode"
  eventually 10 "no vCPU is registered after $mode" has_vcpus 0
done
holdings pair >"$OUT/after"
diff "$OUT/before" "$OUT/after" || fail "a leak: see the difference"
lab-guest exec pair 'insmod /pvsched.ko' || fail "the driver does not load afterwards"
eventually 10 "pvschedd binds the driver's vCPUs" has_bound pair 2
