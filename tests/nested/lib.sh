# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
#
# Library of the nested tests. A test runs as root on the host under test. No test may
# depend on the order: reset_host removes what the previous test left. One thing may be
# there, to save a boot: the guest `pair`, without its driver (use_pair).
set -u

# Marks the test's start in the kernel log, for kernel_log.
if [ -z "${log_mark-}" ]; then
  log_mark="lab: ${0##*/} starts"
  echo "$log_mark" >/dev/kmsg
fi

fail() { echo "FAIL: $*" >&2; exit 1; }
skip() { echo "skipped: $*"; exit 77; }

# expect WHAT GOT WANTED
expect() { [ "$2" = "$3" ] || fail "$1: got '$2', expected '$3'"; }

# eventually SECONDS WHAT CMD...: fails unless CMD succeeds within the time.
eventually() {
  local end=$((SECONDS + $1)) limit=$1 what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt "$end" ] || fail "$what: not within $limit s ($*)"
    sleep 0.1
  done
}

# holds 'SHELL TEXT': the exit status of a pipeline or test, as a command.
holds() { eval "$1"; }

# --- pvschedd ---------------------------------------------------------------

start_pvschedd() {
  pvschedd --actuator agent "$@" </dev/null >>"$OUT/pvschedd.log" 2>&1 &
  echo $! >/run/lab/pvschedd.pid
  # Verifying the scheduler takes 10 s under emulation, longer on a loaded host.
  eventually 90 "pvschedd answers" pvschedctl --json vm list
}

pvschedd_pid() { cat /run/lab/pvschedd.pid; }

# stop_pvschedd [SIGNAL]: returns pvschedd's exit status.
stop_pvschedd() {
  local pid
  pid=$(pvschedd_pid)
  kill "-${1:-TERM}" "$pid"
  wait "$pid"
}

# vcpu VM ID FIELD: a field (jq path) of one vCPU in `pvschedctl vcpu list`.
vcpu() {
  pvschedctl --json vcpu list |
    jq -r --arg vm "$1" --argjson id "$2" ".vcpus[] | select(.vm == \$vm and .vcpu == \$id) | $3"
}

vms() { pvschedctl --json vm list | jq '.vms | length'; }
vcpus() { pvschedctl --json vcpu list | jq '.vcpus | length'; }
# The number of a VM's vCPUs that are bound to a thread.
bound() { pvschedctl --json vcpu list | jq --arg vm "$1" '[.vcpus[] | select(.vm == $vm and .tid != null)] | length'; }

# Conditions for eventually.
has_vms() { [ "$(vms)" = "$1" ]; }
has_vm() { pvschedctl --json vm list | jq -e --arg vm "$1" '.vms | any(.vm == $vm)'; }
has_vcpus() { [ "$(vcpus)" = "$1" ]; }
has_bound() { [ "$(bound "$1")" = "$2" ]; }
has_state() { [ "$(vcpu "$1" "$2" .state)" = "$3" ]; }

# The file descriptors and maps that pvschedd and a guest's device hold, by kind. A leak
# is a difference between two calls.
holdings() {
  local pid
  for pid in "$(pvschedd_pid)" "$(cat "/run/lab/guest/$1/device.pid")"; do
    find "/proc/$pid/fd" -mindepth 1 -printf '%l\n' | sed 's/:\[[0-9]*\]//; s/[0-9]\+//g' | sort | uniq -c
  done
  echo "vCPUs without a thread: $(pvschedctl --json vcpu list | jq '[.vcpus[] | select(.tid == null)] | length')"
}

# --- threads ----------------------------------------------------------------

# params TID: scheduling class, nice value and RT priority, such as "TS 0 -" or "RR - 8".
params() {
  local stat classes=(TS FF RR B "" IDL DLN)
  read -r stat 2>/dev/null <"/proc/$1/stat" || return
  # shellcheck disable=SC2086 # fields, from the third on
  set -- ${stat##*) }
  case ${39} in
    1 | 2) echo "${classes[${39}]} - ${38}" ;;
    *) echo "${classes[${39}]} ${17} -" ;;
  esac
}
DEFAULT_PARAMS="TS 0 -"
# has_params TID PARAMS: a condition for eventually.
has_params() { [ "$(params "$1")" = "$2" ]; }

# host_spin CPUS [CHRT-OPTIONS]: starts a busy loop on the host and sets $hog to its pid.
# The loop ends with the test.
hogs=
host_spin() {
  # shellcheck disable=SC2086 # a list of options
  taskset -c "$1" chrt ${2:--o 0} sh -c 'while :; do :; done' &
  hog=$!
  hogs+=" $hog"
  trap 'kill -KILL $hogs 2>/dev/null' EXIT
}

