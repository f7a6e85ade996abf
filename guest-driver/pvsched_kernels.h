/* SPDX-License-Identifier: GPL-2.0 */
/* Copyright (C) 2026 The pvsched authors */
/*
 * Differences between the supported kernels. No other file of the module checks
 * kernel versions.
 */
#ifndef PVSCHED_KERNELS_H
#define PVSCHED_KERNELS_H

#include <linux/percpu.h>
#include <linux/preempt.h>
#include <linux/sched.h>
#include <linux/smp.h>
#include <linux/timer.h>
#include <linux/version.h>
#include <asm/current.h>

/* Returns the address of @cpu's preempt count, a u32. */
static inline void *pvsched_preempt_count(unsigned int cpu)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 2, 0) && \
	LINUX_VERSION_CODE < KERNEL_VERSION(6, 15, 0)
	return &per_cpu(pcpu_hot, cpu).preempt_count;
#else
	return &per_cpu(__preempt_count, cpu);
#endif
}

/*
 * The bits of that u32 that count. PREEMPT_NEED_RESCHED is bit 31 of a 32-bit
 * count, or bit 63 of a 64-bit count. In the latter case the u32 is the lower
 * half, and all its bits count.
 */
#define PVSCHED_PREEMPT_COUNT_MASK ((u32)~PREEMPT_NEED_RESCHED)

/*
 * Whether @p runs or waits for a CPU. From 6.12 on a task may stay on the run queue
 * for a while after it went to sleep.
 */
static inline bool pvsched_is_queued(const struct task_struct *p)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0)
	if (p->se.sched_delayed)
		return false;
#endif
	return READ_ONCE(p->on_rq);
}

/* Without the tracepoint that smp_send_reschedule() has from 6.4 on. */
static inline void pvsched_send_reschedule(unsigned int cpu)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 4, 0)
	arch_smp_send_reschedule(cpu);
#else
	smp_send_reschedule(cpu);
#endif
}

/* Waits for a running callback, also if the callback starts the timer again. */
static inline void pvsched_timer_delete_sync(struct timer_list *timer)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 2, 0)
	timer_delete_sync(timer);
#else
	del_timer_sync(timer);
#endif
}

#endif /* PVSCHED_KERNELS_H */
