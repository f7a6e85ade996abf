#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
#
# An urgent vCPU preempts batch work before a service: of two busy CPUs it takes the one whose task
# has nice 19, on whichever CPU that is.
. /lab/tests/lib.sh

WAKEUPS=400      # of the guest's urgent task
SERVICE_MAX=25   # switches that preempt the service, in % of those that preempt either task
LEAST=100        # such switches, for a meaningful share

need_scx
start_scx
use_pair
eventually 20 "pvschedd binds both vCPUs" has_bound pair 2
chrt -f -p 60 $$ # the observer must run beside the busy loops
one=$(thread pair 1)

# Both orders of the CPUs: a vCPU that merely stays on its CPU fails one of them.
for batch_cpu in 0 1; do
  host_spin $batch_cpu
  batch=$hog
  host_spin $((1 - batch_cpu))
  service=$hog
  renice -n 19 -p "$batch" >/dev/null || fail "renice"
  sleep 1
  lab-switches start "$one"
  LAB_GUEST_TIMEOUT=300 lab-guest exec pair \
    "cyclictest --mlockall -q -p 8 --policy=rr -t 1 -a 1 -i 5000 -l $WAKEUPS" >"$OUT/cyclictest" || fail "cyclictest failed"
  lab-switches stop "$OUT/trace-$batch_cpu" >/dev/null
  of_batch=$(grep -c "prev_pid=$batch " "$OUT/trace-$batch_cpu")
  of_service=$(grep -c "prev_pid=$service " "$OUT/trace-$batch_cpu")
  echo "batch work on CPU $batch_cpu: the vCPU preempted it $of_batch times, the service $of_service times"
  [ $((of_batch + of_service)) -ge $LEAST ] || fail "the trace has only $((of_batch + of_service)) switches from either task"
  [ $((100 * of_service)) -le $((SERVICE_MAX * (of_batch + of_service))) ] ||
    fail "of $((of_batch + of_service)) switches $of_service preempted the service, more than $SERVICE_MAX %"
  kill "$batch" "$service"
done
scx_healthy
