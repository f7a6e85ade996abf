#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# What the driver costs a guest: ./lab exec tests/lab/measure/guest-switch.sh [ROUNDS].
# Two threads pass messages through pipes, so each message is context switches and
# wake-ups; with and without the driver in turn, on an idle host that runs pvschedd.
. "${0%/*}/lib.sh"
rounds=${1:-9}
median() { sort -g | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)], "(" v[1] " .. " v[NR] ")" }'; }

pvschedd </dev/null 2>"$OUT/pvschedd.log" &
until pvschedctl vm list >/dev/null 2>&1; do sleep 0.2; done
lab-guest start g --no-driver || exit 1
run() { lab-guest exec g 'hackbench -p -T -g 1 -f 1 -l 120000' | awk '/Time/ { print $2 }'; }
run >/dev/null # warm
for ((n = 1; n <= rounds; n++)); do
  # Before and after, so that what drifts drops out.
  before=$(run)
  lab-guest exec g 'insmod /pvsched.ko' || die "insmod failed"
  with=$(run)
  lab-guest exec g 'rmmod pvsched' || die "rmmod failed"
  after=$(run)
  echo "round $n: without $before s, with $with s, without $after s"
  jq -n "$with / (($before + $after) / 2) * 1000 | round / 1000" >>"$OUT/ratios"
done
echo "time with the driver to time without, median (extremes): $(median <"$OUT/ratios")"
