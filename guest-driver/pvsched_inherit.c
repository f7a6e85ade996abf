// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 The pvsched authors */
/*
 * Priority inheritance. A task that blocks on a lock lends its priority to the task
 * that holds the lock. If the holder runs on another vCPU, neither a switch nor a
 * wake-up follows there, so the host would not know.
 */
#include <linux/percpu.h>
#include <linux/sched.h>
#include <linux/smp.h>

#include "pvsched.h"
#include "pvsched_inherit.h"
#include "pvsched_kernels.h"
#include "pvsched_publish.h"

/* Each is accessed under the run-queue lock of its CPU. */
static DEFINE_PER_CPU(struct pvsched_inheritance, pvsched_inheritances);

static bool pvsched_inherits(const struct task_struct *p)
{
	return READ_ONCE(p->prio) < READ_ONCE(p->normal_prio);
}

/* This CPU switches from @prev to @next. */
void pvsched_inherit_switch(const struct task_struct *next,
			    const struct task_struct *prev)
{
	struct pvsched_inheritance *inheritance =
		this_cpu_ptr(&pvsched_inheritances);

	inheritance->lent = 0;
	inheritance->behind = 0;
	if (!pvsched_inherits(next))
		return;
	inheritance->lent = pvsched_translate(next, PVSCHED_WAITING_VALID);
	if (pvsched_is_queued(prev) && !is_idle_task(prev))
		inheritance->behind =
			pvsched_translate(prev, PVSCHED_WAITING_VALID);
	if (pvsched_has_cgroups())
		inheritance->behind = pvsched_cgroups_waiting(inheritance->behind);
}

/* A task of word @woken waits on @cpu, and the running task is as urgent. */
void pvsched_inherit_wakeup(unsigned int cpu, u64 woken)
{
	pvsched_wait_behind(&per_cpu(pvsched_inheritances, cpu), woken);
}

/*
 * The interrupt makes the host read the record of a vCPU that it has preempted. Most
 * kernels send none if the task that they raise runs already.
 */
static void pvsched_notify_host(const struct pvsched_record *record,
				unsigned int cpu)
{
	/* The host reads the words, then it writes the grant. */
	virt_mb();
	if (pvsched_word_flags(READ_ONCE(record->grant)) &
	    PVSCHED_GRANT_PREEMPTED)
		pvsched_send_reschedule(cpu);
}

/* @p runs. Returns `waiting` of its CPU. */
static u64 pvsched_inherit_running(const struct task_struct *p,
				   const struct pvsched_record *record, u64 word,
				   bool inherits)
{
	struct pvsched_inheritance *inheritance =
		&per_cpu(pvsched_inheritances, task_cpu(p));
	u64 waiting = READ_ONCE(record->waiting);

	/* What another task inherited says nothing about @p. */
	if (!pvsched_inherits(p))
		inheritance->lent = 0;
	if (!inherits)
		return pvsched_give_back(inheritance, waiting,
					 word & PVSCHED_WORD_PRIORITY);
	return pvsched_lend(inheritance, waiting, READ_ONCE(record->intent),
			    word);
}

/* @p is queued, which is as if it woke up. Returns `waiting` of its CPU. */
static u64 pvsched_inherit_queued(const struct task_struct *p,
				  const struct pvsched_record *record, u64 word)
{
	u64 waiting = READ_ONCE(record->waiting);

	if (pvsched_outranks(word, READ_ONCE(record->intent)))
		return pvsched_raise_waiting(waiting, word);
	pvsched_inherit_wakeup(task_cpu(p), word);
	return waiting;
}

static void pvsched_inherit_intent(struct pvsched_record *record, u64 word)
{
	u32 flags = pvsched_word_flags(READ_ONCE(record->intent)) &
		    (PVSCHED_INTENT_HARDIRQ | PVSCHED_INTENT_SOFTIRQ);

	word = pvsched_running_word(word & PVSCHED_WORD_PRIORITY);
	pvsched_publish(&record->intent, word | pvsched_word(0, 0, 0, flags));
}

/*
 * @p gets the priority of @pi_task, or its own if that is higher or if @pi_task is
 * NULL. Fires under the run-queue lock of p's CPU, so `waiting` has one writer, and
 * before p's priority changes.
 *
 * A task that sleeps shows when it wakes up. If a queued task is lowered, `waiting`
 * stays too high until the next switch.
 */
void pvsched_on_sched_pi_setprio(void *data, struct task_struct *p,
				 struct task_struct *pi_task)
{
	unsigned int cpu = task_cpu(p);
	struct pvsched_record *record = &pvsched_records[cpu];
	s32 prio = READ_ONCE(p->normal_prio);
	u64 word, waiting, old = READ_ONCE(record->waiting);
	bool inherits = pi_task && READ_ONCE(pi_task->prio) < prio;

	if (!pvsched_is_queued(p))
		return;
	if (inherits)
		prio = READ_ONCE(pi_task->prio);
	word = pvsched_translate_at(p, prio, PVSCHED_WAITING_VALID);
	waiting = READ_ONCE(p->on_cpu) ?
			  pvsched_inherit_running(p, record, word, inherits) :
			  pvsched_inherit_queued(p, record, word);

	pvsched_publish(&record->waiting, waiting);
	if (p == current) {
		/*
		 * Pairs with the host, which reads `waiting` first: it sees the tasks
		 * behind @p no later than that @p is lowered.
		 */
		virt_wmb();
		pvsched_inherit_intent(record, word);
	} else if (waiting != old && cpu != smp_processor_id() &&
		   pvsched_outranks(waiting, READ_ONCE(record->intent))) {
		pvsched_notify_host(record, cpu);
	}
}
