#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# A VM that is killed while boosted leaves nothing behind.
. /lab/tests/lib.sh

start_pvschedd
use_pair
eventually 10 "pvschedd knows both threads" has_bound pair 2
spin pair 1
eventually 5 "vCPU 1's thread is boosted" is "$(thread pair 1)" "RR - 8"
kill -KILL "$(lab-guest pid pair)"
eventually 10 "pvschedd forgets the VM" holds '[ "$(pvschedctl --json vm list | jq length)" = 0 ]'
eventually 10 "its pvsched-device ends" holds '! pgrep -x pvsched-device'
kill -0 "$(pvschedd_pid)" || fail "pvschedd ended, too"
lab-guest start next || fail "the next guest did not start"
eventually 10 "the next guest is registered" has_bound next 1
