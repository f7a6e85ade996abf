# SPDX-License-Identifier: Apache-2.0
#
# What the scripts that measure share: the load, the latency measurement, guests. A guest
# that an emulated host hangs or resets costs a try, not the run: see `persist`.
. policies.sh

# The load of the 2024 paravirt scheduling talk, and both sides' measurement. The guest's
# at a pace that an emulated vCPU keeps within pvsched's default budget: at 2 ms it takes
# 80 % of a CPU there, and the figures would be those of a throttled guest.
load="--cpu 2 --iomix 1 --vm 1 --vm-bytes 128M --fork 1"
measure="cyclictest --mlockall -q -p 8 --policy=rr -h 200000"
in_host="$measure -i 2000"
in_guest="$measure -i 10000"

restarts=2 # of what could not be measured
me=${0##*/}
me=${me%.sh}

die() { echo "$me: $*" >&2; exit 1; }
calc() { awk "BEGIN { printf \"%.9g\n\", $* }"; }
now() { echo "$EPOCHREALTIME"; }

# cpu_s TID...: CPU time of threads, in s. Starts no program: that takes a busy host a second.
cpu_s() {
  local tid ns sum=0
  for tid; do read -r ns _ <"/proc/$tid/schedstat" && ((sum += ns)); done
  printf '%d.%09d\n' $((sum / 10**9)) $((sum % 10**9))
}

# start_load: in the background; returns when it is under way. Ended by who measures, when
# that has been done: on a busy host a guest begins late, and what it measured after the
# end of a load of so many seconds would be of a host that is idle again.
load_limit=900 # s, should nobody end it
start_load() {
  # shellcheck disable=SC2086 # a list of options
  stress-ng $load --temp-path /var/tmp --timeout $load_limit --metrics >"$round/work" 2>&1 &
  stress=$!
  sleep 3
}

end_load() { stop "$stress"; }

# stop PID: ends a job; its exit status.
stop() { kill "$1" 2>/dev/null; wait "$1"; }

# guest NAME OPTION...: as lab-guest start; an emulated host now and then hangs one.
guest() {
  lab-guest start "$@" && return
  lab-guest stop "$1"
  lab-guest start "$@" || die "guest $1 did not start, twice"
}

# latency_in GUEST SECONDS [CMD]: cyclictest's result into $round/GUEST.json. In two steps,
# as a busy host takes longer to read it out of the guest than to measure.
latency_in() { run_in "$@" && result_of "$1"; }
run_in() {
  LAB_GUEST_TIMEOUT=$((3 * $2 + 120)) lab-guest exec "$1" "${3-$in_guest} -D $2 --json=/tmp/latency >/dev/null" ||
    { echo "the measurement in guest $1: exit status $?"; return 1; }
}
result_of() {
  LAB_GUEST_TIMEOUT=60 lab-guest exec "$1" 'cat /tmp/latency' >"$round/$1.json" ||
    { echo "no result out of guest $1: exit status $?"; return 1; }
}

# persist WHAT CMD...: CMD, once more with new guests (`renew`) where it failed, as often as
# $restarts says. Before that, what the guests said last. Why, into $round/tries.
persist() {
  local what=$1 log
  shift
  until "$@"; do
    echo "${why:-it hung, or went away}" >>"$round/tries"
    ((restarts-- > 0)) || return 1
    echo "$me: $what could not be measured${why:+ ($why)}: once more, with new guests ($restarts restarts left)"
    for log in /run/lab/guest/*/{console,qemu,device}.log; do
      [ ! -s "$log" ] || { echo "    $log:" && tail -n 4 "$log" | sed 's/^/    /'; }
    done
    renew || return 1
  done
}
