#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
#
# pvsched-device is killed while a vCPU is boosted. The VM stays up and its thread is restored.
. /lab/tests/lib.sh

start_pvschedd
lab-guest start solo || fail "the guest did not start"
eventually 10 "pvschedd binds the vCPU" has_bound solo 1
zero=$(thread solo 0)
# A busy task of priority 5 for 8 s; the task of priority 8 wakes up twice a second.
lab-guest exec solo "chrt -r 8 sh -c 'for i in 1 2 3 4 5 6 7 8 9; do usleep 500000; done' >/dev/null 2>&1 &
  chrt -r 5 sh -c 'end=\$((\$(date +%s) + 8)); while [ \$(date +%s) -lt \$end ]; do :; done' >/dev/null 2>&1 &" ||
  fail "the busy task did not start"
eventually 5 "the thread is boosted" has_params "$zero" "RR - 5"
kill -KILL "$(cat /run/lab/guest/solo/device.pid)"
eventually 5 "the thread has default parameters" has_params "$zero" "$DEFAULT_PARAMS"
eventually 5 "pvschedd drops the VM" holds '! has_vm solo'
expect_guest_computes solo
