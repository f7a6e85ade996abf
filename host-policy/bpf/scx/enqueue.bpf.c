// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 The pvsched authors */
/* Wake-up and enqueue: the CPU for a task that becomes runnable, or its DSQ. */

/*
 * The task wakes up, or is new. Its vruntime and, for a vCPU, its grant are
 * updated before it gets a CPU or a DSQ. Returns the grant.
 */
static __always_inline __u64 prepare_wakeup(struct task_struct *p, struct pvs_task_ctx *taskc,
					    struct pvs_vcpu_binding *binding, __u64 now)
{
	struct pvs_cpu_ctx *cpuc;
	struct pvs_slot *slot;
	__u64 *vtime_now;
	__u32 nr_queued;

	if (!taskc)
		return 0;
	cpuc = cpu_ctx(task_cpu(p));
	vtime_now = join_clock(p, taskc, task_cpu(p));
	if (!vtime_now || !cpuc)
		return 0;
	nr_queued = pvs_nr_queued_avg_round(cpuc->nr_queued_avg);
	taskc->is_awake = 1;
	taskc->boot_boost_until = 0;
	if (is_boot_boost_likely(taskc))
		taskc->boot_boost_until = boot_boost_until(p, taskc, bpf_ktime_get_ns());
	if (taskc->boot_boost_until) {
		/* The full credit of a sleeper. */
		taskc->vt.wakeup_rate = pvs_param_wakeups_full_credit;
		nr_queued = 0;
		count(boot_boosted);
	}
	pvs_vtime_wake(&taskc->vt, p->scx.weight, *vtime_now, now, nr_queued);
	if (!binding)
		return 0;
	slot = slot_of(binding);
	if (slot)
		slot->woken_at = bpf_ktime_get_ns();
	return update_grant(p, binding, PVS_WAKE);
}

/*
 * Inserts an ordinary task into its CPU's DSQ if it is pinned, else its LLC's.
 * prepare_wakeup() has placed a task that wakes up.
 */
static __always_inline int insert_ordinary(struct task_struct *p, struct pvs_task_ctx *taskc,
					   __s32 cpu, __u64 now, __u64 enq_flags)
{
	bool is_placed = enq_flags & PVS_SCX(scx_enq_flags, SCX_ENQ_WAKEUP);
	struct pvs_cpu_ctx *cpuc = cpu_ctx(cpu);
	__u32 llc = llc_of(cpu), nr_queued;
	struct pvs_llc_ctx *llcc = llc_ctx(llc);
	__u64 *vtime_now, dsq;

	if (!taskc || !cpuc || !llcc)
		return 0;
	nr_queued = pvs_nr_queued_avg_round(cpuc->nr_queued_avg);
	cpuc->counts.queued++;
	vtime_now = is_placed ? NULL : join_clock(p, taskc, cpu);
	if (vtime_now)
		pvs_vtime_clamp(&taskc->vt, *vtime_now, nr_queued);
	if (taskc->clock >= PVS_CLOCK_CPU) {
		dsq = PVS_CPU_DSQ(cpu);
		cpuc->has_pinned = 1;
	} else {
		dsq = PVS_LLC_DSQ(llc);
		/* Before the look for an idle CPU: see pvs_update_idle(). A full barrier. */
		__sync_lock_test_and_set(&llcc->queued_at, now);
	}
	dsq_insert_vtime(p, dsq, pvs_slice_for(nr_queued),
			 pvs_vtime_dsq_key(&taskc->vt, nr_queued), enq_flags);
	return 0;
}

/*
 * Whether the task that wakes up may share the slice of the task that wakes it:
 * both use the CPU for a short time only, and the waker has this CPU. Then the
 * task goes to the local DSQ, and runs when the waker sleeps. As the kernel calls
 * dispatch() only if the local DSQ is empty, this ends after slice-min.
 */
static __noinline bool shares_slice(struct pvs_task_ctx *taskc, struct pvs_cpu_ctx *cpuc,
				    __s32 cpu, __u64 now)
{
	struct pvs_task_ctx *waker;

	if (!taskc || !cpuc)
		return false;
	if (!taskc->is_short || cpu != (__s32)bpf_get_smp_processor_id() ||
	    is_urgent(cpuc->curr_urgency) || cpuc->is_rt_running || cpuc->pull_pid ||
	    (cpuc->shared_since && now - cpuc->shared_since >= pvs_param_slice_min))
		return false;
	waker = task_ctx((void *)bpf_get_current_task_btf());
	if (!waker || !waker->is_short || is_local_queued(cpu))
		return false;
	if (!cpuc->shared_since)
		cpuc->shared_since = now;
	return true;
}

