/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* Copyright (C) 2026 The pvsched authors */
/*
 * The default policy: the first row that applies gives the proposal.
 *
 *   event    condition                               proposal
 *   any      real-time demand                        its own
 *   HALT     urgent lately                           halt_rt_prio
 *   INJECT, KICK  urgent lately                      irq_rt_prio
 *   any      in an interrupt, urgent lately          irq_rt_prio
 *   any      interrupt not acknowledged, within
 *            inject_hold_ns, boosted                 as before
 *   PREEMPT, AWAITED  in a critical section, awaited,
 *            not boosted                             critical_rt_prio
 *   any      boosted for a critical section, in it   as before
 *   EXIT, PREEMPT  idle, nothing waits               as before
 *   HALT     else                                    baseline
 *   TICK, TIMER  idle, nothing waits, urgent lately  as before
 *   TICK, TIMER  idle, nothing waits, else           baseline
 *   PREEMPT  boosted, else                           as before
 *   INJECT, KICK, WAKE  lowered, else                baseline
 *   INJECT, KICK, WAKE, AWAITED  else                as before
 *   any      else                                    its own nice or idle policy
 *
 * Where two boosts apply, the higher one is proposed. No boost by halt_rt_prio
 * or irq_rt_prio exceeds what the guest asked for lately (asked_rt_prio).
 *
 * RESCHED has the rows of TICK while the grant is a real-time one, else those
 * of PREEMPT: a boost can end there, and a critical section can begin one.
 *
 * PREEMPT never ends a boost. Often the thread that applies a boost preempts
 * the vCPU, before the guest could use the boost. An idle guest keeps its
 * state at EXIT, because HALT follows at once: ending and renewing a boost in
 * each idle cycle would cost two decisions. A guest that spins in its idle
 * loop uses up its budget.
 */
#ifndef PVSCHED_CORE_DEFAULT_POLICY_H
#define PVSCHED_CORE_DEFAULT_POLICY_H

#include "host-policy/core/policy_view.h"

#define PVS_RR(rt_prio) pvs_propose(PVSCHED_POLICY_RR, 0, rt_prio, 0)

/* The rt_prio of a boost ahead of the guest's own demand; 0: none. */
PVS_INLINE __u32 pvs_ahead_rt_prio(const struct pvs_view *view)
{
	__u32 rt_prio = 0;

	if (!pvs_urgent_lately(view))
		return 0;
	if (view->event == PVS_HALT)
		rt_prio = view->halt_rt_prio;
	else if (view->event == PVS_INJECT || view->event == PVS_KICK ||
		 pvsched_word_flags(view->demand) & PVS_INTENT_IRQ)
		rt_prio = view->irq_rt_prio;
	return rt_prio < view->asked_rt_prio ? rt_prio : view->asked_rt_prio;
}

/* The event whose rows apply. */
PVS_INLINE __u32 pvs_event_of_rows(const struct pvs_view *view)
{
	if (view->event != PVS_RESCHED)
		return view->event;
	return pvsched_urgency(pvs_without_flags(view->grant)) >
			       PVSCHED_URGENCY_RT ?
		       PVS_TICK :
		       PVS_PREEMPT;
}

PVS_INLINE __u64 pvs_default_policy(const struct pvs_view *view)
{
	__u32 event = pvs_event_of_rows(view);
	__u64 demand = pvs_without_flags(view->demand);
	__u32 grant_flags = pvsched_word_flags(view->grant);
	int boosted = view->state == PVS_BOOSTED;
	int idle = !demand && pvsched_word_flags(view->demand) &
				      PVSCHED_INTENT_IDLE;
	__u32 ahead = pvs_ahead_rt_prio(view);

	if (pvsched_urgency(demand) > PVSCHED_URGENCY_RT)
		return pvsched_urgency(demand) >= PVSCHED_URGENCY_RT + ahead ?
			       demand :
			       PVS_RR(ahead);
	if (ahead)
		return PVS_RR(ahead);
	if (boosted && view->injected_at &&
	    view->now - view->injected_at < view->inject_hold_ns)
		return pvs_propose_keep();

	if (view->critical && view->critical_rt_prio) {
		if ((event == PVS_PREEMPT || event == PVS_AWAITED) &&
		    view->awaited && !boosted)
			return pvs_propose(PVSCHED_POLICY_RR, 0,
					   view->critical_rt_prio,
					   PVS_CRITICAL);
		if (grant_flags & PVSCHED_GRANT_CRITICAL)
			return pvs_propose_keep();
	}

	switch (event) {
	case PVS_HALT:
		return 0;
	case PVS_INJECT:
	case PVS_KICK:
	case PVS_WAKE:
		return grant_flags & PVSCHED_GRANT_LOWERED ?
			       0 :
			       pvs_propose_keep();
	case PVS_AWAITED:
		return pvs_propose_keep();
	case PVS_PREEMPT:
		if (boosted)
			return pvs_propose_keep();
		break;
	case PVS_TICK:
	case PVS_TIMER:
		if (idle && !pvs_urgent_lately(view))
			return 0;
		break;
	}
	return idle ? pvs_propose_keep() : demand;
}

#endif /* PVSCHED_CORE_DEFAULT_POLICY_H */
