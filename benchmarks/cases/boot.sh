#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
#
# The boot time of a small VM on an idle and on a busy host: pvsched-boot measures from exec
# of QEMU to the guest's user space and to the end. The VM is no microvm, as an emulated host
# does not boot a microvm reliably.
# ./lab exec benchmarks/cases/boot.sh [ROUNDS [BOOTS [POLICY...]]]; BOOTS in each round.
. "${0%/*}/lib.sh"
boots=${2:-3}

# A guest kernel that panics ends QEMU, too, but it reports no user space.
boot() {
  pvsched-boot --json -- timeout "$boot_limit" lab-guest boot --append 'console=ttyS0 quiet' -- \
    -serial "file:$round/console" >"$round/boot.json" 2>"$round/boot.log" &&
    jq -ce '.commands[0].runs[0] | select(.ms.exec_to_userspace)' "$round/boot.json" >>"$round/$1"
}

# boots_on HOST: $boots boots, with a retry for each failure; the figures are their means.
boots_on() {
  local k
  : >"$round/$1"
  for ((k = 0; k < boots; k++)); do
    until boot "$1"; do
      tail -n 3 "$round/console" "$round/boot.log"
      ((restarts-- > 0)) || die "a VM did not boot to its end in $boot_limit s, in round $n under $policy"
    done
  done
  figure "$1 user space" "$(jq -s 'map(.ms.exec_to_userspace) | add / length' "$round/$1")"
  figure "$1 end" "$(jq -s 'map(.ms.exec_to_end) | add / length' "$round/$1")"
  figure "$1 exits" "$(jq -s 'map(.exits.total) | add / length' "$round/$1")"
}

one() {
  boot_boost_for "$policy" || die "$why"
  boots_on idle
  start_load_for $((2 * boot_limit * boots))
  boots_on busy
  end_load
  figure "busy boots/s" "$(jq -s 'length / (map(.ms.exec_to_end) | add) * 1000' "$round/busy")"
}

compare
report
echo "Milliseconds from exec to exit, mean and standard deviation of $((rounds * boots)):"
for policy in "${policies[@]}"; do
  for host in idle busy; do
    cat "$OUT"/round-*-"$policy/$host" | jq -rs --arg what "$policy, $host" 'map(.ms.exec_to_end) | (add / length) as $mean
      | "  \($what): \($mean | round), \((map(. - $mean | . * .) | add / ([length - 1, 1] | max)) | sqrt | round)"'
  done
done
