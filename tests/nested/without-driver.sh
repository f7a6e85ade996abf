#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
#
# pvschedd changes no thread of a guest that lacks the driver or the device.
. /lab/tests/lib.sh

start_pvschedd
use_pair --no-driver
lab-guest start nodevice --vcpus 2 --no-pvsched || fail "the guest without the device did not start"
for guest in pair nodevice; do
  spin $guest 1
  sleep 1
  for id in 0 1; do
    expect "thread of vCPU $id of $guest" "$(params "$(thread $guest $id)")" "$DEFAULT_PARAMS"
  done
  unspin $guest
  expect_guest_computes $guest
done
expect "registered vCPUs" "$(vcpus)" 0
