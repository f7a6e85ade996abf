// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 The pvsched authors */
/* Boosts vCPU 0 to rt_prio 2 and vCPU 1 to 7, by a table of constants. */
#include "host-policy/core/policy_view.h"

static const volatile __u32 rt_prios[] = { 2, 7, 3, 6, 4, 5, 1, 8 };

__u64 pvs_policy(const struct pvs_view *view)
{
	if (!view)
		return pvs_propose_keep();
	return pvs_propose(PVSCHED_POLICY_RR, 0, rt_prios[view->vcpu_id & 7], 0);
}

char _license[] __attribute__((section("license"))) = "GPL";
