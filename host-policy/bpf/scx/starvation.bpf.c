// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 The pvsched authors */
/*
 * The starvation guard. Urgent vCPUs always run before ordinary tasks. The guard
 * gives ordinary tasks starvation-share of a CPU in each starvation-time.
 */

/* Starts a period of the guard: urgent vCPUs hold the CPU from now on. */
static __always_inline void start_urgent_period(struct pvs_cpu_ctx *cpuc, __u64 now)
{
	cpuc->urgent_since = now;
	cpuc->ordinary_ns = 0;
}

/*
 * Ends the period if prev, which still has the CPU and is not charged yet, has
 * completed the share of ordinary tasks.
 */
static __noinline int end_period_by_uncharged(struct task_struct *prev)
{
	struct pvs_cpu_ctx *cpuc = cpu_ctx(task_cpu(prev));
	struct pvs_task_ctx *taskc = task_ctx(prev);
	struct pvs_vcpu_binding *binding = vcpu_binding(prev, taskc);

	if (!cpuc || !taskc || is_pinned_kthread(prev) || (binding && is_grant_urgent(current_grant(binding))))
		return 0;
	if (cpuc->ordinary_ns + uncharged_ns(prev, taskc, binding) >=
	    pvs_param_starvation_share)
		cpuc->urgent_since = 0;
	return 0;
}

/*
 * Whether the guard acts: urgent vCPUs have held the CPU for starvation-time and
 * other tasks are queued. Restarts the period if no task is queued.
 */
static __always_inline bool claim_starvation_turn(struct pvs_cpu_ctx *cpuc, __s32 cpu, __u64 now)
{
	if (!cpuc->urgent_since || now - cpuc->urgent_since < pvs_param_starvation_time)
		return false;
	if (scx_bpf_dsq_nr_queued(PVS_CPU_DSQ(cpu)) ||
	    scx_bpf_dsq_nr_queued(PVS_LLC_DSQ(llc_of(cpu))) ||
	    has_urgent_queued(llc_of(cpu)) || is_unthrottle_due())
		return true;
	start_urgent_period(cpuc, now);
	return false;
}

/*
 * Consumes a starving task: an ordinary task, now and then the tail of the
 * LLC's queue. After it, or if there is none, the tail of the urgent DSQ, which
 * more urgent vCPUs could pass for ever.
 */
static __noinline bool consume_starving(struct pvs_cpu_ctx *cpuc, __s32 cpu)
{
	if (!cpuc)
		return false;
	cpuc->starvation_turn = (cpuc->starvation_turn + 1) % pvs_param_starvation_tail_every;
	if (consume_unthrottled(cpu) ||
	    (!cpuc->starvation_turn && consume_tail(cpu, PVS_LLC_DSQ(llc_of(cpu)), 0)) ||
	    consume_ordinary(cpu, NULL)) {
		cpuc->is_urgent_tail_due = has_urgent_queued(llc_of(cpu));
		return true;
	}
	return consume_tail(cpu, PVS_URGENT_DSQ(llc_of(cpu)), 0);
}

/* Lets a starving task run, if there is one, guarded from urgent vCPUs. */
static __noinline bool dispatch_starving(struct pvs_cpu_ctx *cpuc, __s32 cpu)
{
	__u64 now = sched_now();

	if (!cpuc || !claim_starvation_turn(cpuc, cpu, now) || !consume_starving(cpuc, cpu))
		return false;
	/* If it was the tail of the urgent DSQ, the next turn is as far away. */
	start_urgent_period(cpuc, now);
	/* Else the vCPU that has just lost the CPU would preempt it again. */
	cpuc->guarded_until = now + pvs_param_starvation_share;
	cpuc->counts.starved++;
	return true;
}

/*
 * Consumes the first vCPU of the LLC's urgent DSQ that is not less urgent than
 * prev and may run here; the tail of the DSQ if that is due.
 */
static __always_inline bool consume_urgent(struct pvs_cpu_ctx *cpuc, __s32 cpu,
					   __u32 prev_urgency)
{
	__u64 dsq = PVS_URGENT_DSQ(llc_of(cpu));

	if (cpuc->is_urgent_tail_due) {
		cpuc->is_urgent_tail_due = 0;
		if (consume_tail(cpu, dsq, 0))
			return true;
	}
	if (!is_urgent(prev_urgency))
		return consume_head(dsq);
	return consume_first(cpu, dsq, urgent_key(prev_urgency, ~0ull), PVS_ELIGIBLE_UP_TO_KEY, 0);
}
