#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
#
# hostile-guest under the scheduler; in addition, the host's own tasks keep their share.
. /lab/tests/lib.sh

need_scx
start=start_scx
. /lab/tests/hostile-guest.sh
scx_healthy " after the false records"

# hostile-guest has set the budget to 30 %, so each vCPU is boosted for 30 % of the time
# and gets half of the rest. About 35 % remain for each of the host's busy loops.
lab-guest exec pair 'rmmod pvsched' || fail "rmmod failed"
load_hostile claim
eventually 10 "pvschedd binds both vCPUs" has_bound pair 2
spin pair "0 1" "-o 0"
host_spin 0
zero=$hog
host_spin 1
shares=$(cpu_shares 5 "$zero" "$hog")
echo "shares of the host's busy loops, in % of a CPU: ${shares//$'\n'/ }"
for share in $shares; do [ "$share" -ge 18 ] || fail "a busy loop of the host has $share % of a CPU, not about 35 %"; done
unspin pair
unload_hostile
scx_healthy " at the end"
