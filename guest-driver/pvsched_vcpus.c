// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 The pvsched authors */
/*
 * Registers the records of online CPUs with the device, and withdraws them.
 */
#include <linux/cpu.h>
#include <linux/cpuhotplug.h>
#include <linux/random.h>

#include "pvsched.h"
#include "pvsched_kernels.h"

/* The cpuhp callbacks get a CPU only, so the device stands here. */
static struct pvsched *pvsched_hotplugged;

static const char *pvsched_explain(u32 result)
{
	switch (result) {
	case PVSCHED_RESULT_NOT_READY:
		return "the device says that negotiation is not finished";
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
		return "the host's pvschedd refused it; the log of pvsched-device has the reason";
	case PVSCHED_RESULT_HOST_TIMEOUT:
		return "the host's pvschedd did not answer in time";
	case PVSCHED_GONE:
		return "the device is gone, or has lost its registers";
	}
	return "the device gave a result that this driver does not know";
}

static void pvsched_withdraw(struct pvsched *pv, unsigned int cpu)
{
	u32 vcpu_id = pvsched_initial_apicid(cpu);
	u32 result;

	pvsched_sysfs_remove(pv, cpu);
	if (!cpumask_test_and_clear_cpu(cpu, &pv->registered))
		return;

	cpumask_clear_cpu(cpu, &pv->used);
	result = pvsched_bar0_set_record(pv, vcpu_id, 0, NULL);
	if (result != PVSCHED_RESULT_OK)
		dev_warn(&pv->pdev->dev,
			 "cannot withdraw the record of vCPU %u (CPU %u): %s\n",
			 vcpu_id, cpu, pvsched_explain(result));
}

/* Returns -EAGAIN if the host may accept the record later. */
static int pvsched_register(struct pvsched *pv, unsigned int cpu)
{
	u64 nonce = get_random_u64();
	u32 vcpu_id = pvsched_initial_apicid(cpu);
	u64 seen;
	u32 result;

	pvsched_record_init(pv, cpu, vcpu_id, nonce);
	result = pvsched_bar0_set_record(pv, vcpu_id, pvsched_record_gpa(cpu),
					 &seen);
	/* Registers that are not mapped may read as zero: as OK. */
	if (seen != nonce &&
	    pvsched_bar0_read(pv, PVSCHED_REG_MAGIC) != PVSCHED_MAGIC)
		result = PVSCHED_GONE;
	if (result == PVSCHED_RESULT_OK) {
		cpumask_set_cpu(cpu, &pv->registered);
		if (seen == nonce) {
			pvsched_sysfs_add(pv, cpu);
			return 0;
		}
		/* The device reads a former record: the memory is not shared. */
		pvsched_withdraw(pv, cpu);
		result = PVSCHED_RESULT_BAD_RECORD;
	}
	pvsched_log(err, pv, "cannot register vCPU %u (CPU %u): %s\n", vcpu_id,
		    cpu, pvsched_explain(result));
	return result == PVSCHED_RESULT_HOST_TIMEOUT ? -EAGAIN : -ENODEV;
}

static int pvsched_cpu_online(unsigned int cpu)
{
	/* A CPU without a record is still of use, so an error does not stop it. */
	if (pvsched_register(pvsched_hotplugged, cpu))
		pvsched_look_now(pvsched_hotplugged, true);
	return 0;
}

static int pvsched_cpu_offline(unsigned int cpu)
{
	pvsched_withdraw(pvsched_hotplugged, cpu);
	return 0;
}

/*
 * Registers the online CPUs, and each CPU that comes online later. Any CPU can
 * register the record of any other CPU, so the first round needs no cpuhp.
 * After an error the device may hold some records; the caller's reset withdraws
 * them.
 */
int pvsched_vcpus_register(struct pvsched *pv)
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
		pvsched_log(err, pv, "cannot follow CPU hot-plug: error %d\n",
			    err);
		goto unlock;
	}
	pv->hotplug = err;
	err = 0;
unlock:
	cpus_read_unlock();
	return err;
}

/*
 * Reads one register. Returns whether the device holds the records of all
 * registered CPUs. A device that was reset holds none, and a device that is
 * gone or not mapped reads as all-ones or as zero.
 */
bool pvsched_vcpus_held(struct pvsched *pv)
{
	bool is_held;

	/* Hot-plug changes both numbers, one after the other. */
	cpus_read_lock();
	is_held = pvsched_bar0_read(pv, PVSCHED_REG_REGISTERED) ==
		  cpumask_weight(&pv->registered);
	cpus_read_unlock();
	return is_held;
}

/*
 * Ends the use of the records on the guest's side. No callback accesses the
 * device after return; the caller's reset withdraws the records.
 */
void pvsched_vcpus_forget(struct pvsched *pv)
{
	unsigned int cpu;

	if (pv->hotplug)
		cpuhp_remove_state_nocalls(pv->hotplug);
	pv->hotplug = 0;
	for_each_cpu(cpu, &pv->registered)
		pvsched_sysfs_remove(pv, cpu);
	cpumask_clear(&pv->registered);
	cpumask_clear(&pv->used);
}
