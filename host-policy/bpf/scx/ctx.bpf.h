/* SPDX-License-Identifier: GPL-2.0 */
/* Copyright (C) 2026 The pvsched authors */
/*
 * Contexts of tasks, CPUs, LLCs and nodes, DSQ ids, virtual time, and the urgency
 * of a task.
 */
#ifndef PVSCHED_SCX_CTX_BPF_H
#define PVSCHED_SCX_CTX_BPF_H

#include "host-policy/bpf/decide.bpf.h"
#include "host-policy/bpf/scx/compat.bpf.h"

#define PVS_PF_KTHREAD 0x00200000
#define PVS_SCHED_IDLE 5 /* task_struct's policy */
#define PVS_STATIC_PRIO_NICE_0 120

/* DSQs: each CPU's pinned tasks, each LLC's tasks, its urgent vCPUs, throttled tasks. */
#define PVS_CPU_DSQ(cpu) ((__u64)(cpu))
#define PVS_LLC_DSQ(llc) (0x10000ull + (__u64)(llc))
#define PVS_URGENT_DSQ(llc) (0x20000ull + (__u64)(llc))
#define PVS_BW_DSQ 0x30000ull

static __always_inline struct pvs_cpu_ctx *cpu_ctx(__s32 cpu)
{
	__u32 key = cpu;

	return bpf_map_lookup_elem(&cpu_ctxs, &key);
}

static __always_inline struct pvs_llc_ctx *llc_ctx(__u32 llc)
{
	return bpf_map_lookup_elem(&llc_ctxs, &llc);
}

static __always_inline struct pvs_node_ctx *node_ctx(__u32 node)
{
	return bpf_map_lookup_elem(&node_ctxs, &node);
}

static __always_inline struct pvs_task_ctx *task_ctx(struct task_struct *p)
{
	return bpf_task_storage_get(&task_ctxs, p, 0, 0);
}

/* The bounds by a mask are for the verifier: the ids are valid. */
static __always_inline __u32 llc_of(__s32 cpu)
{
	return pvs_topology.llc_of[(__u32)cpu & (PVS_MAX_CPUS - 1)];
}

static __always_inline __u32 node_of_llc(__u32 llc)
{
	return pvs_topology.node_of_llc[llc & (PVS_MAX_LLCS - 1)];
}

static __always_inline __u32 node_of(__s32 cpu)
{
	return node_of_llc(llc_of(cpu));
}

/*
 * The clock of the scheduler's own intervals. It is not CLOCK_MONOTONIC, which
 * the policy, the boot boost and the bandwidth timer use.
 */
