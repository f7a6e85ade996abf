#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# How long a small VM takes on a busy host, from the start of QEMU to its end: it boots to
# user space, whose first process resets it. No micro-VM, which an emulated host does not
# boot each time:
# ./lab exec tests/lab/measure/boot.sh [ROUNDS [BOOTS [POLICY...]]]; BOOTS in each round.
. "${0%/*}/lib.sh"
boots=${2:-3}
. booting.sh

one() {
  local k start busy
  # shellcheck disable=SC2086 # a list of options
  stress-ng $load --temp-path /var/tmp --timeout $((2 * boot_limit * boots)) >"$round/work" 2>&1 &
  busy=$!
  sleep 3
  : >"$round/times"
  small_vm
  for ((k = 0; k < boots; k++)); do
    start=$(now)
    until boot_vm; do
      tail -n 3 "$round/console" "$round/qemu.log"
      ((restarts-- > 0)) || die "a VM did not boot to its end in $boot_limit s, in round $n under $policy"
      start=$(now)
    done
    calc "$(now) - $start" >>"$round/times"
  done
  kill $busy
  wait $busy
  figure boots/s "$(jq -s 'length / add' "$round/times")"
}

compare
report
echo "Seconds from exec to exit, mean and standard deviation of $((rounds * boots)):"
for policy in "${policies[@]}"; do
  for ((n = 1; n <= rounds; n++)); do cat "$OUT/round-$n-$policy/times"; done |
    jq -rs --arg policy "$policy" '(add / length) as $mean
      | "  \($policy): \($mean * 100 | round / 100), \((map(. - $mean | . * .) | add / ([length - 1, 1] | max)) | sqrt * 100 | round / 100)"'
done
