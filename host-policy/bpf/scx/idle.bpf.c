// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 The pvsched authors */
/*
 * Idle CPUs for tasks: faster CPUs before small ones, and no CPU that is held for
 * the urgent vCPU on its core's other CPU.
 */

/* What urgent-sibling means. */
enum pvs_urgent_sibling {
	PVS_SIBLING_ANY,
	PVS_SIBLING_OWN_VM,
	PVS_SIBLING_NONE,
};

/* Whether urgent vCPUs hold their cores. Both are constants for the verifier. */
static __always_inline bool can_hold_cores(void)
{
	return pvs_param_urgent_sibling && pvs_topology.has_smt;
}

static __always_inline bool is_small(__s32 cpu)
{
	return pvs_topology.is_small[(__u32)cpu & (PVS_MAX_CPUS - 1)];
}

/* The other CPU of the core; NULL: there is none. */
static __always_inline struct pvs_cpu_ctx *sibling_ctx(__s32 cpu)
{
	__s32 sibling = pvs_topology.sibling_of[(__u32)cpu & (PVS_MAX_CPUS - 1)];

	return sibling == cpu ? NULL : cpu_ctx(sibling);
}

/*
 * Whether the CPU is held for the urgent vCPU on its core's other CPU, against a
 * task of `vm` (1 + VM; 0: no vCPU). The starvation guard ends a hold.
 */
static __always_inline bool is_held(const struct pvs_cpu_ctx *cpuc, __s32 cpu, __u32 vm)
{
	struct pvs_cpu_ctx *sibling;

	if (!can_hold_cores())
		return false;
	sibling = sibling_ctx(cpu);
	if (!sibling || sibling->is_offline || !is_urgent(PVS_LOAD(sibling->curr_urgency)))
		return false;
	if (pvs_param_urgent_sibling == PVS_SIBLING_OWN_VM && vm && vm == PVS_LOAD(sibling->curr_vm))
		return false;
	return !pvs_before(sched_now(), cpuc->guarded_until);
}

/* CPUs that are not small. NULL without small CPUs, and where the kernel cannot search them. */
static __always_inline const struct cpumask *fast_cpus(void)
{
	struct pvs_fast_cpus *fast;
	__u32 key = 0;

	if (!pvs_topology.nr_small ||
	    !bpf_core_type_exists(struct scx_bpf_select_cpu_and_args))
		return NULL;
	fast = bpf_map_lookup_elem(&fast_cpumask, &key);
	return fast ? (const struct cpumask *)fast->mask : NULL;
}

/* Makes the mask of fast_cpus(). */
static __noinline int init_fast_cpus(void)
{
	struct pvs_fast_cpus *fast;
	struct bpf_cpumask *mask;
	__u32 key = 0, i;

	fast = bpf_map_lookup_elem(&fast_cpumask, &key);
	if (!pvs_topology.nr_small || !fast)
		return 0;
	mask = bpf_cpumask_create();
	if (!mask)
		return -12; /* ENOMEM */
	bpf_for(i, 0, pvs_topology.nr_cpus) {
		if (!is_small(i))
			bpf_cpumask_set_cpu(i, mask);
	}
	mask = bpf_kptr_xchg(&fast->mask, mask);
	if (mask)
		bpf_cpumask_release(mask);
	return 0;
}

/* The node's idle CPUs, or those of idle cores. Kernels before 6.15 have masks of the whole host. */
static __always_inline const struct cpumask *get_idle_cpus(__s32 node)
{
	return pvs_has_idle_nodes && bpf_ksym_exists(scx_bpf_get_idle_cpumask_node) ?
		       scx_bpf_get_idle_cpumask_node(node) :
		       scx_bpf_get_idle_cpumask();
}

static __always_inline const struct cpumask *get_idle_cores(__s32 node)
{
	return pvs_has_idle_nodes && bpf_ksym_exists(scx_bpf_get_idle_smtmask_node) ?
		       scx_bpf_get_idle_smtmask_node(node) :
		       scx_bpf_get_idle_smtmask();
}

/* Whether the task may run on a CPU of the node that is idle. */
static __always_inline bool has_idle_cpu(struct task_struct *p, __s32 node)
{
	const struct cpumask *idle = get_idle_cpus(node);
	bool is_any = bpf_cpumask_intersects(idle, p->cpus_ptr);

	scx_bpf_put_idle_cpumask(idle);
	return is_any;
}

/* Whether the task may run on a core of the node that is wholly idle. */
static __always_inline bool has_idle_core(struct task_struct *p, __s32 node)
{
	const struct cpumask *idle = get_idle_cores(node);
	bool is_any = bpf_cpumask_intersects(idle, p->cpus_ptr);

	scx_bpf_put_idle_cpumask(idle);
	return is_any;
}

