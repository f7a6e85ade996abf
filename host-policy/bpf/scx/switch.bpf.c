// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 The pvsched authors */
/* A task gets a CPU, runs at a tick, and leaves the CPU. */

/* A task gets the CPU, on a host with vCPUs or quotas. */
static __noinline int start_task(struct task_struct *p, struct pvs_cpu_ctx *cpuc)
{
	struct pvs_task_ctx *taskc = task_ctx(p);
	struct pvs_vcpu_binding *binding = vcpu_binding(p, taskc);
	struct pvs_slot *slot;
	__u64 *vtime_now;
	__u64 grant = 0;

	if (!taskc || !cpuc)
		return 0;
	if (binding) {
		slot = slot_of(binding);
		if (slot && slot->vcpu.injected)
			pvs_restart_irq_hold(&slot->vcpu, bpf_ktime_get_ns());
		taskc->charged_urgent_ns = urgent_ns(binding);
		grant = current_grant(binding);
		count_wakeup(binding);
		on_switch(binding, 0);
		count_running_vcpu(taskc, binding);
		uncount_waiting(taskc);
		cpuc->curr_urgency = urgency_of(p, grant);
		if (can_hold_cores())
			cpuc->curr_vm = binding->vm + 1;
	}
	if (is_urgent(cpuc->curr_urgency) && !cpuc->urgent_since)
		start_urgent_period(cpuc, sched_now());
	vtime_now = vtime_of(taskc->clock);
	if (vtime_now)
		cpuc->curr_lead = (__s64)(pvs_vtime_deadline(&taskc->vt) - *vtime_now);
	/* Other tasks of its cgroup may have used up the quota meanwhile. */
	taskc->bw_throttled_until = refill_bandwidth(p, taskc);
	if (taskc->bw_throttled_until)
		kick_to_preempt(task_cpu(p));
	return 0;
}

/* A task gets the CPU. */
SEC("struct_ops/pvs_running")
void BPF_PROG(pvs_running, struct task_struct *p)
{
	__s32 cpu = task_cpu(p);
	struct pvs_cpu_ctx *cpuc = cpu_ctx(cpu);

	if (!cpuc)
		return;
	cpuc->curr_urgency = own_urgency(p);
	cpuc->is_rt_running = 0;
	if (cpuc->is_idle)
		set_idle(cpuc, cpu, false);
	if (can_hold_cores()) {
		cpuc->is_held = 0;
		cpuc->curr_vm = 0;
	}
	if (PVS_LOAD(pvs_binds) || PVS_LOAD(pvs_quota_generation))
		start_task(p, cpuc);
	if (can_hold_cores())
		update_hold(cpuc, cpu);
	if (cpuc->rt_preempted_at)
		end_rt_preemption(cpuc, cpu, cpuc->curr_urgency);
}

/* Charges a running task with a quota, so that it is throttled at a tick. */
static __noinline __u64 charge_at_tick(struct task_struct *p, struct pvs_task_ctx *taskc,
				       struct pvs_vcpu_binding *binding, __u64 grant)
{
	return taskc ? charge(p, taskc, binding, grant, false) : 0;
}

/* The part of a tick that is every CPU's; returns whether the task must leave the CPU. */
static __noinline bool tick_cpu(struct task_struct *p, struct pvs_task_ctx *taskc,
				struct pvs_cpu_ctx *cpuc, __s32 cpu, __u64 now)
{
	if (!taskc || !cpuc)
		return false;
	cpuc->nr_queued_avg = pvs_nr_queued_avg_add(cpuc->nr_queued_avg,
						    nr_queued_per_cpu(llc_of(cpu)));
	if (now - cpuc->tail_checked_at >= pvs_param_tail_interval) {
		cpuc->tail_checked_at = now;
		cpuc->is_tail_due = 1;
	}
	update_cpuperf(cpuc, cpu, now, p->se.sum_exec_runtime - taskc->charged_exec_ns);
	reenqueue_rt_preempted(pvs_param_rt_reenq_delay);
	return balance(cpuc, cpu, now);
}

SEC("struct_ops/pvs_tick")
void BPF_PROG(pvs_tick, struct task_struct *p)
{
	__s32 cpu = task_cpu(p);
	struct pvs_cpu_ctx *cpuc = cpu_ctx(cpu);
	struct pvs_task_ctx *taskc = task_ctx(p);
	struct pvs_vcpu_binding *binding = vcpu_binding(p, taskc);
	__u64 now = sched_now(), old_grant = 0;
	bool is_preempted;
	__u32 urgency;

	if (!cpuc || !taskc)
		return;
	is_preempted = tick_cpu(p, taskc, cpuc, cpu, now);
	urgency = own_urgency(p);
	if (binding) {
		old_grant = current_grant(binding);
		urgency = urgency_of(p, update_grant(p, binding, PVS_TICK));
		cpuc->curr_urgency = urgency;
		if (can_hold_cores())
			update_hold(cpuc, cpu);
	}
	if (has_quota(p, taskc) && charge_at_tick(p, taskc, binding, old_grant)) {
		set_slice(p, 0);
		return;
	}
	if (is_urgent(urgency)) {
		/* The vCPU may have become urgent at this tick. */
		if (!cpuc->urgent_since)
			start_urgent_period(cpuc, now);
		if (claim_starvation_turn(cpuc, cpu, now))
			set_slice(p, 0);
		if (can_hold_cores())
			tick_holder(cpuc, cpu, now);
		return;
	}
	if (now < cpuc->guarded_until)
		return;
	/* Its boost has ended, a vCPU is queued that is, or may be, more urgent, or the CPU is held. */
	if (is_preempted || is_grant_urgent(old_grant) || cpuc->pull_pid ||
	    has_urgent_queued(llc_of(cpu)) || is_held(cpuc, cpu, taskc->cosched_vm))
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
		after_leave(p, binding, !runnable);
	}
	charge(p, taskc, binding, grant, runnable);
	uncount_running_vcpu(taskc);
	/* A change of a task's parameters stops it as a sleep does. */
	if (runnable || !p->__state)
		return;
	taskc->is_awake = 0;
	taskc->is_short = taskc->vt.awake_vruntime < pvs_param_short_burst;
	pvs_vtime_sleep(&taskc->vt, sched_now());
}
