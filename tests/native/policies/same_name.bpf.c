// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 The pvsched authors */
/* Has a variable with the name of a map of pvsched, so it is refused. */
#include "host-policy/core/policy_view.h"

__u32 slots;

__u64 pvs_policy(const struct pvs_view *view)
{
	slots++;
	return view ? pvs_propose_keep() : 0;
}

char _license[] __attribute__((section("license"))) = "GPL";
