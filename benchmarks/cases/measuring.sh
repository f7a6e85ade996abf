# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
#
# Functions of all measuring scripts: the load, the latency measurement, guests. A guest
# that an emulated host hangs or resets costs a try, not the run: see `persist`.
. policies.sh

measure="cyclictest --mlockall -q -p $rt_priority --policy=rr -h 200000"
in_host="$measure -i $host_interval"
in_guest="$measure -i $guest_interval"

restarts=2 # tries after the first
me=${0##*/}
me=${me%.sh}

die() { echo "$me: $*" >&2; exit 1; }
calc() { awk "BEGIN { printf \"%.9g\n\", $* }"; }
now() { echo "$EPOCHREALTIME"; }

# cpu_s TID...: the threads' CPU time in s. It starts no program, as that takes a second on a busy host.
cpu_s() {
  local tid ns sum=0
  for tid; do read -r ns _ <"/proc/$tid/schedstat" && ((sum += ns)); done
  printf '%d.%09d\n' $((sum / 10**9)) $((sum % 10**9))
}

# start_load: starts the load and returns when it runs. The measuring script ends the load
# after its measurement. A load of a fixed time could end too early: a guest on a busy host
# starts its measurement late, and would then measure an idle host.
start_load() { start_load_for "$load_limit"; }

# start_load_for SECONDS: the same, with another limit.
start_load_for() {
  # shellcheck disable=SC2086 # a list of options
  stress-ng $load --temp-path /var/tmp --timeout "$1" --metrics >"$round/work" 2>&1 &
  stress=$!
  sleep 3
}

end_load() { stop "$stress"; }

# stop PID: ends a job and returns its exit status.
stop() { kill "$1" 2>/dev/null; wait "$1"; }

# guest NAME OPTION...: `lab-guest start`, twice at most, as an emulated host sometimes hangs a guest.
guest() {
  lab-guest start "$@" && return
  lab-guest stop "$1"
  lab-guest start "$@" || die "guest $1 did not start, twice"
}

# latency_in GUEST SECONDS [CMD]: writes cyclictest's result to $round/GUEST.json. Measuring and
# reading are two steps, as reading takes a busy host longer than measuring.
latency_in() { run_in "$@" && result_of "$1"; }
run_in() {
  LAB_GUEST_TIMEOUT=$((3 * $2 + 120)) lab-guest exec "$1" "${3-$in_guest} -D $2 --json=/tmp/latency >/dev/null" ||
    { echo "the measurement in guest $1: exit status $?"; return 1; }
}
result_of() {
  LAB_GUEST_TIMEOUT=60 lab-guest exec "$1" 'cat /tmp/latency' >"$round/$1.json" ||
    { echo "no result from guest $1: exit status $?"; return 1; }
}

# persist WHAT CMD...: runs CMD, up to $restarts times again with new guests (`renew`). Each
# failure prints the guests' last lines and adds its reason to $round/tries.
persist() {
  local what=$1 log
  shift
  until "$@"; do
    echo "${why:-the guest hung or ended}" >>"$round/tries"
    ((restarts-- > 0)) || return 1
    echo "$me: $what could not be measured${why:+ ($why)}: trying again with new guests ($restarts restarts left)"
    for log in /run/lab/guest/*/{console,qemu,device}.log; do
      [ ! -s "$log" ] || { echo "    $log:" && tail -n 4 "$log" | sed 's/^/    /'; }
    done
    renew || return 1
  done
}
