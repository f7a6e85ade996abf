// SPDX-License-Identifier: GPL-2.0
/*
 * Ranks VMs by weight (the tunable of that name, 1..10000): urgent work of a VM
 * of weight 100 gets real-time priority 1, and one more for each doubling. So
 * where two VMs are urgent at once, the heavier one runs.
 */
#include "host-policy/core/policy_view.h"

__u64 pvs_policy(const struct pvs_view *view)
{
	__u32 rt_prio = 1, weight;

	if (!view)
		return pvs_propose_keep();
	if (pvsched_urgency(view->demand & 0xffffff) <= PVSCHED_URGENCY_RT &&
	    !(view->event == PVS_HALT && pvs_urgent_lately(view)))
		return view->event == PVS_EXIT || view->event == PVS_TICK ||
				       view->event == PVS_HALT ||
				       view->event == PVS_TIMER ?
			       0 :
			       pvs_propose_keep();
	for (weight = view->weight; weight >= 200 && rt_prio < 8; rt_prio++)
		weight /= 2;
	return pvs_propose(PVSCHED_POLICY_RR, 0, rt_prio, 0);
}

char _license[] __attribute__((section("license"))) = "GPL";
