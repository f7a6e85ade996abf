#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
#
# The driver is unloaded and loaded while an urgent task runs. Each time the threads are
# restored, and pvschedd and the device leak nothing.
. /lab/tests/lib.sh

start_pvschedd
use_pair
eventually 10 "pvschedd binds both vCPUs" has_bound pair 2
one=$(thread pair 1)
spin pair 1
eventually 20 "vCPU 1's thread is boosted" has_params "$one" "RR - 8"
holdings pair >"$OUT/before"
for round in 1 2 3 4 5; do
  lab-guest exec pair 'rmmod pvsched' || fail "rmmod failed in round $round"
  expect "vCPU 1's thread in round $round" "$(params "$one")" "$DEFAULT_PARAMS"
  lab-guest exec pair 'insmod /pvsched.ko' || fail "insmod failed in round $round"
done
eventually 10 "pvschedd binds both vCPUs" has_bound pair 2
eventually 20 "vCPU 1's thread is boosted" has_params "$one" "RR - 8"
holdings pair >"$OUT/after"
diff "$OUT/before" "$OUT/after" || fail "a leak: see the difference"
unspin pair
