// SPDX-License-Identifier: GPL-2.0
/*
 * The hot path: tracepoints of the scheduler and of interrupts, and what they
 * publish. A hook is a few loads and at most two stores to the record of one
 * vCPU: no lock, no atomic operation, no allocation, nothing shared.
 */
#include <linux/interrupt.h> /* trace/events/irq.h needs it */
#include <linux/jump_label.h>
#include <linux/percpu.h>
#include <linux/preempt.h>
#include <linux/sched.h>
#include <linux/sched/deadline.h>
#include <linux/sched/prio.h>
#include <linux/smp.h>
#include <linux/tracepoint.h>
#include <trace/events/irq.h>
#include <trace/events/sched.h>
#include <asm/trace/irq_vectors.h>

#include "pvsched.h"
#include "pvsched_publish.h"
#include "pvsched_task_word.h"

#define CREATE_TRACE_POINTS
#include "pvsched_trace.h"

static_assert(PVSCHED_PRIO_RT == MAX_DL_PRIO);
static_assert(PVSCHED_PRIO_FAIR == MAX_RT_PRIO);
static_assert(PVSCHED_PRIO_NICE_0 == DEFAULT_PRIO);
static_assert(PVSCHED_POLICY_NORMAL == SCHED_NORMAL);
static_assert(PVSCHED_POLICY_FIFO == SCHED_FIFO);
static_assert(PVSCHED_POLICY_RR == SCHED_RR);
static_assert(PVSCHED_POLICY_BATCH == SCHED_BATCH);
static_assert(PVSCHED_POLICY_IDLE == SCHED_IDLE);
static_assert(PVSCHED_POLICY_DEADLINE == SCHED_DEADLINE);

/* Whether PVSCHED_F_IRQ_TICKET was taken. */
static DEFINE_STATIC_KEY_FALSE(pvsched_acks);

/* The grant that pvsched_grant was last traced with. */
static DEFINE_PER_CPU(u64, pvsched_grant_seen);

static struct pvsched_record *pvsched_own_record(void)
{
	return &pvsched_records[smp_processor_id()];
}

/*
 * A CPU's stopper, migration/N; its scheduling class is not shown to modules. One that
 * only inherits its priority holds a lock for somebody's latency.
 */
static bool pvsched_is_stopper(const struct task_struct *p, u32 policy, s32 prio)
{
	return policy == SCHED_FIFO && !prio && p->flags & PF_KTHREAD &&
	       p->nr_cpus_allowed == 1;
}

/* Apart, so that a hook's way with plain and with real-time tasks is short. */
static noinline u64 pvsched_translate(const struct task_struct *p, u32 policy,
				      s32 prio, s32 static_prio, u32 flags)
{
	if (pvsched_is_stopper(p, policy, prio))
		return pvsched_stopper_word(flags);
	return pvsched_task_word(policy, prio, static_prio, flags);
}

static __always_inline u64 pvsched_word_of(const struct task_struct *p,
					   u32 flags)
{
	u32 policy = READ_ONCE(p->policy);
	s32 prio = READ_ONCE(p->prio), static_prio = READ_ONCE(p->static_prio);

	if (likely(pvsched_is_plain(policy, prio, static_prio)))
		return pvsched_word(PVSCHED_POLICY_NORMAL, 0, 0, flags);
	/* 1 to 98: what has 0 may be a stopper. */
	if ((u32)prio - 1 < PVSCHED_PRIO_FAIR - 2)
		return pvsched_rt_word(policy, prio, flags);
	return pvsched_translate(p, policy, prio, static_prio, flags);
}

static __always_inline u64 pvsched_intent_of(const struct task_struct *p, u32 irq_flags)
{
	if (is_idle_task(p))
		return pvsched_word(PVSCHED_POLICY_IDLE, 0, 0,
				    PVSCHED_INTENT_IDLE | irq_flags);
	return pvsched_word_of(p, irq_flags);
}

