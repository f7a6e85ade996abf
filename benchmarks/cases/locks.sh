#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
#
# Work with many locks and wake-ups: hackbench in two guests of two vCPUs at the same time.
# A vCPU that is preempted while it holds a lock delays the guest's other vCPU. Figures:
# messages per second; `both` counts until the slower guest has finished.
# ./lab exec benchmarks/cases/locks.sh [ROUNDS [MESSAGES [POLICY...]]].
. "${0%/*}/lib.sh"
messages=${2:-100}
senders=20 # of hackbench's one group

setup() {
  guest left --vcpus 2
  guest right --vcpus 2
}

# run GUEST: writes the guest's time in s to $round/GUEST.
run() {
  LAB_GUEST_TIMEOUT=300 lab-guest exec "$1" "hackbench -g 1 -l $messages" >"$round/$1.log" &&
    awk '/Time:/ { print $2; seen = 1 } END { exit !seen }' "$round/$1.log" >"$round/$1"
}

one() {
  local start took left
  serves 4 || return 1
  start=$(now)
  run left &
  left=$!
  run right
  local status=$?
  wait $left && [ $status = 0 ] || return 1
  took=$(calc "$(now) - $start")
  figure left "$(calc "$senders * $messages / $(cat "$round/left")")"
  figure right "$(calc "$senders * $messages / $(cat "$round/right")")"
  figure both "$(calc "2 * $senders * $messages / $took")"
}

compare
report
