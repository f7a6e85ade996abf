/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* Copyright (C) 2026 The pvsched authors */
/*
 * The scheduling parameters of a thread under a grant. The agent and the kernel
 * module pvsched_host share these functions, so both apply the same parameters.
 * The functions are pure: the caller reads and sets the parameters.
 */
#ifndef PVSCHED_CORE_SCHED_PARAMS_H
#define PVSCHED_CORE_SCHED_PARAMS_H

#ifdef __KERNEL__
#include <uapi/linux/sched/types.h>
#else
#include <linux/sched/types.h>
#endif

#include "host-policy/core/priority_word.h"

/*
 * SCHED_FIFO priority of the threads that apply grants: above every boost that
 * the default caps allow, below threaded interrupts (FIFO 50).
 */
#define PVS_ACTUATOR_RT_PRIO 49

/* sched.h's SCHED_FLAG_RESET_ON_FORK; Linux's ABI fixes the value. */
#define PVS_FLAG_RESET_ON_FORK 0x01

/* The part of a thread's sched_attr that pvsched sets. */
struct pvs_sched_params {
	__u32 policy; /* PVSCHED_POLICY_* */
	__s32 nice; /* 0 in the real-time policies */
	__u32 rt_prio; /* 0 in the other policies */
	__u32 reset_on_fork;
};

/*
 * Computes a thread's parameters under a grant from its baseline. Returns 0 if
 * the baseline applies: a boost never lowers, a lowering never raises, and
 * neither changes a thread whose baseline is above the grant.
 */
PVS_INLINE int pvs_params_granted(const struct pvs_sched_params *baseline,
				  __u64 grant, struct pvs_sched_params *out)
{
	int fair = baseline->policy == PVSCHED_POLICY_NORMAL ||
		   baseline->policy == PVSCHED_POLICY_BATCH;
	__u32 flags = pvsched_word_flags(grant);
	__s32 nice = pvsched_word_nice(grant);

	*out = *baseline;
	if (flags & PVSCHED_GRANT_LOWERED) {
		if (!fair)
			return 0;
		out->policy = pvsched_word_policy(grant);
		if (nice > baseline->nice)
			out->nice = nice;
		return out->policy != baseline->policy ||
		       out->nice != baseline->nice;
	}
	if (!(flags & PVSCHED_GRANT_BOOSTED))
		return 0;
	if (nice < 0) {
		if (!fair || baseline->nice <= nice)
			return 0;
		out->policy = PVSCHED_POLICY_NORMAL;
		out->nice = nice;
	} else {
		if (baseline->policy == PVSCHED_POLICY_DEADLINE ||
		    baseline->rt_prio >= pvsched_word_rt_prio(grant))
			return 0;
		out->policy = pvsched_word_policy(grant);
		out->nice = 0;
		out->rt_prio = pvsched_word_rt_prio(grant);
	}
	/* Threads that the vCPU thread starts must not inherit the boost. */
	out->reset_on_fork = 1;
	return 1;
}

PVS_INLINE __u32 pvs_params_urgency(const struct pvs_sched_params *p)
{
	return pvsched_urgency(pvsched_word(p->policy, p->nice, p->rt_prio, 0));
}

/*
 * Whether the current parameters are a remainder of the boost, although they
 * differ from the applied ones. An unprivileged thread may lower itself within
 * a boost, but it must not keep the remainder. Such a thread can neither clear
 * RESET_ON_FORK nor rise above the applied parameters. At its baseline or below
 * it holds no boost.
 */
PVS_INLINE int pvs_params_of_boost(const struct pvs_sched_params *baseline,
				   const struct pvs_sched_params *applied,
				   const struct pvs_sched_params *current_params)
{
	__u32 urgency = pvs_params_urgency(current_params);

	return current_params->reset_on_fork &&
	       urgency <= pvs_params_urgency(applied) &&
	       urgency > pvs_params_urgency(baseline);
}

