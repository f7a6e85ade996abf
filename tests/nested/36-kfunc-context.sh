#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# The kfunc is safe wherever a program calls it, the scheduler's locks held
# included, and touches nobody whom pvschedd has not registered.
. /lab/tests/lib.sh

load_host_module
start_pvschedd --actuator kfunc
use_pair
eventually 10 "pvschedd knows both threads" has_bound pair 2
others() { ps -eL -o tid=,cls=,ni=,rtprio= | grep -v "^ *\($(thread pair 0)\|$(thread pair 1)\) " | grep -c ' FF \| RR '; }
before=$(others)

# On each switch of any thread a boost for one slot of 64, then for each the end of it.
bpftool prog load /lab/policies/apply_locked.bpf.o /sys/fs/bpf/apply_locked autoattach || fail "the program is refused"
stress-ng --cpu 2 --switch 2 --timeout 10 --quiet &
for _ in {1..100}; do
  case $(params "$(thread pair 0)") in *RR*) seen=yes ;; esac
  sleep 0.1
done
wait $!
rm /sys/fs/bpf/apply_locked
[ -n "${seen-}" ] || fail "it was never applied: nothing was tested"
expect "real-time threads other than the guest's" "$(others)" "$before"
! dmesg | grep -E 'BUG|WARNING|Oops|lockup' || fail "the kernel complains"
stop_pvschedd TERM
eventually 5 "the threads are ordinary" holds 'is "$(thread pair 0)" "$ORDINARY" && is "$(thread pair 1)" "$ORDINARY"'
unload_host_module
