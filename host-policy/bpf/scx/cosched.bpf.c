// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 The pvsched authors */
/*
 * Co-scheduling: vCPUs of one VM run at the same time where that costs other
 * tasks little. A vCPU often waits for a lock, or for the answer to an IPI, that
 * another vCPU of its VM has. So among queued ordinary vCPUs, those whose VM
 * runs on another CPU go first, within cosched-window.
 */

static __always_inline void count_running_vcpu(struct pvs_task_ctx *taskc,
					       const struct pvs_vcpu_binding *binding)
{
	struct pvs_running_vcpus *running;
	__u32 vm = binding->vm;

	running = bpf_map_lookup_elem(&running_vcpus, &vm);
	if (!running || taskc->cosched_vm)
		return;
	__sync_fetch_and_add(&running->nr, 1);
	taskc->cosched_vm = vm + 1;
}

/* Uncounts the vCPU where it was counted; its binding may have changed since. */
static __always_inline void uncount_running_vcpu(struct pvs_task_ctx *taskc)
{
	struct pvs_running_vcpus *running;
	__u32 vm = taskc->cosched_vm - 1;

	if (!taskc->cosched_vm)
		return;
	taskc->cosched_vm = 0;
	running = bpf_map_lookup_elem(&running_vcpus, &vm);
	if (running)
		__sync_fetch_and_sub(&running->nr, 1);
}

/* Whether the DSQ's head is a vCPU; sets its key. */
static __noinline bool is_head_vcpu(__u64 dsq, __u64 *key)
{
	struct bpf_iter_scx_dsq it;
	struct task_struct *p;
	bool is_vcpu = false;

	if (bpf_ksym_exists(scx_bpf_dsq_peek)) {
		p = scx_bpf_dsq_peek(dsq);
		if (!p || !vcpu_binding(p, task_ctx(p)))
			return false;
		*key = p->scx.dsq_vtime;
		return true;
	}
	bpf_iter_scx_dsq_new(&it, dsq, 0);
	p = bpf_iter_scx_dsq_next(&it);
	if (p && vcpu_binding(p, task_ctx(p))) {
		*key = p->scx.dsq_vtime;
		is_vcpu = true;
	}
	bpf_iter_scx_dsq_destroy(&it);
	return is_vcpu;
}

enum pvs_cosched {
	PVS_COSCHED_NONE, /* the usual order applies */
	PVS_COSCHED_CONSUMED,
	PVS_COSCHED_KEEP_PREV, /* prev's VM runs elsewhere: prev continues */
};

/* `prev`: the task that could continue, with key `prev_key`; NULL: none. */
static __noinline int cosched(__s32 cpu, __u64 dsq, struct task_struct *prev,
			      __u64 prev_key)
{
	struct pvs_task_ctx *taskc = prev ? task_ctx(prev) : NULL;
	__u32 prev_vm = taskc ? taskc->cosched_vm : 0;
	__u64 key_max = 0;

	/* On most hosts the head is no vCPU. */
	if (!is_head_vcpu(dsq, &key_max))
		return PVS_COSCHED_NONE;
	key_max += pvs_param_cosched_window;
	if (prev_vm && !pvs_before(key_max, prev_key) &&
	    is_vm_running(prev_vm - 1, prev_vm))
		return PVS_COSCHED_KEEP_PREV;
	return consume_first(cpu, dsq, key_max, PVS_ELIGIBLE_COSCHED, prev_vm) ?
		       PVS_COSCHED_CONSUMED :
		       PVS_COSCHED_NONE;
}
