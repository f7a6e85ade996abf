// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 The pvsched authors */
/* A task gets a CPU, runs at a tick, and leaves the CPU. */

/* Kicks an idle CPU for the DSQ's head. Lockless where the kernel has a peek. */
static __noinline int kick_idle_cpu_for_head(__u64 dsq)
{
	struct bpf_iter_scx_dsq it;
	__s32 idle;

	if (bpf_ksym_exists(scx_bpf_dsq_peek)) {
		idle = claim_idle_cpu(scx_bpf_dsq_peek(dsq));
	} else {
		if (!scx_bpf_dsq_nr_queued(dsq))
			return 0;
		bpf_iter_scx_dsq_new(&it, dsq, 0);
		idle = claim_idle_cpu(bpf_iter_scx_dsq_next(&it));
		bpf_iter_scx_dsq_destroy(&it);
	}
	if (idle >= 0)
		kick_idle(idle);
	return 0;
}

/* A task gets the CPU. */
SEC("struct_ops/pvs_running")
void BPF_PROG(pvs_running, struct task_struct *p)
{
	__s32 cpu = task_cpu(p);
	struct pvs_task_ctx *taskc = task_ctx(p);
	struct pvs_vcpu_binding *binding = vcpu_binding(p, taskc);
	struct pvs_cpu_ctx *cpuc = cpu_ctx(cpu);
	__u64 *vtime_now = vtime_of(p, cpu);
	__u32 urgency = urgency_of(0);
	struct pvs_slot *slot;

	if (!taskc || !cpuc || !vtime_now)
		return;
	taskc->charged_exec_ns = p->se.sum_exec_runtime;
	/* A change of a task's parameters stops it as a sleep does. */
	taskc->is_awake = 1;
	if (binding) {
		slot = slot_of(binding);
		if (slot && slot->vcpu.injected)
			pvs_restart_irq_hold(&slot->vcpu, bpf_ktime_get_ns());
		taskc->charged_urgent_ns = urgent_ns(binding);
		urgency = urgency_of(current_grant(binding));
		count_wakeup(binding);
		on_switch(binding, 0);
		count_running_vcpu(taskc, binding);
	}
	/* The task may come from a queue whose virtual time is ahead. */
	if (!is_urgent(urgency))
		pvs_vtime_clamp(&taskc->vt, *vtime_now, 0);
	cpuc->curr_urgency = urgency;
	cpuc->curr_deadline = pvs_vtime_deadline(&taskc->vt);
	cpuc->is_rt_running = 0;
	if (cpuc->rt_preempted_at)
		end_rt_preemption(cpuc, cpu, urgency);
	/* Other tasks of its cgroup may have used up the quota meanwhile. */
	taskc->bw_throttled_until = refill_bandwidth(p);
	if (taskc->bw_throttled_until)
		kick_to_preempt(cpu);
	if (is_urgent(urgency)) {
		if (!cpuc->urgent_since)
			start_urgent_period(cpuc, bpf_ktime_get_ns());
		return;
	}
	if (pvs_before(*vtime_now, taskc->vt.vruntime))
		*vtime_now = taskc->vt.vruntime;
}

SEC("struct_ops/pvs_tick")
void BPF_PROG(pvs_tick, struct task_struct *p)
{
	__s32 cpu = task_cpu(p);
	struct pvs_cpu_ctx *cpuc = cpu_ctx(cpu);
	struct pvs_task_ctx *taskc = task_ctx(p);
	struct pvs_vcpu_binding *binding = vcpu_binding(p, taskc);
	__u64 now = bpf_ktime_get_ns(), old_grant = 0;
	__u32 urgency = 0;

	if (!cpuc)
		return;
	cpuc->nr_queued_avg = pvs_nr_queued_avg_add(cpuc->nr_queued_avg,
						    nr_queued_per_cpu(cpu));
	/* A CPU may have gone idle while a task was on its way into a DSQ. */
	if (any_cpu_idle()) {
		kick_idle_cpu_for_head(PVS_URGENT_DSQ);
		kick_idle_cpu_for_head(PVS_NODE_DSQ(node_of(cpu)));
	}
	reenqueue_rt_preempted(pvs_param_rt_reenq_delay);
	if (binding) {
		old_grant = current_grant(binding);
		urgency = urgency_of(update_grant(p, binding, PVS_TICK));
		cpuc->curr_urgency = urgency;
	}
	if (pvs_nr_limited_cgroups && charge(p, taskc, binding, old_grant)) {
		set_slice(p, 0);
		return;
	}
	if (is_urgent(urgency)) {
		/* The vCPU may have become urgent at this tick. */
		if (!cpuc->urgent_since)
			start_urgent_period(cpuc, now);
		if (claim_starvation_turn(cpuc, cpu, now))
			set_slice(p, 0);
		return;
	}
	if (now < cpuc->guarded_until)
		return;
	/* Its boost has ended, or a vCPU is queued that is, or may be, more urgent. */
	if (is_urgent(urgency_of(old_grant)) || cpuc->pull_from ||
	    (pvs_binds && scx_bpf_dsq_nr_queued(PVS_URGENT_DSQ)))
		set_slice(p, 0);
}

/*
 * The task leaves the CPU. A vCPU that sleeps halts, or waits for its VMM: an
 * interrupt or an answer will wake it, and is news for its guest.
 */
SEC("struct_ops/pvs_stopping")
void BPF_PROG(pvs_stopping, struct task_struct *p, bool runnable)
{
	struct pvs_task_ctx *taskc = task_ctx(p);
	struct pvs_vcpu_binding *binding = vcpu_binding(p, taskc);
	__u64 grant = 0;

	if (!taskc)
		return;
	if (binding) {
		grant = current_grant(binding);
		update_grant(p, binding, runnable ? PVS_PREEMPT : PVS_HALT);
		on_switch(binding, runnable ? PVSCHED_GRANT_PREEMPTED :
					      PVSCHED_GRANT_HALTED);
	}
	charge(p, taskc, binding, grant);
	uncount_running_vcpu(taskc);
	if (runnable)
		return;
	taskc->is_awake = 0;
	pvs_vtime_sleep(&taskc->vt, bpf_ktime_get_ns());
}
