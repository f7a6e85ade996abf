// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 The pvsched authors */
/*
 * The order of ordinary tasks at dispatch: pinned tasks and the LLC's queue in
 * turns, each by key; the task that could continue competes with both.
 */

static __always_inline __s32 balance_weight(__s32 nr_queued)
{
	return nr_queued < 1			   ? 1 :
	       nr_queued > pvs_param_balance_max ? pvs_param_balance_max :
						   nr_queued;
}

/*
 * Whether it is the turn of the pinned tasks; passes the turn on. They and the
 * LLC's tasks have virtual times of their own, so keys do not compare: both get
 * as many slices as they have tasks for this CPU.
 */
static __noinline bool pick_pinned_turn(struct pvs_cpu_ctx *cpuc, __s32 cpu)
{
	if (!cpuc)
		return false;
	if (cpuc->balance < 0) {
		cpuc->balance += balance_weight(scx_bpf_dsq_nr_queued(PVS_CPU_DSQ(cpu)));
		return false;
	}
	cpuc->balance -= balance_weight(nr_queued_per_cpu(llc_of(cpu)));
	return true;
}

/* The key of the first pinned task; false: there is none. */
static __always_inline bool pinned_head_key(struct pvs_cpu_ctx *cpuc, __s32 cpu, __u64 *key)
{
	/* Reader and writer of the flag hold the lock of this CPU's run queue. */
	cpuc->has_pinned = dsq_head_key(PVS_CPU_DSQ(cpu), key);
	return cpuc->has_pinned;
}

/* Consumes a task of another LLC of the node. */
static __noinline bool consume_in_node(struct pvs_cpu_ctx *cpuc, __u32 own_llc)
{
	__u32 node = node_of_llc(own_llc) & (PVS_MAX_NODES - 1), i, llc;

	if (!cpuc)
		return false;
	bpf_for(i, 0, pvs_topology.node_llcs[node].nr) {
		llc = pvs_topology.node_llcs[node].first + i;
		if (llc == own_llc || !consume_head(PVS_LLC_DSQ(llc)))
			continue;
		cpuc->counts.stolen++;
		return true;
	}
	return false;
}

/* Consumes a pinned task. The flag spares most CPUs the look. */
static __always_inline bool consume_pinned(struct pvs_cpu_ctx *cpuc, __s32 cpu)
{
	/* Reader and writer of the flag hold the lock of this CPU's run queue. */
	cpuc->has_pinned = consume_head(PVS_CPU_DSQ(cpu));
	return cpuc->has_pinned;
}

/*
 * Consumes the tail of the LLC's queue if its key is far in the future. It was
 * queued while the queue was short; later wake-ups could pass it for ever.
 */
static __noinline bool consume_stale_tail(struct pvs_cpu_ctx *cpuc, __s32 cpu)
{
	__u32 llc = llc_of(cpu);
	struct pvs_llc_ctx *llcc = llc_ctx(llc);

	if (!cpuc || !llcc)
		return false;
	cpuc->is_tail_due = 0;
	return consume_tail(cpu, PVS_LLC_DSQ(llc),
			    llcc->vtime_now + pvs_param_tail_lags *
						      pvs_lag_limit(nr_queued_per_cpu(llc)));
}

/* The key that prev would have in a queue now: its slice is not charged yet. */
static __always_inline __u64 key_if_requeued(struct task_struct *prev,
					     struct pvs_task_ctx *taskc,
					     struct pvs_cpu_ctx *cpuc, __s32 cpu)
{
	__u64 used = pvs_scale_by_weight(uncharged_ns(prev, taskc,
						      vcpu_binding(prev, taskc)),
					 taskc->weight);
	__u32 nr_queued = pvs_nr_queued_avg_round(cpuc->nr_queued_avg);
	__u64 *vtime_now = vtime_of(taskc->clock);
	struct pvs_vtime vt = taskc->vt;

	vt.vruntime += used;
	vt.awake_vruntime += used;
	/* Queued tasks were clamped when they were enqueued. */
	if (vtime_now)
		pvs_vtime_clamp(&vt, *vtime_now, nr_queued);
	return pvs_vtime_dsq_key(&vt, nr_queued);
}

/*
 * Consumes the next ordinary task: a pinned task, or one of the LLC, or, if
 * both queues are empty, one of another LLC of the node. With `prev`, the task
 * that could continue, only a task with an earlier key; false: prev continues.
 */
static __noinline bool consume_ordinary(__s32 cpu, struct task_struct *prev)
{
	__u32 llc = llc_of(cpu);
	__u64 llc_dsq = PVS_LLC_DSQ(llc);
	__u64 pinned_key = 0, llc_key = 0, prev_key = 0;
	bool has_pinned, has_llc = true, is_prev_pinned = false;
	struct pvs_cpu_ctx *cpuc = cpu_ctx(cpu);
	struct pvs_llc_ctx *llcc = llc_ctx(llc);
	struct pvs_task_ctx *taskc;
	int coscheduled;

	if (!cpuc || !llcc)
		return false;
	/* Keys matter only if prev competes. */
	has_pinned = cpuc->has_pinned && (!prev || pinned_head_key(cpuc, cpu, &pinned_key));
	if (prev || has_pinned)
		has_llc = dsq_head_key(llc_dsq, &llc_key);
	if (prev) {
		taskc = task_ctx(prev);
		if (!taskc || (!has_pinned && !has_llc))
			return false;
		is_prev_pinned = is_pinned(prev);
		prev_key = key_if_requeued(prev, taskc, cpuc, cpu);
	}
	if ((has_pinned || is_prev_pinned) &&
	    ((!has_llc && !(prev && !is_prev_pinned)) || pick_pinned_turn(cpuc, cpu))) {
		if (is_prev_pinned && (!has_pinned || !pvs_before(pinned_key, prev_key)))
			return false;
		if (has_pinned && consume_pinned(cpuc, cpu))
			return true;
	} else if (prev && !is_prev_pinned &&
		   (!has_llc || !pvs_before(llc_key, prev_key))) {
		return false;
	}
	if (has_llc && !is_prev_pinned && PVS_LOAD(llcc->nr_vcpus)) {
		coscheduled = cosched(cpu, llc_dsq, prev, prev_key);
		if (coscheduled != PVS_COSCHED_NONE)
			return coscheduled == PVS_COSCHED_CONSUMED;
	}
	if (has_llc && ((cpuc->is_tail_due && consume_stale_tail(cpuc, cpu)) ||
			consume_head(llc_dsq)))
		return true;
	/* No task of the LLC may run here. */
	if (has_pinned && consume_pinned(cpuc, cpu))
		return true;
	return !prev && consume_in_node(cpuc, llc);
}

/*
 * Consumes the task that prev yielded to. Between vCPUs of one VMM the order of
 * keys does not matter: prev spins until that vCPU has run.
 */
static __noinline bool consume_yielded_to(__s32 cpu, __s32 pid, __s32 tgid)
{
	struct task_struct *p = bpf_task_from_pid(pid);
	bool is_moved = false;
	__u64 key = 0;

	if (!p)
		return false;
	if (p->tgid == tgid ||
	    (dsq_head_key(PVS_LLC_DSQ(llc_of(cpu)), &key) &&
	     pvs_before(p->scx.dsq_vtime, key + pvs_param_slice_max)))
		is_moved = consume_task(p, cpu);
	bpf_task_release(p);
	return is_moved;
}
