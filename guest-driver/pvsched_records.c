// SPDX-License-Identifier: GPL-2.0
/*
 * The records: one for each CPU that Linux may ever have, in one block of
 * whole pages, since the host maps what it is told of by the page. Those of
 * online CPUs are registered with the device.
 */
#include <linux/cpu.h>
#include <linux/cpuhotplug.h>
#include <linux/cpumask.h>
#include <linux/gfp.h>
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/random.h>
#include <asm/pgtable.h>

#include "pvsched.h"
#include "pvsched_kernels.h"

struct pvsched_record *pvsched_records;

/* What cpuhp's callbacks work on: they are given a CPU number only. */
static struct pvsched *pvsched_hotplugged;

static struct cpumask pvsched_registered;

static size_t pvsched_records_size(void)
{
	return nr_cpu_ids * sizeof(struct pvsched_record);
}

int pvsched_records_alloc(void)
{
	/* Pages are aligned to more than a record is. */
	pvsched_records = alloc_pages_exact(pvsched_records_size(),
					    GFP_KERNEL | __GFP_ZERO);
	return pvsched_records ? 0 : -ENOMEM;
}

/* The device was told, and the hooks are gone. */
void pvsched_records_free(struct pvsched *pv)
{
	if (pv->unconfirmed)
		dev_warn(&pv->pdev->dev,
			 "the host did not confirm that it lets go of the records: leaving %zu bytes at %#llx unused on purpose\n",
			 pvsched_records_size(),
			 (u64)virt_to_phys(pvsched_records));
	else
		free_pages_exact(pvsched_records, pvsched_records_size());
	pvsched_records = NULL;
}

/*
 * Where the host can read @cpu's preempt count; 0 if it can't. Per-CPU memory
 * is not always in the kernel's direct mapping.
 */
static u64 pvsched_preempt_count_gpa(unsigned int cpu)
{
	phys_addr_t gpa = slow_virt_to_phys(pvsched_preempt_count(cpu));

	if (!IS_ALIGNED(gpa, sizeof(u32)) || !page_is_ram(PHYS_PFN(gpa)))
		return 0;
	return gpa;
}

/* Of all CPUs there may ever be, since features are taken for all of them. */
bool pvsched_preempt_counts_in_ram(void)
{
	unsigned int cpu;

	for_each_possible_cpu(cpu) {
		if (!pvsched_preempt_count_gpa(cpu))
			return false;
	}
	return true;
}

static const char *pvsched_explain(u32 result)
{
	switch (result) {
	case PVSCHED_RESULT_NOT_READY:
		return "the device says that it was not negotiated with";
	case PVSCHED_RESULT_BAD_VCPU:
		return "the device serves fewer vCPUs than this guest has; raise its limit";
	case PVSCHED_RESULT_ALREADY:
		return "the device already holds a record of this vCPU";
	case PVSCHED_RESULT_UNALIGNED:
		return "the device says that the record is not aligned";
	case PVSCHED_RESULT_READ_ONLY:
		return "the VMM shares the guest's memory with the device read-only, not writable";
	case PVSCHED_RESULT_IN_USE:
		return "the device holds another vCPU's record at the same address";
	case PVSCHED_RESULT_NOT_MAPPED:
	case PVSCHED_RESULT_BAD_RECORD:
		return "the VMM does not share the guest's memory with the device; it needs a backend with share=on (QEMU: -object memory-backend-memfd,id=mem,size=...,share=on -machine memory-backend=mem)";
	case PVSCHED_RESULT_REFUSED:
		return "the host's pvschedd refused it; its reason is in the log of pvsched-device";
	case PVSCHED_RESULT_HOST_TIMEOUT:
		return "the host's pvschedd did not answer in time";
	case PVSCHED_GONE:
		return "the device is gone (its registers read all-ones)";
	}
	return "the device gave an answer that this driver does not know";
}

static void pvsched_withdraw(struct pvsched *pv, unsigned int cpu)
{
	u32 vcpu_id = pvsched_initial_apicid(cpu);
	u32 result;

	pvsched_sysfs_remove(pv, cpu);
	if (!cpumask_test_and_clear_cpu(cpu, &pvsched_registered))
		return;

	result = pvsched_set_record(pv, vcpu_id, 0, NULL);
	if (result != PVSCHED_RESULT_OK)
		dev_warn(&pv->pdev->dev,
			 "cannot withdraw the record of vCPU %u (CPU %u): %s\n",
			 vcpu_id, cpu, pvsched_explain(result));
}

static int pvsched_register(struct pvsched *pv, unsigned int cpu)
{
	struct pvsched_record *record = &pvsched_records[cpu];
	u64 nonce = get_random_u64();
	u32 vcpu_id = pvsched_initial_apicid(cpu);
	u64 seen;
	u32 result;

	/* Line 1 is left alone: the hooks have been keeping it for a while. */
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
	/* The host's, which does not look back: what an earlier one left. */
	record->grant = 0;
	record->irq_ticket = 0;
	record->throttle_count = 0;
	record->boosted_ns = 0;

	result = pvsched_set_record(pv, vcpu_id, virt_to_phys(record), &seen);
	if (result == PVSCHED_RESULT_OK) {
		cpumask_set_cpu(cpu, &pvsched_registered);
		if (seen == nonce) {
			pvsched_sysfs_add(pv, cpu);
			return 0;
		}
		/* What it reads there is an old copy of a record. */
		pvsched_withdraw(pv, cpu);
		result = PVSCHED_RESULT_BAD_RECORD;
	}
	dev_err(&pv->pdev->dev, "cannot register vCPU %u (CPU %u): %s\n",
		vcpu_id, cpu, pvsched_explain(result));
	return -ENODEV;
}

static int pvsched_cpu_online(unsigned int cpu)
{
	/* A CPU whose urgency the host does not hear of is still a CPU. */
	pvsched_register(pvsched_hotplugged, cpu);
	return 0;
}

static int pvsched_cpu_offline(unsigned int cpu)
{
	pvsched_withdraw(pvsched_hotplugged, cpu);
	return 0;
}

/*
 * Registers the CPUs that are online, and those that come online from now on.
 * Any CPU can register any other's record, so the first round needs no cpuhp.
 * After an error records may be left that the caller's reset withdraws.
 */
int pvsched_records_register(struct pvsched *pv)
{
	unsigned int cpu;
	int err = 0;

	pvsched_hotplugged = pv;
	cpus_read_lock();
	for_each_online_cpu(cpu) {
		err = pvsched_register(pv, cpu);
		if (err)
			goto unlock;
	}
	err = cpuhp_setup_state_nocalls_cpuslocked(CPUHP_AP_ONLINE_DYN,
						   "pvsched:online",
						   pvsched_cpu_online,
						   pvsched_cpu_offline);
	if (err < 0) {
		dev_err(&pv->pdev->dev,
			"cannot follow CPU hot-plug: error %d\n", err);
		goto unlock;
	}
	pv->hotplug = err;
	err = 0;
unlock:
	cpus_read_unlock();
	return err;
}

/* No callback touches the device any more; a reset is to withdraw the rest. */
void pvsched_records_forget(struct pvsched *pv)
{
	unsigned int cpu;

	if (pv->hotplug)
		cpuhp_remove_state_nocalls(pv->hotplug);
	pv->hotplug = 0;
	for_each_cpu(cpu, &pvsched_registered)
		pvsched_sysfs_remove(pv, cpu);
	cpumask_clear(&pvsched_registered);
}

const struct cpumask *pvsched_records_registered(void)
{
	return &pvsched_registered;
}
