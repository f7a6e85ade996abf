#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# What a guest that lies costs the others: ./lab exec tests/lab/measure/hostile.sh
# [ROUNDS [SECONDS]]. A stranger's VM claims SCHED_FIFO 99 on both vCPUs for ever and
# spins, on a busy host, beside a neighbour's VM. In each round once at EEVDF and once
# under pvsched with a stranger's caps; figures are ratios of the second to the first.
set -u
rounds=${1:-3} seconds=${2:-20} budget=50 window=1000

measure="cyclictest --mlockall -q -p 8 --policy=rr -i 2000 -h 200000"
load="--cpu 2 --iomix 1 --vm 1 --vm-bytes 128M --fork 1"
die() { echo "hostile: $*" >&2; exit 1; }

percentile() { # FILE FRACTION: in us
  jq -r --argjson f "$2" '.thread["0"] as $t
    | ([$t.histogram | to_entries[] | {us: (.key | tonumber), n: .value}] | sort_by(.us)) as $h
    | ($t.cycles * $f) as $want
    | reduce $h[] as $e ({seen: 0, us: 0}; if .seen >= $want then . else {seen: (.seen + $e.n), us: $e.us} end)
    | .us' "$1"
}
work() { # FILE: geometric mean of the stressors' rates, without vm
  awk '/metrc: / && $5 ~ /^[0-9]+$/ && $4 != "vm" { s += log($9); n++ } END { print n ? exp(s / n) : 0 }' "$1"
}
boosted_ms() { pvschedctl --json stats | jq '[.vcpus[] | select(.vm == "stranger") | .boosted_ns] | add / 1e6'; }
cpu_ms() { for t in $(lab-guest threads stranger); do cut -d' ' -f1 "/proc/$t/schedstat"; done | jq -s 'add / 1e6'; }
uptime_ms() { awk '{ printf "%d", $1 * 1000 }' /proc/uptime; }
ratio() { jq -n "$1 / $2 * 1000 | round / 1000"; }
median() { sort -g | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

one() { # POLICY: measures, figures into $OUT/POLICY.*
  local out=$OUT/round-$n-$1 used cpu start took
  mkdir -p "$out"
  stress-ng $load --temp-path /var/tmp --timeout $((seconds + 6)) --metrics >"$out/work" 2>&1 &
  local stress=$!
  sleep 3
  used=$(boosted_ms) cpu=$(cpu_ms) start=$(uptime_ms)
  $measure -D "$seconds" --json="$out/host.json" >/dev/null &
  local host=$!
  LAB_GUEST_TIMEOUT=$((3 * seconds + 30)) lab-guest exec neighbour \
    "$measure -D $seconds --json=/tmp/latency >/dev/null && cat /tmp/latency" >"$out/neighbour.json" ||
    die "the neighbour's measurement failed"
  wait $host
  used="$(boosted_ms) - $used" cpu="$(cpu_ms) - $cpu" took=$(($(uptime_ms) - start))
  jq -n "($used) / $took * 1000 | round / 1000" >"$out/boosted"
  jq -n "($cpu) / $took * 1000 | round / 1000" >"$out/cpu"
  wait $stress
  work "$out/work" >"$out/rate"
  for side in host neighbour; do percentile "$out/$side.json" 0.99 >"$out/$side.p99"; done
  echo "round $n $1: host p99 $(cat "$out/host.p99") us, load $(cat "$out/rate"), neighbour p99" \
    "$(cat "$out/neighbour.p99") us, stranger: $(cat "$out/cpu") CPUs, $(cat "$out/boosted") of them boosted"
}

pvschedd </dev/null 2>"$OUT/pvschedd.log" &
until pvschedctl vm list >/dev/null 2>&1; do sleep 0.2; done
pvschedctl tunable set budget $budget --vm stranger >/dev/null || die "no tunable"
pvschedctl tunable set max-rt-prio 1 --vm stranger >/dev/null || die "no tunable"
lab-guest start neighbour || exit 1
lab-guest start stranger --vcpus 2 --no-driver || exit 1
lab-guest exec stranger "insmod /hostile.ko mode=claim &&
  for cpu in 0 1; do taskset -c \$cpu sh -c 'while :; do :; done' >/dev/null 2>&1 & done" || die "hostile.ko does not load"

for ((n = 1; n <= rounds; n++)); do
  for ((i = 0; i < 2; i++)); do
    if (((i + n) % 2)); then
      pvschedctl tunable set mode off --vm stranger >/dev/null
      one eevdf
    else
      pvschedctl tunable set mode enforce --vm stranger >/dev/null
      one pvsched
    fi
  done
done
echo "Medians of $rounds rounds, the stranger under pvsched (budget $budget of $window ms, max-rt-prio 1) to the stranger at EEVDF:"
for what in host.p99 rate neighbour.p99 cpu; do
  printf '  %-16s %s\n' $what "$(for ((n = 1; n <= rounds; n++)); do
    ratio "$(cat "$OUT/round-$n-pvsched/$what")" "$(cat "$OUT/round-$n-eevdf/$what")"; done | median)"
done
printf '  %-16s %s of the budget of %s CPUs\n' boosted "$(for ((n = 1; n <= rounds; n++)); do
  ratio "$(cat "$OUT/round-$n-pvsched/boosted")" "(2 * $budget / $window)"; done | median)" "$(jq -n "2 * $budget / $window")"
