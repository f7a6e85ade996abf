#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
#
# A guest that booted before pvschedd started is registered once pvschedd runs.
. /lab/tests/lib.sh

use_pair
start_pvschedd
eventually 10 "pvschedd binds both vCPUs" has_bound pair 2
