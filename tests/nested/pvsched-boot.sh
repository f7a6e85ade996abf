#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
#
# pvsched-boot counts the same VM exits as perf, or as the kernel's histogram of the tracepoint if perf
# is not installed. Its times agree with the guest's clock, also if the host does not trust its TSC.
#
# lab: last test of a boot, because the host's TSC stays untrusted
. /lab/tests/lib.sh

event=/sys/kernel/tracing/events/kvm/kvm_exit
if command -v perf >/dev/null; then
  counter="perf stat -x , -o $OUT/perf -e kvm:kvm_exit"
  counted() { awk -F , '/kvm_exit/ { print $1 }' "$OUT/perf"; }
elif [ -e $event/hist ]; then
  counter=
  counted() { awk '/^ *Hits:/ { print $2 }' "$OUT/hist"; }
else
  skip "neither perf nor the kernel's histograms (CONFIG_HIST_TRIGGERS) are available to compare with"
fi
lab-guest stop --all # the histogram counts the exits of all VMs

boot() {
  rm -f "$OUT/console"
  [ -n "$counter" ] || echo 'hist:keys=exit_reason' >$event/trigger
  # shellcheck disable=SC2086 # a command
  $counter pvsched-boot --json -- timeout 120 lab-guest boot --append 'console=ttyS0 quiet' --init clock \
    -- -serial "file:$OUT/console" >"$OUT/boot.json"
  local status=$?
  [ -n "$counter" ] || { cat $event/hist >"$OUT/hist"; echo '!hist:keys=exit_reason' >$event/trigger; }
  [ $status = 0 ] && grep -q 'boot-init: TSC' "$OUT/console"
}

# One more try: an emulated host sometimes hangs or resets a guest.
boot_to_end() { boot || boot || fail "the guest did not boot to its end: $(tail -n 3 "$OUT/console")"; }

# within PERCENT WHAT OURS THEIRS
within() {
  echo "$2: $3, $4"
  jq -en "$3 > 0 and (($3 - $4) | fabs) <= $1 / 100 * $4" >/dev/null || fail "$2: $3, which is not within $1 % of $4"
}
run() { jq ".commands[0].runs[0]$1" "$OUT/boot.json"; }

compare_time() {
  within 2 "ms to user space by pvsched-boot and by the guest's TSC$1" "$(run .ms.tsc_zero_to_userspace)" \
    "$(sed -n 's/.*boot-init: TSC \([0-9.]*\) ms.*/\1/p' "$OUT/console")"
}

boot_to_end
within 1 "VM exits" "$(run .exits.total)" "$(counted)"
compare_time ""
expect "steps without a time" "$(run '.ms | map(select(. == null)) | length')" 0
[ "$(run '.exits.by_reason | length')" -gt 3 ] || fail "too few exit reasons: $(run .exits.by_reason)"
expect "exit reasons without a name" "$(run '.exits.by_reason | keys | map(select(startswith("reason "))) | length')" 0

insmod /lab/untrusted_tsc.ko || fail "untrusted_tsc.ko does not load"
# KVM restarts the TSC at the vCPU's reset if that comes more than a second after the
# vCPU's creation. A second boot is to measure the other case.
for _ in 1 2; do
  boot_to_end
  compare_time ", host TSC untrusted"
  [ "$(run '.ms.vcpu_made_to_vcpu_runs < 900')" = true ] && exit
done
echo "not measured: a reset within a second of the vCPU's creation"