# limit_rt_tasks CPU RT-RUNTIME SERVER-RUNTIME: the kernel's limits, in microseconds and
# nanoseconds of a second.
limit_rt_tasks() {
  local server
  sysctl -q kernel.sched_rt_runtime_us="$2"
  mountpoint -q /sys/kernel/debug || mount -t debugfs none /sys/kernel/debug
  for server in /sys/kernel/debug/sched/{fair,ext}_server/cpu$1/runtime; do
    [ ! -e "$server" ] || echo "$3" >"$server"
  done
}
# let_rt_tasks_keep_cpu CPU: no server of the scheduler runs ordinary tasks beside an RT task.
let_rt_tasks_keep_cpu() { limit_rt_tasks "$1" -1 0; }

uptime_ms() { awk '{ printf "%d", $1 * 1000 }' /proc/uptime; }

# used_ns TID...: CPU time of each thread, a line each. No process starts, which takes long beside busy loops.
used_ns() {
  local tid ns _
  for tid; do
    read -r ns _ <"/proc/$tid/schedstat"
    echo "$ns"
  done
}

# cpu_shares SECONDS TID...: CPU time of each thread in this period, in % of one CPU, a
# line each.
cpu_shares() {
  local seconds=$1 i start elapsed before after
  shift
  start=$(uptime_ms)
  mapfile -t before < <(used_ns "$@")
  sleep "$seconds"
  elapsed=$(($(uptime_ms) - start))
  mapfile -t after < <(used_ns "$@")
  for i in "${!before[@]}"; do echo $(((after[i] - before[i]) / (elapsed * 10000))); done
}

# --- guests -----------------------------------------------------------------

# thread GUEST ID: the tid of a vCPU.
thread() { lab-guest threads "$1" | sed -n "$(($2 + 1))p"; }

# use_pair [--no-driver]: the guest `pair` with two vCPUs, its driver loaded. The guest is
# booted unless a test before left it running.
use_pair() {
  lab-guest pid pair >/dev/null 2>&1 || lab-guest start pair --vcpus 2 --no-driver || fail "the guest did not start"
  [ "${1-}" = --no-driver ] || lab-guest exec pair 'insmod /pvsched.ko' || fail "the driver did not load"
}

# spin GUEST CPUS [CHRT-OPTIONS]: starts a busy loop on each of the guest's CPUs in the
# list, SCHED_RR 8 by default. The guest needs another CPU for its other tasks if the
# loops are real-time.
spin() {
  lab-guest exec "$1" "for cpu in $2; do
      taskset -c \$cpu chrt ${3:--r 8} sh -c 'while :; do :; done' >/dev/null 2>&1 & echo \$!
    done >/tmp/spin; sleep 0.5; kill -0 \$(cat /tmp/spin)" || fail "a busy loop ended in guest $1"
}
unspin() { lab-guest exec "$1" 'kill -9 $(cat /tmp/spin) && rm /tmp/spin' || fail "a busy loop had ended in guest $1"; }

# mount_cgroups GUEST: the guest's cgroup v2 is at /tmp/cg.
mount_cgroups() {
  lab-guest exec "$1" '[ -e /tmp/cg/cgroup.procs ] || { mkdir -p /tmp/cg && mount -t cgroup2 none /tmp/cg; }' ||
    fail "guest $1 has no cgroup v2"
}

# expect_clean_guest_log GUEST
expect_clean_guest_log() {
  local problems
  problems=$(lab-guest exec "$1" 'dmesg | grep -E "BUG|WARNING|Oops|lockup|task stall|sleeping function"')
  expect "warnings in the kernel log of guest $1" "$problems" ""
}

# keep_off_1 GUEST: the commands of lab-guest exec run on the guest's CPU 0. With PREEMPT_RT a busy
# loop of a real-time task on CPU 1 would stop their timers there.
keep_off_1() { lab-guest exec "$1" 'taskset -p 1 1 >/dev/null' || fail "taskset in guest $1"; }

# expect_boost GUEST: vCPU 1 is boosted for a real-time task, until it ends.
expect_boost() {
  local one
  one=$(thread "$1" 1)
  spin "$1" 1
  eventually 20 "vCPU 1's thread is SCHED_RR 8" has_params "$one" "RR - 8"
  unspin "$1"
  eventually 20 "vCPU 1's thread has default parameters again" has_params "$one" "$DEFAULT_PARAMS"
}

# check_driver_on KERNEL: the driver serves a guest of this kernel, loads again under load, and
# unloads. The load is not real-time, because that starves RCU's threads with PREEMPT_RT.
check_driver_on() {
  local round
  start_pvschedd
  lab-guest start other --kernel "$1" --vcpus 2 || fail "the guest did not start"
  keep_off_1 other
  echo "the guest's kernel: $(lab-guest exec other 'uname -rv')"
  eventually 20 "pvschedd binds both vCPUs" has_bound other 2
  expect_boost other
  spin other "0 1" "-o 0"
  for round in 1 2 3; do
    lab-guest exec other 'rmmod pvsched && insmod /pvsched.ko' || fail "the driver does not load again in round $round"
    eventually 20 "pvschedd binds both vCPUs in round $round" has_bound other 2
  done
  unspin other
  expect_boost other
  lab-guest exec other 'rmmod pvsched' || fail "the driver does not unload"
  eventually 10 "no vCPU is registered" has_vcpus 0
  expect_clean_guest_log other
}

