# SPDX-License-Identifier: Apache-2.0
#
# For measurements: policies in turn, in rounds; figures as ratios to EEVDF's of the
# same round. A script is called with [ROUNDS [something of its own [POLICY...]]]. A
# policy is an actuator of pvschedd's; eevdf, without pvschedd, is always among them.
# `setup` starts guests, `one` measures once and calls `figure`; then `compare; report`.
set -u
rounds=${1:-3}
policies=(eevdf)
# shellcheck disable=SC2068 # a list
for policy in ${@:3}; do [ "$policy" = eevdf ] || policies+=("$policy"); done
# shellcheck disable=SC2206 # a list
[ $# -ge 3 ] || policies+=(${default_policies:-scx})

# The demo's load, and its measurement (demo-rounds).
load="--cpu 2 --iomix 1 --vm 1 --vm-bytes 128M --fork 1"
measure="cyclictest --mlockall -q -p 8 --policy=rr -h 200000"
in_host="$measure -i 2000"
in_guest="$measure -i 10000"

restarts=2 # of what `one` could not measure, in all rounds
daemon=
me=${0##*/}
me=${me%.sh}

die() { echo "$me: $*" >&2; exit 1; }

# percentile FILE FRACTION: in us, of what cyclictest wrote. Where it lies beyond the
# histogram, the maximum is all that is known.
percentile() {
  jq -r --argjson f "$2" '.thread["0"] as $t
    | ([$t.histogram | to_entries[] | {us: (.key | tonumber), n: .value}] | sort_by(.us)) as $h
    | ($t.cycles * $f) as $want
    | reduce $h[] as $e ({seen: 0, us: 0}; if .seen >= $want then . else {seen: (.seen + $e.n), us: $e.us} end)
    | if .seen >= $want then .us else $t.max end' "$1"
}

# work FILE: geometric mean of stress-ng's rates; without vm, whose steps are too coarse.
work() { awk '/metrc: / && $5 ~ /^[0-9]+$/ && $4 != "vm" { s += log($9); n++ } END { print n ? exp(s / n) : 0 }' "$1"; }

# start_load SECONDS: in the background, as $stress; returns when it is under way.
start_load() {
  # shellcheck disable=SC2086 # a list of options
  stress-ng $load --temp-path /var/tmp --timeout "$1" --metrics >"$round/work" 2>&1 &
  stress=$!
  sleep 3
}

calc() { jq -n "$*"; }
now() { cut -d' ' -f1 /proc/uptime; }

# cpu_s TID...: CPU time of threads, in s.
cpu_s() { for tid in "$@"; do cut -d' ' -f1 "/proc/$tid/schedstat"; done | jq -s 'add / 1e9'; }

# figure NAME VALUE: of this round and policy. What is measured again counts last.
figure() {
  jq -cn --argjson round "$n" --arg policy "$policy" --arg figure "$1" --argjson value "$2" \
    '$ARGS.named' >>"$OUT/figures" || die "$1 is no number but '$2', in round $n under $policy"
}

scx_state() { cat /sys/kernel/sched_ext/state; }

# Puts the policy into force.
on() {
  [ "$policy" != eevdf ] || return 0
  [ "$policy" != kfunc ] || [ -e /dev/pvsched_host ] || insmod /lab/pvsched_host.ko || die "pvsched_host.ko does not load"
  pvschedd --actuator "$policy" </dev/null 2>>"$OUT/pvschedd-$policy.log" &
  daemon=$!
  until pvschedctl vm list >/dev/null 2>&1; do
    kill -0 $daemon 2>/dev/null || die "pvschedd ended: $(tail -1 "$OUT/pvschedd-$policy.log")"
    sleep 0.2
  done
}

# A scheduler that the kernel ejected meanwhile was not what was measured.
off() {
  [ "$policy" != eevdf ] || return 0
  [ "$policy" != scx ] || [ "$(scx_state)" = enabled ] ||
    die "the scheduler is $(scx_state): $(dmesg | grep sched_ext | tail -3)"
  kill -TERM $daemon
  wait $daemon || die "pvschedd ended with status $?: $(tail -1 "$OUT/pvschedd-$policy.log")"
}

# served NUMBER: waits until pvschedd serves so many vCPUs; at EEVDF there is no pvschedd.
served() {
  [ "$policy" != eevdf ] || return 0
  for _ in {1..150}; do
    [ "$(pvschedctl --json vcpu list | jq '[.[] | select(.tid != null)] | length')" != "$1" ] || return 0
    sleep 0.2
  done
  die "pvschedd does not serve $1 vCPUs: $(pvschedctl vcpu list)"
}

# guest NAME OPTION...: as lab-guest start; an emulated host now and then hangs one.
guest() {
  lab-guest start "$@" && return
  lab-guest stop "$1"
  lab-guest start "$@" || die "guest $1 did not start, twice"
}

# latency_in GUEST SECONDS: cyclictest's result into $round/GUEST.json.
latency_in() {
  LAB_GUEST_TIMEOUT=$((3 * $2 + 120)) lab-guest exec "$1" \
    "$in_guest -D $2 --json=/tmp/latency >/dev/null && cat /tmp/latency" >"$round/$1.json" ||
    { echo "the measurement in guest $1: exit status $?"; return 1; }
}

setup() { :; }

# Rounds that a host which has died since had kept are not measured again.
compare() {
  local i count=${#policies[@]}
  setup
  for ((n = 1; n <= rounds; n++)); do
    [ ! -e "$OUT/round-$n.done" ] || continue
    for ((i = 0; i < count; i++)); do
      policy=${policies[(i + n - 1) % count]} # rotated, so that order favours none
      round=$OUT/round-$n-$policy
      mkdir -p "$round"
      on
      # An emulated host now and then hangs or resets a guest.
      until one; do
        ((restarts-- > 0)) || die "round $n under $policy could not be measured"
        echo "round $n under $policy could not be measured: once more, with new guests"
        off
        lab-guest stop --all
        setup
        on
      done
      off
      echo "round $n of $rounds, $policy: $(of_round)"
    done
    touch "$OUT/round-$n.done"
    tar -c -f "$LAB_RESULTS" -C "$OUT" . && sync
  done
}

# Its figures, in one line.
of_round() {
  jq -rs --argjson round "$n" --arg policy "$policy" '
    [map(select(.round == $round and .policy == $policy)) | group_by(.figure)[] | .[-1]
      | "\(.figure) \(.value * 1000 | round / 1000)"] | join(", ")' "$OUT/figures"
}

# Ratios to EEVDF of the same round: median and extremes; medians as they are beside them.
report() {
  echo "Medians of $rounds rounds (extremes), as ratios to EEVDF; EEVDF as it is:"
  jq -rs '
    def median: sort | (.[(length - 1) / 2 | floor] + .[length / 2 | floor]) / 2;
    def short: if . >= 100 then round else . * 1000 | round / 1000 end;
    (map(.figure) | reduce .[] as $f ([]; if index($f) then . else . + [$f] end)) as $figures
    | (map(.policy) | reduce .[] as $p ([]; if index($p) then . else . + [$p] end) - ["eevdf"]) as $policies
    | (reduce .[] as $l ({}; .[$l.figure][$l.policy][$l.round | tostring] = $l.value)) as $all
    | (["", "eevdf"] + $policies),
      ($figures[] as $f | $all[$f].eevdf as $base
        | [$f, ($base // {} | [.[]] | if . == [] then "-" else median | short end)]
          + [$policies[] as $p | [$all[$f][$p] // {} | to_entries[]
              | select($base[.key] // 0 | . > 0) | .value / $base[.key]]
            | if . == [] then "-" else "\(median | short) (\(min | short) .. \(max | short))" end])
    | @tsv' "$OUT/figures" | awk -F '\t' '{ printf "  %-16s%10s", $1, $2; for (i = 3; i <= NF; i++) printf "%26s", $i; print "" }'
}
