#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# A guest with four vCPUs has four records, each matched to its own thread.
. /lab/tests/lib.sh

start_pvschedd
lab-guest start four --vcpus 4 || fail "the guest did not start"

eventually 20 "pvschedd knows all four threads" has_bound four 4
for id in 0 1 2 3; do
  expect "vCPU $id's thread" "$(vcpu four $id .tid)" "$(thread four $id)"
done
