#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
#
# pvsched-device is killed under pvsched-deviced, and the guest reboots. The VM stays up and
# is served again each time.
. /lab/tests/lib.sh

start_pvschedd
pvsched-deviced --socket-group kvm --socket-mode 0660 </dev/null >"$OUT/deviced.log" 2>&1 &
supervisor=$!
eventually 5 "pvsched-deviced listens" test -S /run/pvsched/vfio-user.sock
lab-guest start solo --supervised -- -action reboot=reset || fail "the guest did not start"
eventually 10 "pvschedd binds the vCPU of QEMU's -name" has_bound solo 1

device_pid() { tr -d ' ' <"/proc/$supervisor/task/$supervisor/children"; }
has_new_device() { [ -n "$(device_pid)" ] && [ "$(device_pid)" != "$1" ]; }
for signal in KILL TERM SEGV; do
  old=$(device_pid)
  kill "-$signal" "$old"
  eventually 10 "a device continues after SIG$signal" has_new_device "$old"
  eventually 10 "pvschedd binds the vCPU again" has_bound solo 1
  expect_guest_computes solo
done

# QEMU changes the memory map: without a device it would abort.
qmp solo '{"execute":"system_reset"}' >"$OUT/reset"
eventually 15 "no vCPU is bound after the reset" has_bound solo 0
kill -KILL "$(device_pid)"
eventually 120 "pvschedd binds the vCPU of the new kernel" has_bound solo 1
expect_guest_computes solo
lab-guest stop solo
eventually 10 "the device ends with its VM" holds '[ -z "$(device_pid)" ]'
kill $supervisor
wait $supervisor || fail "pvsched-deviced ended with status $?"
