/* SPDX-License-Identifier: GPL-2.0 */
/* Copyright (C) 2026 The pvsched authors */
/*
 * The fields of the kernel's structures that the programs read. libbpf relocates
 * every access by the running kernel's BTF (CO-RE): the offsets here have no
 * meaning, and the build needs no vmlinux.h.
 */
#ifndef PVSCHED_KERNEL_TYPES_BPF_H
#define PVSCHED_KERNEL_TYPES_BPF_H

#include <linux/types.h>

#include <bpf/bpf_helpers.h>
#include <stdbool.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), \
			     apply_to = record)

struct sched_entity {
	__u64 sum_exec_runtime;
	unsigned char sched_delayed; /* asleep, but still on the run queue */
};

/* Empty in a kernel without CONFIG_SCHED_INFO. */
struct sched_info {
	__u64 last_arrival; /* rq clock when the task got its CPU */
};

/* Passed on only, but defined: libbpf compares the kinds of types. */
struct cpumask {
};

struct bpf_cpumask {
	struct cpumask cpumask;
};

/* Only with sched_ext. */
struct sched_ext_entity {
	__u32 weight;
	__u32 flags;
	__u64 slice;
	__u64 dsq_vtime;
	__u32 reenq_cnt; /* in kernels that end a scheduler by it */
};

struct thread_info {
	__u32 cpu;
};

struct task_struct {
	struct thread_info thread_info;
	unsigned int __state;
	unsigned char on_rq;
	int pid;
	int tgid;
	int prio;
	int static_prio;
	unsigned int policy;
	unsigned int flags;
	struct pid *thread_pid;
	struct task_struct *group_leader;
	int nr_cpus_allowed;
	unsigned short migration_disabled;
	int rcu_read_lock_nesting; /* only with preemptible RCU */
	const struct cpumask *cpus_ptr;
	struct sched_entity se;
	struct sched_ext_entity scx;
	struct sched_info sched_info;
};

struct upid {
	int nr;
};

struct pid {
	unsigned int level;
	struct upid numbers[];
};

struct kvm_timer {
	struct {
		int counter;
	} pending; /* expiries that are not injected yet */
};

struct kvm_lapic {
	struct kvm_timer lapic_timer;
	bool apicv_active; /* the processor injects interrupts by itself */
	bool irr_pending; /* some vector is pending; always set with APICv */
	unsigned long pending_events; /* INIT, SIPI */
	void *regs; /* the APIC's page */
};

struct kvm_vcpu_arch {
	struct kvm_lapic *apic; /* NULL: the VMM emulates the APIC */
	struct {
		int counter;
	} nmi_queued;
};

struct kvm_vcpu {
	int vcpu_id;
	struct pid *pid; /* of the thread that runs it */
	struct kvm_vcpu_arch arch;
};

/* Intel's descriptor of posted interrupts; hardware fixes its layout. */
struct pi_desc {
	__u64 pir[4]; /* the vectors */
};

struct vcpu_vt {
	struct pi_desc pi_desc;
};

/* kvm_intel's vCPU; it begins with the struct kvm_vcpu. */
struct vcpu_vmx {
	struct vcpu_vt vt; /* from 6.16 on */
};

struct vcpu_vmx___without_vt {
	struct pi_desc pi_desc;
};

/* An open file, as the search for vCPUs reads it. */
struct super_block {
	unsigned long s_magic;
};

struct inode {
	struct super_block *i_sb;
};

struct qstr {
	const unsigned char *name;
};

struct dentry {
	struct qstr d_name;
};

struct path {
	struct dentry *dentry;
};

struct file {
	struct path f_path;
	struct inode *f_inode;
	void *private_data;
};

struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
};

struct bpf_iter__task_file {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	struct file *file;
};

#pragma clang attribute pop

extern struct task_struct *bpf_task_from_pid(__s32 pid) __attribute__((section(".ksyms")));
extern void bpf_task_release(struct task_struct *task) __attribute__((section(".ksyms")));
extern void bpf_preempt_disable(void) __ksym __weak;
extern void bpf_preempt_enable(void) __ksym __weak;
extern void bpf_local_irq_save(unsigned long *flags) __ksym __weak;
extern void bpf_local_irq_restore(unsigned long *flags) __ksym __weak;

/* A kfunc of the module pvsched_host (host-policy/kmod), if that is loaded. */
extern int pvsched_host_apply(__u32 slot, __u64 grant)
	__attribute__((section(".ksyms"), weak));

#endif /* PVSCHED_KERNEL_TYPES_BPF_H */