/* With interrupts off. The host's line is not looked at if nobody traces. */
static void pvsched_notice_grant(const struct pvsched_record *record)
{
	u64 grant;

	if (!trace_pvsched_grant_enabled())
		return;
	grant = READ_ONCE(record->grant);
	if (grant == __this_cpu_read(pvsched_grant_seen))
		return;
	__this_cpu_write(pvsched_grant_seen, grant);
	trace_pvsched_grant(record->vcpu_id, grant);
}

/* With interrupts off, so that no older ticket comes after a newer one. */
static void pvsched_acknowledge(struct pvsched_record *record)
{
	if (static_branch_likely(&pvsched_acks))
		pvsched_publish_ack(record);
}

/*
 * `intent` is written by its own vCPU alone. Interrupts nest strictly (task,
 * softirq, hardirq), each kind has its own flag, and each exit takes away only
 * its own: so whatever interrupts a writer between its load and its store
 * leaves the flags as it found them. The priority is taken from the current
 * task afresh each time, so one that changed while the task ran (chrt, a lock
 * holder's boost) shows at the next interrupt at the latest.
 *
 * No stock hook tells of both ends of an NMI, so PVSCHED_INTENT_NMI stays 0.
 */
static void pvsched_change_flags(u32 clear, u32 set)
{
	__u64 *intent = &pvsched_own_record()->intent;
	u32 flags = pvsched_word_flags(READ_ONCE(*intent)) &
		    (PVSCHED_INTENT_HARDIRQ | PVSCHED_INTENT_SOFTIRQ);

	pvsched_publish(intent,
			pvsched_intent_of(current, (flags & ~clear) | set));
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
	/* A handler that enabled interrupts may have been nested into. */
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
 * Inter-processor interrupts and irq_work set no flag: they are over at once,
 * and what they are for is a task that is to run. That task shows in the words
 * when they end, not when they begin.
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

/*
 * Runs with interrupts off under this CPU's run-queue lock, so alone with both
 * words. No interrupt is being handled at a switch: next starts without flags.
 *
 * Of what waits only prev is looked at. Classes are strictly ordered, and so
 * are priorities within the real-time class: what the scheduler has just
 * picked is at least as urgent as anything it left waiting. The exceptions
 * leave a runnable prev behind: a fair task that is given its turn before a
 * nicer one, or before a real-time one when real-time tasks are throttled.
 */
static void pvsched_on_sched_switch(void *data, bool preempt,
				    struct task_struct *prev,
				    struct task_struct *next,
				    unsigned int prev_state)
{
	struct pvsched_record *record = pvsched_own_record();
	u64 waiting = 0;

	if ((preempt || !prev_state) && !is_idle_task(prev))
		waiting = pvsched_word_of(prev, PVSCHED_WAITING_VALID);

	pvsched_publish_switch(record, pvsched_intent_of(next, 0), waiting);
	pvsched_notice_grant(record);
}

/*
 * sched_wakeup and sched_wakeup_new fire under the run-queue lock of p's CPU,
 * which sched_switch there holds, too: so `waiting` has one writer at a time.
 * The exception is a task that wakes itself before it slept; it runs, as does
 * one that is woken between set_current_state() and schedule(), and what runs
 * does not wait.
 *
 * A word that is too high, because its task moved to another CPU before it
 * ran, lasts until the next switch here.
 */
static void pvsched_on_sched_wakeup(void *data, struct task_struct *p)
{
	__u64 *waiting;

	if (READ_ONCE(p->on_cpu))
		return;

	waiting = &pvsched_records[task_cpu(p)].waiting;
	pvsched_publish(waiting, pvsched_raise_waiting(READ_ONCE(*waiting),
						       pvsched_word_of(p, PVSCHED_WAITING_VALID)));
}

static struct pvsched_hook {
	const char *name;
	void *probe;
	bool optional; /* built into x86 kernels only as CONFIG_* has it */
	u64 feature; /* without it the hook is of no use; 0: always of use */
	struct tracepoint *tp;
	bool registered;
} pvsched_hooks[] = {
	{ "sched_switch", pvsched_on_sched_switch },
	{ "sched_wakeup", pvsched_on_sched_wakeup },
	{ "sched_wakeup_new", pvsched_on_sched_wakeup },
	{ "irq_handler_entry", pvsched_on_irq_entry },
	{ "irq_handler_exit", pvsched_on_irq_exit },
	{ "softirq_entry", pvsched_on_softirq_entry },
	{ "softirq_exit", pvsched_on_softirq_exit },
	/* The APIC timer does not come by irq_handler_entry. */
	{ "local_timer_entry", pvsched_on_local_timer_entry, true },
	{ "local_timer_exit", pvsched_on_local_timer_exit, true },
	/* Nor do these. */
	{ "reschedule_exit", pvsched_on_ipi_exit, true, PVSCHED_F_IRQ_TICKET },
	{ "call_function_exit", pvsched_on_ipi_exit, true,
	  PVSCHED_F_IRQ_TICKET },
	{ "call_function_single_exit", pvsched_on_ipi_exit, true,
	  PVSCHED_F_IRQ_TICKET },
	{ "irq_work_exit", pvsched_on_ipi_exit, true, PVSCHED_F_IRQ_TICKET },
};

/*
 * The kernel's own prototypes, since the table has none. All of the x86 vectors
 * have local_timer's, whether or not this kernel has the vector.
 */
static void pvsched_check_types(void)
{
	check_trace_callback_type_sched_switch(pvsched_on_sched_switch);
	check_trace_callback_type_sched_wakeup(pvsched_on_sched_wakeup);
	check_trace_callback_type_sched_wakeup_new(pvsched_on_sched_wakeup);
	check_trace_callback_type_irq_handler_entry(pvsched_on_irq_entry);
	check_trace_callback_type_irq_handler_exit(pvsched_on_irq_exit);
	check_trace_callback_type_softirq_entry(pvsched_on_softirq_entry);
	check_trace_callback_type_softirq_exit(pvsched_on_softirq_exit);
	check_trace_callback_type_local_timer_entry(pvsched_on_local_timer_entry);
	check_trace_callback_type_local_timer_exit(pvsched_on_local_timer_exit);
	check_trace_callback_type_local_timer_exit(pvsched_on_ipi_exit);
}

static void pvsched_match_tracepoint(struct tracepoint *tp, void *data)
{
	struct pvsched_hook *hook;

	for (hook = pvsched_hooks;
	     hook < pvsched_hooks + ARRAY_SIZE(pvsched_hooks); hook++) {
		if (!strcmp(tp->name, hook->name))
			hook->tp = tp;
	}
}

/* Modules are not given the tracepoints by symbol, but they may look. */
int pvsched_hooks_register(struct device *dev, u64 features)
{
	struct pvsched_hook *hook;
	int err;

	pvsched_check_types();
	for_each_kernel_tracepoint(pvsched_match_tracepoint, NULL);
	if (features & PVSCHED_F_IRQ_TICKET)
		static_branch_enable(&pvsched_acks);
	else
		static_branch_disable(&pvsched_acks);

	for (hook = pvsched_hooks;
	     hook < pvsched_hooks + ARRAY_SIZE(pvsched_hooks); hook++) {
		if ((hook->feature & ~features) || (!hook->tp && hook->optional))
			continue;
		if (!hook->tp) {
			dev_err(dev, "this kernel has no tracepoint %s; it must be built with CONFIG_TRACEPOINTS\n",
				hook->name);
			err = -ENODEV;
			goto unregister;
		}
		err = tracepoint_probe_register(hook->tp, hook->probe, NULL);
		if (err) {
			dev_err(dev, "cannot hook into tracepoint %s: error %d\n",
				hook->name, err);
			goto unregister;
		}
		hook->registered = true;
	}
	return 0;

unregister:
	pvsched_hooks_unregister();
	return err;
}

/* When it returns, no hook runs any more. */
void pvsched_hooks_unregister(void)
{
	struct pvsched_hook *hook;

	for (hook = pvsched_hooks;
	     hook < pvsched_hooks + ARRAY_SIZE(pvsched_hooks); hook++) {
		if (!hook->registered)
			continue;
		tracepoint_probe_unregister(hook->tp, hook->probe, NULL);
		hook->registered = false;
	}
	tracepoint_synchronize_unregister();
}
