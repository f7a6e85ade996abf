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

	if (grant && flags & (PVSCHED_GRANT_BOOSTED | PVSCHED_GRANT_LOWERED)) {
		granted = pvsched_word_policy(grant) == PVSCHED_POLICY_IDLE ?
				  1 :
				  pvs_weight_of_nice(pvsched_word_nice(grant));
		/* A boost never lowers an admin's own weight, nor the reverse. */
		if (flags & PVSCHED_GRANT_BOOSTED ? granted > weight : granted < weight)
			weight = granted;
	}
	if (taskc->boot_boost_until)
		weight *= pvs_param_boot_boost_weight;
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
 * Advances the virtual time of the task's queue by what the CPU has used. The step
 * needs the length of the queue, so a CPU publishes slice-min at a time. A task that
 * will be queued again counts beside the next one, which has left the queue: with
 * one task too few the virtual time would outrun all tasks, and the bounds of their
 * lag would make them equal.
 */
static __noinline int publish_vtime(struct pvs_task_ctx *taskc, struct pvs_cpu_ctx *cpuc,
				    bool is_requeued)
{
	__u64 *vtime_now, started_at;
	struct pvs_llc_ctx *llcc;
	__u32 runnable;

	if (!taskc || !cpuc)
		return 0;
	if (taskc->clock < PVS_CLOCK_CPU) {
		llcc = llc_ctx(taskc->clock);
		runnable = scx_bpf_dsq_nr_queued(PVS_LLC_DSQ(taskc->clock)) +
			   (llcc ? busy_cpus(llcc) : 1);
	} else {
		runnable = scx_bpf_dsq_nr_queued(PVS_CPU_DSQ(taskc->clock - PVS_CLOCK_CPU)) + 1;
	}
	runnable += is_requeued;
	vtime_now = vtime_of(taskc->clock);
	/* CPUs of an LLC race here: a lost update makes the time a little late. */
	if (vtime_now) {
		*vtime_now = pvs_vtime_advance(*vtime_now, cpuc->unpublished_vtime, runnable);
		/* It is never behind what runs. */
		started_at = taskc->vt.vruntime - cpuc->unpublished_vtime;
		if (pvs_before(*vtime_now, started_at))
			*vtime_now = started_at;
	}
	cpuc->unpublished_vtime = 0;
	return 0;
}

/*
 * Ends the starvation guard's period once ordinary tasks have had their share.
 * A pinned kernel thread does not count: urgent vCPUs cannot starve it.
 */
static __always_inline void count_ordinary_time(struct task_struct *p, struct pvs_cpu_ctx *cpuc,
						__u64 ordinary)
{
	if (!cpuc->urgent_since || is_pinned_kthread(p))
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
static __always_inline __u64 charge(struct task_struct *p, struct pvs_task_ctx *taskc,
				    struct pvs_vcpu_binding *binding, __u64 grant,
				    bool is_requeued)
{
	__u64 used = p->se.sum_exec_runtime - taskc->charged_exec_ns;
	__u64 ordinary = binding ? uncharged_ns(p, taskc, binding) : used, scaled;
	struct pvs_cpu_ctx *cpuc = cpu_ctx(task_cpu(p));

	if (!cpuc)
		return 0;
	cpuc->used_ns += used;
	taskc->charged_exec_ns += used;
	if (binding)
		taskc->charged_urgent_ns = urgent_ns(binding);
	if (ordinary) {
		taskc->weight = effective_weight(p, taskc,
						 is_grant_urgent(grant) ? 0 : grant);
		if (taskc->boot_boost_until)
			use_boot_boost(p, taskc, ordinary);
		scaled = pvs_scale_by_weight(ordinary, taskc->weight);
		pvs_vtime_charge(&taskc->vt, scaled);
		/*
		 * At most real time: a light task that runs alone would advance
		 * the virtual time far ahead of all tasks queued elsewhere.
		 */
		cpuc->unpublished_vtime += scaled < ordinary ? scaled : ordinary;
		if (cpuc->unpublished_vtime >= pvs_param_slice_min)
			publish_vtime(taskc, cpuc, is_requeued);
		if (!is_grant_urgent(grant))
			count_ordinary_time(p, cpuc, ordinary);
	}
	if (!has_quota(p, taskc)) {
		taskc->bw_throttled_until = 0;
		return 0;
	}
	taskc->bw_throttled_until = charge_cgroups(p, used);
	return taskc->bw_throttled_until;
}
