#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
#
# The guest's admin lists a cgroup in the driver's parameter urgent_cgroups. An ordinary task there
# makes its vCPU urgent, while it runs and while it waits behind other ordinary tasks. This ends when
# the task leaves the cgroup or the cgroup leaves the list. It begins again when a removed cgroup is
# made again.
. /lab/tests/lib.sh

start_pvschedd
use_pair
eventually 10 "pvschedd binds both vCPUs" has_bound pair 2
one=$(thread pair 1)
# Busy loops use up a budget of a short window.
{ pvschedctl tunable set window 60000 && pvschedctl tunable set budget 60000; } >/dev/null || fail "tunable set"
# Only the tasks' urgency shows.
for tunable in critical-rt-prio irq-rt-prio halt-rt-prio; do
  pvschedctl tunable set $tunable 0 >/dev/null || fail "tunable set $tunable"
done

guest() { lab-guest exec pair "$@"; }
list=/sys/module/pvsched/parameters/urgent_cgroups
is_urgent() { eventually 10 "vCPU 1's thread is SCHED_RR 6 $1" has_params "$one" "RR - 6"; }
# Boosts for other reasons end meanwhile.
is_ordinary() {
  eventually 10 "vCPU 1's thread has default parameters $1" has_params "$one" "$DEFAULT_PARAMS"
  sleep 1
  expect "vCPU 1's thread $1" "$(params "$one")" "$DEFAULT_PARAMS"
}
# move DIRECTORY: the busy loop moves to another cgroup.
move() { guest "echo \$(cat /tmp/spin) >/tmp/cg/$1/cgroup.procs" || fail "the task does not move to /$1"; }

mount_cgroups pair
spin pair 1 "-o 0"
is_ordinary "while no cgroup is listed"

# The cgroup does not exist yet.
guest "echo '/service 5, /service/web 6' >$list" || fail "the list is refused"
expect "the list" "$(guest "cat $list")" $'/service/web 6\n/service 5'
is_ordinary "while its task is in no listed cgroup"
guest 'mkdir -p /tmp/cg/service/web/worker /tmp/cg/other' || fail "mkdir"
move service/web/worker
is_urgent "for a task below the listed cgroup"
move other
is_ordinary "after the task has moved out"
move service
eventually 10 "the outer cgroup's priority counts in it" has_params "$one" "RR - 5"
move service/web
is_urgent "for a task in the listed cgroup"

# An ordinary task shares the vCPU, and so do wake-ups of another one, at which the kernel switches.
guest '{ taskset -c 1 sh -c "while :; do :; done" & echo $!
         taskset -c 1 sh -c "while :; do usleep 3000; done" & echo $!; } >/tmp/others 2>/dev/null' || fail "ordinary tasks do not start"
sleep 1
lost=0
for _ in $(seq 40); do
  case $(vcpu pair 1 .state) in boosted | throttled) ;; *) lost=$((lost + 1)) ;; esac
done
echo "the urgent task shares its vCPU: not boosted in $lost of 40 samples"
[ "$lost" -le 2 ] || fail "vCPU 1 is not boosted in $lost of 40 samples, while its urgent task runs or waits"
guest 'kill -9 $(cat /tmp/others)'

guest "echo -/service/web >$list && echo -/service >$list" || fail "the cgroups are not removed from the list"
expect "the list after the removals" "$(guest "cat $list")" ""
is_ordinary "after its cgroup has left the list"
guest "echo +/service/web 6 >$list" || fail "the cgroup is not added"
is_urgent "after its cgroup is in the list again"
guest "chrt -i -p 0 \$(cat /tmp/spin)" || fail "chrt"
sleep 1
! has_params "$one" "RR - 6" || fail "a SCHED_IDLE task is urgent"
guest "chrt -o -p 0 \$(cat /tmp/spin)" || fail "chrt"
is_urgent "for an ordinary task again"

# A service that restarts has a new cgroup of the same path.
move .
guest 'rmdir /tmp/cg/service/web/worker /tmp/cg/service/web && mkdir /tmp/cg/service/web' || fail "rmdir and mkdir"
move service/web
is_urgent "for a task of a cgroup that was made again"
guest "echo '/ 5' >$list" || fail "the root is refused"
eventually 10 "the root makes all tasks urgent" has_params "$one" "RR - 5"
guest "echo '/service/web 6' >$list" || fail "the list is refused"

for wrong in "web 6" "/web" "/web 0" "/web 100" "/web x" "//web 6" "/web/ 6" "-/web" \
    "/$(printf 'x%.0s' $(seq 300)) 6" "$(for i in $(seq 17); do printf '/x%d 6,' "$i"; done)"; do
  ! guest "echo '$wrong' >$list" 2>/dev/null || fail "this is accepted: '$wrong'"
done
expect "the list after wrong entries" "$(guest "cat $list")" "/service/web 6"

# The list is read when the driver loads.
guest 'rmmod pvsched && insmod /pvsched.ko "urgent_cgroups=\"/service/web 6\""' || fail "the driver does not load again"
eventually 10 "pvschedd binds both vCPUs again" has_bound pair 2
is_urgent "after the driver has loaded with a list"
! guest 'rmmod pvsched; insmod /pvsched.ko "urgent_cgroups=\"/service/web 6\"" urgent_kthreads=banana' 2>/dev/null ||
  fail "a wrong parameter is accepted"
guest 'mkdir /tmp/cg/unused && rmdir /tmp/cg/unused && insmod /pvsched.ko' || fail "the driver does not load after a wrong parameter"
eventually 10 "pvschedd binds both vCPUs at last" has_bound pair 2
is_ordinary "after the driver has loaded without a list"
unspin pair
guest 'rmdir /tmp/cg/service/web /tmp/cg/service /tmp/cg/other' || fail "the cgroups cannot be removed"
expect_clean_guest_log pair
