#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Unloading the driver withdraws the vCPUs and gives their threads back; it can
# be loaded again.
. /lab/tests/lib.sh

start_pvschedd
use_pair
eventually 10 "pvschedd knows both threads" has_bound pair 2
one=$(thread pair 1)
spin pair 1
eventually 5 "vCPU 1's thread is boosted" is "$one" "RR - 8"

lab-guest exec pair 'rmmod pvsched' || fail "rmmod failed"
expect "vCPU 1's thread after rmmod, its task still running" "$(params "$one")" "$ORDINARY"
expect "vCPUs that pvschedd still knows" "$(bound pair)" 0
unspin pair

lab-guest exec pair 'insmod /pvsched.ko' || fail "insmod failed the second time"
eventually 10 "pvschedd knows both threads again" has_bound pair 2
