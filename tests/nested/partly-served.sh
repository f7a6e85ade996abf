#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
#
# A device serves fewer vCPUs than the guest has. The others are served, and the guest's log has
# one line on those that are not.
. /lab/tests/lib.sh

start_pvschedd
socket=/run/pvsched/vfio-user.sock # where lab-guest expects a device that it does not start
pvsched-device --socket $socket --socket-group kvm --socket-mode 0660 --name few --max-vcpus 2 </dev/null >"$OUT/device.log" 2>&1 &
trap 'kill $!' EXIT
eventually 5 "pvsched-device listens" test -S $socket
lab-guest start few --vcpus 4 --supervised || fail "the guest did not start"
eventually 10 "pvschedd binds the vCPUs that the device serves" has_bound few 2
expect "the registered CPUs" "$(lab-guest exec few 'cat /sys/bus/pci/drivers/pvsched/0000:*/pvsched/cpus')" 0-1
expect "lines on CPUs that are not served" "$(lab-guest exec few 'dmesg | grep -c "cannot register"')" 1
spin few 1
eventually 5 "vCPU 1's thread is boosted" has_params "$(thread few 1)" "RR - 8"
unspin few
lab-guest exec few 'cd /sys/devices/system/cpu/cpu3; echo 0 >online && echo 1 >online && cat online' >"$OUT/online" ||
  fail "a CPU that is not served does not come online again"
