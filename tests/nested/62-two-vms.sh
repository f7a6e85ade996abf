#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Two VMs: what one says and what becomes of it is nothing to the other.
. /lab/tests/lib.sh

start_pvschedd
use_pair
lab-guest start other || fail "the second guest did not start"
eventually 10 "pvschedd knows the first's threads" has_bound pair 2
eventually 10 "pvschedd knows the second's thread" has_bound other 1
one=$(thread pair 1) their=$(thread other 0)
spin pair 1
eventually 5 "the first's thread is boosted" is "$one" "RR - 8"
eventually 5 "the second's is not" is "$their" "$ORDINARY"

# Its own caps.
pvschedctl tunable set max-rt-prio 3 --vm pair || fail "tunable set"
eventually 5 "the first's thread is under its VM's cap" is "$one" "RR - 3"
kill -KILL "$(lab-guest pid other)"
eventually 10 "pvschedd forgets the second" holds '[ "$(pvschedctl --json vm list | jq length)" = 1 ]'
eventually 5 "the first's thread is boosted all the same" is "$one" "RR - 3"
