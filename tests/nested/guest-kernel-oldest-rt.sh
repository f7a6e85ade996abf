#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
#
# The driver on the oldest kernel with PREEMPT_RT.
#
# lab: only with --all-kernels
# guest-kernel: oldest-rt
. /lab/tests/lib.sh

check_driver_on oldest-rt
