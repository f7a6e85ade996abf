// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 The pvsched authors */
/* Dispatch: the next task of a CPU, or the one that continues; and yield. */

/* The grant of prev, which could continue, as of now; 0: prev is no vCPU. */
static __always_inline __u64 update_prev_grant(struct task_struct *prev,
					       struct pvs_task_ctx *taskc)
{
	struct pvs_vcpu_binding *binding = vcpu_binding(prev, taskc);

	if (!binding)
		return 0;
	return update_grant(prev, binding, PVS_RESCHED);
}

/* Consumes from the LLC's urgent DSQ if its head goes before prev. */
static __noinline bool dispatch_urgent(struct pvs_cpu_ctx *cpuc, __s32 cpu, __u32 prev_urgency,
				       bool is_prev_critical)
{
	__u64 key = 0;
	__u32 urgency;

	if (!cpuc || !dsq_head_key(PVS_URGENT_DSQ(llc_of(cpu)), &key))
		return false;
	/* An equal goes before prev at the end of its slice, except for a critical section. */
	urgency = urgency_of_key(key);
	if (is_prev_critical ? urgency <= prev_urgency : urgency < prev_urgency)
		return false;
	return consume_urgent(cpuc, cpu, prev_urgency + is_prev_critical);
}

/* Consumes the next ordinary task, by yield, throttling and key. */
static __always_inline bool dispatch_ordinary(struct pvs_cpu_ctx *cpuc, struct pvs_llc_ctx *llcc,
					      __s32 cpu, struct task_struct *prev, __s32 yield_to)
{
	if (cpuc->steal_from && consume_marked(cpuc))
		return true;
	if (is_any_throttled() && consume_unthrottled(cpu))
		return true;
	if (yield_to && ((yield_to > 0 && prev &&
			  consume_yielded_to(cpu, yield_to, prev->tgid)) ||
			 consume_ordinary(cpu, NULL)))
		return true;
	/* Most often prev sleeps and only the LLC has tasks: their keys do not matter. */
	if (!prev && !cpuc->has_pinned && !cpuc->is_tail_due && !PVS_LOAD(llcc->nr_vcpus) &&
	    consume_head(PVS_LLC_DSQ(llc_of(cpu))))
		return true;
	return consume_ordinary(cpu, prev);
}

/* Lets prev continue, unless a better CPU is idle: without a slice, enqueue() moves it there. */
static __always_inline void continue_prev(struct task_struct *prev, __s32 cpu, __u64 slice)
{
	if (!has_better_cpu(prev, cpu))
		set_slice(prev, slice);
}

static __always_inline void continue_urgent(struct task_struct *prev, struct pvs_cpu_ctx *cpuc,
					    __s32 cpu, bool is_critical)
{
	if (is_critical)
		cpuc->counts.critical_kept++;
	else
		cpuc->counts.kept++;
	continue_prev(prev, cpu, is_critical ? pvs_param_critical_slice : pvs_param_urgent_slice);
}

/* No task wants the CPU. `was_held`: it idled already, so update_idle() does not count it. */
static __always_inline void go_idle(struct pvs_cpu_ctx *cpuc, __s32 cpu, bool was_held)
{
	cpuc->urgent_since = 0;
	if (was_held)
		set_idle(cpuc, cpu, true);
	/* Re-enqueued tasks arrive after this callback returns. */
	if (reenqueue_rt_preempted(0))
		scx_bpf_kick_cpu(cpu, 0);
}

SEC("struct_ops/pvs_dispatch")
void BPF_PROG(pvs_dispatch, __s32 cpu, struct task_struct *prev)
{
	struct pvs_llc_ctx *llcc = llc_ctx(llc_of(cpu));
	struct pvs_cpu_ctx *cpuc = cpu_ctx(cpu);
	struct pvs_task_ctx *taskc = NULL;
	bool is_critical = false, was_held = false;
	__u32 urgency = 0;
	__s32 yield_to;
	__u64 grant;

	if (!cpuc || !llcc)
		return;
	if (prev && cpuc->urgent_since)
		end_period_by_uncharged(prev);
	/* prev sleeps or exits. */
	if (prev && !is_on_rq(prev))
		prev = NULL;
	if (prev) {
		taskc = task_ctx(prev);
		grant = update_prev_grant(prev, taskc);
		urgency = urgency_of(prev, grant);
		is_critical = pvsched_word_flags(grant) & PVSCHED_GRANT_CRITICAL;
	}
	yield_to = cpuc->yield_to;
	cpuc->yield_to = 0;
	cpuc->shared_since = 0;
	if (can_hold_cores()) {
		was_held = cpuc->is_held;
		cpuc->is_held = 0;
	}
	if (cpuc->pull_pid && dispatch_pulled(cpuc, cpu, urgency))
		return;
	if (cpuc->urgent_since && dispatch_starving(cpuc, cpu))
		return;
	if (PVS_LOAD(llcc->nr_urgent) && dispatch_urgent(cpuc, cpu, urgency, is_critical))
		return;
	/* A vCPU that claimed this CPU runs elsewhere, or is less urgent than prev. */
	cpuc->curr_urgency = urgency;
	if (prev && taskc && taskc->bw_throttled_until &&
	    is_bw_throttled(taskc, bpf_ktime_get_ns())) {
		prev = NULL;
	} else if (prev && is_urgent(urgency) && !yield_to) {
		continue_urgent(prev, cpuc, cpu, is_critical);
		return;
	}
	if (is_held(cpuc, cpu, 0) && dispatch_held(cpuc, cpu, prev, taskc ? taskc->cosched_vm : 0))
		return;
	if (dispatch_ordinary(cpuc, llcc, cpu, prev, yield_to))
		return;
	if (prev)
		continue_prev(prev, cpu,
			      pvs_slice_for(pvs_nr_queued_avg_round(cpuc->nr_queued_avg)));
	else
		go_idle(cpuc, cpu, was_held);
}

/*
 * sched_yield() lets the next task run once. With `to`, a vCPU spins for a vCPU
 * that does not run, as KVM sees by its pauses or its guest says by a hypercall.
 */
SEC("struct_ops/pvs_yield")
bool BPF_PROG(pvs_yield, struct task_struct *from, struct task_struct *to)
{
	struct pvs_cpu_ctx *cpuc = cpu_ctx(task_cpu(from));

	if (!cpuc)
		return false;
	if (!to) {
		cpuc->yield_to = -1;
	} else {
		if (!is_on_rq(to) || scx_bpf_task_running(to))
			return false;
		cpuc->yield_to = to->pid;
	}
	set_slice(from, 0);
	return true;
}
