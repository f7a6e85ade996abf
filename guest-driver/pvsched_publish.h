/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The order in which a vCPU's words are written. READ_ONCE(), WRITE_ONCE() and
 * virt_wmb() are the kernel's, or those of the test in userspace.
 */
#ifndef PVSCHED_PUBLISH_H
#define PVSCHED_PUBLISH_H

#include "pvsched_abi.h"

/* The host reads this line: leave it alone if there is nothing to say. */
static inline void pvsched_publish(__u64 *word, __u64 value)
{
	if (READ_ONCE(*word) != value)
		WRITE_ONCE(*word, value);
}

/*
 * Of a task that was waiting and runs now. A task that ran and waits now is for
 * a moment in neither word; what runs in its place is more urgent, as a rule.
 */
static inline void pvsched_publish_switch(struct pvsched_record *record,
					  __u64 intent, __u64 waiting)
{
	pvsched_publish(&record->intent, intent);
	/*
	 * The host reads `waiting` first and `intent` second, so it sees the
	 * task in at least one of them.
	 */
	virt_wmb();
	pvsched_publish(&record->waiting, waiting);
}

/* Acknowledges every interrupt that the host has injected so far. */
static inline void pvsched_publish_ack(struct pvsched_record *record)
{
	__u32 ticket = READ_ONCE(record->irq_ticket);

	/*
	 * From then on the host goes by the words, so they come first; the host
	 * reads `irq_ack` first and the words second.
	 */
	virt_wmb();
	if (READ_ONCE(record->irq_ack) != ticket)
		WRITE_ONCE(record->irq_ack, ticket);
}

#endif /* PVSCHED_PUBLISH_H */
