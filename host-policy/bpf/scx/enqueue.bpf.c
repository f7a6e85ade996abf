// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 The pvsched authors */
/* Wake-up and enqueue: the CPU for a task that becomes runnable, or its DSQ. */

/*
 * The task wakes up, or is new. Its vruntime and, for a vCPU, its grant are
 * updated before it gets a CPU or a DSQ.
 */
static __noinline int prepare_wakeup(struct task_struct *p, struct pvs_task_ctx *taskc)
{
	struct pvs_vcpu_binding *binding;
	struct pvs_cpu_ctx *cpuc;
	__u64 now, *vtime_now;
	struct pvs_slot *slot;
	__u32 nr_queued;
	__s32 cpu;

	if (!taskc)
		return 0;
	cpu = task_cpu(p);
	vtime_now = vtime_of(p, cpu);
	cpuc = cpu_ctx(cpu);
	if (!vtime_now || !cpuc)
		return 0;
	now = bpf_ktime_get_ns();
	nr_queued = pvs_nr_queued_avg_round(cpuc->nr_queued_avg);
	taskc->is_awake = 1;
	taskc->boot_boost_until = boot_boost_until(p, now);
	if (taskc->boot_boost_until) {
		/* The full credit of a sleeper. */
		taskc->vt.wakeup_rate = pvs_param_wakeups_full_credit;
		nr_queued = 0;
		count(&cpuc->counts.boot_boosted);
	}
	pvs_vtime_wake(&taskc->vt, p->scx.weight, *vtime_now, now, nr_queued);
	binding = vcpu_binding(p, taskc);
	if (!binding)
		return 0;
	slot = slot_of(binding);
	if (slot)
		slot->woken_at = now;
	update_grant(p, binding, PVS_WAKE);
	return 0;
}

/*
 * sched_ext's default choice of an idle CPU: the last CPU if its whole core is
 * idle, else an idle core that shares its cache, then its node.
 */
SEC("struct_ops/pvs_select_cpu")
__s32 BPF_PROG(pvs_select_cpu, struct task_struct *p, __s32 prev_cpu,
	       __u64 wake_flags)
{
	struct pvs_cpu_ctx *cpuc;
	bool is_idle = false;
	__s32 cpu;

	prepare_wakeup(p, task_ctx(p));
	if (!any_cpu_idle())
		return prev_cpu;
	cpu = scx_bpf_select_cpu_dfl(p, prev_cpu, wake_flags, &is_idle);
	if (!is_idle || refill_bandwidth(p))
		return cpu;
	dsq_insert(p, PVS_DSQ_LOCAL, pvs_param_slice_max, 0);
	cpuc = cpu_ctx(cpu);
	if (cpuc)
		count(&cpuc->counts.idle);
	return cpu;
}

/*
 * A pinned kernel thread that wakes up goes to its CPU's local DSQ for a short
 * slice, because other tasks wait for its work; then it is an ordinary task.
 * A re-enqueue after RT preemption continues its slice, kthread-reenq-max times.
 */
static __always_inline bool enqueue_kthread(struct task_struct *p, bool is_wakeup,
					    __u64 enq_flags)
{
	__u64 slice = pvs_param_slice_min;

	if (!is_wakeup) {
		if (!(enq_flags & PVS_SCX(scx_enq_flags, SCX_ENQ_REENQ)) ||
		    (bpf_core_field_exists(p->scx.reenq_cnt) &&
		     p->scx.reenq_cnt > pvs_param_kthread_reenq_max))
			return false;
		slice = 0; /* unchanged */
	}
	dsq_insert(p, PVS_DSQ_LOCAL, slice, enq_flags);
	return true;
}

/*
 * Enqueues an urgent vCPU. If the CPU that runs this is the vCPU's last CPU and
 * the victim, as when the vCPU's timer expires here, the vCPU preempts at once.
 * Else it goes into the urgent DSQ, and one CPU is kicked: should an RT task or a hypervisor hold
 * up that CPU, another CPU that dispatches takes the vCPU.
 */
