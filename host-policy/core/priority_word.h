/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* Copyright (C) 2026 The pvsched authors */
/* Priority words: validation, and the demand of a vCPU. */
#ifndef PVSCHED_CORE_PRIORITY_WORD_H
#define PVSCHED_CORE_PRIORITY_WORD_H

#include "pvsched_abi.h"

#define PVS_INLINE static inline __attribute__((always_inline))

/* The guest reports an interrupt context by one of these flags. */
#define PVS_INTENT_IRQ (PVSCHED_INTENT_HARDIRQ | PVSCHED_INTENT_SOFTIRQ)

/*
 * Validates a priority word from the guest. An unknown policy, an rt_prio
 * outside 1..99 and a nice value out of range give SCHED_NORMAL, nice 0. The
 * flags stay; fields that the policy does not use become 0.
 */
PVS_INLINE __u64 pvs_sanitize(__u64 word)
{
	__u32 policy = pvsched_word_policy(word);
	__u32 rt_prio = pvsched_word_rt_prio(word);
	__u32 flags = pvsched_word_flags(word);
	__s32 nice = pvsched_word_nice(word);

	switch (policy) {
	case PVSCHED_POLICY_FIFO:
	case PVSCHED_POLICY_RR:
		if (rt_prio >= 1 && rt_prio <= 99)
			return pvsched_word(policy, 0, rt_prio, flags);
		break;
	case PVSCHED_POLICY_DEADLINE:
	case PVSCHED_POLICY_IDLE:
		return pvsched_word(policy, 0, 0, flags);
	case PVSCHED_POLICY_NORMAL:
	case PVSCHED_POLICY_BATCH:
		if (nice >= -20 && nice <= 19)
			return pvsched_word(policy, nice, 0, flags);
		break;
	}
	return pvsched_word(PVSCHED_POLICY_NORMAL, 0, 0, flags);
}

/*
 * Whether the guest is in an interrupt or has preemption off. Linux's idle loop
 * has preemption off, but is no critical section.
 */
PVS_INLINE int pvs_is_critical(__u64 intent, __u32 preemption_off)
{
	__u32 flags = pvsched_word_flags(intent);

	return flags & PVS_INTENT_IRQ ||
	       (preemption_off && !(flags & PVSCHED_INTENT_IDLE));
}

/* The priority word without its flags. */
PVS_INLINE __u64 pvs_without_flags(__u64 word)
{
	return word & 0xffffff;
}

/*
 * The demand: the more urgent of `intent` and `waiting`, both valid, with the
 * flags of `intent`. The idle task demands nothing.
 */
PVS_INLINE __u64 pvs_demand(__u64 intent, __u64 waiting)
{
	__u64 flags = intent & ~pvs_without_flags(~0ull);
	int waits = pvsched_word_flags(waiting) & PVSCHED_WAITING_VALID;

	if (pvsched_word_flags(intent) & PVSCHED_INTENT_IDLE)
		return (waits ? pvs_without_flags(waiting) : 0) | flags;
	if (waits && pvsched_urgency(waiting) > pvsched_urgency(intent))
		return pvs_without_flags(waiting) | flags;
	return intent;
}

#endif /* PVSCHED_CORE_PRIORITY_WORD_H */
