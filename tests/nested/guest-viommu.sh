#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
#
# A guest behind a vIOMMU that translates DMA addresses: the records are registered and boost, also
# after the driver was loaded again.
. /lab/tests/lib.sh

start_pvschedd
lab-guest start translated --vcpus 2 --iommu || fail "the guest did not start"
eventually 10 "pvschedd binds both vCPUs" has_bound translated 2
expect "the IOMMU domain of the device" "$(lab-guest exec translated 'cd /sys/bus/pci/drivers/pvsched/0*/iommu_group && cut -c1-3 type')" DMA
for turn in first second; do
  spin translated 1
  eventually 10 "vCPU 1 is boosted in the $turn turn" has_state translated 1 boosted
  unspin translated
  lab-guest exec translated 'rmmod pvsched' || fail "rmmod failed"
  eventually 10 "the records are withdrawn" has_vcpus 0
  [ $turn = second ] || lab-guest exec translated 'insmod /pvsched.ko' || fail "insmod failed"
done
! lab-guest exec translated 'dmesg | grep -E "DMAR.*[Ff]ault|BUG:|WARNING:"' || fail "the guest's kernel log has an error"
expect_clean_log
