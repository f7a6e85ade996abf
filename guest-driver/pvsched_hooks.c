// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 The pvsched authors */
/*
 * The hot path: hooks on tracepoints of the scheduler and of interrupts publish
 * urgency. A hook is a few loads and at most four stores to one vCPU's record:
 * no lock, no atomic operation, no allocation.
 *
 * No hook is preempted or migrated, and each relies on its caller for that: newer
 * tracepoints do not disable preemption. The hooks of the scheduler run under a
 * run-queue lock, those of interrupts in the interrupt. Those of softirqs run
 * with softirqs disabled, which forbids preemption except on PREEMPT_RT. There
 * softirqs run in threads, and the words show the urgency of these threads. So
 * these hooks are not registered there.
 */
#include <linux/interrupt.h> /* trace/events/irq.h needs it */
#include <linux/jump_label.h>
#include <linux/percpu.h>
#include <linux/preempt.h>
#include <linux/sched.h>
#include <linux/smp.h>
#include <linux/tracepoint.h>
#include <trace/events/irq.h>
#include <trace/events/sched.h>
#include <asm/trace/irq_vectors.h>

#include "pvsched.h"
#include "pvsched_housekeeping.h"
#include "pvsched_publish.h"
#include "pvsched_task_word.h"

#define CREATE_TRACE_POINTS
#include "pvsched_trace.h"

/* Whether PVSCHED_F_IRQ_TICKET was negotiated. */
static DEFINE_STATIC_KEY_FALSE(pvsched_acks);

/* Whether PVSCHED_F_RAN_URGENT was negotiated. */
static DEFINE_STATIC_KEY_FALSE(pvsched_notes_urgent);

/* The last traced grant. */
static DEFINE_PER_CPU(u64, pvsched_grant_seen);

static struct pvsched_record *pvsched_own_record(void)
{
	return &pvsched_records[smp_processor_id()];
}

/* Returns whether *@word is the word of @p, whose p->prio is @prio, without further reads. */
static __always_inline bool pvsched_word_quickly(const struct task_struct *p,
						 s32 prio, u32 flags, u64 *word)
{
	u32 policy = READ_ONCE(p->policy);
	s32 static_prio = READ_ONCE(p->static_prio);

	if (likely(pvsched_is_plain(policy, prio, static_prio))) {
		*word = pvsched_word(PVSCHED_POLICY_NORMAL, 0, 0, flags);
		return true;
	}
	/* 0 to 98, the task's own, and no kernel thread. */
	if ((u32)prio < PVSCHED_PRIO_FAIR - 1 &&
	    prio == READ_ONCE(p->normal_prio) && !(p->flags & PF_KTHREAD)) {
		*word = pvsched_rt_word(policy, prio, flags);
		return true;
	}
	return false;
}

/* @by_cgroup: a cgroup is listed, so the task alone does not tell its word. */
static __always_inline u64 pvsched_waiting_of(bool by_cgroup,
					      const struct task_struct *p)
{
	u64 word;

	if (!by_cgroup && pvsched_word_quickly(p, READ_ONCE(p->prio),
					       PVSCHED_WAITING_VALID, &word))
		return word;
	return pvsched_translate(p, PVSCHED_WAITING_VALID);
}

static noinline u64 pvsched_intent_slowly(const struct task_struct *p,
					  const struct task_struct *prev,
					  u32 irq_flags)
{
	if (prev)
		pvsched_inherit_switch(p, prev);
	return pvsched_translate_running(p, prev, irq_flags);
}

static __always_inline u64 pvsched_intent_of(bool by_cgroup,
					     const struct task_struct *p, s32 prio,
					     const struct task_struct *prev,
					     u32 irq_flags)
{
	u64 word;

	if (is_idle_task(p))
		return pvsched_word(PVSCHED_POLICY_IDLE, 0, 0,
				    PVSCHED_INTENT_IDLE | irq_flags);
	if (!by_cgroup && pvsched_word_quickly(p, prio, irq_flags, &word))
		return word;
	return pvsched_intent_slowly(p, prev, irq_flags);
}

static noinline void pvsched_trace_grant(const struct pvsched_record *record)
{
	u64 grant = READ_ONCE(record->grant);

	if (grant == __this_cpu_read(pvsched_grant_seen))
		return;
	__this_cpu_write(pvsched_grant_seen, grant);
	trace_pvsched_grant(record->vcpu_id, grant);
}

