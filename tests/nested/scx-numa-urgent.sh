#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
#
# The vCPUs of an urgent guest stay where their caches are: on a busy host of two nodes they mostly
# switch in on the CPU on which they ran last, and hardly ever on the other node.
# topology: sockets=2,cores=2,threads=2,numa
. /lab/tests/lib.sh

WAKEUPS=300         # of each of the guest's urgent tasks
MOVED_MAX=35        # switches onto another CPU than the last, in %
OTHER_NODE_MAX=3    # switches onto the other node, in %
LEAST=300           # switches, for a meaningful share

need_scx
start_scx
use_pair
eventually 20 "pvschedd binds both vCPUs" has_bound pair 2
chrt -f -p 60 $$ # the observer must run beside the busy loops
for _ in {1..12}; do host_spin 0-7; done
sleep 3 # until the busy loops have their places

mapfile -t vcpus < <(lab-guest threads pair)
lab-switches start "${vcpus[@]}"
LAB_GUEST_TIMEOUT=300 lab-guest exec pair \
  "cyclictest --mlockall -q -p 8 --policy=rr -t 2 -a -i 10000 -l $WAKEUPS" >"$OUT/cyclictest" || fail "cyclictest failed"
read -r all moved other < <(lab-switches stop "$OUT/trace")
echo "$all switches to vCPUs, $moved onto another CPU than the last, $other onto the other node"
[ "$all" -ge $LEAST ] || fail "the trace has only $all switches"
[ $((100 * moved)) -le $((MOVED_MAX * all)) ] || fail "$moved of $all switches moved a vCPU, more than $MOVED_MAX %"
[ $((100 * other)) -le $((OTHER_NODE_MAX * all)) ] ||
  fail "$other of $all switches moved a vCPU to the other node, more than $OTHER_NODE_MAX %"
scx_healthy