/*
 * A vCPU that wakes up has an interrupt to handle, so it preempts a task of its LLC
 * with a later deadline, first on its last CPU. It goes to that CPU's local DSQ: in
 * the LLC's DSQ any other CPU could take it. Returns the CPU; -1: there is none. Other
 * ordinary tasks wait for the end of a slice.
 */
static __noinline __s32 dispatch_to_victim(struct task_struct *p, struct pvs_task_ctx *taskc,
					   __u64 grant, bool is_select, __u64 flags)
{
	__s32 cpu = claim_victim_cpu(p, taskc, urgency_of(p, grant), sched_now());
	struct pvs_cpu_ctx *cpuc = cpu_ctx(cpu);

	if (cpu < 0 || !cpuc)
		return -1;
	count(preempted);
	dsq_insert(p, is_select ? PVS_DSQ_LOCAL :
				  PVS_SCX(scx_dsq_id_flags, SCX_DSQ_LOCAL_ON) | (__u32)cpu,
		   pvs_slice_for(pvs_nr_queued_avg_round(cpuc->nr_queued_avg)),
		   (is_select ? 0 : flags) | PVS_SCX(scx_enq_flags, SCX_ENQ_PREEMPT));
	return cpu;
}

/*
 * Sends an urgent vCPU to the local DSQ of a CPU that runs it at once: an idle CPU
 * of its node, a victim, or an idle CPU elsewhere. Returns the CPU; -1: there is
 * none. In select_cpu() the kernel wakes the task on the CPU that is returned; in
 * enqueue() it moves the task there.
 */
static __noinline __s32 dispatch_to_urgent_cpu(struct task_struct *p, struct pvs_task_ctx *taskc,
					       __u64 grant, bool is_select, __u64 flags)
{
	__u32 urgency = urgency_of(p, grant), llc = llc_of(task_cpu(p));
	struct pvs_cpu_ctx *cpuc;
	__u64 preempt = 0;
	__s32 cpu = -1;

	/* Kernels before 6.19 allow the kernel's own order in select_cpu() only. */
	if (any_cpu_idle(llc))
		cpu = is_select ? claim_idle_cpu_near(p, task_cpu(p), flags, true) :
				  claim_idle_cpu(p, node_of_llc(llc));
	if (cpu < 0) {
		cpu = claim_victim_cpu(p, taskc, urgency, sched_now());
		preempt = PVS_SCX(scx_enq_flags, SCX_ENQ_PREEMPT);
	}
	if (cpu < 0 && is_select && pvs_topology.nr_nodes > 1) {
		cpu = claim_idle_cpu_near(p, task_cpu(p), flags, false);
		preempt = 0;
	}
	cpuc = cpu_ctx(cpu);
	if (cpu < 0 || !cpuc)
		return -1;
	/* An RT task that takes the CPU first sends the vCPU on. */
	cpuc->curr_urgency = urgency;
	if (preempt)
		count(preempted);
	else
		count(urgent_idle);
	/*
	 * IMMED, from 7.1 on: if an RT task holds the CPU, enqueue() is called again;
	 * also if another task is in the local DSQ, which PREEMPT would precede.
	 */
	if (bpf_core_enum_value_exists(enum scx_enq_flags, SCX_ENQ_IMMED) && !is_local_queued(cpu))
		preempt |= PVS_SCX(scx_enq_flags, SCX_ENQ_IMMED);
	dsq_insert(p, is_select ? PVS_DSQ_LOCAL :
				  PVS_SCX(scx_dsq_id_flags, SCX_DSQ_LOCAL_ON) | (__u32)cpu,
		   pvs_param_urgent_slice, (is_select ? 0 : flags) | preempt);
	return cpu;
}

