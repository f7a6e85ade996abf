#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# A guest that was there before pvschedd is registered once pvschedd starts.
. /lab/tests/lib.sh

use_pair
start_pvschedd
eventually 10 "pvschedd knows both threads" has_bound pair 2
