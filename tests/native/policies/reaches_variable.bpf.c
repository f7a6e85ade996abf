// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 The pvsched authors */
/* Reaches for a variable of pvsched, so it is refused. */
#include "host-policy/core/policy_view.h"
#include "tests/native/policies/own_object.h"

__u64 pvs_policy(const struct pvs_view *view)
{
	pvs_binds = 0;
	return view ? pvs_propose_keep() : 0;
}

char _license[] SEC("license") = "GPL";
