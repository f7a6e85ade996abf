#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Guests that lie to the host's scheduler: all of 80-hostile, and the host's own work
# gets its part all the same.
. /lab/tests/lib.sh

need_scx
start=start_scx
. /lab/tests/80-hostile.sh
scx_healthy " after the guests that lie"

# The budget of 80-hostile lets each vCPU have 30 % boosted, and half of what is left.
lab-guest exec pair 'rmmod pvsched' || fail "rmmod failed"
hostile claim
eventually 10 "pvschedd knows both threads" has_bound pair 2
lab-guest exec pair "for cpu in 0 1; do taskset -c \$cpu sh -c 'while :; do :; done' >/dev/null 2>&1 & echo \$!; done >/tmp/spins"
host_spin 0
zero=$hog
host_spin 1
shares=$(cpu_shares 5 "$zero" "$hog")
echo "the host's own work beside it:" $shares "%"
for share in $shares; do [ "$share" -ge 18 ] || fail "the host's own work has $share % of a CPU, not about 35 %"; done
lab-guest exec pair 'kill -9 $(cat /tmp/spins)'
honest
scx_healthy " at the end"