PVS_INLINE struct pvs_sched_params
pvs_attr_params(const struct sched_attr *attr)
{
	struct pvs_sched_params params = {
		.policy = attr->sched_policy,
		.nice = attr->sched_nice,
		.rt_prio = attr->sched_priority,
		.reset_on_fork = !!(attr->sched_flags & PVS_FLAG_RESET_ON_FORK),
	};

	return params;
}

/* Whether two sets of attributes mean the same to the scheduler. */
PVS_INLINE int pvs_attr_equal(const struct sched_attr *a,
			      const struct sched_attr *b)
{
	if (a->sched_policy != b->sched_policy ||
	    a->sched_flags != b->sched_flags)
		return 0;
	switch (a->sched_policy) {
	case PVSCHED_POLICY_FIFO:
	case PVSCHED_POLICY_RR:
		return a->sched_priority == b->sched_priority;
	case PVSCHED_POLICY_DEADLINE:
		return a->sched_runtime == b->sched_runtime &&
		       a->sched_deadline == b->sched_deadline &&
		       a->sched_period == b->sched_period;
	default:
		return a->sched_nice == b->sched_nice &&
		       a->sched_runtime == b->sched_runtime;
	}
}

/* Whether the thread still has the applied attributes or a remainder of them. */
PVS_INLINE int pvs_attr_of_boost(const struct sched_attr *baseline,
				 const struct sched_attr *applied,
				 const struct sched_attr *current_attr)
{
	struct pvs_sched_params base = pvs_attr_params(baseline);
	struct pvs_sched_params boost = pvs_attr_params(applied);
	struct pvs_sched_params params = pvs_attr_params(current_attr);

	return pvs_attr_equal(current_attr, applied) ||
	       pvs_params_of_boost(&base, &boost, &params);
}

/*
 * Computes a thread's attributes under a grant. Returns 0 if they are the
 * baseline. A grant has no slice of its own, so the kernel's default applies.
 */
PVS_INLINE int pvs_attr_granted(const struct sched_attr *baseline, __u64 grant,
				struct sched_attr *out)
{
	struct pvs_sched_params base = pvs_attr_params(baseline);
	struct pvs_sched_params granted;

	*out = *baseline;
	if (!pvs_params_granted(&base, grant, &granted))
		return 0;
	out->sched_policy = granted.policy;
	out->sched_flags = granted.reset_on_fork ? PVS_FLAG_RESET_ON_FORK : 0;
	out->sched_nice = granted.nice;
	out->sched_priority = granted.rt_prio;
	out->sched_runtime = 0;
	out->sched_deadline = 0;
	out->sched_period = 0;
	return 1;
}

/* What an actuator does to one thread to put a grant into force. */
struct pvs_apply_plan {
	struct sched_attr next; /* the thread's attributes under the grant */
	int is_granted; /* `next` is a grant; else `next` is the baseline */
	/*
	 * An admin has changed the thread: its current attributes are the
	 * baseline from now on, and no grant is in force.
	 */
	int is_new_baseline;
	int must_set; /* the thread does not have `next` yet */
};

/*
 * Plans how a thread gets a grant. @applied: the grant in force as far as the
 * actuator knows, or NULL if the thread has its baseline. An admin's change is
 * respected: current attributes that are neither the baseline nor the boost are
 * a new baseline. The caller records `is_new_baseline` first, then sets `next`
 * if `must_set` is true, then records whether a grant is in force.
 */
PVS_INLINE struct pvs_apply_plan
pvs_plan_apply(const struct sched_attr *baseline,
	       const struct sched_attr *applied,
	       const struct sched_attr *current_attr, __u64 grant)
{
	struct pvs_apply_plan plan;

	if (applied)
		plan.is_new_baseline =
			!pvs_attr_of_boost(baseline, applied, current_attr);
	else
		plan.is_new_baseline = !pvs_attr_equal(current_attr, baseline);
	if (plan.is_new_baseline)
		baseline = current_attr;
	plan.is_granted = pvs_attr_granted(baseline, grant, &plan.next);
	plan.must_set = !pvs_attr_equal(&plan.next, current_attr);
	return plan;
}

#endif /* PVSCHED_CORE_SCHED_PARAMS_H */
