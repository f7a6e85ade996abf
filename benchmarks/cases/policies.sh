# SPDX-License-Identifier: Apache-2.0
#
# The scheduling policies that are compared, for scripts on the host under test:
#   eevdf              the kernel's own scheduler, and nothing else
#   nice, slice, rr    the same, the vCPUs' threads at nice -20, with a slice of 0.1 ms, SCHED_RR 8
#   agent, kfunc, scx  pvschedd with that actuator
#   scx_NAME           a scheduler of the kernel's own tools/sched_ext, in /lab/sched_ext
# `policy_on NAME [GUEST...]` puts one into force, `policy_off NAME [GUEST...]` takes it back.
# For the guests named, the driver is loaded meanwhile if the policy is pvsched's. Both
# return 1, with the reason in $why, when that failed. A policy of your own is a pair of
# functions here, on_NAME and off_NAME.
daemon= # what runs as long as the policy is in force
why=
ejected="the kernel ended it" # how $why begins then

kind_of() {
  case $1 in
    agent | kfunc | scx) echo pvsched ;;
    scx_*) echo sched_ext ;;
    *) echo "$1" ;;
  esac
}

# shellcheck disable=SC2034 # $why is the caller's
policy_on() { why= && "on_$(kind_of "$1")" "$@"; }
policy_off() { why= && "off_$(kind_of "$1")" "$@"; }

wrong() { why=$*; return 1; }

# each_vcpu CMD... -- GUEST...: runs CMD with the id of each vCPU's thread.
each_vcpu() {
  local command=() guest tid seen=
  while [ "$1" != -- ]; do command+=("$1"); shift; done
  shift
  for guest; do
    for tid in $(lab-guest threads "$guest"); do
      seen=yes
      "${command[@]}" "$tid" >/dev/null || wrong "${command[*]} failed for thread $tid of guest $guest" || return 1
    done
  done
  [ "$seen" ] || wrong "there is no vCPU to run ${command[*]} on"
}

# Every policy starts from, and must give back, ordinary threads with the default slice.
ordinary() {
  local tid now
  for tid in $(for guest; do lab-guest threads "$guest"; done); do
    now="$(ps -L -p "$(awk '/^Tgid/ { print $2 }' "/proc/$tid/status")" -o tid=,cls=,ni= |
      awk -v tid="$tid" '$1 == tid { print $2, $3 }')"
    [ "$now" = "TS 0" ] || wrong "vCPU thread $tid is not an ordinary thread but (class nice): $now" || return 1
  done
}

# set_slice NS TID: of a SCHED_OTHER thread; 0 is the kernel's own. chrt of this release
# gives a runtime to SCHED_DEADLINE alone, so sched_setattr(2), number 314, is called here.
set_slice() {
  perl -e 'my $attr = pack("L L Q l L Q Q Q", 48, 0, 0, 0, 0, $ARGV[0], 0, 0);
    exit(syscall(314, $ARGV[1] + 0, $attr, 0) == 0 ? 0 : 1)' "$1" "$2"
}

scx_state() { cat /sys/kernel/sched_ext/state; }

# Ends $daemon; a scheduler that the kernel ejected meanwhile was not what was measured.
end_daemon() {
  local name=$1 is_scheduler=$2 log=$3 state
  state=$(scx_state)
  kill -TERM $daemon 2>/dev/null
  wait $daemon || wrong "$name ended with status $?: $(tail -1 "$log")" || return 1
  [ "$is_scheduler" = no ] || [ "$state" = enabled ] ||
    wrong "$ejected: its scheduler was $state: $(dmesg | grep -A 1 'sched_ext: .*disabled' | tail -2 | sed 's/.*sched_ext: //' | paste -sd ' ')"
}

on_eevdf() { :; }
off_eevdf() { :; }

on_nice() { each_vcpu renice -n -20 -p -- "${@:2}"; }
off_nice() { each_vcpu renice -n 0 -p -- "${@:2}"; }

on_slice() { each_vcpu set_slice 100000 -- "${@:2}"; }
off_slice() { each_vcpu set_slice 0 -- "${@:2}"; }

on_rr() { each_vcpu chrt --rr -p 8 -- "${@:2}"; }
off_rr() { each_vcpu chrt --other -p 0 -- "${@:2}"; }

on_pvsched() {
  local actuator=$1 guest log=$OUT/pvschedd-$1.log
  [ "$actuator" != kfunc ] || [ -e /dev/pvsched_host ] || insmod /lab/pvsched_host.ko ||
    wrong "pvsched_host.ko does not load" || return 1
  pvschedd --actuator "$actuator" </dev/null 2>>"$log" &
  daemon=$!
  until pvschedctl vm list >/dev/null 2>&1; do
    kill -0 $daemon 2>/dev/null || wrong "pvschedd ended: $(tail -1 "$log")" || return 1
    sleep 0.2
  done
  [ $# -gt 1 ] || return 0
  for guest in "${@:2}"; do
    LAB_GUEST_TIMEOUT=60 lab-guest exec "$guest" 'insmod /pvsched.ko' ||
      wrong "the driver did not load in guest $guest: $(lab-guest exec "$guest" 'dmesg | grep pvsched | tail -1')" || return 1
  done
  served "$(for guest in "${@:2}"; do lab-guest threads "$guest"; done | wc -l)"
}

# Waits until pvschedd serves so many vCPUs.
served() {
  for _ in {1..150}; do
    [ "$(pvschedctl --json vcpu list | jq '[.[] | select(.tid != null)] | length')" != "$1" ] || return 0
    kill -0 $daemon 2>/dev/null || wrong "pvschedd ended: $(tail -1 "$OUT"/pvschedd-*.log)" || return 1
    sleep 0.2
  done
  wrong "pvschedd does not serve $1 vCPUs in 30 s: $(pvschedctl vcpu list)"
}

off_pvsched() {
  local actuator=$1 guest is_scheduler=no
  [ "$actuator" != scx ] || is_scheduler=yes
  for guest in "${@:2}"; do
    # A guest that is gone has no driver to unload.
    ! lab-guest pid "$guest" >/dev/null 2>&1 || LAB_GUEST_TIMEOUT=60 lab-guest exec "$guest" 'rmmod pvsched' ||
      wrong "the driver did not unload in guest $guest"
  done
  local before=$why
  end_daemon pvschedd $is_scheduler "$OUT/pvschedd-$actuator.log" && [ -z "$before" ] || wrong "${why:-$before}"
}

# What libbpf, or the verifier, says first.
complaint() { grep -m 1 -iE '^libbpf: .*fail' "$1" || tail -n 1 "$1"; }

on_sched_ext() {
  local log=$OUT/$1.log
  [ -x "/lab/sched_ext/$1" ] || wrong "$1 is not there" || return 1
  "/lab/sched_ext/$1" </dev/null >/dev/null 2>>"$log" &
  daemon=$!
  for _ in {1..100}; do
    [ "$(scx_state)" != enabled ] || return 0
    kill -0 $daemon 2>/dev/null || wrong "$1 does not load: $(complaint "$log")" || return 1
    sleep 0.2
  done
  kill -KILL $daemon
  wrong "$1 was not enabled in 20 s"
}

off_sched_ext() { end_daemon "$1" yes "$OUT/$1.log"; }

# The 3 s of the scheduler's boot profile are for hardware: a boot takes an emulated host
# 10 s, and a minute if it is busy. Until pvschedd ends.
for_long_boots() {
  [ "$1" != scx ] || pvschedctl tunable set boot-time 60000 >/dev/null || wrong "boot-time cannot be set"
}
