#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# What a vCPU has used while it was urgent its budget has paid for: when its guest goes on
# with ordinary work, that gets its share at once, as if the urgent had not been.
. /lab/tests/lib.sh

need_scx
start_scx
use_pair
eventually 10 "pvschedd knows both threads" has_bound pair 2
pvschedctl tunable set budget 1000 >/dev/null || fail "tunable set"
taskset -p -c 1 "$(thread pair 1)" >/dev/null || fail "taskset"
for _ in 1 2 3; do host_spin 1; done

# In turn SCHED_RR and, for a quarter of that, ordinary; how long each took, in all.
took=$(LAB_GUEST_TIMEOUT=120 lab-guest exec pair 'taskset -c 1 sh -c "
    loop() { i=0; while [ \$i -lt \$1 ]; do i=\$((i + 1)); done; }
    now() { read -r up rest </proc/uptime; echo \${up%.*}\${up#*.}; }
    urgent=0 ordinary=0
    for turn in 1 2 3 4 5 6 7 8; do
      chrt -r -p 8 \$\$; begin=\$(now); loop 2000; middle=\$(now); chrt -o -p 0 \$\$
      loop 500; urgent=\$((urgent + middle - begin)) ordinary=\$((ordinary + \$(now) - middle))
    done
    echo \$((urgent * 10)) \$((ordinary * 10))"') || fail "the guest does not compute"
read -r urgent ordinary <<<"$took"
echo "urgent work: $urgent ms; a quarter of it, ordinary, as one of four: $ordinary ms"
# In debt for what was urgent it would wait 100 ms and more each time.
[ $((3 * ordinary)) -le $((4 * urgent)) ] || fail "ordinary work waits for what urgent work has used"
scx_healthy ""
