#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# A pvschedd that is killed while it boosts: its successor gives the threads
# back, and takes over the guests.
. /lab/tests/lib.sh

start_pvschedd
use_pair
eventually 10 "pvschedd knows both threads" has_bound pair 2
one=$(thread pair 1)
spin pair 1
eventually 5 "vCPU 1's thread is boosted" is "$one" "RR - 8"
# Killed at a moment when it is boosted: a boost also pauses while throttled.
for _ in {1..20}; do
  kill -STOP "$(pvschedd_pid)"
  [ "$(params "$one")" = "RR - 8" ] && break
  kill -CONT "$(pvschedd_pid)"
  sleep 0.1
done
stop_pvschedd KILL
expect "vCPU 1's thread, its pvschedd killed" "$(params "$one")" "RR - 8"
unspin pair

start_pvschedd
eventually 10 "the thread is ordinary again" is "$one" "$ORDINARY"
eventually 10 "the new pvschedd knows both threads" has_bound pair 2
expect "vCPU 1's baseline" "$(vcpu pair 1 '"\(.baseline.rt_prio) \(.baseline.nice)"')" "0 0"
spin pair 1
eventually 5 "the new pvschedd boosts" is "$one" "RR - 8"
