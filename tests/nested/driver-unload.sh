#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
#
# rmmod of the driver withdraws the vCPUs and restores their threads. The driver loads again.
. /lab/tests/lib.sh

start_pvschedd
use_pair
eventually 10 "pvschedd binds both vCPUs" has_bound pair 2
one=$(thread pair 1)
spin pair 1
eventually 5 "vCPU 1's thread is boosted" has_params "$one" "RR - 8"

lab-guest exec pair 'rmmod pvsched' || fail "rmmod failed"
expect "vCPU 1's thread after rmmod, its task still running" "$(params "$one")" "$DEFAULT_PARAMS"
expect "bound vCPUs after rmmod" "$(bound pair)" 0
unspin pair

lab-guest exec pair 'insmod /pvsched.ko' || fail "the second insmod failed"
eventually 10 "pvschedd binds both vCPUs again" has_bound pair 2
