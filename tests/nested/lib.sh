# SPDX-License-Identifier: Apache-2.0
#
# For nested tests. Each runs as root on the host under test, with no pvschedd
# and no guest at its start (but see use_pair); what it leaves is cleaned up.
set -u

fail() { echo "FAIL: $*" >&2; exit 1; }
skip() { echo "skipped: $*"; exit 77; }

# expect WHAT GOT WANTED
expect() { [ "$2" = "$3" ] || fail "$1: got '$2', expected '$3'"; }

# eventually SECONDS WHAT CMD...: CMD succeeds before the time is over.
eventually() {
  local end=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt "$end" ] || fail "$what: not so in time ($*)"
    sleep 0.1
  done
}

# The result of a pipeline, as a command: holds 'SHELL TEXT'
holds() { eval "$1"; }

start_pvschedd() {
  pvschedd --actuator agent "$@" </dev/null >>"$OUT/pvschedd.log" 2>&1 &
  echo $! >/run/lab/pvschedd.pid
  # A scheduler takes the verifier 10 s in emulation, and more beside a load.
  eventually 90 "pvschedd answers" pvschedctl --json vm list
}

pvschedd_pid() { cat /run/lab/pvschedd.pid; }

stop_pvschedd() {
  local pid
  pid=$(pvschedd_pid)
  kill "-${1:-TERM}" "$pid"
  wait "$pid"
}

# vcpu NAME ID FIELD: a field of one vCPU as pvschedd sees it; a jq path.
vcpu() {
  pvschedctl --json vcpu list |
    jq -r --arg vm "$1" --argjson id "$2" ".[] | select(.vm == \$vm and .vcpu == \$id) | $3"
}

# The number of vCPUs of a VM whose thread pvschedd knows.
bound() { pvschedctl --json vcpu list | jq --arg vm "$1" '[.[] | select(.vm == $vm and .tid != null)] | length'; }

# params TID: what the kernel says of a thread, such as "TS 0 -" or "RR - 8".
params() { awk -v tid="$1" '$1 == tid { print $2, $3, $4 }' <(ps -eL -o tid=,cls=,ni=,rtprio=); }

# is TID PARAMS; has_bound NAME NUMBER: for eventually.
is() { [ "$(params "$1")" = "$2" ]; }
has_bound() { [ "$(bound "$1")" = "$2" ]; }

thread() { lab-guest threads "$1" | sed -n "$(($2 + 1))p"; }

# use_pair [--no-driver]: the guest `pair`, two vCPUs, which tests share one after
# the other as a boot is long. It is there, its driver loaded anew, at return; its
# vCPUs may run on any CPU, wherever a test before bound them.
use_pair() {
  local tid
  lab-guest pid pair >/dev/null 2>&1 || lab-guest start pair --vcpus 2 --no-driver || fail "the guest did not start"
  for tid in $(lab-guest threads pair); do
    taskset -p -c "0-$(($(nproc --all) - 1))" "$tid" >/dev/null || fail "taskset"
  done
  [ "${1-}" = --no-driver ] || lab-guest exec pair 'insmod /pvsched.ko' || fail "the driver did not load"
}

# A task that computes on the guest's CPU $2 until unspin, SCHED_RR unless chrt is told
# otherwise by $3. The guest has a second CPU, so that its other tasks still run.
spin() {
  lab-guest exec "$1" "taskset -c $2 chrt ${3:--r 8} sh -c 'while :; do :; done' >/dev/null 2>&1 &
    echo \$! >/tmp/spin; sleep 0.5; kill -0 \$!" || fail "the busy task ended in guest $1"
}
unspin() { lab-guest exec "$1" 'kill -9 $(cat /tmp/spin) && rm /tmp/spin' || fail "the busy task was gone in guest $1"; }

# host_spin CPU [CHRT-OPTIONS]: a busy loop of the host's own, $hog; gone with the test.
hogs=
host_spin() {
  # shellcheck disable=SC2086 # a list of options
  taskset -c "$1" chrt ${2:--o 0} sh -c 'while :; do :; done' &
  hog=$!
  hogs+=" $hog"
  trap 'kill -KILL $hogs 2>/dev/null' EXIT
}

uptime_ms() { awk '{ printf "%d", $1 * 1000 }' /proc/uptime; }

# cpu_shares SECONDS TID...: what each had of one CPU in that time, in per cent, a line each.
cpu_shares() {
  local seconds=$1 tid start took before=()
  shift
  start=$(uptime_ms)
  for tid in "$@"; do before+=("$(cut -d' ' -f1 "/proc/$tid/schedstat")"); done
  sleep "$seconds"
  took=$(($(uptime_ms) - start))
  for tid in "$@"; do
    echo $((($(cut -d' ' -f1 "/proc/$tid/schedstat") - before[0]) / (took * 10000)))
    before=("${before[@]:1}")
  done
}

ORDINARY="TS 0 -"

# qmp NAME JSON: one QMP command to a guest's QEMU.
qmp() {
  printf '%s\n' '{"execute":"qmp_capabilities"}' "$2" |
    socat -t 2 - "UNIX-CONNECT:/run/lab/guest/$1/qmp" | grep -v '"event"'
}

# What pvschedd and a guest's device hold, by kind: a leak shows as a difference.
holdings() {
  local pid
  for pid in "$(pvschedd_pid)" "$(cat "/run/lab/guest/$1/device.pid")"; do
    find "/proc/$pid/fd" -mindepth 1 -printf '%l\n' | sed 's/:\[[0-9]*\]//; s/[0-9]\+//g' | sort | uniq -c
  done
  echo "vCPUs without a thread: $(bpftool -j map dump name unbound 2>/dev/null | jq length)"
}

load_host_module() { [ -e /dev/pvsched_host ] || insmod /lab/pvsched_host.ko || fail "pvsched_host.ko does not load"; }
# The programs hold the module for RCU's grace periods after pvschedd went.
unload_host_module() {
  [ ! -e /dev/pvsched_host ] || eventually 30 "pvsched_host unloads" rmmod pvsched_host
}

# For tests of the host scheduler.
scx=/sys/kernel/sched_ext
need_scx() { [ -e $scx/state ] || skip "the kernel has no sched_ext"; }
scx_is() { [ "$(cat $scx/state)" = "$1" ]; }

# start_scx: pvschedd as the host's scheduler. From here on scx_healthy can judge.
start_scx() {
  scx_seq=$(($(cat $scx/enable_seq) + 1))
  [ -n "${scx_begun-}" ] || echo "${scx_begun:=lab: ${0##*/} begins to look}" >/dev/kmsg
  start_pvschedd --actuator scx
  eventually 10 "the scheduler is enabled" scx_is enabled
}

# Fails if anything but pvschedd's own end has ended its scheduler.
scx_healthy() {
  # All there is, should the mark have been overwritten.
  dmesg | awk -v mark="$scx_begun" 'index($0, mark) { text = ""; next } { text = text $0 "\n" } END { printf "%s", text }' >"$OUT/dmesg"
  ! grep 'sched_ext: .*disabled' "$OUT/dmesg" | grep -v 'unregistered' || fail "the kernel ejected the scheduler$1"
  ! grep -E 'BUG|WARNING|Oops|lockup|task stall' "$OUT/dmesg" || fail "the kernel complains$1"
  expect "the scheduler's state$1" "$(cat $scx/state)" enabled
  expect "how often a scheduler was enabled$1" "$(cat $scx/enable_seq)" "$scx_seq"
  kill -0 "$(pvschedd_pid)" || fail "pvschedd ended$1"
}
