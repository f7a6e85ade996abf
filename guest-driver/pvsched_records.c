// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 The pvsched authors */
/*
 * The records: one for each possible CPU. They share one block of whole pages,
 * because the host maps them by the page. All addresses for the device are DMA
 * addresses: behind a vIOMMU that translates, the device knows no others.
 */
#include <linux/cc_platform.h>
#include <linux/cpumask.h>
#include <linux/dma-mapping.h>
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <asm/pgtable.h>

#include "pvsched.h"
#include "pvsched_kernels.h"

struct pvsched_record *pvsched_records;

static size_t pvsched_records_size(void)
{
	return PAGE_ALIGN(nr_cpu_ids * sizeof(struct pvsched_record));
}

static void pvsched_unmap_preempt_counts(struct pvsched *pv)
{
	unsigned int cpu;

	if (!pv->preempt_counts)
		return;
	for_each_possible_cpu(cpu) {
		if (pv->preempt_counts[cpu])
			dma_unmap_page(&pv->pdev->dev,
				       pv->preempt_counts[cpu] & PAGE_MASK,
				       PAGE_SIZE, DMA_BIDIRECTIONAL);
	}
	kvfree(pv->preempt_counts);
	pv->preempt_counts = NULL;
}

/*
 * Returns the DMA address of @cpu's preempt count, or 0 if the device cannot access
 * it in place. A mapping of the whole page is never a copy, unless the kernel copies
 * all DMA. Per-CPU memory may lie outside of the kernel's direct mapping.
 */
static dma_addr_t pvsched_map_preempt_count(struct device *dev, unsigned int cpu)
{
	phys_addr_t phys = slow_virt_to_phys(pvsched_preempt_count(cpu));
	dma_addr_t page;

	if (!IS_ALIGNED(phys, sizeof(u32)) || !page_is_ram(PHYS_PFN(phys)))
		return 0;
	page = dma_map_page(dev, pfn_to_page(PHYS_PFN(phys)), 0, PAGE_SIZE,
			    DMA_BIDIRECTIONAL);
	if (dma_mapping_error(dev, page))
		return 0;
	if (!device_iommu_mapped(dev) && page != (phys & PAGE_MASK)) {
		dma_unmap_page(dev, page, PAGE_SIZE, DMA_BIDIRECTIONAL);
		return 0;
	}
	return page + offset_in_page(phys);
}

/* Maps all possible CPUs' counts or none: features are negotiated for all at once. */
static void pvsched_map_preempt_counts(struct pvsched *pv)
{
	unsigned int cpu;

	/* The device can read decrypted memory only. */
	if (cc_platform_has(CC_ATTR_GUEST_MEM_ENCRYPT))
		return;
	pv->preempt_counts = kvcalloc(nr_cpu_ids, sizeof(*pv->preempt_counts),
				      GFP_KERNEL);
	if (!pv->preempt_counts)
		return;
	for_each_possible_cpu(cpu) {
		pv->preempt_counts[cpu] =
			pvsched_map_preempt_count(&pv->pdev->dev, cpu);
		if (!pv->preempt_counts[cpu]) {
			pvsched_unmap_preempt_counts(pv);
			return;
		}
	}
}

int pvsched_records_alloc(struct pvsched *pv)
{
	struct device *dev = &pv->pdev->dev;
	int err = dma_set_mask_and_coherent(dev, DMA_BIT_MASK(64));

	if (err)
		return err;
	/* The alignment of a page covers that of a record. */
	pvsched_records = dma_alloc_coherent(dev, pvsched_records_size(),
					     &pv->records, GFP_KERNEL);
	if (!pvsched_records)
		return -ENOMEM;
	pvsched_map_preempt_counts(pv);
	return 0;
}

/* The caller has reset the device and unregistered the hooks. */
void pvsched_records_free(struct pvsched *pv)
{
	pvsched_unmap_preempt_counts(pv);
	if (pv->unconfirmed)
		dev_warn(&pv->pdev->dev,
			 "the host did not confirm that it no longer writes to the records: keeping %zu bytes at %pad unused\n",
			 pvsched_records_size(), &pv->records);
	else
		dma_free_coherent(&pv->pdev->dev, pvsched_records_size(),
				  pvsched_records, pv->records);
	pvsched_records = NULL;
}

/* The DMA address of @cpu's record. */
u64 pvsched_record_address(const struct pvsched *pv, unsigned int cpu)
{
	return pv->records + cpu * sizeof(struct pvsched_record);
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
		record->preempt_count_addr = pv->preempt_counts[cpu];
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
