// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 The pvsched authors */
/* Reads beyond the view, so the verifier refuses this policy. */
#include "host-policy/core/policy_view.h"

__u64 pvs_policy(const struct pvs_view *view)
{
	if (!view)
		return 0;
	return ((const volatile __u64 *)view)[4096];
}

char _license[] __attribute__((section("license"))) = "GPL";
