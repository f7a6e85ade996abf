/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* Copyright (C) 2026 The pvsched authors */
/*
 * The interface of a policy: its input and its proposal.
 *
 * A policy is one function, pvs_policy(). It maps a view of a vCPU at an event
 * to a proposal. The core caps each proposal and charges it to a budget, so a
 * policy cannot exceed either. The tutorial "your own policy" shows how to write
 * and load one, and what state it may keep.
 */
#ifndef PVSCHED_CORE_POLICY_VIEW_H
#define PVSCHED_CORE_POLICY_VIEW_H

#include "host-policy/core/priority_word.h"

enum pvs_event {
	PVS_EXIT = 1, /* a VM exit; the guest's priority words are current */
	PVS_HALT = 2, /* the thread goes to sleep */
	PVS_INJECT = 3, /* KVM injects an interrupt */
	PVS_WAKE = 4, /* the thread wakes up */
	PVS_PREEMPT = 5, /* the host preempts the thread */
	PVS_TICK = 6, /* the host's tick while the thread runs */
	PVS_TIMER = 7, /* pvschedd's timer while the vCPU is boosted */
	PVS_KICK = 8, /* an interrupt is raised; the vCPU may be preempted */
	PVS_RESCHED = 9, /* the CPU chooses its next task; the thread could continue */
	PVS_AWAITED = 10, /* preempted, and another vCPU of the VM begins to wait */
};

enum pvs_state {
	PVS_NORMAL = 0, /* the grant is the baseline, or below it */
	PVS_BOOSTED = 1, /* the grant is above the baseline */
	PVS_THROTTLED = 2, /* over budget: the baseline until the throttle ends */
};

/*
 * For how long the preemption of a vCPU in a critical section concerns the VM's
 * other vCPUs, after one of them has waited for a vCPU.
 */
#define PVS_WAIT_MEMORY_NS 10000000ull

/* asked_rt_prio of a DEADLINE task: above every rt_prio. */
#define PVS_ASKED_DEADLINE 100

/* Times are ns of one monotonic clock. */
struct pvs_view {
	__u32 event; /* enum pvs_event */
	__u32 state; /* enum pvs_state: NORMAL or BOOSTED */
	__u64 now;
	/* Valid priority words (pvs_sanitize()). */
	__u64 running; /* the guest's running task */
	__u64 waiting; /* a waiting task that is more urgent, if one is */
	__u64 demand; /* the more urgent of the two, with the flags of `running` */
	__u64 grant; /* in force now, with its PVSCHED_GRANT_* flags */
	__u64 last_urgent; /* time of the last real-time demand; 0: never */
	/*
	 * Start of the hold time of the oldest unacknowledged interrupt; 0: all
	 * are acknowledged, or the guest never acknowledges.
	 */
	__u64 injected_at;
	/*
	 * Not 0: the guest is in an interrupt or has preemption off. The host
	 * reads the preempt count only at PREEMPT, RESCHED and AWAITED, and while
	 * the vCPU is boosted for a critical section.
	 */
	__u32 critical;
	__u32 vcpu_id; /* APIC id */
	__u32 vm; /* vm_index on this host */
	/* Tunables of the VM that a policy may weigh. */
	__u32 weight;
	__u32 halt_rt_prio;
	__u32 irq_rt_prio;
	__u32 critical_rt_prio;
	/*
	 * The highest rt_prio that the guest asked for lately: what a boost
	 * ahead of its demand may have. Valid if pvs_urgent_lately().
	 */
	__u32 asked_rt_prio;
	__u64 urgent_memory_ns;
	__u64 inject_hold_ns;
	/*
	 * Not 0: a vCPU of the VM begins to wait for another one, or did so within
	 * PVS_WAIT_MEMORY_NS. 0 but at PREEMPT, RESCHED and AWAITED.
	 */
	__u32 awaited;
	__u32 reserved;
};

/*
 * The proposal is a priority word: the parameters for the vCPU's thread. 0, that
 * is SCHED_NORMAL and nice 0, means the thread's baseline. Flags:
 */
#define PVS_KEEP 0x01 /* keep the grant; the other fields are ignored */
#define PVS_CRITICAL 0x02 /* charge to the budget of critical sections */

PVS_INLINE __u64 pvs_propose(__u32 policy, __s32 nice, __u32 rt_prio,
			     __u32 flags)
{
	return pvsched_word(policy, nice, rt_prio, flags);
}

PVS_INLINE __u64 pvs_propose_keep(void)
{
	return pvsched_word(0, 0, 0, PVS_KEEP);
}

/* The last real-time demand is at most urgent_memory_ns ago. */
PVS_INLINE int pvs_urgent_lately(const struct pvs_view *view)
{
	return view->last_urgent &&
	       view->now - view->last_urgent <= view->urgent_memory_ns;
}

#endif /* PVSCHED_CORE_POLICY_VIEW_H */
