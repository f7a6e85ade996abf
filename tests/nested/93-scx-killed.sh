#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# A pvschedd that is killed while it is the host's scheduler: EEVDF takes over, guests live
# on, and a new pvschedd picks them up.
. /lab/tests/lib.sh

need_scx
start_scx
use_pair
eventually 10 "pvschedd knows both threads" has_bound pair 2
spin pair 1
eventually 5 "vCPU 1 is boosted" holds '[ "$(vcpu pair 1 .state)" = boosted ]'
scx_healthy " before it is killed"
stop_pvschedd KILL
eventually 10 "the scheduler is gone" scx_is disabled
for id in 0 1; do expect "vCPU $id's thread" "$(params "$(thread pair $id)")" "$ORDINARY"; done
unspin pair
expect "what the guest computes without pvschedd" "$(lab-guest exec pair 'echo $((6 * 7))')" 42

start_scx
eventually 10 "the new pvschedd knows both threads" has_bound pair 2
before=$(vcpu pair 1 .boosts)
spin pair 1
eventually 5 "the new pvschedd boosts" holds "[ \"\$(vcpu pair 1 .boosts)\" -gt $before ]"
unspin pair
scx_healthy " under the new pvschedd"
