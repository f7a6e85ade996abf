// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 The pvsched authors */
/*
 * Calls KVM's functions that tell a vCPU of an interrupt, at load time, as KVM
 * does on a processor with APIC virtualisation. The vCPU is a copy of this
 * module's own with the thread of a real one, so no guest gets an interrupt.
 *
 * KVM exports these functions and the layout of its APIC to its own modules only:
 * the test passes addresses and offsets.
 */
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/gfp.h>
#include <linux/kvm_host.h>
#include <linux/module.h>
#include <linux/pid.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/workqueue.h>

static unsigned long kick;
module_param(kick, ulong, 0444);
MODULE_PARM_DESC(kick, "address of __kvm_vcpu_kick(); 0: no call");

static unsigned long wake_up;
module_param(wake_up, ulong, 0444);
MODULE_PARM_DESC(wake_up, "address of kvm_vcpu_wake_up(); 0: no call");

static int tid;
module_param(tid, int, 0444);
MODULE_PARM_DESC(tid, "thread of a vCPU");

static int bytes[16];
static int nr_bytes;
module_param_array(bytes, int, &nr_bytes, 0444);
MODULE_PARM_DESC(bytes, "offsets in struct kvm_lapic of the bytes to set to 1");

static int regs;
module_param(regs, int, 0444);
MODULE_PARM_DESC(regs, "offset in struct kvm_lapic of `regs`");

static bool irr;
module_param(irr, bool, 0444);
MODULE_PARM_DESC(irr, "an interrupt waits in the APIC's page");

static int irq_tid;
module_param(irq_tid, int, 0444);
MODULE_PARM_DESC(irq_tid, "thread of a vCPU that is kicked by interrupts, while the first is kicked all the time; 0: none");

static int irq_kicks = 1000;
module_param(irq_kicks, int, 0444);
MODULE_PARM_DESC(irq_kicks, "number of these interrupts");

static struct kvm_vcpu *irq_vcpu;
static int kicked_cpu;
static bool are_irqs_sent;
static struct kvm_vcpu *vcpu;
static u8 *lapic;
static u8 *page;

static void call_kick(struct kvm_vcpu *of)
{
	((void (*)(struct kvm_vcpu *vcpu, bool wait))kick)(of, false);
}

static void kick_in_irq(void *unused)
{
	call_kick(irq_vcpu);
}

/* On another CPU. */
static void send_irqs(struct work_struct *work)
{
	int i;

	for (i = 0; i < irq_kicks; i++) {
		smp_call_function_single(kicked_cpu, kick_in_irq, NULL, true);
		/* The first vCPU's kicks must progress, also where a CPU is emulated. */
		usleep_range(100, 200);
	}
	WRITE_ONCE(are_irqs_sent, true);
}
static DECLARE_WORK(irqs, send_irqs);

/* The caller stays on its CPU, which has another CPU beside it. */
static void kick_and_be_interrupted(void)
{
	kicked_cpu = raw_smp_processor_id();
	schedule_work_on(cpumask_any_but(cpu_online_mask, kicked_cpu), &irqs);
	while (!READ_ONCE(are_irqs_sent)) {
		call_kick(vcpu);
		cond_resched();
	}
	flush_work(&irqs);
}

static void free_all(void)
{
	if (irq_vcpu)
		put_pid(irq_vcpu->pid);
	kvfree(irq_vcpu);
	if (vcpu)
		put_pid(vcpu->pid);
	kvfree(vcpu);
	free_page((unsigned long)lapic);
	free_page((unsigned long)page);
}

static int __init kvm_calls_init(void)
{
	int i;

	vcpu = kvzalloc(sizeof(*vcpu), GFP_KERNEL);
	lapic = (u8 *)get_zeroed_page(GFP_KERNEL);
	page = (u8 *)get_zeroed_page(GFP_KERNEL);
	irq_vcpu = kvzalloc(sizeof(*irq_vcpu), GFP_KERNEL);
	if (!vcpu || !lapic || !page || !irq_vcpu) {
		free_all();
		return -ENOMEM;
	}
	vcpu->pid = find_get_pid(tid);
	vcpu->arch.apic = (void *)lapic;
	irq_vcpu->pid = find_get_pid(irq_tid);
	irq_vcpu->arch.apic = (void *)lapic;
	for (i = 0; i < nr_bytes; i++)
		lapic[bytes[i] & (PAGE_SIZE - 1)] = 1;
	*(u8 **)(lapic + (regs & (PAGE_SIZE - sizeof(u64)))) = page;
	if (irr)
		page[0x210] = 1;
	/* A call of one may be a call of both: some kernels nest them. */
	if (kick && irq_tid)
		kick_and_be_interrupted();
	else if (kick)
		call_kick(vcpu);
	if (wake_up)
		((bool (*)(struct kvm_vcpu *vcpu))wake_up)(vcpu);
	return 0;
}

static void __exit kvm_calls_exit(void)
{
	free_all();
}
module_init(kvm_calls_init);
module_exit(kvm_calls_exit);

MODULE_DESCRIPTION("pvsched tests: call KVM's functions for an interrupt");
MODULE_LICENSE("GPL");
