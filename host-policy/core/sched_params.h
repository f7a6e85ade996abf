/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/*
 * What a thread is given under a grant. Pure functions, as all of the core:
 * the agent and the kernel module apply the same.
 */
#ifndef PVSCHED_CORE_PARAMS_H
#define PVSCHED_CORE_PARAMS_H

#include "host-policy/core/priority_word.h"

/* The part of a thread's sched_attr that pvsched sets. */
struct pvs_sched_params {
	__u32 policy; /* PVSCHED_POLICY_* */
	__s32 nice; /* 0 in the real-time policies */
	__u32 rt_prio; /* 0 in the others */
	__u32 reset_on_fork;
};

/*
 * The parameters of a thread under a grant, its own being `own`. Returns 0 if
 * they are its own: a boost never lowers, a lowering never raises, and neither
 * touches a thread that an admin has put above it.
 */
PVS_INLINE int pvs_params_granted(const struct pvs_sched_params *own, __u64 grant,
				  struct pvs_sched_params *out)
{
	int fair = own->policy == PVSCHED_POLICY_NORMAL ||
		   own->policy == PVSCHED_POLICY_BATCH;
	__u32 flags = pvsched_word_flags(grant);
	__s32 nice = pvsched_word_nice(grant);

	*out = *own;
	if (flags & PVSCHED_GRANT_LOWERED) {
		if (!fair)
			return 0;
		out->policy = pvsched_word_policy(grant);
		if (nice > own->nice)
			out->nice = nice;
		return out->policy != own->policy || out->nice != own->nice;
	}
	if (!(flags & PVSCHED_GRANT_BOOSTED))
		return 0;
	if (nice < 0) {
		if (!fair || own->nice <= nice)
			return 0;
		out->policy = PVSCHED_POLICY_NORMAL;
		out->nice = nice;
	} else {
		if (own->policy == PVSCHED_POLICY_DEADLINE ||
		    own->rt_prio >= pvsched_word_rt_prio(grant))
			return 0;
		out->policy = pvsched_word_policy(grant);
		out->nice = 0;
		out->rt_prio = pvsched_word_rt_prio(grant);
	}
	/* A VMM's vCPU thread must not hand its boost on to threads it starts. */
	out->reset_on_fork = 1;
	return 1;
}

PVS_INLINE __u32 pvs_params_urgency(const struct pvs_sched_params *p)
{
	return pvsched_urgency(pvsched_word(p->policy, p->nice, p->rt_prio, 0));
}

/*
 * Whether parameters that differ from the ones that were applied are still of
 * the boost: a thread may lower itself without privilege, within the boost too,
 * and must not keep what is left of it. Without privilege it cannot get rid of
 * RESET_ON_FORK, nor above what was applied; at its own or below it needs no
 * boost.
 */
PVS_INLINE int pvs_params_of_boost(const struct pvs_sched_params *own,
				   const struct pvs_sched_params *applied,
				   const struct pvs_sched_params *now)
{
	__u32 rank = pvs_params_urgency(now);

	return now->reset_on_fork && rank <= pvs_params_urgency(applied) &&
	       rank > pvs_params_urgency(own);
}

#endif /* PVSCHED_CORE_PARAMS_H */
