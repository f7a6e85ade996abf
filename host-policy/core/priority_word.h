/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/*
 * What the guest's words mean: validated, and ordered by urgency.
 */
#ifndef PVSCHED_CORE_WORDS_H
#define PVSCHED_CORE_WORDS_H

#include "pvsched_abi.h"

#define PVS_INLINE static inline __attribute__((always_inline))

/* "In an interrupt", as the guest says it. */
#define PVS_INTENT_IRQ \
	(PVSCHED_INTENT_HARDIRQ | PVSCHED_INTENT_SOFTIRQ | PVSCHED_INTENT_NMI)

/*
 * The word of a task that can exist: an unknown policy, a real-time one
 * without a priority in 1..99, a nice value out of range, count as an ordinary
 * task's. Flags are kept, what does not belong to the class is dropped.
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

/* A word without its flags: what it asks for. */
PVS_INLINE __u64 pvs_without_flags(__u64 word)
{
	return word & 0xffffff;
}

/*
 * The more urgent of what runs and what waits, both valid; the flags are
 * `intent`'s. The idle task is no demand.
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

#endif /* PVSCHED_CORE_WORDS_H */
