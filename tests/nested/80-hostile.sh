#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Guests that lie: boosted no more than they may be, nothing leaks, nothing ends.
. /lab/tests/lib.sh

# Boosted CPU time of both vCPUs, in ms.
boosted() { pvschedctl --json stats | jq '[.vcpus[] | select(.vm == "pair") | .boosted_ns] | add / 1e6 | floor'; }

hostile() { lab-guest exec pair "insmod /hostile.ko mode=$1" || fail "hostile.ko mode=$1 does not load"; }
honest() { lab-guest exec pair 'rmmod hostile' || fail "hostile.ko does not unload"; }

"${start:-start_pvschedd}" # 92-scx-hostile starts it otherwise
pvschedctl tunable set budget 300 >/dev/null
use_pair --no-driver
eventually 10 "pvschedd knows the VM" holds '[ "$(pvschedctl --json vm list | jq length)" = 1 ]'
holdings pair >"$OUT/before"

hostile claim
eventually 10 "pvschedd knows both threads" has_bound pair 2
lab-guest exec pair "for cpu in 0 1; do taskset -c \$cpu sh -c 'while :; do :; done' >/dev/null 2>&1 & echo \$!; done >/tmp/spins"
sleep 2
begun=$(uptime_ms) before=$(boosted)
sleep 10
used=$(($(boosted) - before)) took=$(($(uptime_ms) - begun))
[ $used -gt 0 ] || fail "it was never boosted: nothing was tested"
# Two vCPUs, each with 300 ms in any second, and a tick or two at each throttling.
limit=$((took * 2 * 330 / 1000))
echo "claim: $used ms boosted of $((took * 600 / 1000)) ms that its budget allows in $took ms"
[ $used -le $limit ] || fail "it was boosted for $used ms in $took ms: more than its budget"
[ "$(vcpu pair 0 .throttles)" -gt 0 ] || fail "it was never throttled"
lab-guest exec pair 'kill -9 $(cat /tmp/spins)'
honest
eventually 10 "both threads are ordinary" holds 'is "$(thread pair 0)" "$ORDINARY" && is "$(thread pair 1)" "$ORDINARY"'

for mode in random flip churn; do
  hostile $mode
  sleep 5
  kill -0 "$(pvschedd_pid)" || fail "pvschedd ended in mode $mode"
  [ "$(lab-guest exec pair 'cat /sys/module/hostile/parameters/rounds')" -gt 0 ] || fail "mode $mode did nothing"
  honest
  eventually 20 "both threads are ordinary after $mode" holds 'is "$(thread pair 0)" "$ORDINARY" && is "$(thread pair 1)" "$ORDINARY"'
  eventually 10 "no vCPU is registered after $mode" holds '[ "$(pvschedctl --json vcpu list | jq length)" = 0 ]'
done
holdings pair >"$OUT/after"
diff "$OUT/before" "$OUT/after" || fail "something leaked"
lab-guest exec pair 'insmod /pvsched.ko' || fail "the real driver does not load afterwards"
eventually 10 "the real driver is served" has_bound pair 2
