#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# A pvschedd that is killed while it boosts: its successor gives the threads
# back, and takes over the guests.
. /lab/tests/lib.sh

start_pvschedd
lab-guest start killed --vcpus 2 || fail "the guest did not start"
eventually 10 "pvschedd knows both threads" holds '[ "$(bound killed)" = 2 ]'
one=$(thread killed 1)
spin killed 1
eventually 5 "vCPU 1's thread is boosted" holds '[ "$(params '"$one"')" = "RR - 8" ]'
# Killed at a moment when it is boosted: a boost also pauses while throttled.
for _ in {1..20}; do
  kill -STOP "$(pvschedd_pid)"
  [ "$(params "$one")" = "RR - 8" ] && break
  kill -CONT "$(pvschedd_pid)"
  sleep 0.1
done
stop_pvschedd KILL
expect "vCPU 1's thread, its pvschedd killed" "$(params "$one")" "RR - 8"
unspin killed

start_pvschedd
eventually 10 "the thread is ordinary again" holds '[ "$(params '"$one"')" = "'"$ORDINARY"'" ]'
eventually 10 "the new pvschedd knows both threads" holds '[ "$(bound killed)" = 2 ]'
expect "vCPU 1's baseline" "$(vcpu killed 1 '"\(.baseline.rt_prio) \(.baseline.nice)"')" "0 0"
spin killed 1
eventually 5 "the new pvschedd boosts" holds '[ "$(params '"$one"')" = "RR - 8" ]'
