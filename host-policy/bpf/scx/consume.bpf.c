// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 The pvsched authors */
/*
 * Consumes one task of a DSQ: moves it to this CPU's local DSQ. Every search
 * for one task to run is consume_first().
 */

/* Which tasks of a DSQ are eligible. */
enum pvs_eligible {
	PVS_ELIGIBLE_UNTHROTTLED, /* every task up to the key */
	PVS_ELIGIBLE_PID, /* the task `arg` */
	PVS_ELIGIBLE_URGENT, /* a vCPU more urgent than `arg` */
	PVS_ELIGIBLE_COSCHED, /* a vCPU whose VM runs elsewhere; ends at other tasks */
};

/* Whether a vCPU of the VM runs, besides the one that `own_vm` (VM + 1) counts. */
static __always_inline bool is_vm_running(__u32 vm, __u32 own_vm)
{
	struct pvs_running_vcpus *running = bpf_map_lookup_elem(&running_vcpus, &vm);

	return running && running->nr > (own_vm == vm + 1);
}

static __always_inline bool is_eligible(struct task_struct *p,
					struct pvs_vcpu_binding *binding,
					__u32 eligible, __u32 arg)
{
	switch (eligible) {
	case PVS_ELIGIBLE_PID:
		return (__u32)p->pid == arg;
	case PVS_ELIGIBLE_URGENT:
		return binding && urgency_of(current_grant(binding)) > arg;
	case PVS_ELIGIBLE_COSCHED:
		return is_vm_running(binding->vm, arg);
	default:
		return true;
	}
}

static __always_inline __u32 max_scan_of(__u32 eligible)
{
	switch (eligible) {
	case PVS_ELIGIBLE_UNTHROTTLED:
		return pvs_param_bw_max_scan;
	case PVS_ELIGIBLE_COSCHED:
		return pvs_param_cosched_max_scan;
	default:
		return pvs_param_pull_max_scan;
	}
}

/*
 * Consumes the first eligible task that may run on `cpu`, this CPU. The search
 * ends at a key later than `key_max`, except for urgent vCPUs.
 */
static __noinline bool consume_first(__s32 cpu, __u64 dsq, __u64 key_max,
				     __u32 eligible, __u32 arg)
{
	struct pvs_vcpu_binding *binding = NULL;
	struct bpf_iter_scx_dsq it;
	struct task_struct *p;
	bool is_moved = false;
	__u32 i;

	bpf_iter_scx_dsq_new(&it, dsq, 0);
	bpf_for(i, 0, max_scan_of(eligible)) {
		p = bpf_iter_scx_dsq_next(&it);
		if (!p)
			break;
		/* By a constant, not by key_max == 0: else the verifier follows both. */
		if (eligible != PVS_ELIGIBLE_URGENT && pvs_before(key_max, p->scx.dsq_vtime))
			break;
		if (eligible >= PVS_ELIGIBLE_URGENT)
			binding = vcpu_binding(p, task_ctx(p));
		if (eligible == PVS_ELIGIBLE_COSCHED && !binding)
			break;
		if (!is_eligible(p, binding, eligible, arg) || !may_run_on(p, cpu))
			continue;
		is_moved = scx_bpf_dsq_move(&it, p, PVS_DSQ_LOCAL, 0);
		if (is_moved)
			break;
	}
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
