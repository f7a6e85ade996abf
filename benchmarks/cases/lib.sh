# SPDX-License-Identifier: Apache-2.0
#
# For measurements: policies in turn, in rounds; figures as ratios to EEVDF's ($base's) of
# the same round. A script is called with [ROUNDS [something of its own [POLICY...]]]. A
# policy is an actuator of pvschedd's; eevdf, without pvschedd, is always among them.
# `setup` starts guests, `one` measures once and calls `figure`; then `compare; report`.
set -u
rounds=${1:-3}
policies=(eevdf)
# shellcheck disable=SC2068 # a list
for policy in ${@:3}; do [ "$policy" = eevdf ] || policies+=("$policy"); done
# shellcheck disable=SC2206 # a list
[ $# -ge 3 ] || policies+=(${default_policies:-scx})

. measuring.sh

# percentile FRACTION FILE...: in us, of what cyclictest wrote, of all files together. Where
# it lies beyond the histograms, the maximum is all that is known.
percentile() {
  jq -rs --argjson f "$1" 'map(.thread["0"])
    | ([.[].histogram | to_entries[] | {us: (.key | tonumber), n: .value}] | sort_by(.us)) as $h
    | ((map(.cycles) | add) * $f) as $want
    | reduce $h[] as $e ({seen: 0, us: 0, max: (map(.max) | max)};
        if .seen >= $want then . else .seen += $e.n | .us = $e.us end)
    | if .seen >= $want then .us else .max end' "${@:2}"
}

# work FILE: geometric mean of stress-ng's rates; without vm, whose steps are too coarse.
work() { awk '/metrc: / && $5 ~ /^[0-9]+$/ && $4 != "vm" { s += log($9); n++ } END { print n ? exp(s / n) : 0 }' "$1"; }

# figure NAME VALUE: of this round and policy. What is measured again counts last.
figure() {
  jq -cn --argjson round "$n" --arg policy "$policy" --arg figure "$1" --argjson value "$2" \
    '$ARGS.named' >>"$OUT/figures" || die "$1 is no number but '$2', in round $n under $policy"
}

# Puts the policy into force. The guests that `setup` starts have the driver at all times.
on() { policy_on "$policy" || die "$why"; }
off() { policy_off "$policy" || die "$why"; }

# serves NUMBER: waits until pvschedd serves so many vCPUs, or fails; at EEVDF there is no pvschedd.
serves() { [ "$policy" = eevdf ] || served "$1"; }

setup() { :; }

renew() {
  off
  lab-guest stop --all
  setup
  on
}

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
      persist "round $n under $policy" one || die "round $n under $policy could not be measured"
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
  echo "Medians of $rounds rounds (extremes), as ratios to ${base:=EEVDF}; $base as it is:"
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