/* Inserts an urgent vCPU into its LLC's urgent DSQ, as no CPU runs it at once. */
static __noinline int queue_urgent(struct task_struct *p, struct pvs_task_ctx *taskc,
				   __u32 urgency, __u64 enq_flags)
{
	__u32 llc = llc_of(task_cpu(p));
	struct pvs_llc_ctx *llcc = llc_ctx(llc);
	__u64 now = sched_now();
	__s32 idle;

	if (!taskc || !llcc)
		return 0;
	count_waiting(taskc, llc, PVS_WAITING_URGENT);
	__sync_lock_test_and_set(&llcc->queued_at, now);
	dsq_insert_vtime(p, PVS_URGENT_DSQ(llc), pvs_param_urgent_slice,
			 urgent_key(urgency, now), enq_flags);
	count(urgent_queued);
	/* A CPU may have gone idle since the search. */
	idle = any_cpu_idle(llc) ? claim_idle_cpu(p, node_of_llc(llc)) : -1;
	if (idle >= 0)
		kick_idle(idle);
	return 0;
}

/* Whether the task may wait in a DSQ of the CPU. Its mask has offline CPUs, too. */
static __always_inline bool may_queue_at(struct task_struct *p, __s32 cpu)
{
	struct pvs_cpu_ctx *cpuc = cpu_ctx(cpu);

	return cpuc && !cpuc->is_offline && bpf_cpumask_test_cpu(cpu, p->cpus_ptr);
}

/*
 * The choice of an idle CPU is the kernel's: the last CPU if its whole core is
 * idle, else an idle core of its LLC, then its node. A task that only wakes up
 * does not leave its node.
 *
 * A task that gets no CPU is inserted into its DSQ here, which spares enqueue().
 */
