// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 The pvsched authors */
/*
 * Programs of both objects: the search for a VMM's vCPUs, the end of a binding at
 * exec, and a decision on request.
 */
#ifndef PVSCHED_BINDING_BPF_C
#define PVSCHED_BINDING_BPF_C

#include "host-policy/bpf/decide.bpf.h"

#include <linux/magic.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

/*
 * Writes each vCPU of a process, for one of its open files at a time. pvschedd
 * runs this when a vCPU is registered, so no event of any VM pays for the search.
 * The kernel alone chooses the names of anonymous inodes.
 */
SEC("iter/task_file")
int pvs_find_vcpus(struct bpf_iter__task_file *ctx)
{
	static const char prefix[] = "kvm-vcpu:";
	struct pvs_vcpu_found found = {};
	struct file *file = ctx->file;
	char name[sizeof(prefix) - 1];
	struct kvm_vcpu *vcpu;
	struct pid *pid;

	if (!file || file->f_inode->i_sb->s_magic != ANON_INODE_FS_MAGIC)
		return 0;
	if (bpf_probe_read_kernel(name, sizeof(name), file->f_path.dentry->d_name.name) ||
	    __builtin_memcmp(name, prefix, sizeof(name)))
		return 0;
	vcpu = file->private_data;
	pid = BPF_CORE_READ(vcpu, pid);
	found.vcpu_id = BPF_CORE_READ(vcpu, vcpu_id);
	if (pid)
		found.tid = BPF_CORE_READ(pid, numbers[0].nr);
	bpf_seq_write(ctx->meta->seq, &found, sizeof(found));
	return 0;
}

/*
 * The thread is about to execute a program. A thread that is not its process's
 * main thread then gets that thread's tid, and its own tid ends. So its binding
 * ends here: later no process could name the thread. It still has its grant.
 */
SEC("tp_btf/sched_prepare_exec")
int BPF_PROG(pvs_prepare_exec, struct task_struct *p)
{
	struct pvs_vcpu_binding *binding;
	struct pvs_slot *slot;

	if (p->pid == p->tgid)
		return 0;
	binding = bpf_task_storage_get(&vcpu_bindings, p, 0, 0);
	if (!binding)
		return 0;
	slot = slot_of(binding);
	if (slot)
		PVS_STORE(slot->has_new_tid, 1);
	bpf_task_storage_delete(&vcpu_bindings, p);
	return 0;
}

static void on_timer(__s32 tid)
{
	struct pvs_vcpu_binding *binding;
	struct task_struct *p;

	p = bpf_task_from_pid(tid);
	if (!p)
		return;
	binding = bpf_task_storage_get(&vcpu_bindings, p, 0, 0);
	if (binding)
		on_event(p, binding, PVS_TIMER);
	bpf_task_release(p);
}

/*
 * pvschedd's timer, while a vCPU is boosted: a boost must end without an event.
 * The program may sleep, so BpfObject::Fence() waits for it only while it has
 * disabled preemption.
 */
SEC("syscall")
int pvs_timer(struct pvs_timer_args *args)
{
	if (pvs_masks_preemption)
		bpf_preempt_disable();
	on_timer(args->tid);
	if (pvs_masks_preemption)
		bpf_preempt_enable();
	return 0;
}

#endif /* PVSCHED_BINDING_BPF_C */
