#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
#
# pvsched from its packages, under systemd, AppArmor and libvirt. The steps of an
# administrator follow each other, from the installation to the purge. Prints a line for each,
# "pass|fail|skip NAME SECONDS", and what a failed step has to say. `libvirt.sh STEP` runs one.
. /lab/tests/lib.sh

STEPS="boot install start boost stopped save reboot device-killed replace upgrade stop purge"

limit_s=600
export LAB_GUEST_TIMEOUT=120 DEBIAN_FRONTEND=noninteractive
top=/run/lab/system # files of the steps
dir=/run/lab/guest/vm1
uuid=$(sed -n 's/.*<uuid>\(.*\)<.*/\1/p' /lab/tests/vm1.xml)
packages="pvsched pvsched-device"

# --- the host ----------------------------------------------------------------

# Names, kinds, owners and links of the system's files, and the content of /etc. Without
# caches, logs, and the records of dpkg, apt, libvirt and systemd's timers.
state() {
  find / -xdev \( -path /lab -o -path /var/cache -o -path /var/log -o -path /var/tmp -o -path /root/.cache \
    -o -path /var/lib/dpkg -o -path /var/lib/apt -o -path /var/lib/libvirt -o -path /etc/apparmor.d/libvirt \
    -o -path /var/lib/systemd/timers -o -path /var/lib/systemd/random-seed -o -path '/etc/*-' \) -prune \
    -o -printf '%p %y %M %u:%g %l\n' | sort
  find /etc -xdev -path /etc/apparmor.d/libvirt -prune -o -path '/etc/*-' -prune -o -type f -exec md5sum {} + | sort -k 2
}

# The processes of pvsched's programs, but not the kernel's names for this script's.
processes() { pgrep -a -x 'pvschedd|pvsched-device|pvsched-deviced'; }

show() { systemctl show -P "$2" "$1"; }

# Messages of AppArmor about refusals that concern the domain or pvsched.
denials() { journalctl -k -q -o cat -g 'apparmor="DENIED"' | grep -e "$uuid" -e pvsched; }

# shown COMMAND: runs a line of the shell, and appends it to the transcript: its time, and
# what it prints, unless that is progress.
shown() {
  local begun=$EPOCHREALTIME output
  output=$(bash -c "$1" 2>&1) || fail "$1: $output"
  echo "$output"
  {
    awk -v line="$1" -v s=$((${EPOCHREALTIME/./} - ${begun/./})) 'BEGIN { printf "# %-56s (%.1f s)\n", line, s / 1e6 }'
    case $1 in apt*) ;; *) echo "$output" ;; esac
  } >>$top/transcript
}

# --- the domain --------------------------------------------------------------

domain_pid() { cat "/run/libvirt/qemu/vm1.pid"; }

# Makes lab-guest's commands work for the domain.
prepare_guest() {
  mkdir -p $dir
  [ -p $dir/exec.in ] || mkfifo $dir/exec.in $dir/exec.out
  ln -sf /run/libvirt/qemu/vm1.pid $dir/qemu.pid
}

# await_ready: the guest's init says that it runs.
await_ready() { timeout 180 sed -n '/^ready$/q' <$dir/exec.out || fail "the guest did not come up: $(tail -n 3 $dir/console.log)"; }

# The device's process: the supervisor's child.
device_pid() { pgrep -P "$(show pvsched-deviced.service MainPID)" -x pvsched-device; }
has_device() { [ "$(device_pid | wc -l)" = "$1" ]; }

# expect_served WHEN [COMMAND]: pvschedd has the domain's vCPUs, and boosts an urgent one.
# The command is run for the transcript while it is boosted.
expect_served() {
  local one
  spin vm1 1
  eventually 60 "pvschedd binds both vCPUs $1" has_bound vm1 2
  one=$(thread vm1 1)
  eventually 30 "vCPU 1's thread is SCHED_RR 8 $1" has_params "$one" "RR - 8"
  [ -z "${2-}" ] || shown "$2"
  unspin vm1
  eventually 30 "vCPU 1's thread has default parameters again $1" has_params "$one" "$DEFAULT_PARAMS"
}

expect_running() {
  expect "the domain's state" "$(virsh domstate vm1 | head -n 1)" running
  [ "$(domain_pid)" = "$1" ] || fail "another QEMU runs the domain: $(domain_pid), not $1"
}

# --- steps -------------------------------------------------------------------