SEC("struct_ops/pvs_select_cpu")
__s32 BPF_PROG(pvs_select_cpu, struct task_struct *p, __s32 prev_cpu,
	       __u64 wake_flags)
{
	struct pvs_task_ctx *taskc = task_ctx(p);
	struct pvs_vcpu_binding *binding = vcpu_binding(p, taskc);
	bool is_new = wake_flags & PVS_SCX(scx_wake_flags, SCX_WAKE_FORK);
	struct pvs_cpu_ctx *cpuc = cpu_ctx(prev_cpu);
	__u64 now = sched_now(), grant;
	__s32 cpu;

	grant = prepare_wakeup(p, taskc, binding, now);
	if (!taskc || refill_bandwidth(p, taskc))
		return prev_cpu;
	if (binding && is_grant_urgent(grant)) {
		cpu = dispatch_to_urgent_cpu(p, taskc, grant, true, wake_flags);
		if (cpu >= 0)
			return cpu;
		if (may_queue_at(p, prev_cpu))
			queue_urgent(p, taskc, urgency_of(p, grant), 0);
		return prev_cpu;
	}
	/* The other CPU of its core is held for a vCPU of its own VM. */
	if (binding && can_hold_cores() && cpuc && PVS_LOAD(cpuc->is_held) &&
	    !is_held(cpuc, prev_cpu, binding->vm + 1) && may_queue_at(p, prev_cpu)) {
		dsq_insert(p, PVS_DSQ_LOCAL, pvs_param_slice_max, 0);
		return prev_cpu;
	}
	if (any_cpu_idle(llc_of(prev_cpu)) || (is_new && pvs_topology.nr_nodes > 1)) {
		cpu = claim_idle_cpu_near(p, prev_cpu, wake_flags, !is_new);
		if (cpu >= 0) {
			dsq_insert(p, PVS_DSQ_LOCAL, pvs_param_slice_max, 0);
			count(idle);
			return cpu;
		}
	}
	if (!binding && cpuc && shares_slice(taskc, cpuc, prev_cpu, now)) {
		dsq_insert(p, PVS_DSQ_LOCAL, pvs_param_slice_min, 0);
		return prev_cpu;
	}
	/* enqueue() knows the CPU that a task gets which cannot use its last one. */
	if (!may_queue_at(p, prev_cpu))
		return prev_cpu;
	if (binding) {
		cpu = dispatch_to_victim(p, taskc, grant, true, 0);
		if (cpu >= 0)
			return cpu;
		count_waiting(taskc, llc_of(prev_cpu), PVS_WAITING_ORDINARY);
	}
	insert_ordinary(p, taskc, prev_cpu, now, PVS_SCX(scx_enq_flags, SCX_ENQ_WAKEUP));
	/* A CPU may have gone idle since. */
	if (any_cpu_idle(llc_of(prev_cpu))) {
		cpu = claim_idle_cpu_near(p, prev_cpu, wake_flags, true);
		if (cpu >= 0)
			kick_idle(cpu);
	}
	return prev_cpu;
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
 * Enqueues an urgent vCPU: to a CPU that runs it at once, or into its LLC's urgent
 * DSQ. The kernel re-enqueues a vCPU that lost its CPU to an RT task, or did not
 * get the CPU that it was sent to; that vCPU waits in the DSQ for the first CPU.
 */
static __noinline int enqueue_urgent(struct task_struct *p, struct pvs_task_ctx *taskc,
				     __u64 grant, __u64 enq_flags)
{
	__u32 urgency = urgency_of(p, grant);
	__s32 cpu;

	if (!(enq_flags & PVS_SCX(scx_enq_flags, SCX_ENQ_REENQ))) {
		if (dispatch_to_urgent_cpu(p, taskc, grant, false, enq_flags) < 0)
			queue_urgent(p, taskc, urgency, enq_flags);
		return 0;
	}
	queue_urgent(p, taskc, urgency, enq_flags);
	cpu = claim_victim_cpu(p, taskc, urgency, sched_now());
	if (cpu >= 0)
		kick_to_preempt(cpu);
	return 0;
}

/* Kicks an idle CPU for a queued task. */
static __always_inline void kick_idle_cpu_for(struct task_struct *p, __s32 cpu)
{
	struct pvs_cpu_ctx *cpuc = cpu_ctx(cpu);
	__s32 idle = -1;

	if (p->nr_cpus_allowed == 1) {
		if (cpuc && cpuc->is_idle && scx_bpf_test_and_clear_cpu_idle(cpu))
			idle = cpu;
	} else if (any_cpu_idle(llc_of(cpu))) {
		idle = claim_idle_cpu(p, node_of(cpu));
	}
	if (idle >= 0)
		kick_idle(idle);
}

SEC("struct_ops/pvs_enqueue")
void BPF_PROG(pvs_enqueue, struct task_struct *p, __u64 enq_flags)
{
	struct pvs_task_ctx *taskc = task_ctx(p);
	struct pvs_vcpu_binding *binding = vcpu_binding(p, taskc);
	bool is_wakeup = taskc && !taskc->is_awake, is_last;
	__u64 now = sched_now(), until, grant = 0;
	__s32 cpu = task_cpu(p);
	struct pvs_cpu_ctx *cpuc = cpu_ctx(cpu);

	/* A task with one CPU skips select_cpu(). */
	if (is_wakeup)
		prepare_wakeup(p, taskc, binding, now);
	until = refill_bandwidth(p, taskc);
	if (until) {
		throttle_task(p, until, enq_flags);
		return;
	}
	/* SCX_ENQ_LAST: no other task wants the CPU. */
	is_last = enq_flags & PVS_SCX(scx_enq_flags, SCX_ENQ_LAST);
	if (is_last && enqueue_on_better_cpu(p, binding, cpu, enq_flags))
		return;
	if (!taskc || (is_last && !(cpuc && is_held(cpuc, cpu, 0)))) {
		dsq_insert(p, PVS_DSQ_LOCAL, pvs_param_slice_min, enq_flags);
		/* Older kernels do not reschedule by themselves. */
		if (is_last)
			scx_bpf_kick_cpu(cpu, 0);
		return;
	}
	if (binding) {
		grant = current_grant(binding);
		if (is_grant_urgent(grant)) {
			enqueue_urgent(p, taskc, grant, enq_flags);
			return;
		}
	}
	if (is_pinned_kthread(p) && enqueue_kthread(p, is_wakeup, enq_flags))
		return;
	if (is_wakeup && !binding && cpuc && shares_slice(taskc, cpuc, cpu, now)) {
		dsq_insert(p, PVS_DSQ_LOCAL, pvs_param_slice_min, enq_flags);
		return;
	}
	if (binding) {
		if (is_wakeup && !any_cpu_idle(llc_of(cpu)) &&
		    dispatch_to_victim(p, taskc, grant, false, enq_flags) >= 0)
			return;
		count_waiting(taskc, llc_of(cpu), PVS_WAITING_ORDINARY);
	}
	insert_ordinary(p, taskc, cpu, now, enq_flags);
	kick_idle_cpu_for(p, cpu);
}