static __always_inline __u64 sched_now(void)
{
	if (bpf_ksym_exists(scx_bpf_now))
		return scx_bpf_now();
	return bpf_ktime_get_ns();
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

/*
 * Whether the task waits in its CPU's DSQ. On a host of one CPU every task may use
 * one CPU only, and the LLC's DSQ serves all.
 */
static __always_inline bool is_pinned(struct task_struct *p)
{
	return p->nr_cpus_allowed == 1 && pvs_topology.nr_cpus > 1;
}

/* Counts the CPU among the idle ones of its LLC and node, or no longer. */
static __always_inline void set_idle(struct pvs_cpu_ctx *cpuc, __s32 cpu, bool is_idle)
{
	struct pvs_llc_ctx *llcc = llc_ctx(llc_of(cpu));
	struct pvs_node_ctx *node = node_ctx(node_of(cpu));

	if (cpuc->is_idle == is_idle || cpuc->is_offline || !llcc || !node)
		return;
	cpuc->is_idle = is_idle;
	__sync_fetch_and_add(&llcc->nr_idle, is_idle ? 1 : -1);
	__sync_fetch_and_add(&node->nr_idle, is_idle ? 1 : -1);
}

/* Whether an idle CPU of the LLC's node may be had. */
static __always_inline bool any_cpu_idle(__u32 llc)
{
	struct pvs_node_ctx *node = node_ctx(node_of_llc(llc));

	return node && PVS_LOAD(node->nr_idle);
}

/*
 * CPUs of the LLC that are not idle. Where tasks wait, the idle CPUs are those
 * that the tasks may not use.
 */
static __always_inline __u32 busy_cpus(const struct pvs_llc_ctx *llcc)
{
	__u32 cpus = PVS_LOAD(llcc->nr_cpus), idle = PVS_LOAD(llcc->nr_idle);

	return cpus > idle ? cpus - idle : 1;
}

/* Tasks in the LLC's DSQ, per busy CPU. */
static __always_inline __u32 nr_queued_per_cpu(__u32 llc)
{
	__s32 queued = scx_bpf_dsq_nr_queued(PVS_LLC_DSQ(llc));
	struct pvs_llc_ctx *llcc = llc_ctx(llc);

	return llcc && queued > 0 ? (__u32)queued / busy_cpus(llcc) : 0;
}

/* Clocks below this value are those of LLCs. */
#define PVS_CLOCK_CPU 0x10000u

/* The virtual time of a clock: of a CPU's pinned tasks, or of an LLC's tasks. */
static __always_inline __u64 *vtime_of(__u32 clock)
{
	struct pvs_cpu_ctx *cpuc;
	struct pvs_llc_ctx *llcc;

	if (clock >= PVS_CLOCK_CPU) {
		cpuc = cpu_ctx(clock - PVS_CLOCK_CPU);
		if (!cpuc)
			return NULL;
		/* Keeps clang from adding the offset before the check. */
		barrier_var(cpuc);
		return &cpuc->vtime_now;
	}
	llcc = llc_ctx(clock);
	return llcc ? &llcc->vtime_now : NULL;
}

static __always_inline __u32 clock_of(struct task_struct *p, __s32 cpu)
{
	return is_pinned(p) ? PVS_CLOCK_CPU + (__u32)cpu : llc_of(cpu);
}

/*
 * Moves the task to the clock of the tasks that it is queued with on `cpu`, and
 * returns the virtual time there. Clocks advance at different rates, so the task
 * keeps its distance from the virtual time, not its vruntime. Pinned tasks have
 * their CPU's clock: where they are many it advances more slowly than the LLC's.
 */
static __always_inline __u64 *join_clock(struct task_struct *p, struct pvs_task_ctx *taskc,
					 __s32 cpu)
{
	__u32 clock = clock_of(p, cpu);
	__u64 *vtime_now = vtime_of(clock), *before;

	if (taskc->clock != clock) {
		before = vtime_of(taskc->clock);
		if (before && vtime_now)
			taskc->vt.vruntime += *vtime_now - *before;
		taskc->clock = clock;
	}
	return vtime_now;
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

/* The urgency of a task by its own parameters on the host. */
static __always_inline __u32 own_urgency(struct task_struct *p)
{
	if (p->policy == PVS_SCHED_IDLE)
		return PVSCHED_URGENCY_IDLE;
	return PVSCHED_URGENCY_NICE_0 + PVS_STATIC_PRIO_NICE_0 - (__u32)p->static_prio;
}

/* The urgency of a task: its grant's; without a grant its own. */
static __always_inline __u32 urgency_of(struct task_struct *p, __u64 grant)
{
	return pvs_without_flags(grant) ? pvsched_urgency(pvs_without_flags(grant)) :
					  own_urgency(p);
}

static __always_inline bool is_urgent(__u32 urgency)
{
	return urgency > PVSCHED_URGENCY_RT;
}

static __always_inline bool is_grant_urgent(__u64 grant)
{
	return is_urgent(pvsched_urgency(pvs_without_flags(grant)));
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
	return taskc && taskc->has_quota && taskc->bw_throttled_until > now;
}

/* Which counter of its LLC counts a waiting vCPU. */
enum pvs_waiting {
	PVS_WAITING_ORDINARY = 0,
	PVS_WAITING_URGENT = PVS_MAX_LLCS,
};

/*
 * Counts a vCPU in its LLC from before the kernel queues it until it runs, so
 * that CPUs without such vCPUs skip the search for them. Other tasks are not
 * counted.
 */
static __always_inline void uncount_waiting(struct pvs_task_ctx *taskc)
{
	__u32 in = taskc->counted_in - 1;
	struct pvs_llc_ctx *llcc;

	if (!taskc->counted_in)
		return;
	taskc->counted_in = 0;
	llcc = llc_ctx(in & (PVS_MAX_LLCS - 1));
	if (llcc)
		__sync_fetch_and_sub(in & PVS_WAITING_URGENT ? &llcc->nr_urgent :
							      &llcc->nr_vcpus, 1);
}

static __always_inline void count_waiting(struct pvs_task_ctx *taskc, __u32 llc,
					  enum pvs_waiting waiting)
{
	struct pvs_llc_ctx *llcc = llc_ctx(llc);

	uncount_waiting(taskc);
	if (!llcc)
		return;
	__sync_fetch_and_add(waiting == PVS_WAITING_URGENT ? &llcc->nr_urgent :
							    &llcc->nr_vcpus, 1);
	taskc->counted_in = 1 + llc + waiting;
}

static __always_inline bool has_urgent_queued(__u32 llc)
{
	struct pvs_llc_ctx *llcc = llc_ctx(llc);

	return llcc && PVS_LOAD(llcc->nr_urgent);
}

/* Counts an event on the CPU that runs this, which holds a lock with interrupts off. */
#define count(event)								\
	({									\
		struct pvs_cpu_ctx *this_cpuc = cpu_ctx(bpf_get_smp_processor_id()); \
										\
		if (this_cpuc)							\
			this_cpuc->counts.event++;				\
	})

#endif /* PVSCHED_SCX_CTX_BPF_H */
