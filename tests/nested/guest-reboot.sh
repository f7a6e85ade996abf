#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
#
# A guest reboots, first through the kernel's shutdown hook, then by a reset that its driver does not
# see. The old records are withdrawn, the new kernel's are registered, and nothing leaks.
. /lab/tests/lib.sh

start_pvschedd
lab-guest start again -- -action reboot=reset || fail "the guest did not start"
eventually 10 "pvschedd binds the vCPU" has_bound again 1
zero=$(thread again 0)
holdings again >"$OUT/before"
# -f: no user space shutdown; the driver's shutdown hook runs.
lab-guest exec again "(sleep 1; reboot -f) >/dev/null 2>&1 &"
eventually 15 "no vCPU is bound" has_bound again 0
eventually 5 "the thread has default parameters" has_params "$zero" "$DEFAULT_PARAMS"
eventually 120 "pvschedd binds the vCPU again" has_bound again 1
expect "vCPU 0's tid" "$(vcpu again 0 .tid)" "$zero"
holdings again >"$OUT/after"
diff "$OUT/before" "$OUT/after" || fail "a leak: see the difference"

qmp again '{"execute":"system_reset"}' >"$OUT/reset"
eventually 15 "no vCPU is bound after the reset" has_bound again 0
eventually 120 "pvschedd binds the vCPU after the reset" has_bound again 1
