#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# A guest that was there before pvschedd is registered once pvschedd starts.
. /lab/tests/lib.sh

lab-guest start early || fail "the guest did not start without pvschedd"
lab-guest exec early 'grep -q ^pvsched /proc/modules' || fail "the driver did not load without pvschedd"
start_pvschedd
eventually 10 "pvschedd knows the vCPU's thread" holds '[ "$(bound early)" = 1 ]'