step_boot() {
  expect "process 1" "$(cat /proc/1/comm)" systemd
  timeout 240 systemctl is-system-running --wait || echo "units that failed: $(systemctl --failed --plain --no-legend)"
  systemctl is-active apparmor.service || fail "AppArmor's service is not active"
  timeout 120 virsh version || fail "libvirtd does not answer"
  cp /boot/lab-vmlinux /var/lib/libvirt/images/vmlinux
  cp /lab/guest/initramfs /var/lib/libvirt/images/initramfs
}

step_install() {
  local name
  state >$top/before
  cd /lab/packages || fail "no packages"
  shown "apt install -y ./pvsched_*.deb ./pvsched-device_*.deb"
  for name in pvschedd.service pvsched-deviced.socket; do
    expect "$name" "$(systemctl is-active "$name")" active
    expect "$name at boot" "$(systemctl is-enabled "$name")" enabled
  done
  expect "the VMs' socket" "$(stat -c '%F %a %U %G' /run/pvsched/vfio-user.sock)" "socket 660 root kvm"
  expect "the state of sched_ext" "$(cat /sys/kernel/sched_ext/state)" disabled
  expect "processes of devices" "$(processes | grep -c pvsched-device)" 0
  eventually 30 "pvschedd answers" pvschedctl vm list
}

step_start() {
  prepare_guest
  virsh define /lab/tests/vm1.xml || fail "virsh define"
  shown "virsh start vm1"
  await_ready
  expect "QEMU's user" "$(stat -c %U "/proc/$(domain_pid)")" libvirt-qemu
  expect "QEMU's profile" "$(tr -d '\0' <"/proc/$(domain_pid)/attr/apparmor/current")" "libvirt-$uuid (enforce)"
  eventually 60 "pvschedd binds both vCPUs" has_bound vm1 2
  expect "the VMs of pvschedctl" "$(pvschedctl --json vm list | jq -r '.vms[].vm')" vm1
  expect "the VMs of varlinkctl" \
    "$(varlinkctl call /run/pvsched/read.sock io.pvsched.Admin.ListVms '{}' | jq -r '.vms[].vm')" vm1
  expect "refusals of AppArmor" "$(denials | grep pvsched)" ""
}

step_boost() {
  expect_served "after the start" "pvschedctl vcpu list"
  expect_guest_computes vm1
}

has_other_pvschedd() {
  local pid
  pid=$(show pvschedd.service MainPID)
  [ "$pid" -gt 0 ] && [ "$pid" != "$1" ]
}

# The watchdog ends a stopped pvschedd, whose boosts would last for ever.
step_stopped() {
  local one old
  old=$(show pvschedd.service MainPID)
  spin vm1 1
  one=$(thread vm1 1)
  eventually 30 "vCPU 1's thread is SCHED_RR 8" has_params "$one" "RR - 8"
  kill -STOP "$old" || fail "no pvschedd runs"
  eventually 120 "another pvschedd runs" has_other_pvschedd "$old"
  expect "ends by the watchdog" "$(journalctl -u pvschedd -q -o cat -g 'Failed with result .watchdog' | wc -l)" 1
  unspin vm1
  expect_served "after pvschedd was stopped"
}

step_save() {
  local file=/var/lib/libvirt/images/vm1.save
  timeout 180 virsh save vm1 $file || fail "virsh save"
  eventually 30 "pvschedd drops the VM" holds '! has_vm vm1'
  eventually 30 "the device ends" has_device 0
  timeout 180 virsh restore $file || fail "virsh restore"
  expect_served "after the restore"
}

step_reboot() {
  local pid
  pid=$(domain_pid)
  # libvirt asks the guest to power off, and resets QEMU once it did.
  virsh reboot vm1 --mode acpi || fail "virsh reboot"
  lab-guest exec vm1 '(sleep 1; poweroff -f) >/dev/null 2>&1 &' || fail "the guest takes no command"
  await_ready
  expect_running "$pid"
  expect_served "after virsh reboot"
  virsh reset vm1 || fail "virsh reset"
  await_ready
  expect_running "$pid"
  expect_served "after virsh reset"
}

step_device-killed() {
  local pid old
  pid=$(domain_pid) old=$(device_pid)
  kill -KILL "$old" || fail "no device runs"
  eventually 30 "a device continues" holds "has_device 1 && [ \"\$(device_pid)\" != '$old' ]"
  expect_running "$pid"
  expect_served "after its device was killed"
  expect_guest_computes vm1
}

