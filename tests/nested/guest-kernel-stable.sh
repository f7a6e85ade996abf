#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
#
# The driver on the kernel of Debian stable.
#
# lab: only with --all-kernels
# guest-kernel: stable
. /lab/tests/lib.sh

check_driver_on stable
