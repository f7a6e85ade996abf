# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
#
# A framework for measuring scripts. It measures the policies in turn, in rounds, and reports
# ratios to EEVDF ($base) of the same round. A script's arguments are [ROUNDS [ARG
# [POLICY...]]]; ARG is the script's own. A policy is an actuator of pvschedd; eevdf, without
# pvschedd, is always included. A script defines `setup` (starts guests) and `one` (measures
# once and calls `figure`), and then calls `compare; report`.
set -u
rounds=${1:-3}
policies=(eevdf)
# shellcheck disable=SC2068 # a list
for policy in ${@:3}; do [ "$policy" = eevdf ] || policies+=("$policy"); done
# shellcheck disable=SC2206 # a list
[ $# -ge 3 ] || policies+=(${default_policies:-scx})

. measuring.sh

# percentile FRACTION FILE...: in us, over all of cyclictest's files together; the maximum if
# the percentile lies beyond the histograms.
percentile() {
  jq -rs --argjson f "$1" 'map(.thread[])
    | ([.[].histogram | to_entries[] | {us: (.key | tonumber), n: .value}] | sort_by(.us)) as $h
    | ((map(.cycles) | add) * $f) as $want
    | reduce $h[] as $e ({seen: 0, us: 0, max: (map(.max) | max)};
        if .seen >= $want then . else .seen += $e.n | .us = $e.us end)
    | if .seen >= $want then .us else .max end' "${@:2}"
}

# work FILE: the geometric mean of stress-ng's rates, without vm, whose steps are too coarse.
work() { awk '/metrc: / && $5 ~ /^[0-9]+$/ && $4 != "vm" { s += log($9); n++ } END { print n ? exp(s / n) : 0 }' "$1"; }

# figure NAME VALUE: keeps a value of this round and policy; the last value of a name counts.
figure() {
  jq -cn --argjson round "$n" --arg policy "$policy" --arg figure "$1" --argjson value "$2" \
    '$ARGS.named' >>"$OUT/figures" || die "$1 is not a number: '$2', in round $n under $policy"
}

# Applies and removes the policy. The guests that `setup` starts always have the driver.
on() { policy_on "$policy" || die "$why"; }
off() { policy_off "$policy" || die "$why"; }

# serves COUNT: waits until pvschedd serves COUNT vCPUs; returns at once under EEVDF.
serves() { [ "$policy" = eevdf ] || served "$1"; }

setup() { :; }

renew() {
  off
  lab-guest stop --all
  setup
  on
}

# A round that an earlier, dead host completed is not measured again.
compare() {
  local i count=${#policies[@]}
  setup
  for ((n = 1; n <= rounds; n++)); do
    [ ! -e "$OUT/round-$n.done" ] || continue
    for ((i = 0; i < count; i++)); do
      policy=${policies[(i + n - 1) % count]} # rotated, so that the order favours no policy
      round=$OUT/round-$n-$policy
      mkdir -p "$round"
      on
      persist "round $n under $policy" one || die "round $n under $policy could not be measured"
      off
      echo "round $n of $rounds, $policy: $(of_round)"
    done
    touch "$OUT/round-$n.done"
    tar -c -f "$LAB_RESULTS" -C "$OUT" . && sync
  done
}

# Prints the figures of this round and policy in one line.
of_round() {
  jq -rs --argjson round "$n" --arg policy "$policy" '
    [map(select(.round == $round and .policy == $policy)) | group_by(.figure)[] | .[-1]
      | "\(.figure) \(.value * 1000 | round / 1000)"] | join(", ")' "$OUT/figures"
}

# Prints the median and extremes of the ratios to the same round's base, beside the base's own median.
report() {
  echo "Medians of $rounds rounds (extremes) as ratios to ${base:=EEVDF}; absolute values of $base:"
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
