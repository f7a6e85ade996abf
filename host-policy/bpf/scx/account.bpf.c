// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 The pvsched authors */
/*
 * Charges CPU time: to a task's vruntime, to the virtual time of its queue, to
 * its cgroups, and to the starvation guard's account of ordinary tasks.
 */

/* The task's weight: its own, changed by its grant, boot boost and cgroups. */
static __always_inline __u32 effective_weight(struct task_struct *p,
					      struct pvs_task_ctx *taskc, __u64 grant)
{
	__u32 flags = pvsched_word_flags(grant);
	__u32 weight = p->scx.weight, granted;

	if (flags & (PVSCHED_GRANT_BOOSTED | PVSCHED_GRANT_LOWERED)) {
		granted = pvsched_word_policy(grant) == PVSCHED_POLICY_IDLE ?
				  1 :
				  pvs_weight_of_nice(pvsched_word_nice(grant));
		/* A boost never lowers an admin's own weight, nor the reverse. */
		if (flags & PVSCHED_GRANT_BOOSTED ? granted > weight : granted < weight)
			weight = granted;
	}
	if (taskc->boot_boost_until) {
		if (bpf_ktime_get_ns() < taskc->boot_boost_until)
			weight *= pvs_param_boot_boost_weight;
		else
			taskc->boot_boost_until = 0;
	}
	if (!pvs_weight_generation || !bpf_ksym_exists(scx_bpf_task_cgroup))
		return weight;
	if (taskc->weight_generation != pvs_weight_generation) {
		taskc->weight_generation = pvs_weight_generation;
		taskc->group_weight = weight_of_cgroups(p);
	}
	/* In 64 bits: nice -20, a boot boost and heavy cgroups exceed 32. */
	return (__u64)weight * taskc->group_weight / PVS_WEIGHT;
}

/*
 * Advances the virtual time of the task's queue. A CPU publishes in steps of
 * slice-min, because the step needs the length of a queue.
 */
static __always_inline void advance_vtime(struct task_struct *p, __u64 scaled)
{
	__s32 cpu = task_cpu(p);
	struct pvs_cpu_ctx *cpuc = cpu_ctx(cpu);
	__u64 *vtime_now;

	if (!cpuc)
		return;
	cpuc->unpublished_vtime += scaled;
	if (cpuc->unpublished_vtime < pvs_param_slice_min)
		return;
	vtime_now = vtime_of(p, cpu);
	/* CPUs of a node race here: a lost update makes the time a little late. */
	if (vtime_now && p->nr_cpus_allowed > 1)
		*vtime_now = pvs_vtime_advance(*vtime_now, cpuc->unpublished_vtime,
					       (nr_queued_per_cpu(cpu) + 1) *
						       cpus_per_node());
	else if (vtime_now)
		*vtime_now = pvs_vtime_advance(*vtime_now, cpuc->unpublished_vtime,
					       scx_bpf_dsq_nr_queued(PVS_CPU_DSQ(cpu)) + 1);
	cpuc->unpublished_vtime = 0;
}

/*
 * Ends the starvation guard's period once ordinary tasks have had their share.
 * A pinned kernel thread does not count: urgent vCPUs cannot starve it.
 */
static __always_inline void count_ordinary_time(struct task_struct *p, __u64 ordinary)
{
	struct pvs_cpu_ctx *cpuc = cpu_ctx(task_cpu(p));

	if (!cpuc || !cpuc->urgent_since || is_pinned_kthread(p))
		return;
	cpuc->ordinary_ns += ordinary;
	if (cpuc->ordinary_ns >= pvs_param_starvation_share)
		cpuc->urgent_since = 0;
}

/* CPU time that the vCPU used while urgent, since it was registered. */
static __always_inline __u64 urgent_ns(struct pvs_vcpu_binding *binding)
{
	struct pvs_slot *slot = binding ? slot_of(binding) : NULL;

	return slot ? slot->urgent_ns : 0;
}

/*
 * CPU time since the last charge that counts in the fair order. A vCPU's urgent
 * time does not: the budget bounds it.
 */
static __always_inline __u64 uncharged_ns(struct task_struct *p,
					  struct pvs_task_ctx *taskc,
					  struct pvs_vcpu_binding *binding)
{
	__u64 used = p->se.sum_exec_runtime - taskc->charged_exec_ns;
	__u64 urgent = urgent_ns(binding);

	/* A new registration restarts the slot's urgent time at 0. */
	urgent = urgent > taskc->charged_urgent_ns ? urgent - taskc->charged_urgent_ns : 0;
	return urgent < used ? used - urgent : 0;
}

/*
 * Charges the CPU time since the last charge, used under `grant`. Returns until
 * when the task's cgroups are throttled. Only for the task of the callback: the
 * kernel ends a scheduler that asks for another task's cgroup.
 */
static __noinline __u64 charge(struct task_struct *p, struct pvs_task_ctx *taskc,
			       struct pvs_vcpu_binding *binding, __u64 grant)
{
	__u64 used, ordinary, scaled;

	if (!taskc)
		return 0;
	used = p->se.sum_exec_runtime - taskc->charged_exec_ns;
	ordinary = uncharged_ns(p, taskc, binding);
	taskc->charged_exec_ns = p->se.sum_exec_runtime;
	taskc->charged_urgent_ns = urgent_ns(binding);
	if (ordinary) {
		taskc->weight = effective_weight(p, taskc,
						 is_urgent(urgency_of(grant)) ? 0 : grant);
		pvs_vtime_charge(&taskc->vt, ordinary, taskc->weight);
		/*
		 * At most real time: a light task that runs alone would advance
		 * the virtual time far ahead of all tasks queued elsewhere.
		 */
		scaled = pvs_scale_by_weight(ordinary, taskc->weight);
		advance_vtime(p, scaled < ordinary ? scaled : ordinary);
		if (!is_urgent(urgency_of(grant)))
			count_ordinary_time(p, ordinary);
	}
	taskc->bw_throttled_until = 0;
	if (pvs_nr_limited_cgroups && bpf_ksym_exists(scx_bpf_task_cgroup))
		taskc->bw_throttled_until = charge_cgroups(p, used);
	return taskc->bw_throttled_until;
}
