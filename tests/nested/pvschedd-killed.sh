#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
#
# pvschedd is killed while a thread is boosted. The next pvschedd restores the thread and binds
# the guest's vCPUs.
. /lab/tests/lib.sh

start_pvschedd
use_pair
eventually 10 "pvschedd binds both vCPUs" has_bound pair 2
one=$(thread pair 1)
spin pair 1
eventually 5 "vCPU 1's thread is boosted" has_params "$one" "RR - 8"
# A boost also ends while the vCPU is throttled: stop pvschedd in a boost, then kill it.
for _ in {1..20}; do
  kill -STOP "$(pvschedd_pid)"
  has_params "$one" "RR - 8" && break
  kill -CONT "$(pvschedd_pid)"
  sleep 0.1
done
stop_pvschedd KILL
expect "vCPU 1's thread after pvschedd was killed" "$(params "$one")" "RR - 8"
unspin pair

start_pvschedd
eventually 10 "the thread has default parameters again" has_params "$one" "$DEFAULT_PARAMS"
eventually 10 "the new pvschedd binds both vCPUs" has_bound pair 2
expect "vCPU 1's baseline" "$(vcpu pair 1 '"\(.baseline.rt_prio) \(.baseline.nice)"')" "0 0"
spin pair 1
eventually 5 "the new pvschedd boosts" has_params "$one" "RR - 8"
