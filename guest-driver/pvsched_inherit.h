/* SPDX-License-Identifier: GPL-2.0 */
/* Copyright (C) 2026 The pvsched authors */
/*
 * What a CPU's running task inherits from tasks that wait for its locks. It shows in
 * `waiting`, because only the vCPU itself writes `intent`. When the inheritance ends,
 * `waiting` must show the tasks that wait behind the running task again: there may be
 * no switch then.
 *
 * The kernel defines READ_ONCE(); tests in user space define their own.
 */
#ifndef PVSCHED_INHERIT_H
#define PVSCHED_INHERIT_H

#include "pvsched_task_word.h"

/* Of one CPU. Its fields count while the running task inherits. */
struct pvsched_inheritance {
	__u64 lent; /* the running task's word by inheritance; 0: none known */
	__u64 behind; /* `waiting` without the inheritance */
};

/* What waits according to @waiting, apart from what is lent. */
static inline __u64
pvsched_behind(const struct pvsched_inheritance *inheritance, __u64 waiting)
{
	__u64 lent = inheritance->lent;

	/* A task that woke since, above the running task. */
	if (!lent || pvsched_urgency(waiting) > pvsched_urgency(lent))
		return waiting;
	return inheritance->behind;
}

/* The running task, which publishes @intent, gets the word @lent. Returns `waiting`. */
static inline __u64 pvsched_lend(struct pvsched_inheritance *inheritance,
				 __u64 waiting, __u64 intent, __u64 lent)
{
	inheritance->behind = pvsched_behind(inheritance, waiting);
	inheritance->lent = lent;
	if (!pvsched_outranks(lent, intent))
		return inheritance->behind;
	return pvsched_raise_waiting(inheritance->behind, lent);
}

/* The running task has only its @own word again. Returns `waiting`. */
static inline __u64 pvsched_give_back(struct pvsched_inheritance *inheritance,
				      __u64 waiting, __u64 own)
{
	__u64 behind = pvsched_behind(inheritance, waiting);

	inheritance->lent = 0;
	return pvsched_outranks(behind, own) ? behind : 0;
}

/* A task of word @woken starts to wait behind the running task. */
static inline void pvsched_wait_behind(struct pvsched_inheritance *inheritance,
				       __u64 woken)
{
	if (READ_ONCE(inheritance->lent))
		inheritance->behind =
			pvsched_raise_waiting(inheritance->behind, woken);
}

#endif /* PVSCHED_INHERIT_H */
