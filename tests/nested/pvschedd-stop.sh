#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
#
# When pvschedd stops, each thread has its baseline again, also if an admin had set it.
. /lab/tests/lib.sh

use_pair
one=$(thread pair 1)
renice -n 5 -p "$one" >/dev/null
start_pvschedd
eventually 10 "pvschedd binds both vCPUs" has_bound pair 2
spin pair 1
eventually 5 "vCPU 1's thread is boosted" has_params "$one" "RR - 8"
stop_pvschedd TERM || fail "pvschedd's exit status is $?"
expect "vCPU 1's thread after pvschedd stopped" "$(params "$one")" "TS 5 -"
expect "vCPU 0's thread after pvschedd stopped" "$(params "$(thread pair 0)")" "$DEFAULT_PARAMS"
