/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/*
 * What a policy sees and what it answers: all that the author of one needs.
 *
 * A policy is one function, pvs_policy(): from a view of a vCPU at an event to
 * a proposal. It holds no state of its own and can neither exceed a cap nor
 * outlast a budget: both are applied to what it proposes. docs/policy.md shows
 * how to write and load one.
 */
#ifndef PVSCHED_CORE_VIEW_H
#define PVSCHED_CORE_VIEW_H

#include "host-policy/core/priority_word.h"

enum pvs_event {
	PVS_EXIT = 1, /* it left the guest; the guest's words are current */
	PVS_HALT = 2, /* its thread goes to sleep */
	PVS_INJECT = 3, /* an interrupt is injected into it */
	PVS_WAKE = 4, /* its thread is woken */
	PVS_PREEMPT = 5, /* its thread is preempted on the host */
	PVS_TICK = 6, /* the host's tick while its thread runs */
	PVS_TIMER = 7, /* time has passed, whatever the vCPU did */
	PVS_KICK = 8, /* somebody has an interrupt for it, wherever it is */
};

enum pvs_state {
	PVS_NORMAL = 0, /* the thread has its own parameters, or lower ones */
	PVS_BOOSTED = 1, /* the thread has more than its own */
	PVS_THROTTLED = 2, /* over budget: its own parameters, for a while */
};

/* Read-only; every time is in nanoseconds of one monotonic clock. */
struct pvs_view {
	__u32 event; /* enum pvs_event */
	__u32 state; /* enum pvs_state: NORMAL or BOOSTED */
	__u64 now;
	/*
	 * Words as in pvsched_abi.h, made valid (pvs_sanitize()): what runs and
	 * the most urgent of what waits; then the more urgent of the two, with
	 * the flags of what runs.
	 */
	__u64 running;
	__u64 waiting;
	__u64 demand;
	__u64 grant; /* what the vCPU has now, PVSCHED_GRANT_* flags included */
	__u64 last_urgent; /* when a real-time demand was last seen; 0: never */
	__u64 injected_at; /* since when the guest could have acknowledged its
			    * oldest interrupt; 0: none, or it never does */
	/*
	 * Not 0: in an interrupt; or with preemption off, which is looked at
	 * when the vCPU is preempted and while it is boosted as PVS_CRITICAL.
	 */
	__u32 critical;
	__u32 vcpu_id; /* APIC id */
	__u32 vm; /* number of the VM on this host */
	/* The VM's tunables, as far as they are for a policy to weigh. */
	__u32 weight;
	__u32 halt_rt_prio;
	__u32 irq_rt_prio;
	__u32 critical_rt_prio;
	__u32 reserved;
	__u64 urgent_memory_ns;
	__u64 inject_hold_ns;
};

/*
 * The answer: a word. Its policy, nice and rt_prio are what the vCPU's thread
 * should have; SCHED_NORMAL and nice 0, that is 0, is the thread's own. Its
 * flags:
 */
#define PVS_KEEP 0x01 /* as it is; the rest of the word is ignored */
#define PVS_CRITICAL 0x02 /* for a critical section: charged to its budget */

PVS_INLINE __u64 pvs_propose(__u32 policy, __s32 nice, __u32 rt_prio,
			     __u32 flags)
{
	return pvsched_word(policy, nice, rt_prio, flags);
}

PVS_INLINE __u64 pvs_propose_keep(void)
{
	return pvsched_word(0, 0, 0, PVS_KEEP);
}

/* Had urgent work within the VM's urgent_memory_ns. */
PVS_INLINE int pvs_urgent_lately(const struct pvs_view *view)
{
	return view->last_urgent &&
	       view->now - view->last_urgent <= view->urgent_memory_ns;
}

#endif /* PVSCHED_CORE_VIEW_H */