/* In an interrupt or a switch. Without a tracer the host's line is not read. */
static __always_inline void pvsched_notice_grant(const struct pvsched_record *record)
{
	if (trace_pvsched_grant_enabled())
		pvsched_trace_grant(record);
}

/* In an interrupt, so no older ticket overwrites a newer one. */
static void pvsched_acknowledge(struct pvsched_record *record)
{
	if (static_branch_likely(&pvsched_acks))
		pvsched_publish_ack(record);
}

/*
 * Only the vCPU itself writes `intent`. Task, softirq and hard interrupt nest
 * strictly, each kind has its own flag, and each exit clears only its own flag.
 * So a hook that interrupts another hook between load and store leaves the flags
 * as it found them.
 *
 * Each call reads the priority of the current task again. A priority that
 * changes while the task runs (chrt, PI boost) shows at the next interrupt at
 * the latest. The same holds for a change between this load and store.
 */
static __always_inline void pvsched_change(bool by_cgroup, u32 clear, u32 set)
{
	__u64 *intent = &pvsched_own_record()->intent;
	u32 flags = pvsched_word_flags(READ_ONCE(*intent)) &
		    (PVSCHED_INTENT_HARDIRQ | PVSCHED_INTENT_SOFTIRQ);

	pvsched_publish(intent,
			pvsched_intent_of(by_cgroup, current,
					  READ_ONCE(current->prio), NULL,
					  (flags & ~clear) | set));
}

static noinline void pvsched_change_by_cgroup(u32 clear, u32 set)
{
	pvsched_change(true, clear, set);
}

static void pvsched_change_flags(u32 clear, u32 set)
{
	if (pvsched_has_cgroups())
		pvsched_change_by_cgroup(clear, set);
	else
		pvsched_change(false, clear, set);
}

static void pvsched_hardirq_entry(void)
{
	struct pvsched_record *record = pvsched_own_record();

	pvsched_change_flags(0, PVSCHED_INTENT_HARDIRQ);
	pvsched_acknowledge(record);
	pvsched_notice_grant(record);
}

static void pvsched_hardirq_exit(void)
{
	/* Handlers that enable interrupts nest; only the outermost clears. */
	if ((hardirq_count() >> HARDIRQ_SHIFT) > 1)
		return;
	pvsched_change_flags(PVSCHED_INTENT_HARDIRQ, 0);
}

static void pvsched_on_irq_entry(void *data, int irq, struct irqaction *action)
{
	pvsched_hardirq_entry();
}

static void pvsched_on_irq_exit(void *data, int irq, struct irqaction *action,
				int ret)
{
	pvsched_hardirq_exit();
}

static void pvsched_on_local_timer_entry(void *data, int vector)
{
	pvsched_hardirq_entry();
}

static void pvsched_on_local_timer_exit(void *data, int vector)
{
	pvsched_hardirq_exit();
}

/*
 * IPIs and irq_work set no flag: they are short, and their purpose is a task
 * that is to run. That task is in the priority words at the end of the handler,
 * not at its start.
 */
static void pvsched_on_ipi_exit(void *data, int vector)
{
	pvsched_acknowledge(pvsched_own_record());
}

static void pvsched_on_softirq_entry(void *data, unsigned int vec)
{
	pvsched_change_flags(0, PVSCHED_INTENT_SOFTIRQ);
}

static void pvsched_on_softirq_exit(void *data, unsigned int vec)
{
	pvsched_change_flags(PVSCHED_INTENT_SOFTIRQ, 0);
}

static noinline void pvsched_note_urgent_slowly(struct pvsched_record *record,
					       const struct task_struct *prev)
{
	u64 word = pvsched_translate(prev, 0);

	if (pvsched_urgency(word) > PVSCHED_URGENCY_RT)
		pvsched_publish_ran_urgent(record, word);
}

/*
 * The real-time task @prev leaves the CPU. @intent is still its word, unless it
 * became real-time while it ran.
 */
