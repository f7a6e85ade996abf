#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
#
# Each service is confined. The unit file has the reason for each setting that is open.
. "$(dirname "$0")/lib.sh"

unpack pvsched
unpack pvsched-device
for unit in "$top"/usr/lib/systemd/system/*.service; do
  # 30 is an exposure of 3.0.
  said=$(systemd-analyze security --offline=true --no-pager --threshold=30 "$unit") || fail "$said"
  tail -n 1 <<<"$said"
done
