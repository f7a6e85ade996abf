#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
#
# A guest suspends to idle and a key wakes it up. No record is registered while it sleeps, and every
# record is afterwards. The guest gets its commands before it sleeps, because its virtio port may
# not work after the resume.
. /lab/tests/lib.sh

start_pvschedd
lab-guest start sleeper --vcpus 2 || fail "the guest did not start"
eventually 20 "pvschedd binds both vCPUs" has_bound sleeper 2
one=$(thread sleeper 1)
holdings sleeper >"$OUT/before"
lab-guest exec sleeper 'grep -qw freeze /sys/power/state' || skip "the guest's kernel does not suspend to idle"
lab-guest exec sleeper 'for port in /sys/bus/serio/devices/*; do
    [ "$(cat $port/description)" = "i8042 KBD port" ] && echo enabled >$port/power/wakeup && exit
  done
  exit 1' || skip "the guest has no keyboard that can wake it up"

spin sleeper 1
eventually 20 "vCPU 1's thread is boosted" has_params "$one" "RR - 8"
lab-guest exec sleeper '(sleep 1; echo freeze >/sys/power/state && sleep 20 && kill -9 $(cat /tmp/spin)) >/dev/null 2>&1 &'
eventually 30 "no vCPU is registered" has_vcpus 0
eventually 5 "vCPU 1's thread has default parameters, its real-time task frozen" has_params "$one" "$DEFAULT_PARAMS"
# Still asleep, not between two registrations.
sleep 3
expect "registered vCPUs during the sleep" "$(vcpus)" 0

qmp sleeper '{"execute":"send-key","arguments":{"keys":[{"type":"qcode","data":"shift"}]}}' >"$OUT/key"
eventually 20 "pvschedd binds both vCPUs again" has_bound sleeper 2
expect "vCPU 1's tid" "$(vcpu sleeper 1 .tid)" "$one"
eventually 15 "vCPU 1's thread is boosted for the thawed task" has_params "$one" "RR - 8"
eventually 60 "vCPU 1's thread has default parameters again" has_params "$one" "$DEFAULT_PARAMS"
[ "$(vcpu sleeper 1 .boosts)" -gt 0 ] || fail "no boost was counted after the resume"
holdings sleeper >"$OUT/after"
diff "$OUT/before" "$OUT/after" || fail "a leak: see the difference"
