#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
#
# A BPF program may call the kfunc in any context, also with run-queue locks held. The kfunc
# changes registered threads only.
. /lab/tests/lib.sh

load_host_module
start_pvschedd --actuator kfunc
use_pair
eventually 10 "pvschedd binds both vCPUs" has_bound pair 2
zero=$(thread pair 0) one=$(thread pair 1)
# The number of real-time threads that are not the guest's vCPUs.
others() { ps -eL -o tid=,cls=,ni=,rtprio= | grep -v "^ *\($zero\|$one\) " | grep -c ' FF \| RR '; }
before=$(others)

# At each context switch the program boosts one of 64 slots, then ends the boost.
bpftool prog load /lab/policies/apply_locked.bpf.o /sys/fs/bpf/apply_locked autoattach || fail "the program does not load"
stress-ng --cpu 2 --switch 2 --timeout 10 --quiet &
for _ in {1..100}; do
  case $(params "$zero") in *RR*) seen=yes ;; esac
  sleep 0.1
done
wait $!
rm /sys/fs/bpf/apply_locked
[ -n "${seen-}" ] || fail "the program never applied a boost, so nothing was tested"
expect "real-time threads other than vCPUs" "$(others)" "$before"
expect_clean_log
stop_pvschedd TERM
for tid in $zero $one; do
  eventually 5 "a vCPU's thread has default parameters" has_params "$tid" "$DEFAULT_PARAMS"
done
unload_host_module
