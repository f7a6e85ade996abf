// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 The pvsched authors */
/*
 * Priority words of tasks that take more than a few loads. They are out of line,
 * so that the hooks stay short for plain and RT tasks.
 */
#include <linux/moduleparam.h>
#include <linux/percpu.h>
#include <linux/sched.h>
#include <linux/sched/deadline.h>
#include <linux/sched/prio.h>
#include <linux/sched/stat.h>
#include <linux/smp.h>

#include "pvsched.h"
#include "pvsched_housekeeping.h"

static_assert(PVSCHED_PRIO_RT == MAX_DL_PRIO);
static_assert(PVSCHED_PRIO_FAIR == MAX_RT_PRIO);
static_assert(PVSCHED_PRIO_NICE_0 == DEFAULT_PRIO);
static_assert(PVSCHED_KTHREAD_PRIO == MAX_RT_PRIO / 2);
static_assert(PVSCHED_POLICY_NORMAL == SCHED_NORMAL);
static_assert(PVSCHED_POLICY_FIFO == SCHED_FIFO);
static_assert(PVSCHED_POLICY_RR == SCHED_RR);
static_assert(PVSCHED_POLICY_BATCH == SCHED_BATCH);
static_assert(PVSCHED_POLICY_IDLE == SCHED_IDLE);
static_assert(PVSCHED_POLICY_DEADLINE == SCHED_DEADLINE);

/* Switches in a row from one low task to another. */
static DEFINE_PER_CPU(u32, pvsched_low_turns);

static bool pvsched_urgent_kthreads;
module_param_named(urgent_kthreads, pvsched_urgent_kthreads, bool, 0644);
MODULE_PARM_DESC(urgent_kthreads,
		 "Kernel threads at the kernel's default real-time priorities are urgent (default: no)");

u64 pvsched_translate(const struct task_struct *p, u32 flags)
{
	return pvsched_translate_at(p, READ_ONCE(p->prio), flags);
}

/* The word of @p at the effective priority @prio. */
u64 pvsched_translate_at(const struct task_struct *p, s32 prio, u32 flags)
{
	u64 word = pvsched_word_of_any(p, prio,
				       READ_ONCE(pvsched_urgent_kthreads), flags);

	return pvsched_has_cgroups() ? pvsched_word_by_cgroup(p, word) : word;
}

/* What a running task of @word counts as, on this CPU. */
u64 pvsched_running_word(u64 word)
{
	return pvsched_unless_queued(word, single_task_running(),
				     __this_cpu_read(pvsched_low_turns));
}

/* The word of the task that runs on this CPU; @prev: it runs after a switch. */
u64 pvsched_translate_running(const struct task_struct *p,
			      const struct task_struct *prev, u32 flags)
{
	const struct pvsched_record *record;
	u64 word = pvsched_translate(p, flags);

	if (!pvsched_is_low(word))
		return word;
	if (prev) {
		record = &pvsched_records[smp_processor_id()];
		/* What waited before the switch still waits: @p was below it. */
		if (pvsched_is_low(pvsched_translate(prev, 0)) &&
		    !pvsched_outranks(READ_ONCE(record->waiting), word))
			__this_cpu_inc(pvsched_low_turns);
		else
			__this_cpu_write(pvsched_low_turns, 0);
	}
	return pvsched_running_word(word);
}
