// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 The pvsched authors */
/*
 * A hostile guest driver, for tests of the host's limits.
 *
 *   mode=claim   every vCPU always claims to run SCHED_FIFO 99, and to have more
 *                such tasks waiting
 *   mode=random  writes random bytes to the whole record at full speed
 *   mode=flip    alternates between SCHED_FIFO 99 and SCHED_IDLE each microsecond
 *   mode=churn   registers and withdraws records at full speed
 *   mode=absent  registers a record for an APIC id that no vCPU has, and none else
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delay.h>
#include <linux/gfp.h>
#include <linux/io.h>
#include <linux/io-64-nonatomic-lo-hi.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/prandom.h>
#include <linux/random.h>
#include <linux/sched.h>

#include "pvsched_abi.h"

static char *mode = "claim";
module_param(mode, charp, 0444);
MODULE_PARM_DESC(mode, "claim, random, flip, churn or absent");

static unsigned int absent_result = ~0u;
module_param(absent_result, uint, 0444);
MODULE_PARM_DESC(absent_result, "the device's answer in mode absent");

static void __iomem *bar0;
static struct pvsched_record *records;
static struct task_struct *threads[NR_CPUS];
static unsigned long rounds;
module_param(rounds, ulong, 0444);
MODULE_PARM_DESC(rounds, "iterations of the hostile threads so far");

static u64 urgent_word(u32 flags)
{
	return pvsched_word(PVSCHED_POLICY_FIFO, 0, 99, flags);
}

static u32 put_record(unsigned int cpu, u64 address)
{
	iowrite32(cpu, bar0 + PVSCHED_REG_VCPU_SELECT);
	writeq(address, bar0 + PVSCHED_REG_RECORD_ADDR);
	return ioread32(bar0 + PVSCHED_REG_RESULT);
}

static u32 register_id(struct pvsched_record *record, unsigned int id)
{
	record->magic = PVSCHED_MAGIC;
	record->version = PVSCHED_VERSION_MAJOR;
	record->size = PVSCHED_RECORD_SIZE;
	record->vcpu_id = id;
	return put_record(id, virt_to_phys(record));
}

/* In the tests' guests the APIC id of a CPU is its index. */
static u32 register_cpu(unsigned int cpu)
{
	return register_id(&records[cpu], cpu);
}

static void claim(struct pvsched_record *record)
{
	WRITE_ONCE(record->waiting, urgent_word(PVSCHED_WAITING_VALID));
	WRITE_ONCE(record->intent, urgent_word(0));
}

static int random_thread(void *data)
{
	struct pvsched_record *record = data;
	u64 *words = data;
	struct rnd_state state;
	unsigned int i;

	prandom_seed_state(&state, get_random_u64());
	while (!kthread_should_stop()) {
		for (i = 0; i < sizeof(*record) / sizeof(*words); i++)
			WRITE_ONCE(words[i],
				   (u64)prandom_u32_state(&state) << 32 |
				   prandom_u32_state(&state));
		rounds++;
		cond_resched();
	}
	return 0;
}

static int flip_thread(void *data)
{
	struct pvsched_record *record = data;

	while (!kthread_should_stop()) {
		WRITE_ONCE(record->intent, urgent_word(0));
		udelay(1);
		WRITE_ONCE(record->intent, (u64)PVSCHED_POLICY_IDLE);
		udelay(1);
		rounds++;
		cond_resched();
	}
	return 0;
}

static int churn_thread(void *data)
{
	unsigned int cpu;

	while (!kthread_should_stop()) {
		for_each_online_cpu(cpu)
			register_cpu(cpu);
		for_each_online_cpu(cpu)
			put_record(cpu, 0);
		rounds++;
		cond_resched();
	}
	return 0;
}

static int start_hostile(unsigned int cpu, int (*run)(void *data))
{
	struct task_struct *thread;

	thread = kthread_create(run, &records[cpu], "hostile/%u", cpu);
	if (IS_ERR(thread))
		return PTR_ERR(thread);
	kthread_bind(thread, cpu);
	threads[cpu] = thread;
	wake_up_process(thread);
	return 0;
}

static void stop(void)
{
	unsigned int cpu;

	for_each_possible_cpu(cpu) {
		if (threads[cpu])
			kthread_stop(threads[cpu]);
		threads[cpu] = NULL;
	}
	iowrite32(0, bar0 + PVSCHED_REG_STATUS);
}

static int start(void)
{
	unsigned int cpu;
	u32 result;
	int error;

	iowrite32(0, bar0 + PVSCHED_REG_STATUS);
	iowrite32(PVSCHED_STATUS_ACKNOWLEDGE | PVSCHED_STATUS_DRIVER,
		  bar0 + PVSCHED_REG_STATUS);
	writeq(PVSCHED_F_GRANT, bar0 + PVSCHED_REG_DRIVER_FEATURES);
	iowrite32(PVSCHED_VERSION, bar0 + PVSCHED_REG_DRIVER_VERSION);
	iowrite32(PVSCHED_STATUS_ACKNOWLEDGE | PVSCHED_STATUS_DRIVER |
		  PVSCHED_STATUS_FEATURES_OK, bar0 + PVSCHED_REG_STATUS);
	if (!strcmp(mode, "churn"))
		return start_hostile(0, churn_thread);
	if (!strcmp(mode, "absent")) {
		absent_result = register_id(&records[0], 900);
		return 0;
	}
	for_each_online_cpu(cpu) {
		result = register_cpu(cpu);
		if (result) {
			pr_err("vCPU %u: result %u\n", cpu, result);
			return -EIO;
		}
		if (!strcmp(mode, "random"))
			error = start_hostile(cpu, random_thread);
		else if (!strcmp(mode, "flip"))
			error = start_hostile(cpu, flip_thread);
		else
			error = 0, claim(&records[cpu]);
		if (error)
			return error;
	}
	return 0;
}

static int hostile_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	int error = pcim_enable_device(pdev);

	if (error)
		return error;
	bar0 = pcim_iomap(pdev, 0, 0);
	records = (void *)get_zeroed_page(GFP_KERNEL);
	if (!bar0 || !records)
		return -ENOMEM;
	error = start();
	if (error)
		stop();
	return error;
}

/* The page is not freed: the host may still write to it. */
static void hostile_remove(struct pci_dev *pdev)
{
	stop();
}

static const struct pci_device_id hostile_ids[] = {
	{ PCI_DEVICE(PVSCHED_PCI_VENDOR_ID, PVSCHED_PCI_DEVICE_ID) },
	{ }
};

static struct pci_driver hostile_driver = {
	.name = KBUILD_MODNAME,
	.id_table = hostile_ids,
	.probe = hostile_probe,
	.remove = hostile_remove,
};
module_pci_driver(hostile_driver);

MODULE_DESCRIPTION("pvsched tests: a hostile guest driver");
MODULE_LICENSE("GPL");
