/* SPDX-License-Identifier: GPL-2.0 */
/* Copyright (C) 2026 The pvsched authors */
/*
 * Translates a Linux task's policy and priority to a priority word. Pure
 * functions, so tests compile them in user space, too.
 */
#ifndef PVSCHED_TASK_WORD_H
#define PVSCHED_TASK_WORD_H

#include "pvsched_abi.h"

/*
 * task_struct::prio; a lower value is more urgent. Deadline tasks are below 0,
 * RT tasks below 100, and 120 is nice 0.
 */
#define PVSCHED_PRIO_RT 0
#define PVSCHED_PRIO_FAIR 100
#define PVSCHED_PRIO_NICE_0 120

/* Policy, nice and rt_prio of a priority word; all are 0 for NORMAL at nice 0. */
#define PVSCHED_WORD_PRIORITY 0xffffffull

/* Whether the task is SCHED_NORMAL at nice 0: its priority word is 0. */
static inline int pvsched_is_plain(__u32 policy, __s32 prio, __s32 static_prio)
{
	return !(policy | (__u32)(prio ^ PVSCHED_PRIO_NICE_0) |
		 (__u32)(static_prio ^ PVSCHED_PRIO_NICE_0));
}

/* For an RT @prio: RR keeps its policy, every other policy counts as FIFO. */
static inline __u64 pvsched_rt_word(__u32 policy, __s32 prio, __u32 flags)
{
	return pvsched_word(policy == PVSCHED_POLICY_RR ? PVSCHED_POLICY_RR :
							  PVSCHED_POLICY_FIFO,
			    0, PVSCHED_PRIO_FAIR - 1 - prio, flags);
}

/* Whether @word is that of an RT task with the effective @prio. */
static inline int pvsched_has_rt_prio(__u64 word, __s32 prio)
{
	return (__s32)pvsched_word_rt_prio(word) + prio == PVSCHED_PRIO_FAIR - 1;
}

/*
 * The effective @prio decides the class, not @policy: a lock holder runs at the
 * priority of the RT task that waits for the lock. This also keeps the result
 * valid if another CPU changes @policy and @prio in between.
 */
static inline __u64 pvsched_task_word(__u32 policy, __s32 prio,
				      __s32 static_prio, __u32 flags)
{
	if (prio < PVSCHED_PRIO_RT)
		return pvsched_word(PVSCHED_POLICY_DEADLINE, 0, 0, flags);

	/* No task has a @prio of 99, which would be an rt_prio of 0. */
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
	/* The fair class derives a task's weight from static_prio. */
	return pvsched_word(policy, static_prio - PVSCHED_PRIO_NICE_0, 0, flags);
}

/* Returns the new `waiting` if a task with @woken waits, too; 0: none does. */
static inline __u64 pvsched_raise_waiting(__u64 waiting, __u64 woken)
{
	if (!(pvsched_word_flags(waiting) & PVSCHED_WAITING_VALID))
		return woken;
	if (!woken || waiting == woken ||
	    pvsched_urgency(woken) <= pvsched_urgency(waiting))
		return waiting;
	return woken;
}

/* Whether a vCPU that publishes @word can be lowered below nice 0. */
static inline int pvsched_is_low(__u64 word)
{
	return pvsched_urgency(word) < PVSCHED_URGENCY_NICE_0;
}

/*
 * The fair class also runs a task of low @word while ordinary tasks are queued.
 * So the word counts only if the task @is_alone on its CPU, or if the CPU has
 * switched from low to low task @turns times in a row. A low task that has had its
 * turn has none again before an ordinary task, so an ordinary task among fewer low
 * tasks would have had its turn by then. Else the task counts as nice 0.
 */
#define PVSCHED_LOW_TURNS 8

static inline __u64 pvsched_unless_queued(__u64 word, int is_alone, __u32 turns)
{
	if (!pvsched_is_low(word) || is_alone || turns >= PVSCHED_LOW_TURNS)
		return word;
	return pvsched_word(PVSCHED_POLICY_NORMAL, 0, 0, pvsched_word_flags(word));
}

/*
 * Whether @waiting changes the demand of a vCPU that publishes @intent. An idle
 * vCPU demands as much as one at nice 0.
 */
static inline int pvsched_outranks(__u64 waiting, __u64 intent)
{
	__u32 waiting_prio = pvsched_word_rt_prio(waiting);
	__u32 running_prio = pvsched_word_rt_prio(intent);
	__u32 running = PVSCHED_URGENCY_NICE_0;

	/* Most often both are at nice 0. */
	if (!((waiting ^ intent) & PVSCHED_WORD_PRIORITY) ||
	    !(pvsched_word_flags(waiting) & PVSCHED_WAITING_VALID))
		return 0;
	/* A real-time priority decides, but for DEADLINE, which has none. */
	if (waiting_prio < running_prio &&
	    pvsched_word_policy(waiting) != PVSCHED_POLICY_DEADLINE)
		return 0;
	if (waiting_prio > running_prio &&
	    pvsched_word_policy(intent) != PVSCHED_POLICY_DEADLINE)
		return 1;
	if (!(pvsched_word_flags(intent) & PVSCHED_INTENT_IDLE))
		running = pvsched_urgency(intent);
	return pvsched_urgency(waiting) > running;
}

#endif /* PVSCHED_TASK_WORD_H */