/* Whether a CPU of the node is idle and faster than the small ones. */
static __always_inline bool has_fast_idle_cpu(__s32 node)
{
	const struct cpumask *fast = fast_cpus(), *idle;
	bool is_any;

	if (!fast)
		return false;
	idle = get_idle_cpus(node);
	is_any = bpf_cpumask_intersects(idle, fast);
	scx_bpf_put_idle_cpumask(idle);
	return is_any;
}

/*
 * Marks a CPU that is held, so that its core's other CPU kicks it later; false: the
 * hold has just ended. That CPU changes its urgency before it looks for the mark.
 */
static __always_inline bool mark_held(struct pvs_cpu_ctx *cpuc, __s32 cpu)
{
	/* A full barrier. */
	__sync_lock_test_and_set(&cpuc->is_held, 1);
	if (is_held(cpuc, cpu, 0)) {
		/* No victim but for urgent vCPUs that find no other. */
		cpuc->curr_urgency = PVSCHED_URGENCY_RT;
		return true;
	}
	cpuc->is_held = 0;
	return false;
}

/*
 * Whether an idle CPU was claimed that is held. For the kernel it is no longer idle
 * then, so the next search passes it.
 */
static __always_inline bool is_claim_held(__s32 cpu)
{
	struct pvs_cpu_ctx *cpuc = cpu_ctx(cpu);

	return can_hold_cores() && cpuc && is_held(cpuc, cpu, 0) && mark_held(cpuc, cpu);
}

/* How many CPUs that are held one search may find. */
#define PVS_HELD_MAX 4

/* An idle CPU of `allowed` by the kernel's order, from kernel 6.19 on. */
static __always_inline __s32 pick_idle_cpu_of(struct task_struct *p, __s32 prev_cpu,
					      __u64 wake_flags, bool is_in_node,
					      const struct cpumask *allowed)
{
	struct scx_bpf_select_cpu_and_args args = {};

	args.prev_cpu = prev_cpu;
	args.wake_flags = wake_flags;
	args.flags = is_in_node && pvs_has_idle_nodes ?
			     PVS_SCX(scx_pick_idle_cpu_flags, SCX_PICK_IDLE_IN_NODE) : 0;
	return __scx_bpf_select_cpu_and(p, allowed, &args);
}

static __always_inline __s32 pick_idle_cpu_near(struct task_struct *p, __s32 prev_cpu,
						__u64 wake_flags, bool is_in_node)
{
	const struct cpumask *fast;
	bool is_idle = false;
	__s32 cpu;

	if (bpf_core_type_exists(struct scx_bpf_select_cpu_and_args)) {
		fast = fast_cpus();
		if (fast) {
			cpu = pick_idle_cpu_of(p, prev_cpu, wake_flags, is_in_node, fast);
			if (cpu >= 0)
				return cpu;
		}
		return pick_idle_cpu_of(p, prev_cpu, wake_flags, is_in_node, p->cpus_ptr);
	}
	cpu = scx_bpf_select_cpu_dfl(p, prev_cpu, wake_flags, &is_idle);
	return is_idle ? cpu : -1;
}

/*
 * Claims an idle CPU for the task in the kernel's order for a wake-up: the last CPU
 * if its core is idle, an idle core of its LLC, of its node; then its sibling, the
 * LLC, the node. -1: there is none.
 */
static __noinline __s32 claim_idle_cpu_near(struct task_struct *p, __s32 prev_cpu,
					    __u64 wake_flags, bool is_in_node)
{
	__s32 cpu;
	__u32 i;

	if (!can_hold_cores())
		return pick_idle_cpu_near(p, prev_cpu, wake_flags, is_in_node);
	bpf_for(i, 0, PVS_HELD_MAX) {
		cpu = pick_idle_cpu_near(p, prev_cpu, wake_flags, is_in_node);
		if (cpu < 0 || !is_claim_held(cpu))
			return cpu;
	}
	return -1;
}

static __always_inline __s32 pick_idle_cpu(struct task_struct *p, __s32 node, __u64 flags)
{
	if (pvs_has_idle_nodes && bpf_ksym_exists(scx_bpf_pick_idle_cpu_node))
		return scx_bpf_pick_idle_cpu_node(p->cpus_ptr, node,
						  flags | PVS_SCX(scx_pick_idle_cpu_flags,
								  SCX_PICK_IDLE_IN_NODE));
	return scx_bpf_pick_idle_cpu(p->cpus_ptr, flags);
}

/* Claims any idle CPU of the node for the task; -1: there is none. */
static __noinline __s32 claim_idle_cpu(struct task_struct *p, __s32 node)
{
	__s32 cpu;
	__u32 i;

	if (!p)
		return -1;
	if (!can_hold_cores())
		return pick_idle_cpu(p, node, 0);
	bpf_for(i, 0, PVS_HELD_MAX) {
		cpu = pick_idle_cpu(p, node, 0);
		if (cpu < 0 || !is_claim_held(cpu))
			return cpu;
	}
	return -1;
}
