#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Neither daemon wakes up when nothing happens, and both are small.
. /lab/tests/lib.sh

# Times a process's threads went to sleep: each wake-up ends in one.
sleeps() { cat /proc/"$1"/task/*/status | awk '/^voluntary_ctxt_switches/ { n += $2 } END { print n }'; }
rss_kib() { awk '/^VmRSS/ { print $2 }' "/proc/$1/status"; }

start_pvschedd
daemon=$(pvschedd_pid)
sleep 1
before=$(sleeps "$daemon")
sleep 10
expect "wake-ups of pvschedd in 10 s without a guest" "$(($(sleeps "$daemon") - before))" 0

use_pair
eventually 10 "pvschedd knows both threads" has_bound pair 2
device=$(pgrep -x pvsched-device)
sleep 1
before=$(sleeps "$device")
sleep 10
expect "wake-ups of pvsched-device in 10 s of an idle guest" "$(($(sleeps "$device") - before))" 0

[ "$(rss_kib "$daemon")" -le $((30 * 1024)) ] || fail "pvschedd has $(rss_kib "$daemon") KiB resident, more than 30 MiB"
[ "$(rss_kib "$device")" -le $((15 * 1024)) ] || fail "pvsched-device has $(rss_kib "$device") KiB resident, more than 15 MiB"
