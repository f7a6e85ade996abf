// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 The pvsched authors */
/*
 * Consumes one task of a DSQ by a condition: moves it to this CPU's local DSQ.
 * Every search of a DSQ's tasks is this one function.
 */

/* Which tasks of a DSQ are eligible. */
enum pvs_eligible {
	PVS_ELIGIBLE_ANY,
	PVS_ELIGIBLE_PID, /* the task `arg` */
	PVS_ELIGIBLE_URGENT, /* a vCPU more urgent than `arg` */
	PVS_ELIGIBLE_COSCHED, /* a vCPU whose VM runs elsewhere; ends at other tasks */
};

struct pvs_consume {
	__u64 dsq;
	__u64 iter_flags;
	__u64 key_max; /* the search ends at a later key; 0: no bound */
	__u64 key_min; /* the search ends at an earlier key; 0: no bound */
	__u32 max_scan; /* tasks */
	__u32 eligible; /* enum pvs_eligible */
	__u32 arg;
};

/* Whether a vCPU of the VM runs, besides the one that `own_vm` (VM + 1) counts. */
static __always_inline bool is_vm_running(__u32 vm, __u32 own_vm)
{
	struct pvs_running_vcpus *running = bpf_map_lookup_elem(&running_vcpus, &vm);

	return running && running->nr > (own_vm == vm + 1);
}

static __always_inline bool is_eligible(struct task_struct *p,
					struct pvs_vcpu_binding *binding,
					const struct pvs_consume *c)
{
	switch (c->eligible) {
	case PVS_ELIGIBLE_PID:
		return (__u32)p->pid == c->arg;
	case PVS_ELIGIBLE_URGENT:
		return binding && urgency_of(current_grant(binding)) > c->arg;
	case PVS_ELIGIBLE_COSCHED:
		return is_vm_running(binding->vm, c->arg);
	default:
		return true;
	}
}

/* Consumes the first eligible task that may run on `cpu`, this CPU. */
static __noinline bool consume_first(__s32 cpu, const struct pvs_consume *c)
{
	struct pvs_vcpu_binding *binding = NULL;
	struct bpf_iter_scx_dsq it;
	struct task_struct *p;
	bool is_moved = false;
	__u32 i;

	bpf_iter_scx_dsq_new(&it, c->dsq, c->iter_flags);
	bpf_for(i, 0, c->max_scan) {
		p = bpf_iter_scx_dsq_next(&it);
		if (!p)
			break;
		if (c->key_max && pvs_before(c->key_max, p->scx.dsq_vtime))
			break;
		if (c->key_min && !pvs_before(c->key_min, p->scx.dsq_vtime))
			break;
		if (c->eligible >= PVS_ELIGIBLE_URGENT)
			binding = vcpu_binding(p, task_ctx(p));
		if (c->eligible == PVS_ELIGIBLE_COSCHED && !binding)
			break;
		if (!is_eligible(p, binding, c) || !may_run_on(p, cpu))
			continue;
		is_moved = scx_bpf_dsq_move(&it, p, PVS_DSQ_LOCAL, 0);
		if (is_moved)
			break;
	}
	bpf_iter_scx_dsq_destroy(&it);
	return is_moved;
}

/* Consumes the tail of a DSQ if its key is later than `key_min`; 0: in any case. */
static __always_inline bool consume_tail(__s32 cpu, __u64 dsq, __u64 key_min)
{
	struct pvs_consume c = {
		.dsq = dsq,
		.iter_flags = PVS_SCX(scx_dsq_iter_flags, SCX_DSQ_ITER_REV),
		.key_min = key_min,
		.max_scan = 1,
	};

	return consume_first(cpu, &c);
}
