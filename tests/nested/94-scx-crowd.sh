#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Twice as many boosted vCPUs as CPUs: they take turns, each gets on, the host's own work
# too, and turns are not so short that the host does nothing but switch.
. /lab/tests/lib.sh

need_scx
start_scx
urgent=$((2 * $(nproc)))
# And vCPU 0, for what else the guest does.
lab-guest start crowd --vcpus $((urgent + 1)) || fail "the guest did not start"
eventually 20 "pvschedd knows all threads" has_bound crowd $((urgent + 1))

switches() { awk '/^ctxt/ { print $2 }' /proc/stat; }
# switches_while CMD...: per second; its output in $OUT/shares.
switches_while() {
  local before start
  before=$(switches) start=$(uptime_ms)
  "$@" >"$OUT/shares"
  echo $((($(switches) - before) * 1000 / ($(uptime_ms) - start)))
}
# busy CHRT-OPTIONS: every vCPU but the first computes.
busy() {
  lab-guest exec crowd "for cpu in \$(seq $urgent); do
      taskset -c \$cpu chrt $1 sh -c 'while :; do :; done' >/dev/null 2>&1 & echo \$!; done >/tmp/busy" ||
    fail "the guest does not compute"
}
idle() { lab-guest exec crowd 'kill -9 $(cat /tmp/busy)' || fail "the guest computes no more"; }

host_spin 0
mapfile -t threads < <(lab-guest threads crowd | sed 1d)
busy "-o 0"
before=$(switches_while cpu_shares 5 "${threads[@]}" "$hog")
echo "ordinary work: $before switches a second, shares of a CPU:" $(cat "$OUT/shares")
idle

# Who looks must get on even where the scheduler lets ordinary work starve.
chrt -f -p 60 $$
busy "-r 8"
for id in $(seq $urgent); do
  eventually 10 "vCPU $id is boosted" holds "[ \"\$(vcpu crowd $id .boosts)\" -gt 0 ]"
done
after=$(switches_while cpu_shares 8 "${threads[@]}" "$hog")
echo "urgent work: $after switches a second, shares of a CPU:" $(cat "$OUT/shares")
idle
[ "$after" -le $((4 * before + 1000)) ] || fail "$after context switches a second with urgent work, $before with ordinary"
mapfile -t shares <"$OUT/shares"
for id in $(seq $urgent); do
  # 50 % is what each could have.
  [ "${shares[id - 1]}" -ge 10 ] || fail "vCPU $id has ${shares[id - 1]} % of a CPU"
done
[ "${shares[urgent]}" -ge 1 ] || fail "the host's own work has ${shares[urgent]} % of a CPU"
scx_healthy " at the end"
