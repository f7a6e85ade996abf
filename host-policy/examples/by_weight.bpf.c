// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 The pvsched authors */
/*
 * Ranks VMs by the tunable `weight`. Urgent work of a VM with weight 100 gets
 * real-time priority 1; each doubling of the weight adds 1. So if two VMs have
 * urgent work, the VM with the higher weight runs first.
 */
#include "host-policy/core/policy_view.h"

__u64 pvs_policy(const struct pvs_view *view)
{
	__u32 rt_prio = 1, weight;

	if (!view)
		return pvs_propose_keep();
	if (pvsched_urgency(pvs_without_flags(view->demand)) <= PVSCHED_URGENCY_RT &&
	    !(view->event == PVS_HALT && pvs_urgent_lately(view)))
		return view->event == PVS_EXIT || view->event == PVS_TICK ||
				       view->event == PVS_HALT ||
				       view->event == PVS_RESCHED ||
				       view->event == PVS_TIMER ?
			       0 :
			       pvs_propose_keep();
	for (weight = view->weight; weight >= 200 && rt_prio < 8; rt_prio++)
		weight /= 2;
	return pvs_propose(PVSCHED_POLICY_RR, 0, rt_prio, 0);
}

char _license[] __attribute__((section("license"))) = "GPL";