static __always_inline void pvsched_note_urgent(struct pvsched_record *record,
						const struct task_struct *prev,
						u64 intent)
{
	if (!static_branch_likely(&pvsched_notes_urgent))
		return;
	if (likely(pvsched_word_rt_prio(intent)))
		pvsched_publish_ran_urgent(record, intent);
	else
		pvsched_note_urgent_slowly(record, prev);
}

/*
 * Under this CPU's run-queue lock, so no other code writes the two priority
 * words. No hard interrupt and no softirq is active at a switch, but on
 * PREEMPT_RT, where softirqs set no flag. So next starts without flags.
 *
 * Only prev is a candidate for `waiting`. Classes are strictly ordered, and so
 * are priorities within the RT class: the picked task is at least as urgent as
 * the queued ones. There are exceptions. A fair task runs before an RT task that
 * is throttled, which prev is then, and before fair tasks of lower nice: prev, or
 * others, which the word of a low task takes into account. Next may also be
 * housekeeping: it runs before tasks that count as more urgent, so what waited
 * before still waits. Tasks of urgent cgroups that wait are noted one by one.
 */
static __always_inline void pvsched_switch(bool by_cgroup, bool preempt,
					   struct task_struct *prev, struct task_struct *next,
					   unsigned int prev_state)
{
	struct pvsched_record *record = pvsched_own_record();
	s32 prio = READ_ONCE(next->prio), prev_prio = READ_ONCE(prev->prio);
	u64 before = READ_ONCE(record->intent);
	u64 intent = pvsched_intent_of(by_cgroup, next, prio, prev, 0);
	u64 waiting = 0;

	if (prev_prio < PVSCHED_PRIO_FAIR ||
	    (by_cgroup && pvsched_word_rt_prio(before)))
		pvsched_note_urgent(record, prev, before);
	/* An RT task leaves less urgent ones behind: the usual preemption. */
	if (pvsched_has_rt_prio(intent, prio) && prev_prio >= prio)
		goto publish;
	if ((preempt || !prev_state) && !is_idle_task(prev)) {
		waiting = pvsched_waiting_of(by_cgroup, prev);
		if (!pvsched_outranks(waiting, intent))
			waiting = 0;
	}
	if (unlikely(pvsched_is_understated(prio, intent)))
		waiting = pvsched_raise_waiting(READ_ONCE(record->waiting),
						waiting);
publish:
	if (by_cgroup)
		waiting = pvsched_cgroups_switch(next, preempt || !prev_state ? prev : NULL,
						 intent, waiting);
	pvsched_publish_switch(record, before, intent, waiting);
	pvsched_notice_grant(record);
}

/* With the arguments of the hook, so that the hook ends with a jump and saves no register. */
static noinline void pvsched_switch_by_cgroup(void *data, bool preempt,
					      struct task_struct *prev,
					      struct task_struct *next,
					      unsigned int prev_state)
{
	pvsched_switch(true, preempt, prev, next, prev_state);
}

static void pvsched_on_sched_switch(void *data, bool preempt,
				    struct task_struct *prev,
				    struct task_struct *next,
				    unsigned int prev_state)
{
	if (pvsched_has_cgroups())
		pvsched_switch_by_cgroup(data, preempt, prev, next, prev_state);
	else
		pvsched_switch(false, preempt, prev, next, prev_state);
}

/*
 * sched_wakeup and sched_wakeup_new fire under the run-queue lock of p's CPU,
 * and so does sched_switch there. So `waiting` has one writer at a time, and
 * `intent` changes by priorities and flags only. The exception is a task that
 * wakes itself before it sleeps. That task runs, and so does a task that is
 * woken between set_current_state() and schedule(). A running task does not
 * wait.
 *
 * Most wake-ups do not change the demand, and then the target's line stays in
 * the caches that have it.
 *
 * If p moves to another CPU before it runs, `waiting` stays too high here until
 * the next switch.
 */
static __always_inline void pvsched_wakeup(bool by_cgroup, struct task_struct *p)
{
	struct pvsched_record *record;
	u64 woken;

	if (READ_ONCE(p->on_cpu))
		return;

	if (by_cgroup)
		pvsched_cgroups_wakeup(p);
	record = &pvsched_records[task_cpu(p)];
	woken = pvsched_waiting_of(by_cgroup, p);
	if (pvsched_outranks(woken, READ_ONCE(record->intent)))
		pvsched_publish(&record->waiting,
				pvsched_raise_waiting(READ_ONCE(record->waiting),
						      woken));
	else if (unlikely(woken & PVSCHED_WORD_PRIORITY))
		pvsched_inherit_wakeup(task_cpu(p), woken);
}

