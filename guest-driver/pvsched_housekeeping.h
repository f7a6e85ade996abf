/* SPDX-License-Identifier: GPL-2.0 */
/* Copyright (C) 2026 The pvsched authors */
/*
 * The kernel's own threads. Linux makes some of them real-time, most of all with
 * PREEMPT_RT, where timers, RCU and interrupts are threads. No latency that the
 * guest's admin asked for depends on them, so they count as ordinary tasks.
 *
 * The kernel defines struct task_struct, PF_KTHREAD and READ_ONCE(); tests in
 * user space define their own.
 */
#ifndef PVSCHED_HOUSEKEEPING_H
#define PVSCHED_HOUSEKEEPING_H

#include "pvsched_task_word.h"

/* The kernel's sched_set_fifo_low(), _secondary() and sched_set_fifo(). */
#define PVSCHED_KTHREAD_PRIO_LOW 1
#define PVSCHED_KTHREAD_PRIO_SECONDARY 49
#define PVSCHED_KTHREAD_PRIO 50

/* Longest chain of waiters that the driver follows. */
#define PVSCHED_MAX_WAITERS 4

/*
 * Whether @p is a CPU's stopper (migration/N), which migrates running tasks among
 * other things. Modules cannot see the scheduling class.
 */
static inline bool pvsched_is_stopper(const struct task_struct *p)
{
	return p->flags & PF_KTHREAD &&
	       READ_ONCE(p->policy) == PVSCHED_POLICY_FIFO &&
	       READ_ONCE(p->normal_prio) == 0 && p->nr_cpus_allowed == 1;
}

/*
 * Whether @p is a kernel thread at a real-time priority that the kernel gives by
 * itself. At any other priority the admin has set it.
 */
static inline bool pvsched_has_default_prio(const struct task_struct *p)
{
	if (!(p->flags & PF_KTHREAD) ||
	    READ_ONCE(p->policy) != PVSCHED_POLICY_FIFO)
		return false;
	switch (READ_ONCE(p->rt_priority)) {
	case PVSCHED_KTHREAD_PRIO_LOW:
	case PVSCHED_KTHREAD_PRIO_SECONDARY:
	case PVSCHED_KTHREAD_PRIO:
		return true;
	}
	return false;
}

/* With @urgent_kthreads the stopper alone is housekeeping. */
static inline bool pvsched_is_housekeeping(const struct task_struct *p,
					   bool urgent_kthreads)
{
	return pvsched_is_stopper(p) ||
	       (!urgent_kthreads && pvsched_has_default_prio(p));
}

/*
 * The task whose priority @prio @p has: @p itself, or the task that waits for a
 * lock of @p and lends its priority. The waiters stay blocked while they lend, and an
 * RCU reader keeps them from being freed. The caller cannot be preempted, which
 * makes it one.
 */
static inline const struct task_struct *
pvsched_lender(const struct task_struct *p, __s32 prio)
{
#ifdef CONFIG_RT_MUTEXES
	const struct task_struct *waiter;
	int i;

	for (i = 0; i < PVSCHED_MAX_WAITERS; i++) {
		waiter = READ_ONCE(p->pi_top_task);
		if (!waiter || READ_ONCE(waiter->prio) > prio)
			break;
		p = waiter;
		prio = READ_ONCE(p->prio);
	}
#endif
	return p;
}

/*
 * The priority word of any task at the effective priority @prio. Housekeeping, and
 * what a task inherits from it, counts as nice 0.
 */
static inline __u64 pvsched_word_of_any(const struct task_struct *p, __s32 prio,
					bool urgent_kthreads, __u32 flags)
{
	__u32 policy = READ_ONCE(p->policy);
	__s32 static_prio = READ_ONCE(p->static_prio);
	__u64 own;

	if (prio >= PVSCHED_PRIO_FAIR ||
	    !pvsched_is_housekeeping(pvsched_lender(p, prio), urgent_kthreads))
		return pvsched_task_word(policy, prio, static_prio, flags);

	if (!pvsched_is_housekeeping(p, urgent_kthreads)) {
		own = pvsched_task_word(policy, READ_ONCE(p->normal_prio),
					static_prio, flags);
		if (pvsched_urgency(own) > PVSCHED_URGENCY_NICE_0)
			return own;
	}
	return pvsched_word(PVSCHED_POLICY_NORMAL, 0, 0, flags);
}

/*
 * Whether a task with the effective priority @prio runs before tasks that are
 * more urgent than its @word.
 */
static inline bool pvsched_is_understated(__s32 prio, __u64 word)
{
	return prio < PVSCHED_PRIO_FAIR &&
	       pvsched_urgency(word) <
		       (__u32)(PVSCHED_URGENCY_RT + PVSCHED_PRIO_FAIR - 1 - prio);
}

#endif /* PVSCHED_HOUSEKEEPING_H */
