// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 The pvsched authors */
/*
 * The order of ordinary tasks at dispatch: pinned tasks and the node's queue in
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
 * node's tasks have virtual times of their own, so keys do not compare: both get
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
	cpuc->balance -= balance_weight(nr_queued_per_cpu(cpu));
	return true;
}

/* The key of the first pinned task. The flag spares most CPUs the peek. */
static __always_inline bool pinned_head_key(struct pvs_cpu_ctx *cpuc, __s32 cpu, __u64 *key)
{
	if (!cpuc->has_pinned)
		return false;
	/* Reader and writer of the flag hold the lock of this CPU's run queue. */
	cpuc->has_pinned = dsq_head_key(PVS_CPU_DSQ(cpu), key);
	return cpuc->has_pinned;
}

static __noinline bool consume_other_nodes(__u64 own_node_dsq)
{
	__u32 i;

	bpf_for(i, 0, pvs_nr_nodes) {
		if (PVS_NODE_DSQ(i) != own_node_dsq && consume_head(PVS_NODE_DSQ(i)))
			return true;
	}
	return false;
}

/*
 * Consumes the tail of the node's queue if its key is far in the future. It was
 * queued while the queue was short; later wake-ups could pass it for ever.
 */
static __noinline bool consume_stale_tail(struct pvs_cpu_ctx *cpuc, __s32 cpu)
{
	__u64 now = bpf_ktime_get_ns();
	struct pvs_node_vtime *node_vtime;
	__u32 node = node_of(cpu);

	if (!cpuc || now - cpuc->tail_checked_at < pvs_param_tail_interval)
		return false;
	cpuc->tail_checked_at = now;
	node_vtime = bpf_map_lookup_elem(&node_vtimes, &node);
	return node_vtime &&
	       consume_tail(cpu, PVS_NODE_DSQ(node),
			    node_vtime->vtime_now +
				    pvs_param_tail_lags *
					    pvs_lag_limit(nr_queued_per_cpu(cpu)));
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
	__u64 *vtime_now = vtime_of(prev, cpu);
	struct pvs_vtime vt = taskc->vt;

	vt.vruntime += used;
	vt.awake_vruntime += used;
	/* Queued tasks were clamped when they were enqueued. */
	if (vtime_now)
		pvs_vtime_clamp(&vt, *vtime_now, nr_queued);
	return pvs_vtime_dsq_key(&vt, nr_queued);
}

/*
 * Consumes the next ordinary task: a pinned task, or one of the node, or, if
 * both queues are empty, one of another node. With `prev`, the task that could
 * continue, only a task with an earlier key; false: prev continues.
 */
static __noinline bool consume_ordinary(__s32 cpu, struct task_struct *prev)
{
	__u64 pinned_dsq = PVS_CPU_DSQ(cpu), node_dsq = PVS_NODE_DSQ(node_of(cpu));
	__u64 pinned_key = 0, node_key = 0, prev_key = 0;
	bool has_pinned, has_node = true, is_prev_pinned = false;
	struct pvs_cpu_ctx *cpuc = cpu_ctx(cpu);
	struct pvs_task_ctx *taskc;
	int coscheduled;

	if (!cpuc)
		return false;
	has_pinned = pinned_head_key(cpuc, cpu, &pinned_key);
	/* Most often only the node has tasks, and its key does not matter. */
	if (prev || has_pinned)
		has_node = dsq_head_key(node_dsq, &node_key);
	if (prev) {
		taskc = task_ctx(prev);
		if (!taskc || (!has_pinned && !has_node))
			return false;
		is_prev_pinned = prev->nr_cpus_allowed == 1;
		prev_key = key_if_requeued(prev, taskc, cpuc, cpu);
	}
	if ((has_pinned || is_prev_pinned) &&
	    ((!has_node && !(prev && !is_prev_pinned)) || pick_pinned_turn(cpuc, cpu))) {
		if (is_prev_pinned && (!has_pinned || !pvs_before(pinned_key, prev_key)))
			return false;
		if (has_pinned && consume_head(pinned_dsq))
			return true;
	} else if (prev && !is_prev_pinned &&
		   (!has_node || !pvs_before(node_key, prev_key))) {
		return false;
	}
	if (pvs_binds && has_node && !is_prev_pinned) {
		coscheduled = cosched(cpu, node_dsq, prev, prev_key);
		if (coscheduled != PVS_COSCHED_NONE)
			return coscheduled == PVS_COSCHED_CONSUMED;
	}
	if (has_node && (consume_stale_tail(cpuc, cpu) || consume_head(node_dsq)))
		return true;
	/* No task of the node may run here. */
	if (has_pinned && consume_head(pinned_dsq))
		return true;
	return !prev && consume_other_nodes(node_dsq);
}

/* Consumes the task that another vCPU yielded to, unless its key is much later. */
static __noinline bool consume_yielded_to(__s32 cpu, __s32 pid)
{
	__u64 dsq = PVS_NODE_DSQ(node_of(cpu)), key_max = 0;

	return dsq_head_key(dsq, &key_max) &&
	       consume_first(cpu, dsq, key_max + pvs_param_slice_max,
			     PVS_ELIGIBLE_PID, pid);
}
