# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
#
# The scheduling policies that are compared, for scripts on the host under test:
#   eevdf              the kernel's own scheduler
#   nice, slice, rr    EEVDF with the vCPU threads at nice -20, with a slice of 0.1 ms, at SCHED_RR
#   agent, kfunc, scx  pvschedd with that actuator
#   scx-noboost        scx, but a VM that boots gets no boot boost
#   scx_NAME           a scheduler of the kernel's own tools/sched_ext, in /lab/sched_ext
#   a peer             a scheduler of the user, in /lab/sched_ext, too
# `policy_on NAME [GUEST...]` applies a policy, `policy_off NAME [GUEST...]` removes it. A
# policy of pvsched also loads the driver into these guests. Both return 1 on failure, with
# the reason in $why. To add a policy, add two functions: on_NAME and off_NAME.
. workload.sh
daemon= # pid of the program that implements the current policy
why=
ejected="the kernel ejected the scheduler" # $why begins with it then

kind_of() {
  case $1 in
    agent | kfunc | scx | scx-noboost) echo pvsched ;;
    scx_*) echo sched_ext ;;
    *) if [ -e "/lab/sched_ext/$1" ]; then echo sched_ext; else echo "$1"; fi ;;
  esac
}

# shellcheck disable=SC2034 # the caller reads $why
policy_on() { why= && "on_$(kind_of "$1")" "$@"; }
policy_off() { why= && "off_$(kind_of "$1")" "$@"; }

wrong() { why=$*; return 1; }

# each_vcpu CMD... -- GUEST...: runs CMD with the tid of each vCPU thread.
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

# Fails unless all vCPU threads are SCHED_OTHER at nice 0. Every policy must restore that.
ordinary() {
  local tid now
  for tid in $(for guest; do lab-guest threads "$guest"; done); do
    now="$(ps -L -p "$(awk '/^Tgid/ { print $2 }' "/proc/$tid/status")" -o tid=,cls=,ni= |
      awk -v tid="$tid" '$1 == tid { print $2, $3 }')"
    [ "$now" = "TS 0" ] || wrong "vCPU thread $tid is not an ordinary thread but (class nice): $now" || return 1
  done
}

# set_slice NS TID: the slice of a SCHED_OTHER thread; 0: the kernel's default. This
# release's chrt sets a runtime for SCHED_DEADLINE only, so perl calls sched_setattr(2),
# system call 314.
set_slice() {
  perl -e 'my $attr = pack("L L Q l L Q Q Q", 48, 0, 0, 0, 0, $ARGV[0], 0, 0);
    exit(syscall(314, $ARGV[1] + 0, $attr, 0) == 0 ? 0 : 1)' "$1" "$2"
}

scx_state() { cat /sys/kernel/sched_ext/state; }

# end_daemon NAME IS_SCHEDULER LOG: ends $daemon. Fails if the kernel ejected its scheduler:
# then another scheduler was measured. Status 143: a peer without a handler for SIGTERM.
end_daemon() {
  local name=$1 is_scheduler=$2 log=$3 state status
  state=$(scx_state)
  kill -TERM "$daemon" 2>/dev/null
  wait "$daemon"
  status=$?
  [ $status = 0 ] || { [ "$name" != pvschedd ] && [ $status = 143 ]; } ||
    wrong "$name ended with status $status: $(tail -1 "$log")" || return 1
  [ "$is_scheduler" = no ] || [ "$state" = enabled ] ||
    wrong "$ejected: it was $state: $(dmesg | grep -A 1 'sched_ext: .*disabled' | tail -2 | sed 's/.*sched_ext: //' | paste -sd ' ')"
}

on_eevdf() { :; }
off_eevdf() { :; }

on_nice() { each_vcpu renice -n -20 -p -- "${@:2}"; }
off_nice() { each_vcpu renice -n 0 -p -- "${@:2}"; }

on_slice() { each_vcpu set_slice 100000 -- "${@:2}"; }
off_slice() { each_vcpu set_slice 0 -- "${@:2}"; }

on_rr() { each_vcpu chrt --rr -p $rt_priority -- "${@:2}"; }
off_rr() { each_vcpu chrt --other -p 0 -- "${@:2}"; }

actuator_of() { echo "${1%-noboost}"; }

on_pvsched() {
  local actuator guest log=$OUT/pvschedd-$1.log
  actuator=$(actuator_of "$1")
  [ "$actuator" != kfunc ] || [ -e /dev/pvsched_host ] || insmod /lab/pvsched_host.ko ||
    wrong "pvsched_host.ko does not load" || return 1
  pvschedd --actuator "$actuator" </dev/null 2>>"$log" &
  daemon=$!
  until pvschedctl vm list >/dev/null 2>&1; do
    kill -0 "$daemon" 2>/dev/null || wrong "pvschedd ended: $(tail -1 "$log")" || return 1
    sleep 0.2
  done
  [ $# -gt 1 ] || return 0
  for guest in "${@:2}"; do
    LAB_GUEST_TIMEOUT=60 lab-guest exec "$guest" 'insmod /pvsched.ko' ||
      wrong "the driver did not load in guest $guest: $(lab-guest exec "$guest" 'dmesg | grep pvsched | tail -1')" || return 1
  done
  served "$(for guest in "${@:2}"; do lab-guest threads "$guest"; done | wc -l)"
}

# served COUNT: waits until pvschedd serves COUNT vCPUs.
served() {
  for _ in {1..150}; do
    [ "$(pvschedctl --json vcpu list | jq '[.vcpus[] | select(.tid != null)] | length')" != "$1" ] || return 0
    kill -0 "$daemon" 2>/dev/null || wrong "pvschedd ended: $(tail -1 "$OUT"/pvschedd-*.log)" || return 1
    sleep 0.2
  done
  wrong "pvschedd does not serve $1 vCPUs after 30 s: $(pvschedctl vcpu list)"
}

off_pvsched() {
  local guest is_scheduler=no
  [ "$(actuator_of "$1")" != scx ] || is_scheduler=yes
  for guest in "${@:2}"; do
    # A guest that has ended has no driver to unload.
    ! lab-guest pid "$guest" >/dev/null 2>&1 || LAB_GUEST_TIMEOUT=60 lab-guest exec "$guest" 'rmmod pvsched' ||
      wrong "the driver did not unload in guest $guest"
  done
  local before=$why
  end_daemon pvschedd $is_scheduler "$OUT/pvschedd-$1.log" && [ -z "$before" ] || wrong "${why:-$before}"
}

# complaint LOG: the first error of libbpf or the verifier, or else the last line.
complaint() { grep -m 1 -iE '^libbpf: .*fail' "$1" || tail -n 1 "$1"; }

on_sched_ext() {
  local log=$OUT/$1.log
  [ -x "/lab/sched_ext/$1" ] || wrong "$1 is not built" || return 1
  "/lab/sched_ext/$1" </dev/null >/dev/null 2>>"$log" &
  daemon=$!
  for _ in {1..100}; do
    [ "$(scx_state)" != enabled ] || return 0
    kill -0 "$daemon" 2>/dev/null || wrong "$1 does not load: $(complaint "$log")" || return 1
    sleep 0.2
  done
  kill -KILL "$daemon"
  wrong "$1 was not enabled in 20 s"
}

off_sched_ext() { end_daemon "$1" yes "$OUT/$1.log"; }

# boot_boost_for POLICY: disables the boot boost for scx-noboost, until pvschedd ends. scx has the default.
boot_boost_for() {
  [ "$1" = scx-noboost ] || return 0
  pvschedctl tunable set boot-time 0 >/dev/null || wrong "boot-time cannot be set to 0"
}
