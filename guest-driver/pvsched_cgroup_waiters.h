/* SPDX-License-Identifier: GPL-2.0 */
/* Copyright (C) 2026 The pvsched authors */
/*
 * The tasks of urgent cgroups that wait for a CPU. To the guest's scheduler they are
 * ordinary, so it may run other tasks before them, at any number of switches.
 * `waiting` must show them meanwhile.
 */
#ifndef PVSCHED_CGROUP_WAITERS_H
#define PVSCHED_CGROUP_WAITERS_H

#include "pvsched_abi.h"

/* Noted tasks of a CPU. Of more tasks, the most urgent ones count. */
#define PVSCHED_WAITERS_MAX 16

struct pvsched_waiter {
	__s32 pid;
	__u32 rt_prio;
};

/*
 * Of one CPU. Tasks that ran while no hook saw it are still noted, so the set is
 * valid for one @generation only.
 */
struct pvsched_waiters {
	__u32 generation;
	__u32 count;
	struct pvsched_waiter tasks[PVSCHED_WAITERS_MAX];
};

static inline void pvsched_waiters_renew(struct pvsched_waiters *waiters,
					 __u32 generation)
{
	if (waiters->generation == generation)
		return;
	waiters->generation = generation;
	waiters->count = 0;
}

/* The task runs, or leaves the CPU's run queue. */
static inline void pvsched_waiters_remove(struct pvsched_waiters *waiters, __s32 pid)
{
	__u32 i;

	for (i = 0; i < waiters->count; i++) {
		if (waiters->tasks[i].pid == pid) {
			waiters->tasks[i] = waiters->tasks[--waiters->count];
			return;
		}
	}
}

static inline void pvsched_waiters_add(struct pvsched_waiters *waiters, __s32 pid,
				       __u32 rt_prio)
{
	__u32 i, lowest = 0;

	for (i = 0; i < waiters->count; i++) {
		if (waiters->tasks[i].pid == pid)
			break;
		if (waiters->tasks[i].rt_prio < waiters->tasks[lowest].rt_prio)
			lowest = i;
	}
	if (i == PVSCHED_WAITERS_MAX) {
		if (waiters->tasks[lowest].rt_prio >= rt_prio)
			return;
		i = lowest;
	} else if (i == waiters->count) {
		waiters->count++;
	}
	waiters->tasks[i] = (struct pvsched_waiter){ pid, rt_prio };
}

/* The highest priority of the waiting tasks; 0: none waits. */
static inline __u32 pvsched_waiters_top(const struct pvsched_waiters *waiters)
{
	__u32 i, top = 0;

	for (i = 0; i < waiters->count; i++) {
		if (waiters->tasks[i].rt_prio > top)
			top = waiters->tasks[i].rt_prio;
	}
	return top;
}

#endif /* PVSCHED_CGROUP_WAITERS_H */