static noinline void pvsched_wakeup_by_cgroup(void *data, struct task_struct *p)
{
	pvsched_wakeup(true, p);
}

static void pvsched_on_sched_wakeup(void *data, struct task_struct *p)
{
	if (pvsched_has_cgroups())
		pvsched_wakeup_by_cgroup(data, p);
	else
		pvsched_wakeup(false, p);
}

static struct pvsched_hook pvsched_hot_path[] = {
	{ "sched_switch", pvsched_on_sched_switch },
	{ "sched_wakeup", pvsched_on_sched_wakeup },
	{ "sched_wakeup_new", pvsched_on_sched_wakeup },
	{ "sched_pi_setprio", pvsched_on_sched_pi_setprio },
	{ "irq_handler_entry", pvsched_on_irq_entry },
	{ "irq_handler_exit", pvsched_on_irq_exit },
	{ "softirq_entry", pvsched_on_softirq_entry,
	  .threaded = IS_ENABLED(CONFIG_PREEMPT_RT) },
	{ "softirq_exit", pvsched_on_softirq_exit,
	  .threaded = IS_ENABLED(CONFIG_PREEMPT_RT) },
	/* The APIC timer does not pass irq_handler_entry. */
	{ "local_timer_entry", pvsched_on_local_timer_entry, true },
	{ "local_timer_exit", pvsched_on_local_timer_exit, true },
	/* IPIs do not pass it either. */
	{ "reschedule_exit", pvsched_on_ipi_exit, true, PVSCHED_F_IRQ_TICKET },
	{ "call_function_exit", pvsched_on_ipi_exit, true,
	  PVSCHED_F_IRQ_TICKET },
	{ "call_function_single_exit", pvsched_on_ipi_exit, true,
	  PVSCHED_F_IRQ_TICKET },
	{ "irq_work_exit", pvsched_on_ipi_exit, true, PVSCHED_F_IRQ_TICKET },
};

/*
 * Checks the probes against the kernel's prototypes, because the table has no
 * types. All x86 vectors share the prototype of local_timer.
 */
static void pvsched_check_types(void)
{
	check_trace_callback_type_sched_switch(pvsched_on_sched_switch);
	check_trace_callback_type_sched_wakeup(pvsched_on_sched_wakeup);
	check_trace_callback_type_sched_wakeup_new(pvsched_on_sched_wakeup);
	check_trace_callback_type_sched_pi_setprio(pvsched_on_sched_pi_setprio);
	check_trace_callback_type_irq_handler_entry(pvsched_on_irq_entry);
	check_trace_callback_type_irq_handler_exit(pvsched_on_irq_exit);
	check_trace_callback_type_softirq_entry(pvsched_on_softirq_entry);
	check_trace_callback_type_softirq_exit(pvsched_on_softirq_exit);
	check_trace_callback_type_local_timer_entry(pvsched_on_local_timer_entry);
	check_trace_callback_type_local_timer_exit(pvsched_on_local_timer_exit);
	check_trace_callback_type_local_timer_exit(pvsched_on_ipi_exit);
}

static struct pvsched_hooks pvsched_hooks = {
	pvsched_hot_path, ARRAY_SIZE(pvsched_hot_path)
};

/* A hook that is registered stays: it writes to the guest's memory alone. */
int pvsched_hooks_register(u64 features)
{
	pvsched_check_types();
	pvsched_cgroups_forget_waiters();
	if (features & PVSCHED_F_IRQ_TICKET)
		static_branch_enable(&pvsched_acks);
	else
		static_branch_disable(&pvsched_acks);
	if (features & PVSCHED_F_RAN_URGENT)
		static_branch_enable(&pvsched_notes_urgent);
	else
		static_branch_disable(&pvsched_notes_urgent);
	return pvsched_register_hooks(&pvsched_hooks, features);
}

/* After return no hook runs. */
void pvsched_hooks_unregister(void)
{
	pvsched_unregister_hooks(&pvsched_hooks);
}