static __noinline int enqueue_urgent(struct task_struct *p, struct pvs_task_ctx *taskc,
				     __u32 urgency, __u64 enq_flags)
{
	struct pvs_cpu_ctx *cpuc = cpu_ctx(task_cpu(p));
	__s32 idle, victim = -1;
	__u64 deadline;

	if (!cpuc || !taskc)
		return 0;
	deadline = pvs_vtime_deadline(&taskc->vt);
	idle = claim_idle_cpu(p);
	if (idle < 0) {
		victim = claim_victim_cpu(p, urgency, deadline);
		if (victim == task_cpu(p) && victim == (__s32)bpf_get_smp_processor_id()) {
			count(&cpuc->counts.preempted);
			dsq_insert(p, PVS_DSQ_LOCAL, pvs_param_urgent_slice,
				   enq_flags | PVS_SCX(scx_enq_flags, SCX_ENQ_PREEMPT));
			return 0;
		}
	}
	dsq_insert_vtime(p, PVS_URGENT_DSQ, pvs_param_urgent_slice,
			 urgent_key(urgency, deadline), enq_flags);
	if (victim >= 0) {
		count(&cpuc->counts.preempted);
		kick_to_preempt(victim);
		return 0;
	}
	/* A CPU may have gone idle since. If one does later, a tick finds the vCPU. */
	if (idle < 0)
		idle = claim_idle_cpu(p);
	if (idle >= 0) {
		count(&cpuc->counts.urgent_idle);
		kick_idle(idle);
		return 0;
	}
	count(&cpuc->counts.urgent_queued);
	return 0;
}

/* Inserts an ordinary task into its CPU's DSQ if it is pinned, else its node's. */
static __always_inline void insert_ordinary(struct task_struct *p,
					    struct pvs_task_ctx *taskc,
					    struct pvs_cpu_ctx *cpuc, __s32 cpu,
					    __u64 enq_flags)
{
	__u32 nr_queued = pvs_nr_queued_avg_round(cpuc->nr_queued_avg);
	__u64 *vtime_now = vtime_of(p, cpu);
	__u64 dsq = PVS_NODE_DSQ(node_of(cpu));

	count(&cpuc->counts.queued);
	if (vtime_now)
		pvs_vtime_clamp(&taskc->vt, *vtime_now, nr_queued);
	if (p->nr_cpus_allowed == 1) {
		dsq = PVS_CPU_DSQ(cpu);
		cpuc->has_pinned = 1;
	}
	dsq_insert_vtime(p, dsq, pvs_slice_for(nr_queued),
			 pvs_vtime_dsq_key(&taskc->vt, nr_queued), enq_flags);
}

/*
 * Kicks an idle CPU for a queued task; returns whether there was one. A CPU that
 * goes idle before the kernel has queued the task misses it; a tick finds it.
 */
static __always_inline bool kick_idle_cpu_for(struct task_struct *p, __s32 cpu)
{
	__s32 idle = -1;

	if (p->nr_cpus_allowed > 1)
		idle = claim_idle_cpu(p);
	else if (scx_bpf_test_and_clear_cpu_idle(cpu))
		idle = cpu;
	if (idle < 0)
		return false;
	kick_idle(idle);
	return true;
}

SEC("struct_ops/pvs_enqueue")
void BPF_PROG(pvs_enqueue, struct task_struct *p, __u64 enq_flags)
{
	struct pvs_task_ctx *taskc = task_ctx(p);
	struct pvs_vcpu_binding *binding = vcpu_binding(p, taskc);
	__s32 cpu = task_cpu(p);
	struct pvs_cpu_ctx *cpuc = cpu_ctx(cpu);
	bool is_wakeup = taskc && !taskc->is_awake;
	__u32 urgency = 0;
	__u64 until;

	/* A task with one CPU skips select_cpu(). */
	if (is_wakeup)
		prepare_wakeup(p, taskc);
	until = refill_bandwidth(p);
	if (until) {
		throttle_task(p, until, enq_flags);
		return;
	}
	/* SCX_ENQ_LAST: no other task wants the CPU. */
	if (!taskc || !cpuc || enq_flags & PVS_SCX(scx_enq_flags, SCX_ENQ_LAST)) {
		dsq_insert(p, PVS_DSQ_LOCAL, pvs_param_slice_min, enq_flags);
		/* Older kernels do not reschedule by themselves. */
		if (enq_flags & PVS_SCX(scx_enq_flags, SCX_ENQ_LAST))
			scx_bpf_kick_cpu(cpu, 0);
		return;
	}
	if (binding) {
		urgency = urgency_of(current_grant(binding));
		if (is_urgent(urgency)) {
			enqueue_urgent(p, taskc, urgency, enq_flags);
			return;
		}
	}
	if (is_pinned_kthread(p) && enqueue_kthread(p, is_wakeup, enq_flags))
		return;
	insert_ordinary(p, taskc, cpuc, cpu, enq_flags);
	if (kick_idle_cpu_for(p, cpu))
		return;
	/*
	 * Ordinary tasks wait for the end of a slice. A vCPU that wakes up has an
	 * interrupt to handle, so it preempts a task with a later deadline.
	 */
	if (!binding || !(enq_flags & PVS_SCX(scx_enq_flags, SCX_ENQ_WAKEUP)))
		return;
	cpu = claim_victim_cpu(p, urgency, pvs_vtime_deadline(&taskc->vt));
	if (cpu < 0)
		return;
	count(&cpuc->counts.preempted);
	kick_to_preempt(cpu);
}
