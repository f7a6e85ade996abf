/* SPDX-License-Identifier: GPL-2.0 */
/* Copyright (C) 2026 The pvsched authors */
/*
 * Contexts of tasks and CPUs, DSQ ids, virtual time, and the urgency of a vCPU
 * by its grant.
 */
#ifndef PVSCHED_SCX_CTX_BPF_H
#define PVSCHED_SCX_CTX_BPF_H

#include "host-policy/bpf/decide.bpf.h"
#include "host-policy/bpf/scx/compat.bpf.h"

#define PVS_PF_KTHREAD 0x00200000

/* DSQs: each CPU's pinned tasks, each node's tasks, urgent vCPUs, throttled tasks. */
#define PVS_CPU_DSQ(cpu) ((__u64)(cpu))
#define PVS_NODE_DSQ(node) (0x10000ull + (__u64)(node))
#define PVS_URGENT_DSQ 0x20000ull
#define PVS_BW_DSQ 0x20001ull

static __always_inline struct pvs_cpu_ctx *cpu_ctx(__s32 cpu)
{
	__u32 key = cpu;

	return bpf_map_lookup_elem(&cpu_ctxs, &key);
}

static __always_inline struct pvs_task_ctx *task_ctx(struct task_struct *p)
{
	return bpf_task_storage_get(&task_ctxs, p, 0, 0);
}

/*
 * The binding of a vCPU's thread; NULL: another task. Such a task is looked up
 * again only after a new vCPU was bound.
 */
static __always_inline struct pvs_vcpu_binding *vcpu_binding(struct task_struct *p,
							     struct pvs_task_ctx *taskc)
{
	/* Read before the lookup: a binding is counted after it is in the map. */
	__u32 binds = PVS_LOAD(pvs_binds) + 1;
	struct pvs_vcpu_binding *binding;

	if (!taskc || taskc->not_vcpu_binds == binds)
		return NULL;
	binding = bpf_task_storage_get(&vcpu_bindings, p, 0, 0);
	if (!binding)
		taskc->not_vcpu_binds = binds;
	return binding;
}

static __always_inline __u32 node_of(__s32 cpu)
{
	__u32 node = 0;

	if (bpf_ksym_exists(scx_bpf_cpu_node) && pvs_nr_nodes > 1)
		node = scx_bpf_cpu_node(cpu);
	return node < PVS_MAX_NODES ? node : 0;
}

static __always_inline __u32 cpus_per_node(void)
{
	__u32 nodes = PVS_LOAD(pvs_online_nodes);
	__u32 cpus = PVS_LOAD(pvs_online_cpus);

	return nodes && cpus > nodes ? cpus / nodes : 1;
}

/*
 * The virtual time of the tasks that this task is queued with. Pinned tasks
 * have their CPU's own: where they are many, it advances more slowly than the
 * node's. A waking task placed by the node's would wait for the difference.
 */
static __always_inline __u64 *vtime_of(struct task_struct *p, __s32 cpu)
{
	struct pvs_node_vtime *node_vtime;
	struct pvs_cpu_ctx *cpuc;
	__u32 node;

	if (p->nr_cpus_allowed == 1) {
		cpuc = cpu_ctx(cpu);
		if (!cpuc)
			return NULL;
		/* Keeps clang from adding the offset before the check. */
		barrier_var(cpuc);
		return &cpuc->vtime_now;
	}
	node = node_of(cpu);
	node_vtime = bpf_map_lookup_elem(&node_vtimes, &node);
	return node_vtime ? &node_vtime->vtime_now : NULL;
}

static __always_inline __u64 current_grant(struct pvs_vcpu_binding *binding)
{
	struct pvs_slot *slot = slot_of(binding);

	return slot ? slot->pending_grant : 0;
}

/* Asks the policy, with the guest's record as it is now; returns the grant. */
static __noinline __u64 update_grant(struct task_struct *p,
				     struct pvs_vcpu_binding *binding, __u32 event)
{
	if (!binding)
		return 0;
	on_event(p, binding, event);
	return current_grant(binding);
}

/* A grant of 0 is the thread's own parameters, whatever they are: urgency of nice 0. */
static __always_inline __u32 urgency_of(__u64 grant)
{
	return pvsched_urgency(pvs_without_flags(grant));
}

static __always_inline bool is_urgent(__u32 urgency)
{
	return urgency > PVSCHED_URGENCY_RT;
}

static __always_inline bool is_vcpu_urgent(struct pvs_vcpu_binding *binding)
{
	return binding && is_urgent(urgency_of(current_grant(binding)));
}

/* The task runs or is queued. */
static __always_inline bool is_on_rq(struct task_struct *p)
{
	return p->scx.flags & PVS_SCX(scx_ent_flags, SCX_TASK_QUEUED);
}

static __always_inline bool is_pinned_kthread(struct task_struct *p)
{
	return p->flags & PVS_PF_KTHREAD && p->nr_cpus_allowed == 1;
}

static __always_inline bool is_bw_throttled(const struct pvs_task_ctx *taskc, __u64 now)
{
	return pvs_nr_limited_cgroups && taskc && taskc->bw_throttled_until > now;
}

/* Tasks in the node's queue, per online CPU. */
static __always_inline __u32 nr_queued_per_cpu(__s32 cpu)
{
	__s32 queued = scx_bpf_dsq_nr_queued(PVS_NODE_DSQ(node_of(cpu)));

	return queued > 0 ? (__u32)queued / cpus_per_node() : 0;
}

static __always_inline void count(__u64 *counter)
{
	__sync_fetch_and_add(counter, 1);
}

#endif /* PVSCHED_SCX_CTX_BPF_H */
