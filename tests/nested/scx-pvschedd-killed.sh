#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
#
# pvschedd is killed while it is the host's scheduler. EEVDF takes over, guests stay up, and a new
# pvschedd binds their vCPUs.
. /lab/tests/lib.sh

need_scx
start_scx
use_pair
eventually 10 "pvschedd binds both vCPUs" has_bound pair 2
spin pair 1
eventually 5 "vCPU 1 is boosted" has_state pair 1 boosted
scx_healthy " before the kill"
stop_pvschedd KILL
eventually 10 "the scheduler is disabled" scx_is disabled
for id in 0 1; do expect "vCPU $id's thread" "$(params "$(thread pair $id)")" "$DEFAULT_PARAMS"; done
unspin pair
expect_guest_computes pair

start_scx
eventually 10 "the new pvschedd binds both vCPUs" has_bound pair 2
before=$(vcpu pair 1 .boosts)
spin pair 1
eventually 5 "the new pvschedd boosts" holds "[ \"\$(vcpu pair 1 .boosts)\" -gt $before ]"
unspin pair
scx_healthy " under the new pvschedd"
