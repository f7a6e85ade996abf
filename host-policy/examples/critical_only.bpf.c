// SPDX-License-Identifier: GPL-2.0
/*
 * Boosts in critical sections alone: a vCPU that is preempted while it is in an
 * interrupt or has preemption off gets its CPU back until it leaves. What its
 * tasks say of their urgency is ignored.
 */
#include "host-policy/core/policy_view.h"

__u64 pvs_policy(const struct pvs_view *view)
{
	if (!view)
		return pvs_propose_keep();
	if (!view->critical)
		return 0;
	if (view->event == PVS_PREEMPT)
		return pvs_propose(PVSCHED_POLICY_RR, 0,
				   view->critical_rt_prio, PVS_CRITICAL);
	return pvs_propose_keep();
}

char _license[] __attribute__((section("license"))) = "GPL";
