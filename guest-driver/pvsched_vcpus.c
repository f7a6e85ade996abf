// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 The pvsched authors */
/*
 * Registers the records of online CPUs with the device, and withdraws them.
 */
#include <linux/cpu.h>
#include <linux/cpuhotplug.h>
#include <linux/jiffies.h>
#include <linux/percpu.h>
#include <linux/random.h>
#include <asm/smp.h>

#include "pvsched.h"
#include "pvsched_watch.h"

/* The cpuhp callbacks get a CPU only, so the device stands here. */
static struct pvsched *pvsched_hotplugged;

/*
 * KVM's vCPU id: the APIC id that the firmware's table has for the CPU. The CPUID of
 * some processors has only its low 8 bits.
 */
static u32 pvsched_vcpu_id(unsigned int cpu)
{
	return per_cpu(x86_cpu_to_apicid, cpu);
}

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
	u32 vcpu_id = pvsched_vcpu_id(cpu);
	u32 result;

	pvsched_sysfs_remove(pv, cpu);
	cpumask_clear_cpu(cpu, &pv->unserved);
	if (!cpumask_test_and_clear_cpu(cpu, &pv->registered))
		return;

	cpumask_clear_cpu(cpu, &pv->used);
	result = pvsched_bar0_set_record(pv, vcpu_id, 0, NULL);
	if (result != PVSCHED_RESULT_OK)
		dev_warn(&pv->pdev->dev,
			 "cannot withdraw the record of vCPU %u (CPU %u): %s\n",
			 vcpu_id, cpu, pvsched_explain(result));
}

static void pvsched_log_failure(struct pvsched *pv, unsigned int cpu,
				u32 vcpu_id, u32 result)
{
	/* All CPUs fail for one reason as a rule. */
	if (result == pv->last_failure)
		return;
	pv->last_failure = result;
	pvsched_log(err, pv, "cannot register vCPU %u (CPU %u): %s\n", vcpu_id,
		    cpu, pvsched_explain(result));
}

/* When to try the unserved CPUs again. */
static void pvsched_delay(struct pvsched *pv)
{
	pv->serve_s = pvsched_retry_delay_s(pv->serve_s, false);
	WRITE_ONCE(pv->serve_after, jiffies + pv->serve_s * HZ);
}

/* Returns -EAGAIN if the host may accept the record later, -ENODEV if the device is gone. */
static int pvsched_register(struct pvsched *pv, unsigned int cpu)
{
	u64 nonce = get_random_u64();
	u32 vcpu_id = pvsched_vcpu_id(cpu);
	u64 seen;
	u32 result;

	pvsched_record_init(pv, cpu, vcpu_id, nonce);
	result = pvsched_bar0_set_record(pv, vcpu_id,
					 pvsched_record_address(pv, cpu), &seen);
	/* Registers that are not mapped may read as zero: as OK. */
	if (seen != nonce &&
	    pvsched_bar0_read(pv, PVSCHED_REG_MAGIC) != PVSCHED_MAGIC)
		result = PVSCHED_GONE;
	if (result == PVSCHED_RESULT_OK) {
		cpumask_set_cpu(cpu, &pv->registered);
		cpumask_clear_cpu(cpu, &pv->unserved);
		if (seen == nonce) {
			pvsched_sysfs_add(pv, cpu);
			return 0;
		}
		/* The device reads a former record: the memory is not shared. */
		pvsched_withdraw(pv, cpu);
		result = PVSCHED_RESULT_BAD_RECORD;
	}
	pvsched_log_failure(pv, cpu, vcpu_id, result);
	if (pvsched_may_serve_later(result)) {
		cpumask_set_cpu(cpu, &pv->unserved);
		return -EAGAIN;
	}
	cpumask_clear_cpu(cpu, &pv->unserved);
	return result == PVSCHED_GONE ? -ENODEV : -EINVAL;
}

static int pvsched_cpu_online(unsigned int cpu)
{
	struct pvsched *pv = pvsched_hotplugged;
	int err;

	pv->last_failure = PVSCHED_RESULT_OK;
	/* A CPU without a record is still of use, so an error does not stop it. */
	err = pvsched_register(pv, cpu);
	if (err == -EAGAIN) {
		pv->serve_s = 0;
		pvsched_delay(pv);
	} else if (err) {
		pvsched_look_now(pv, true);
	}
	return 0;
}

static int pvsched_cpu_offline(unsigned int cpu)
{
	pvsched_withdraw(pvsched_hotplugged, cpu);
	return 0;
}

/*
 * Registers the unserved CPUs. Any CPU can register the record of any other CPU.
 * Returns an error if the device is gone.
 */
static int pvsched_serve(struct pvsched *pv)
{
	unsigned long end = jiffies + msecs_to_jiffies(PVSCHED_ROUND_MS);
	unsigned int before = cpumask_weight(&pv->registered), cpu;

	for_each_cpu(cpu, &pv->unserved) {
		if (pvsched_register(pv, cpu) == -ENODEV)
			return -ENODEV;
		if (time_after(jiffies, end))
			break;
	}
	if (cpumask_weight(&pv->registered) != before)
		pv->serve_s = 0;
	pvsched_delay(pv);
	return 0;
}

/*
 * Registers the online CPUs, and each CPU that comes online later. A CPU that cannot
 * be served leaves the others served. After an error the device may hold some
 * records; the caller's reset withdraws them.
 */
int pvsched_vcpus_register(struct pvsched *pv)
{
	int err;

	pvsched_hotplugged = pv;
	pv->last_failure = PVSCHED_RESULT_OK;
	pv->serve_s = 0;
	cpus_read_lock();
	cpumask_copy(&pv->unserved, cpu_online_mask);
	err = pvsched_serve(pv);
	if (!err && cpumask_empty(&pv->registered))
		err = cpumask_empty(&pv->unserved) ? -ENODEV : -EAGAIN;
	if (err)
		goto unlock;
	if (!cpumask_empty(&pv->unserved))
		pvsched_log(warn, pv, "%u vCPUs are not served yet; the driver tries them again\n",
			    cpumask_weight(&pv->unserved));
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

/* Tries the unserved CPUs again. Returns an error if the device is gone. */
int pvsched_vcpus_serve(struct pvsched *pv)
{
	int err;

	cpus_read_lock();
	err = pvsched_serve(pv);
	if (!err && cpumask_empty(&pv->unserved))
		dev_info(&pv->pdev->dev, "registered the other vCPUs, too: %u now\n",
			 cpumask_weight(&pv->registered));
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
	cpumask_clear(&pv->unserved);
	cpumask_clear(&pv->used);
}
