#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# How long a small VM takes on an idle and on a busy host, by pvsched-boot: from exec of
# QEMU to the guest's user space, and to the end. No micro-VM, which an emulated host does
# not boot each time:
# ./lab exec benchmarks/cases/boot.sh [ROUNDS [BOOTS [POLICY...]]]; BOOTS in each round.
. "${0%/*}/lib.sh"
boots=${2:-3}
limit=180 # s, for one

# A kernel that panics ends QEMU, too: it has not told of its user space.
boot() {
  pvsched-boot --json -- timeout $limit lab-guest boot --append 'console=ttyS0 quiet' -- \
    -serial "file:$round/console" >"$round/boot.json" 2>"$round/boot.log" &&
    jq -ce '.commands[0].runs[0] | select(.ms.exec_to_userspace)' "$round/boot.json" >>"$round/$1"
}

# boots_on HOST: some, each measured again until it boots; their means are the figures.
boots_on() {
  local k
  : >"$round/$1"
  for ((k = 0; k < boots; k++)); do
    until boot "$1"; do
      tail -n 3 "$round/console" "$round/boot.log"
      ((restarts-- > 0)) || die "a VM did not boot to its end in $limit s, in round $n under $policy"
    done
  done
  figure "$1 user space" "$(jq -s 'map(.ms.exec_to_userspace) | add / length' "$round/$1")"
  figure "$1 end" "$(jq -s 'map(.ms.exec_to_end) | add / length' "$round/$1")"
  figure "$1 exits" "$(jq -s 'map(.exits.total) | add / length' "$round/$1")"
}

one() {
  local busy
  for_long_boots "$policy" || die "$why"
  boots_on idle
  # shellcheck disable=SC2086 # a list of options
  stress-ng $load --temp-path /var/tmp --timeout $((2 * limit * boots)) >"$round/work" 2>&1 &
  busy=$!
  sleep 3
  boots_on busy
  kill $busy
  wait $busy
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
