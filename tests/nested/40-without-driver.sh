#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Guests without the driver, or without the device, are ordinary guests.
. /lab/tests/lib.sh

start_pvschedd
use_pair --no-driver
lab-guest start nodevice --vcpus 2 --no-pvsched || fail "the guest without the device did not start"
for guest in pair nodevice; do
  spin $guest 1
  sleep 1
  for id in 0 1; do
    expect "thread of vCPU $id of $guest" "$(params "$(thread $guest $id)")" "$ORDINARY"
  done
  unspin $guest
  expect "what $guest computes" "$(lab-guest exec $guest 'echo $((6 * 7))')" 42
done
expect "vCPUs that pvschedd knows" "$(pvschedctl --json vcpu list | jq length)" 0
