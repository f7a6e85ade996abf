/* SPDX-License-Identifier: GPL-2.0 */
/*
 * vCPUs of one VM run at the same time, where that costs nobody much: what one of them
 * waits for, a lock or an answer to an interrupt, is often with another. So among
 * ordinary vCPUs that wait, one goes first whose VM runs elsewhere, and one that runs
 * beside another of its VM goes on, for as long as a slice's worth of deadline allows.
 */
#ifndef PVSCHED_TOGETHER_H
#define PVSCHED_TOGETHER_H

#include "host-policy/bpf/scx/ctx.bpf.h"

/* A vCPU goes before others whose deadline is earlier by no more than this. */
#define PVS_TOGETHER_NS PVS_SLICE_MAX_NS
/* vCPUs looked at. */
#define PVS_TOGETHER_AT 8

/* Of a VM; alone in its line, as each switch of its vCPUs writes it. */
struct pvs_together_runs {
	__u32 vcpus;
} __attribute__((aligned(64)));

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, PVS_MAX_VMS);
	__type(key, __u32);
	__type(value, struct pvs_together_runs);
} together SEC(".maps");

static __always_inline void together_begin(struct pvs_task_ctx *taskc,
					   const struct pvs_vcpu_binding *binding)
{
	struct pvs_together_runs *runs;
	__u32 vm = binding->vm;

	runs = bpf_map_lookup_elem(&together, &vm);
	if (!runs || taskc->counted_in)
		return;
	__sync_fetch_and_add(&runs->vcpus, 1);
	taskc->counted_in = vm + 1;
}

/* Where it was counted, whatever it is by now. */
static __always_inline void together_end(struct pvs_task_ctx *taskc)
{
	struct pvs_together_runs *runs;
	__u32 vm = taskc->counted_in - 1;

	if (!taskc->counted_in)
		return;
	taskc->counted_in = 0;
	runs = bpf_map_lookup_elem(&together, &vm);
	if (runs)
		__sync_fetch_and_sub(&runs->vcpus, 1);
}

/* Whether another vCPU of this VM runs than that of `task`, which is about to stop. */
static __always_inline bool runs_elsewhere(__u32 vm, const struct pvs_task_ctx *taskc)
{
	struct pvs_together_runs *runs = bpf_map_lookup_elem(&together, &vm);

	return runs && runs->vcpus > (taskc && taskc->counted_in == vm + 1);
}

enum pvs_together {
	PVS_NOBODY,
	PVS_TAKEN,
	PVS_STAYS,
};

/* `prev`, `deadline`: who could go on; none: NULL. */
static __noinline int take_together(__s32 cpu, __u64 queue, struct task_struct *prev,
				    __u64 deadline)
{
	__u64 local = PVS_SCX(scx_dsq_id_flags, SCX_DSQ_LOCAL), last = 0;
	struct pvs_task_ctx *taskc = prev ? task_of(prev) : NULL;
	struct bpf_iter_scx_dsq it;
	struct pvs_vcpu_binding *binding;
	int found = PVS_NOBODY;
	struct task_struct *p;
	__u32 i;

	/* Most often it is none, which takes no lock to see. */
	if (bpf_ksym_exists(scx_bpf_dsq_peek)) {
		p = scx_bpf_dsq_peek(queue);
		if (!p || !vcpu_of(p, task_of(p)))
			return PVS_NOBODY;
	}
	bpf_iter_scx_dsq_new(&it, queue, 0);
	bpf_for(i, 0, PVS_TOGETHER_AT) {
		p = bpf_iter_scx_dsq_next(&it);
		if (!p || (i && pvs_before(last, p->scx.dsq_vtime)))
			break;
		/* Whoever is no vCPU waits for nobody's sake. */
		binding = vcpu_of(p, task_of(p));
		if (!binding)
			break;
		if (!i) {
			last = p->scx.dsq_vtime + PVS_TOGETHER_NS;
			if (taskc && taskc->counted_in && !pvs_before(last, deadline) &&
			    runs_elsewhere(taskc->counted_in - 1, taskc)) {
				found = PVS_STAYS;
				break;
			}
		}
		if (!runs_elsewhere(binding->vm, taskc) || !may_run(p, cpu))
			continue;
		if (scx_bpf_dsq_move(&it, p, local, 0))
			found = PVS_TAKEN;
		break;
	}
	bpf_iter_scx_dsq_destroy(&it);
	return found;
}

#endif /* PVSCHED_TOGETHER_H */
