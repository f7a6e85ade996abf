#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Unloading the driver withdraws the vCPUs and gives their threads back; it can
# be loaded again.
. /lab/tests/lib.sh

start_pvschedd
lab-guest start unload --vcpus 2 || fail "the guest did not start"
eventually 10 "pvschedd knows both threads" holds '[ "$(bound unload)" = 2 ]'
one=$(thread unload 1)
spin unload 1
eventually 5 "vCPU 1's thread is boosted" holds '[ "$(params '"$one"')" = "RR - 8" ]'

lab-guest exec unload 'rmmod pvsched' || fail "rmmod failed"
expect "vCPU 1's thread after rmmod, its task still running" "$(params "$one")" "$ORDINARY"
expect "vCPUs that pvschedd still knows" "$(bound unload)" 0
unspin unload

lab-guest exec unload 'insmod /pvsched.ko' || fail "insmod failed the second time"
eventually 10 "pvschedd knows both threads again" holds '[ "$(bound unload)" = 2 ]'
