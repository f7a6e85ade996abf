#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
#
# The host lowers a vCPU that runs a task of nice 19 only while no ordinary task waits there.
# The turns that the guest's scheduler gives to the low task lower nothing.
. /lab/tests/lib.sh

# run_on_1 NICE 'SHELL TEXT': starts a task on the guest's CPU 1.
run_on_1() {
  lab-guest exec pair "taskset -c 1 sh -c '$2' >/dev/null 2>&1 &
    echo \$! >>/tmp/spin; renice -n $1 -p \$!" || fail "a task of nice $1 does not start"
}
switches() { lab-guest exec pair 'awk "/ctxt_switches/ { n += \$2 } END { print n }" /proc/$(head -n 1 /tmp/spin)/status'; }

start_pvschedd
use_pair
eventually 10 "pvschedd binds both vCPUs" has_bound pair 2
one=$(thread pair 1)
run_on_1 19 'while :; do :; done'
eventually 10 "vCPU 1 is lowered for a task of nice 19" has_params "$one" "TS 19 -"

run_on_1 0 'while :; do :; done'
run_on_1 0 'while :; do usleep 1000; done'
eventually 10 "ordinary tasks end the lowering" has_params "$one" "$DEFAULT_PARAMS"
sleep 1
before=$(switches)
pvschedctl --json trace --seconds 4 --vm pair >"$OUT/trace" || fail "pvschedctl trace"
turns=$((($(switches) - before) / 2))
[ $turns -gt 4 ] || fail "the task of nice 19 had only $turns turns"
lowered=$(jq -s '[.[] | select(.vcpu == 1 and (.grant | startswith("lowered")))] | length' "$OUT/trace")
echo "$turns turns of the low task"
expect "grants that lower vCPU 1 while ordinary tasks wait" "$lowered" 0

lab-guest exec pair 'kill -9 $(tail -n 2 /tmp/spin)' || fail "an ordinary task had ended"
eventually 10 "vCPU 1 is lowered without ordinary tasks" has_params "$one" "TS 19 -"
lab-guest exec pair 'kill -9 $(head -n 1 /tmp/spin); rm /tmp/spin'