step_replace() {
  virsh qemu-monitor-command vm1 '{"execute":"device_del","arguments":{"id":"pvsched0"}}' || fail "device_del"
  eventually 60 "the device ends" has_device 0
  # QEMU refuses the id until the guest has released the device.
  eventually 60 "QEMU takes the device back" holds "virsh qemu-monitor-command vm1 '$(device_add)' | grep -qF '\"return\":{}'"
  expect_served "after its device was replaced"
}

# The command that plugs in the domain's device again.
device_add() {
  sed -n "s/.*value='\({.*vfio-user-pci.*}\)'.*/{\"execute\":\"device_add\",\"arguments\":\1}/p" /lab/tests/vm1.xml
}

# sample FILE: writes the longest time in ms for which pvschedctl did not show both vCPUs.
sample() {
  local longest=0 seen now
  seen=$(uptime_ms)
  while [ ! -e "$1.end" ]; do
    has_bound vm1 2 2>/dev/null
    local result=$?
    now=$(uptime_ms)
    [ $((now - seen)) -le $longest ] || longest=$((now - seen))
    [ $result != 0 ] || seen=$now
    echo $longest >"$1"
  done
}

step_upgrade() {
  local pid name
  pid=$(domain_pid)
  sample $top/unbound &
  trap 'touch $top/unbound.end' EXIT
  sleep 2
  (cd /lab/packages/newer && apt install -y ./pvsched_*.deb ./pvsched-device_*.deb) || fail "apt does not upgrade the packages"
  eventually 60 "pvschedd binds both vCPUs" has_bound vm1 2
  sleep 2
  touch $top/unbound.end
  wait
  echo "note: for at most $(cat $top/unbound) ms pvschedctl did not show the domain's vCPUs"
  for name in $packages; do
    expect "the version of $name" "$(dpkg-query -W -f '${Version}' $name)" "$(dpkg-deb -f /lab/packages/newer/${name}_*.deb Version)"
  done
  expect "pvschedd's program" "$(readlink "/proc/$(show pvschedd.service MainPID)/exe")" /usr/bin/pvschedd
  expect_running "$pid"
  expect_served "after the upgrade"
  expect_guest_computes vm1
}

step_stop() {
  timeout 60 virsh destroy vm1 || fail "virsh destroy"
  eventually 30 "the device ends" has_device 0
  eventually 30 "pvschedd drops the VM" holds '! has_vm vm1'
  timeout 60 virsh undefine vm1 || fail "virsh undefine"
}

step_purge() {
  # shellcheck disable=SC2086 # a list
  apt purge -y $packages || fail "apt does not purge the packages"
  expect "processes" "$(processes)" ""
  expect "pvsched's units" "$(systemctl list-units --all --plain --no-legend 'pvsched*')" ""
  expect "the group" "$(getent group pvsched)" ""
  [ ! -e /run/pvsched ] || fail "/run/pvsched remains"
  state >$top/after
  diff $top/before $top/after || fail "the packages left something behind"
}

# --- running them --------------------------------------------------------------

diagnose() {
  echo "--- units"
  systemctl list-units --all --plain --no-legend 'pvsched*'
  journalctl --no-pager -q -o short-monotonic -n 30 -u 'pvsched*'
  echo "--- libvirt"
  journalctl --no-pager -q -o short-monotonic -n 10 -u libvirtd
  tail -n 4 /var/log/libvirt/qemu/vm1.log
  echo "--- AppArmor"
  denials | tail -n 8
  echo "--- guest"
  tail -n 8 $dir/console.log
}

if [ $# = 1 ]; then
  "step_$1"
  exit
fi

mkdir -p $top
results=$OUT
failed=
for name in $STEPS; do
  begun=$EPOCHSECONDS
  timeout --kill-after=10 $limit_s bash "$0" "$name" >"$results/$name.log" 2>&1 </dev/null
  case $? in
    0) result=pass ;;
    77) result=skip ;;
    *) result=fail ;;
  esac
  echo "$result $name $((EPOCHSECONDS - begun))"
  sed -n 's/^note: /    /p' "$results/$name.log"
  [ $result = pass ] || tail -n 15 "$results/$name.log" | cut -c -300 | sed 's/^/    /'
  # Later failures may follow from the first.
  if [ $result = fail ] && [ -z "$failed" ]; then
    failed=$name
    diagnose 2>&1 | sed 's/^/    /'
  fi
done
journalctl -q -o short-monotonic >"$results/journal"
[ ! -e $top/transcript ] || cp $top/transcript "$results/"
