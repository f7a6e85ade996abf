// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 The pvsched authors */
/*
 * The CPUs of one core, and faster CPUs. A task at its slice end moves to a CPU that
 * is better for it, if one is idle. With urgent-sibling an urgent vCPU holds its
 * core: the core's other CPU idles, or runs vCPUs of the same VM.
 */

/*
 * Whether the task has disabled its migration. With preemptible RCU the kernel itself
 * disables it for the current task while a program runs.
 */
static __always_inline bool is_migration_disabled(struct task_struct *p)
{
	__u16 by_program = 0;

	if (!bpf_core_field_exists(p->migration_disabled))
		return false;
	if (bpf_core_field_exists(p->rcu_read_lock_nesting) &&
	    p->pid == bpf_get_current_task_btf()->pid)
		by_program = 1;
	return p->migration_disabled > by_program;
}

/*
 * Whether a better CPU of the node is idle: a fast one for a task on a small CPU; a
 * whole core, if the core's other CPU is busy.
 */
static __noinline bool has_better_cpu(struct task_struct *p, __s32 cpu)
{
	struct pvs_cpu_ctx *sibling;

	if (!(pvs_topology.has_smt || pvs_topology.nr_small) || !any_cpu_idle(llc_of(cpu)) ||
	    p->nr_cpus_allowed == 1 || is_migration_disabled(p))
		return false;
	if (pvs_topology.nr_small && is_small(cpu) && has_fast_idle_cpu(node_of(cpu)))
		return true;
	sibling = pvs_topology.has_smt ? sibling_ctx(cpu) : NULL;
	if (!sibling || sibling->is_idle || sibling->is_held || sibling->is_offline)
		return false;
	return has_idle_core(p, node_of(cpu));
}

/* Claims the better CPU for a task whose slice ended; -1: it is gone. */
static __noinline __s32 claim_better_cpu(struct task_struct *p, __s32 cpu)
{
	const struct cpumask *fast = fast_cpus();
	__s32 better;

	if (fast && is_small(cpu)) {
		better = pick_idle_cpu_of(p, cpu, 0, true, fast);
		if (better >= 0 && !is_claim_held(better))
			return better;
	}
	if (!pvs_topology.has_smt)
		return -1;
	return pick_idle_cpu(p, node_of(cpu), PVS_SCX(scx_pick_idle_cpu_flags, SCX_PICK_IDLE_CORE));
}

/*
 * An urgent vCPU got the CPU, or the CPU's task is no longer urgent. The core's other
 * CPU looks again: at its ordinary task, or for a task.
 */
static __noinline int update_hold(struct pvs_cpu_ctx *cpuc, __s32 cpu)
{
	struct pvs_cpu_ctx *sibling = sibling_ctx(cpu);
	bool holds;

	if (!cpuc || !sibling)
		return 0;
	holds = is_urgent(cpuc->curr_urgency);
	/* A full barrier: see mark_held(). */
	if (cpuc->holds_core == holds || __sync_lock_test_and_set(&cpuc->holds_core, holds) == holds)
		return 0;
	cpu = pvs_topology.sibling_of[(__u32)cpu & (PVS_MAX_CPUS - 1)];
	if (!holds) {
		if (PVS_LOAD(sibling->is_held))
			scx_bpf_kick_cpu(cpu, 0);
	} else if (!sibling->is_idle && !sibling->is_rt_running &&
		   !is_urgent(PVS_LOAD(sibling->curr_urgency)) &&
		   is_held(sibling, cpu, PVS_LOAD(sibling->curr_vm))) {
		kick_to_preempt(cpu);
	}
	return 0;
}

/*
 * A tick of an urgent vCPU. The held CPU of its core looks again if tasks have waited
 * there for starvation-time, or if a vCPU waits that may run there.
 */
static __noinline int tick_holder(struct pvs_cpu_ctx *cpuc, __s32 cpu, __u64 now)
{
	struct pvs_cpu_ctx *sibling = sibling_ctx(cpu);
	struct pvs_llc_ctx *llcc = llc_ctx(llc_of(cpu));

	if (!cpuc || !sibling || !llcc || !PVS_LOAD(sibling->is_held))
		return 0;
	cpu = pvs_topology.sibling_of[(__u32)cpu & (PVS_MAX_CPUS - 1)];
	if (claim_starvation_turn(sibling, cpu, now) ||
	    (pvs_param_urgent_sibling == PVS_SIBLING_OWN_VM && PVS_LOAD(llcc->nr_vcpus)))
		scx_bpf_kick_cpu(cpu, 0);
	return 0;
}

/*
 * Dispatches to a CPU that is held: a vCPU that may run there, or prev if it is one.
 * Otherwise the CPU idles, and the guard's period begins. False: the hold has ended.
 */
static __noinline bool dispatch_held(struct pvs_cpu_ctx *cpuc, __s32 cpu, struct task_struct *prev,
				     __u32 prev_vm)
{
	struct pvs_cpu_ctx *sibling = sibling_ctx(cpu);
	__u32 vm = sibling ? PVS_LOAD(sibling->curr_vm) : 0;

	if (!cpuc)
		return false;
	if (pvs_param_urgent_sibling == PVS_SIBLING_OWN_VM && vm) {
		if (prev && prev_vm == vm) {
			set_slice(prev, pvs_param_slice_min);
			return true;
		}
		if ((cpuc->has_pinned &&
		     consume_first(cpu, PVS_CPU_DSQ(cpu), 0, PVS_ELIGIBLE_VM, vm)) ||
		    consume_first(cpu, PVS_LLC_DSQ(llc_of(cpu)), 0, PVS_ELIGIBLE_VM, vm))
			return true;
	}
	if (!mark_held(cpuc, cpu))
		return false;
	cpuc->counts.held++;
	if (!cpuc->urgent_since)
		start_urgent_period(cpuc, sched_now());
	return true;
}

/* Moves a task whose slice ended on `cpu`, and that no task follows, to a better CPU. */
static __noinline bool enqueue_on_better_cpu(struct task_struct *p, struct pvs_vcpu_binding *binding,
					     __s32 cpu, __u64 enq_flags)
{
	__u64 grant = binding ? current_grant(binding) : 0, slice = pvs_param_slice_max;
	struct pvs_cpu_ctx *betterc;
	__s32 better;

	if (!has_better_cpu(p, cpu))
		return false;
	better = claim_better_cpu(p, cpu);
	betterc = cpu_ctx(better);
	if (better < 0 || !betterc)
		return false;
	if (is_grant_urgent(grant)) {
		betterc->curr_urgency = urgency_of(p, grant);
		slice = pvs_param_urgent_slice;
	}
	count(upgraded);
	dsq_insert(p, PVS_SCX(scx_dsq_id_flags, SCX_DSQ_LOCAL_ON) | (__u32)better, slice, enq_flags);
	return true;
}
