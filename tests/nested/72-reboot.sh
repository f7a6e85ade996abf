#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# A guest that reboots: nothing of its old life is left, and its new one is known.
. /lab/tests/lib.sh

start_pvschedd
lab-guest start again -- -action reboot=reset || fail "the guest did not start"
eventually 10 "pvschedd knows its thread" has_bound again 1
zero=$(thread again 0)
holdings again >"$OUT/before"
# -f: the driver's shutdown hook runs, user space's does not.
lab-guest exec again "(sleep 1; reboot -f) >/dev/null 2>&1 &"
eventually 15 "pvschedd knows no thread" has_bound again 0
eventually 5 "the thread is ordinary" is "$zero" "$ORDINARY"
eventually 120 "pvschedd knows the thread again" has_bound again 1
expect "the thread is the same" "$(vcpu again 0 .tid)" "$zero"
holdings again >"$OUT/after"
diff "$OUT/before" "$OUT/after" || fail "something leaked"

# And one that is reset from outside, without a word to the driver.
qmp again '{"execute":"system_reset"}' >"$OUT/reset"
eventually 15 "pvschedd knows no thread" has_bound again 0
eventually 120 "pvschedd knows the thread again" has_bound again 1