expect_guest_computes() { expect "6 * 7 in guest $1" "$(lab-guest exec "$1" 'echo $((6 * 7))')" 42; }

# qmp GUEST JSON: one QMP command to the guest's QEMU.
qmp() {
  printf '%s\n' '{"execute":"qmp_capabilities"}' "$2" |
    socat -t 2 - "UNIX-CONNECT:/run/lab/guest/$1/qmp" | grep -v '"event"'
}

# --- kernel -----------------------------------------------------------------

load_host_module() { [ -e /dev/pvsched_host ] || insmod /lab/pvsched_host.ko || fail "pvsched_host.ko does not load"; }
# After pvschedd's end its programs hold the module for RCU grace periods.
unload_host_module() {
  [ ! -e /dev/pvsched_host ] || eventually 30 "pvsched_host unloads" rmmod pvsched_host
}

# The kernel log since the test's start; all of it if the ring buffer has lost the mark.
kernel_log() {
  dmesg | awk -v mark="$log_mark" 'index($0, mark) { text = ""; next } { text = text $0 "\n" } END { printf "%s", text }'
}

# expect_clean_log [WHEN]
expect_clean_log() {
  ! kernel_log | grep -E 'BUG|WARNING|Oops|lockup|task stall' || fail "the kernel log has a warning${1-}"
}

# --- sched_ext --------------------------------------------------------------

scx=/sys/kernel/sched_ext
need_scx() { [ -e $scx/state ] || skip "the kernel has no sched_ext"; }
scx_is() { [ "$(cat $scx/state)" = "$1" ]; }

# Starts pvschedd with the scx actuator. scx_healthy compares with this moment.
start_scx() {
  scx_seq=$(($(cat $scx/enable_seq) + 1))
  start_pvschedd --actuator scx "$@"
  eventually 10 "the scheduler is enabled" scx_is enabled
}

# scx_healthy [WHEN]: fails if the kernel ejected the scheduler, warned, or if pvschedd
# had to enable it again.
scx_healthy() {
  ! kernel_log | grep 'sched_ext: .*disabled' | grep -v 'unregistered' || fail "the kernel ejected the scheduler${1-}"
  expect_clean_log "${1-}"
  expect "the scheduler's state${1-}" "$(cat $scx/state)" enabled
  expect "enable_seq${1-}" "$(cat $scx/enable_seq)" "$scx_seq"
  kill -0 "$(pvschedd_pid)" || fail "pvschedd ended${1-}"
}

# --- between tests (run-tests) ------------------------------------------------

# reset_host [--keep-pair]: removes what a test left on the host, failed tests included.
reset_host() {
  local guest cpu group
  pkill -KILL -x pvschedd
  pkill -KILL -x pvsched-deviced
  pvschedd --restore
  rm -rf /run/lab/pvschedd.pid /run/pvsched /sys/fs/bpf/apply_locked
  for cpu in /sys/devices/system/cpu/cpu*/online; do echo 1 >"$cpu"; done
  limit_rt_tasks '*' 950000 50000000
  for guest in /run/lab/guest/*; do
    [ "${guest##*/}" = pair ] && [ "${1-}" = --keep-pair ] && reset_pair && continue
    lab-guest stop "${guest##*/}"
    rm -rf "$guest"
  done
  for group in /sys/fs/cgroup/pvsched-*/; do
    while read -r pid; do echo "$pid" >/sys/fs/cgroup/cgroup.procs; done <"$group/cgroup.procs"
    rmdir "$group"
  done
  echo "-cpu -cpuset" >/sys/fs/cgroup/cgroup.subtree_control
  echo 0 >/sys/kernel/tracing/events/enable
  echo '!hist:keys=exit_reason' >/sys/kernel/tracing/events/kvm/kvm_exit/trigger
  (unload_host_module)
} >/dev/null 2>&1

# Kills the busy loops of `pair`, unloads its driver, and gives its vCPU threads default
# parameters and every CPU.
reset_pair() {
  local tid
  LAB_GUEST_TIMEOUT=30 lab-guest exec pair '
    [ ! -e /tmp/spin ] || kill -9 $(cat /tmp/spin)
    rm -f /tmp/spin
    echo 1 >/sys/devices/system/cpu/cpu1/online
    for module in pvsched hostile held_lock; do
      ! grep -q "^$module " /proc/modules || rmmod $module || exit 1
    done' || return 1
  for tid in $(lab-guest threads pair); do
    { chrt --other -p 0 "$tid" && renice -n 0 -p "$tid" &&
      taskset -p -c "0-$(($(nproc --all) - 1))" "$tid"; } || return 1
  done
}
