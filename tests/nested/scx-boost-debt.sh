#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
#
# CPU time of a boost is charged to the budget, not to the vCPU's vtime. When the guest continues
# with an ordinary task, the vCPU has its fair share at once.
. /lab/tests/lib.sh

need_scx
start_scx
use_pair
eventually 10 "pvschedd binds both vCPUs" has_bound pair 2
pvschedctl tunable set budget 1000 >/dev/null || fail "tunable set"
taskset -p -c 1 "$(thread pair 1)" >/dev/null || fail "taskset"
for _ in 1 2 3; do host_spin 1; done

# A loop alternates between SCHED_RR and, for a quarter of the iterations, SCHED_OTHER.
# It prints the total time of each, in ms.
times=$(LAB_GUEST_TIMEOUT=120 lab-guest exec pair 'taskset -c 1 sh -c "
    loop() { i=0; while [ \$i -lt \$1 ]; do i=\$((i + 1)); done; }
    now() { read -r up rest </proc/uptime; echo \${up%.*}\${up#*.}; }
    urgent=0 ordinary=0
    for round in 1 2 3 4 5 6 7 8; do
      chrt -r -p 8 \$\$; begin=\$(now); loop 2000; middle=\$(now); chrt -o -p 0 \$\$
      loop 500; urgent=\$((urgent + middle - begin)) ordinary=\$((ordinary + \$(now) - middle))
    done
    echo \$((urgent * 10)) \$((ordinary * 10))"') || fail "the loop failed in the guest"
read -r urgent ordinary <<<"$times"
echo "urgent: $urgent ms; ordinary, a quarter of the work as one of four tasks: $ordinary ms"
# A vtime charged for the boost would add 100 ms and more to each ordinary part.
[ $((3 * ordinary)) -le $((4 * urgent)) ] || fail "ordinary work waits for the CPU time of the boost"
scx_healthy
