#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# While a real-time task runs in the guest, its vCPU's thread is real-time, and
# only that one; when the task ends, the thread is what it was.
. /lab/tests/lib.sh

start_pvschedd
use_pair
eventually 10 "pvschedd knows both threads" has_bound pair 2
zero=$(thread pair 0) one=$(thread pair 1)
eventually 5 "vCPU 1's thread is ordinary at first" is "$one" "$ORDINARY"

spin pair 1
eventually 5 "vCPU 1's thread is SCHED_RR 8" is "$one" "RR - 8"
# The guest's own migration thread, SCHED_FIFO, may have run there just before.
eventually 5 "vCPU 0's thread is ordinary meanwhile" is "$zero" "$ORDINARY"
unspin pair
eventually 10 "vCPU 1's thread is ordinary again" is "$one" "$ORDINARY"
