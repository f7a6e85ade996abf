#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
#
# The host's own work under each policy, without guests. Higher is better for work, hackbench
# and forks; lower is better for the latencies.
# ./lab exec benchmarks/cases/host-work.sh [ROUNDS [SECONDS [POLICY...]]].
. "${0%/*}/lib.sh"
seconds=${2:-15}
messages=600 # of each of hackbench's 40 senders: about 5 s
recipes=400  # of `build`

# took CMD...: the time of CMD in s.
took() {
  local start
  start=$(now)
  "$@" >/dev/null 2>"$round/err" || die "$1 failed: $(tail -1 "$round/err")"
  calc "$(now) - $start"
}

# Resembles make -j4 with many tiny recipes: each is a shell that forks once.
# shellcheck disable=SC2016 # for the shells within
build() { seq $recipes | xargs -P 4 -n 1 sh -c '[ "$(echo "$0")" = "$0" ]'; }

# A warm-up: the first run is slower under every policy.
setup() { hackbench -g 2 -l 50 >/dev/null && build; }

one() {
  local ordinary host
  start_load
  # Latency of an ordinary and of an urgent task of the host, beside the load.
  ${in_host/-p $rt_priority --policy=rr/--policy=other} -D "$seconds" --json="$round/other.json" >/dev/null 2>&1 &
  ordinary=$!
  $in_host -D "$seconds" --json="$round/rr.json" >/dev/null 2>&1 &
  host=$!
  { wait $ordinary && wait $host; } || die "cyclictest failed"
  end_load || die "stress-ng failed: $(tail -1 "$round/work")"
  figure work "$(work "$round/work")"
  figure rr.p99 "$(percentile 0.99 "$round/rr.json")"
  figure ordinary.p99 "$(percentile 0.99 "$round/other.json")"
  figure hackbench "$(calc "$messages / $(took hackbench -g 2 -l $messages)")"
  figure forks "$(calc "$recipes / $(took build)")"
}

compare
report
