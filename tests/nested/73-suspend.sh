#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# A guest that is suspended (to idle: its devices asleep, its vCPUs halted) and woken
# by a key: no record is registered meanwhile, and all are afterwards. What it does
# after waking up it is told before, since its virtio port may not outlive the sleep.
. /lab/tests/lib.sh

start_pvschedd
lab-guest start sleeper --vcpus 2 || fail "the guest did not start"
eventually 20 "pvschedd knows both threads" has_bound sleeper 2
one=$(thread sleeper 1)
holdings sleeper >"$OUT/before"
lab-guest exec sleeper 'grep -qw freeze /sys/power/state' || skip "the guest's kernel does not suspend to idle"
lab-guest exec sleeper 'for port in /sys/bus/serio/devices/*; do
    [ "$(cat $port/description)" = "i8042 KBD port" ] && echo enabled >$port/power/wakeup && exit
  done
  exit 1' || skip "the guest has no keyboard that could wake it"

spin sleeper 1
eventually 20 "vCPU 1's thread is boosted" is "$one" "RR - 8"
lab-guest exec sleeper '(sleep 1; echo freeze >/sys/power/state && sleep 20 && kill -9 $(cat /tmp/spin)) >/dev/null 2>&1 &'
eventually 30 "no record is registered" holds '[ "$(pvschedctl --json vcpu list | jq length)" = 0 ]'
eventually 5 "vCPU 1's thread is ordinary, though a real-time task was running" is "$one" "$ORDINARY"
# Asleep, and not just between two registrations.
sleep 3
expect "records while it sleeps" "$(pvschedctl --json vcpu list | jq length)" 0

qmp sleeper '{"execute":"send-key","arguments":{"keys":[{"type":"qcode","data":"shift"}]}}' >"$OUT/key"
eventually 20 "pvschedd knows both threads again" has_bound sleeper 2
expect "the thread is the same" "$(vcpu sleeper 1 .tid)" "$one"
eventually 15 "vCPU 1's thread is boosted again: its task goes on" is "$one" "RR - 8"
eventually 60 "vCPU 1's thread is ordinary again" is "$one" "$ORDINARY"
[ "$(vcpu sleeper 1 .boosts)" -gt 0 ] || fail "no boost was counted after waking up"
holdings sleeper >"$OUT/after"
diff "$OUT/before" "$OUT/after" || fail "something leaked"
