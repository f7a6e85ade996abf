// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 The pvsched authors */
/*
 * Boosts only in critical sections: a vCPU that is preempted in an interrupt or
 * with preemption off is boosted until it leaves the section, if another vCPU of
 * the VM waits for it. The urgency of the guest's tasks is ignored.
 */
#include "host-policy/core/policy_view.h"

__u64 pvs_policy(const struct pvs_view *view)
{
	if (!view)
		return pvs_propose_keep();
	if (!view->critical)
		return 0;
	if (view->awaited)
		return pvs_propose(PVSCHED_POLICY_RR, 0,
				   view->critical_rt_prio, PVS_CRITICAL);
	return pvs_propose_keep();
}

char _license[] __attribute__((section("license"))) = "GPL";
