#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
#
# Each of four vCPUs has its own record, bound to its own thread.
. /lab/tests/lib.sh

start_pvschedd
lab-guest start four --vcpus 4 || fail "the guest did not start"

eventually 20 "pvschedd binds all four vCPUs" has_bound four 4
for id in 0 1 2 3; do
  expect "vCPU $id's tid" "$(vcpu four $id .tid)" "$(thread four $id)"
done
