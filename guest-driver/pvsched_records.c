// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 The pvsched authors */
/*
 * The records: one for each possible CPU. They share one block of whole pages,
 * because the host maps them by the page.
 */
#include <linux/cpumask.h>
#include <linux/gfp.h>
#include <linux/io.h>
#include <linux/mm.h>
#include <asm/pgtable.h>

#include "pvsched.h"
#include "pvsched_kernels.h"

struct pvsched_record *pvsched_records;

static size_t pvsched_records_size(void)
{
	return nr_cpu_ids * sizeof(struct pvsched_record);
}

int pvsched_records_alloc(void)
{
	/* The alignment of a page covers that of a record. */
	pvsched_records = alloc_pages_exact(pvsched_records_size(),
					    GFP_KERNEL | __GFP_ZERO);
	return pvsched_records ? 0 : -ENOMEM;
}

/* The caller has reset the device and unregistered the hooks. */
void pvsched_records_free(struct pvsched *pv)
{
	if (pv->unconfirmed)
		dev_warn(&pv->pdev->dev,
			 "the host did not confirm that it no longer writes to the records: keeping %zu bytes at %#llx unused\n",
			 pvsched_records_size(),
			 (u64)virt_to_phys(pvsched_records));
	else
		free_pages_exact(pvsched_records, pvsched_records_size());
	pvsched_records = NULL;
}

u64 pvsched_record_gpa(unsigned int cpu)
{
	return virt_to_phys(&pvsched_records[cpu]);
}

/*
 * Returns the guest-physical address of @cpu's preempt count, or 0 if the host
 * cannot read it. Per-CPU memory may lie outside of the kernel's direct mapping.
 */
static u64 pvsched_preempt_count_gpa(unsigned int cpu)
{
	phys_addr_t gpa = slow_virt_to_phys(pvsched_preempt_count(cpu));

	if (!IS_ALIGNED(gpa, sizeof(u32)) || !page_is_ram(PHYS_PFN(gpa)))
		return 0;
	return gpa;
}

/* Checks all possible CPUs: features are negotiated for all of them at once. */
bool pvsched_preempt_counts_in_ram(void)
{
	unsigned int cpu;

	for_each_possible_cpu(cpu) {
		if (!pvsched_preempt_count_gpa(cpu))
			return false;
	}
	return true;
}

/* Prepares a record for its registration. */
void pvsched_record_init(struct pvsched *pv, unsigned int cpu, u32 vcpu_id,
			 u64 nonce)
{
	struct pvsched_record *record = &pvsched_records[cpu];

	/* Line 0. The hooks already write line 1. */
	record->magic = PVSCHED_MAGIC;
	record->version = PVSCHED_VERSION_MAJOR;
	record->size = PVSCHED_RECORD_SIZE;
	record->vcpu_id = vcpu_id;
	record->nonce = nonce;
	if (pv->features & PVSCHED_F_PREEMPT_COUNT) {
		record->preempt_count_addr = pvsched_preempt_count_gpa(cpu);
		record->preempt_count_mask = PVSCHED_PREEMPT_COUNT_MASK;
	} else {
		record->preempt_count_addr = 0;
		record->preempt_count_mask = 0;
	}
	/*
	 * Line 2 belongs to the host, but no host holds the record now. The
	 * host does not clear what an earlier registration left.
	 */
	record->grant = 0;
	record->irq_ticket = 0;
	record->throttle_count = 0;
	record->boosted_ns = 0;
}

/*
 * Clears the priority words. A host that still holds a record finds no urgent
 * work there, whatever the last hook published. No hook runs.
 */
void pvsched_records_clear_words(void)
{
	unsigned int cpu;

	for (cpu = 0; cpu < nr_cpu_ids; cpu++) {
		WRITE_ONCE(pvsched_records[cpu].intent, 0);
		WRITE_ONCE(pvsched_records[cpu].waiting, 0);
	}
}
