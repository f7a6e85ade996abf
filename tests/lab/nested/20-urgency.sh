#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# While a real-time task runs in the guest, its vCPU's thread is real-time, and
# only that one; when the task ends, the thread is what it was.
. /lab/tests/lib.sh

start_pvschedd
lab-guest start urgent --vcpus 2 || fail "the guest did not start"
eventually 10 "pvschedd knows both threads" holds '[ "$(bound urgent)" = 2 ]'
zero=$(thread urgent 0) one=$(thread urgent 1)
eventually 5 "vCPU 1's thread is ordinary at first" holds '[ "$(params '"$one"')" = "'"$ORDINARY"'" ]'

spin urgent 1
eventually 5 "vCPU 1's thread is SCHED_RR 8" holds '[ "$(params '"$one"')" = "RR - 8" ]'
# The guest's own migration thread, SCHED_FIFO, may have run there just before.
eventually 5 "vCPU 0's thread is ordinary meanwhile" holds '[ "$(params '"$zero"')" = "'"$ORDINARY"'" ]'
unspin urgent
eventually 10 "vCPU 1's thread is ordinary again" holds '[ "$(params '"$one"')" = "'"$ORDINARY"'" ]'
