#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# A guest that sleeps (suspend to idle) holds nothing; when it wakes, by its clock's
# alarm, it is known again.
. /lab/tests/lib.sh

start_pvschedd
use_pair
eventually 10 "pvschedd knows both threads" has_bound pair 2
lab-guest exec pair '[ -e /sys/class/rtc/rtc0/wakealarm ] && grep -q freeze /sys/power/state' ||
  skip "the guest's kernel has no suspend to idle, or its machine no alarm"
lab-guest exec pair '(sleep 1; echo +8 >/sys/class/rtc/rtc0/wakealarm; echo freeze >/sys/power/state) >/dev/null 2>&1 &'
eventually 30 "pvschedd knows no thread" has_bound pair 0
eventually 60 "pvschedd knows both threads again" has_bound pair 2
spin pair 1
eventually 20 "vCPU 1's thread is boosted" is "$(thread pair 1)" "RR - 8"
