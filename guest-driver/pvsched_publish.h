/* SPDX-License-Identifier: GPL-2.0 */
/* Copyright (C) 2026 The pvsched authors */
/*
 * The order of writes to a vCPU's record. The kernel defines READ_ONCE(),
 * WRITE_ONCE() and virt_wmb(); tests in user space define their own.
 */
#ifndef PVSCHED_PUBLISH_H
#define PVSCHED_PUBLISH_H

#include "pvsched_abi.h"

/* The host reads this cache line, so an unchanged value is not stored again. */
static inline void pvsched_publish(__u64 *word, __u64 value)
{
	if (READ_ONCE(*word) != value)
		WRITE_ONCE(*word, value);
}

/*
 * Publishes a switch. A task that waited and now runs is always in one of the
 * two fields. A preempted task is in neither field between the two stores, but
 * the task that replaces it is more urgent as a rule. @before is the present
 * `intent`.
 */
static inline void pvsched_publish_switch(struct pvsched_record *record,
					  __u64 before, __u64 intent, __u64 waiting)
{
	if (before != intent)
		WRITE_ONCE(record->intent, intent);
	/*
	 * Pairs with the host, which reads `waiting` first and `intent` second.
	 * So the host sees the task in at least one of the two fields.
	 */
	virt_wmb();
	pvsched_publish(&record->waiting, waiting);
}

/*
 * A real-time task of this priority word leaves the CPU. Only this CPU writes the
 * count, so an increment in memory is enough.
 */
static inline void pvsched_publish_ran_urgent(struct pvsched_record *record,
					      __u64 word)
{
	WRITE_ONCE(record->urgent_word, (__u32)word);
	/* Pairs with the host, which reads the count first and the word second. */
	virt_wmb();
	record->urgent_count++;
}

/* Acknowledges every interrupt that the host has injected so far. */
static inline void pvsched_publish_ack(struct pvsched_record *record)
{
	__u32 ticket = READ_ONCE(record->irq_ticket);

	/*
	 * Pairs with the host, which reads `irq_ack` first and the priority
	 * words second. After the acknowledgement the host trusts the priority
	 * words, so they are written first.
	 */
	virt_wmb();
	if (READ_ONCE(record->irq_ack) != ticket)
		WRITE_ONCE(record->irq_ack, ticket);
}

#endif /* PVSCHED_PUBLISH_H */
