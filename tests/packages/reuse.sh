#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
#
# Each file of the source package has a licence and a copyright holder.
. "$(dirname "$0")/lib.sh"

tar -xf "$packages"/pvsched_*.tar.* -C "$top"
cd "$top"/*/
reuse lint
