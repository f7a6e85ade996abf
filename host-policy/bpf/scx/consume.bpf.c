// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 The pvsched authors */
/* Consumes one task of a DSQ: moves it to this CPU's local DSQ. */

/* Which tasks of a DSQ are eligible. */
enum pvs_eligible {
	PVS_ELIGIBLE_UP_TO_KEY, /* every task */
	PVS_ELIGIBLE_COSCHED, /* a vCPU whose VM runs elsewhere; ends at other tasks */
	PVS_ELIGIBLE_VM, /* a vCPU of the VM that own_vm names, whatever its key */
};

/* Whether a vCPU of the VM runs, besides the one that `own_vm` (VM + 1) counts. */
static __always_inline bool is_vm_running(__u32 vm, __u32 own_vm)
{
	struct pvs_running_vcpus *running = bpf_map_lookup_elem(&running_vcpus, &vm);

	return running && running->nr > (own_vm == vm + 1);
}

/*
 * Consumes the first eligible task that may run on `cpu`, this CPU. The search
 * ends at a key later than `key_max`. `own_vm`, VM + 1, is for eligible vCPUs.
 */
static __noinline bool consume_first(__s32 cpu, __u64 dsq, __u64 key_max,
				     __u32 eligible, __u32 own_vm)
{
	__u32 i, max_scan = eligible == PVS_ELIGIBLE_COSCHED ? pvs_param_cosched_max_scan :
							       pvs_param_bw_max_scan;
	struct pvs_vcpu_binding *binding;
	struct bpf_iter_scx_dsq it;
	struct task_struct *p;
	bool is_moved = false;

	bpf_iter_scx_dsq_new(&it, dsq, 0);
	bpf_for(i, 0, max_scan) {
		p = bpf_iter_scx_dsq_next(&it);
		if (!p || (eligible != PVS_ELIGIBLE_VM && pvs_before(key_max, p->scx.dsq_vtime)))
			break;
		if (eligible == PVS_ELIGIBLE_VM) {
			binding = vcpu_binding(p, task_ctx(p));
			if (!binding || binding->vm + 1 != own_vm)
				continue;
		} else if (eligible == PVS_ELIGIBLE_COSCHED) {
			binding = vcpu_binding(p, task_ctx(p));
			if (!binding)
				break;
			if (!is_vm_running(binding->vm, own_vm))
				continue;
		}
		if (!may_run_on(p, cpu))
			continue;
		is_moved = scx_bpf_dsq_move(&it, p, PVS_DSQ_LOCAL, 0);
		if (is_moved)
			break;
	}
	bpf_iter_scx_dsq_destroy(&it);
	return is_moved;
}

/*
 * Consumes this task, wherever it is in its DSQ. The kernel checks that it is
 * there. `p` may come from anywhere, as the iterator only locks the DSQ.
 */
static __noinline bool consume_task(struct task_struct *p, __s32 cpu)
{
	struct pvs_task_ctx *taskc = task_ctx(p);
	struct bpf_iter_scx_dsq it;
	bool is_moved;
	__u64 dsq;

	if (!taskc || !is_on_rq(p) || scx_bpf_task_running(p) || !may_run_on(p, cpu))
		return false;
	dsq = taskc->clock >= PVS_CLOCK_CPU ? PVS_CPU_DSQ(taskc->clock - PVS_CLOCK_CPU) :
					      PVS_LLC_DSQ(taskc->clock);
	bpf_iter_scx_dsq_new(&it, dsq, 0);
	is_moved = scx_bpf_dsq_move(&it, p, PVS_DSQ_LOCAL, 0);
	bpf_iter_scx_dsq_destroy(&it);
	return is_moved;
}

/* Consumes the tail of a DSQ if its key is later than `key_min`; 0: in any case. */
static __noinline bool consume_tail(__s32 cpu, __u64 dsq, __u64 key_min)
{
	struct bpf_iter_scx_dsq it;
	struct task_struct *p;
	bool is_moved = false;

	bpf_iter_scx_dsq_new(&it, dsq, PVS_SCX(scx_dsq_iter_flags, SCX_DSQ_ITER_REV));
	p = bpf_iter_scx_dsq_next(&it);
	if (p && may_run_on(p, cpu) && (!key_min || pvs_before(key_min, p->scx.dsq_vtime)))
		is_moved = scx_bpf_dsq_move(&it, p, PVS_DSQ_LOCAL, 0);
	bpf_iter_scx_dsq_destroy(&it);
	return is_moved;
}
