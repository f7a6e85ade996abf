/* SPDX-License-Identifier: GPL-2.0 */
/*
 * From what Linux knows of a task to pvsched's priority word, and the order of
 * two words. Pure, so that it is also compiled and tested in userspace.
 */
#ifndef PVSCHED_TASK_WORD_H
#define PVSCHED_TASK_WORD_H

#include "pvsched_abi.h"

/*
 * task_struct::prio, lower is more urgent: deadline tasks are below 0,
 * real-time ones below 100, and 120 is nice 0.
 */
#define PVSCHED_PRIO_RT 0
#define PVSCHED_PRIO_FAIR 100
#define PVSCHED_PRIO_NICE_0 120

/* SCHED_NORMAL at nice 0, as nearly all tasks are: its word is 0. */
static inline int pvsched_is_plain(__u32 policy, __s32 prio, __s32 static_prio)
{
	return !(policy | (__u32)(prio ^ PVSCHED_PRIO_NICE_0) |
		 (__u32)(static_prio ^ PVSCHED_PRIO_NICE_0));
}

/* Of a real-time task: RR keeps its policy, whatever else has such a @prio is FIFO. */
static inline __u64 pvsched_rt_word(__u32 policy, __s32 prio, __u32 flags)
{
	return pvsched_word(policy == PVSCHED_POLICY_RR ? PVSCHED_POLICY_RR :
							  PVSCHED_POLICY_FIFO,
			    0, PVSCHED_PRIO_FAIR - 1 - prio, flags);
}

/*
 * The class is taken from the effective @prio, not from @policy: a task that
 * holds a lock a real-time task waits for runs at that task's priority. It
 * also keeps the word sound if @policy and @prio are read while another CPU
 * changes them.
 */
static inline __u64 pvsched_task_word(__u32 policy, __s32 prio,
				      __s32 static_prio, __u32 flags)
{
	if (prio < PVSCHED_PRIO_RT)
		return pvsched_word(PVSCHED_POLICY_DEADLINE, 0, 0, flags);

	/* No task has 99, which would be priority 0. */
	if (prio < PVSCHED_PRIO_FAIR)
		return pvsched_rt_word(policy,
				       prio < PVSCHED_PRIO_FAIR - 1 ?
					       prio :
					       PVSCHED_PRIO_FAIR - 2,
				       flags);

	switch (policy) {
	case PVSCHED_POLICY_IDLE:
		return pvsched_word(policy, 0, 0, flags);
	case PVSCHED_POLICY_BATCH:
	case PVSCHED_POLICY_EXT:
		break;
	default:
		policy = PVSCHED_POLICY_NORMAL;
	}
	/* The fair class weighs by static_prio, whatever prio says. */
	return pvsched_word(policy, static_prio - PVSCHED_PRIO_NICE_0, 0, flags);
}

/*
 * Of a CPU's stopper, by which a kernel moves running tasks, and more. It goes before all
 * others of its CPU, but nobody's latency is at stake: a guest that only balances its load
 * has no urgent work.
 */
static inline __u64 pvsched_stopper_word(__u32 flags)
{
	return pvsched_word(PVSCHED_POLICY_NORMAL, -20, 0, flags);
}

/* What `waiting` has to become when the task of @woken starts to wait, too. */
static inline __u64 pvsched_raise_waiting(__u64 waiting, __u64 woken)
{
	if (!(pvsched_word_flags(waiting) & PVSCHED_WAITING_VALID))
		return woken;
	if (waiting == woken || pvsched_urgency(woken) <= pvsched_urgency(waiting))
		return waiting;
	return woken;
}

#endif /* PVSCHED_TASK_WORD_H */
