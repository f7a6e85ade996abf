#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# What the host's own work gets under each policy, no guest there:
# ./lab exec benchmarks/cases/host-work.sh [ROUNDS [SECONDS [POLICY...]]].
# More is better for work, hackbench and forks; less is for the latencies.
. "${0%/*}/lib.sh"
seconds=${2:-15}
messages=600 # of each of hackbench's 40 senders: some 5 s
recipes=400  # of the "build"

# took CMD...: in s.
took() {
  local start
  start=$(now)
  "$@" >/dev/null 2>"$round/err" || die "$1 failed: $(tail -1 "$round/err")"
  calc "$(now) - $start"
}

# As make -j4 of many tiny recipes: each a shell that forks once more.
# shellcheck disable=SC2016 # for the shells within
build() { seq $recipes | xargs -P 4 -n 1 sh -c '[ "$(echo "$0")" = "$0" ]'; }

# What runs for the first time is slower, whatever the policy.
setup() { hackbench -g 2 -l 50 >/dev/null && build; }

one() {
  local ordinary host
  start_load
  # The host's urgent work, and its ordinary work, beside the load.
  ${in_host/-p 8 --policy=rr/--policy=other} -D "$seconds" --json="$round/other.json" >/dev/null 2>&1 &
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
