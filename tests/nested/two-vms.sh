#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Copyright (C) 2026 The pvsched authors
#
# Two VMs are independent: a boost, a cap and the end of one do not affect the other.
. /lab/tests/lib.sh

start_pvschedd
use_pair
lab-guest start other || fail "the second guest did not start"
eventually 10 "pvschedd binds the first VM's vCPUs" has_bound pair 2
eventually 10 "pvschedd binds the second VM's vCPU" has_bound other 1
one=$(thread pair 1) other=$(thread other 0)
spin pair 1
eventually 5 "the first VM's thread is boosted" has_params "$one" "RR - 8"
eventually 5 "the second VM's thread is not" has_params "$other" "$DEFAULT_PARAMS"

pvschedctl tunable set max-rt-prio 3 --vm pair || fail "tunable set"
eventually 5 "the first VM's thread has its VM's cap" has_params "$one" "RR - 3"
kill -KILL "$(lab-guest pid other)"
eventually 10 "pvschedd drops the second VM" has_vms 1
eventually 5 "the first VM's thread is still boosted" has_params "$one" "RR - 3"
