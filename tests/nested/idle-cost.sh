#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
#
# pvschedd without registered vCPUs and pvsched-device with an idle guest do not wake up. Both
# processes are small.
. /lab/tests/lib.sh

# Voluntary context switches of a process: every wake-up ends in one.
sleeps() { cat /proc/"$1"/task/*/status | awk '/^voluntary_ctxt_switches/ { n += $2 } END { print n }'; }
# expect_rss NAME PID MIB
expect_rss() {
  local rss
  rss=$(awk '/^VmRSS/ { print $2 }' "/proc/$2/status")
  [ "$rss" -le $(($3 * 1024)) ] || fail "$1 has $rss KiB resident, more than $3 MiB"
}

start_pvschedd
daemon=$(pvschedd_pid)
sleep 1
before=$(sleeps "$daemon")
sleep 10
expect "wake-ups of pvschedd in 10 s" "$(($(sleeps "$daemon") - before))" 0

use_pair
eventually 10 "pvschedd binds both vCPUs" has_bound pair 2
device=$(cat /run/lab/guest/pair/device.pid)
sleep 1
before=$(sleeps "$device")
sleep 10
expect "wake-ups of pvsched-device in 10 s" "$(($(sleeps "$device") - before))" 0

expect_rss pvschedd "$daemon" 30
expect_rss pvsched-device "$device" 15
