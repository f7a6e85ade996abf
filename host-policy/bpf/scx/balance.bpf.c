// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 The pvsched authors */
/*
 * The balance of load: between LLCs and between nodes, and the CPUs that go
 * idle. A CPU that would go idle takes from the LLCs of its node at dispatch.
 * All other moves are decided at a tick, by one CPU of each LLC at a time.
 */

/* Kicks an idle CPU of the node for the DSQ's head. Lockless where the kernel has a peek. */
static __noinline int kick_idle_cpu_for_head(__u64 dsq, __u32 node, __u32 steal_from)
{
	struct bpf_iter_scx_dsq it;
	struct pvs_cpu_ctx *cpuc;
	__s32 idle;

	if (bpf_ksym_exists(scx_bpf_dsq_peek)) {
		idle = claim_idle_cpu(scx_bpf_dsq_peek(dsq), node);
	} else {
		if (!scx_bpf_dsq_nr_queued(dsq))
			return 0;
		bpf_iter_scx_dsq_new(&it, dsq, 0);
		idle = claim_idle_cpu(bpf_iter_scx_dsq_next(&it), node);
		bpf_iter_scx_dsq_destroy(&it);
	}
	if (idle < 0)
		return 0;
	cpuc = cpu_ctx(idle);
	if (cpuc && steal_from)
		PVS_STORE(cpuc->steal_from, steal_from);
	kick_idle(idle);
	return 0;
}

/* Consumes a task of the LLC that a tick marked. */
static __noinline bool consume_marked(struct pvs_cpu_ctx *cpuc)
{
	__u32 mark, llc;

	if (!cpuc)
		return false;
	mark = __sync_lock_test_and_set(&cpuc->steal_from, 0);
	llc = (mark - 1) & (PVS_MAX_LLCS - 1);
	if (!mark || llc >= pvs_topology.nr_llcs ||
	    !consume_head((mark - 1) & PVS_WAITING_URGENT ? PVS_URGENT_DSQ(llc) :
							    PVS_LLC_DSQ(llc)))
		return false;
	cpuc->counts.stolen++;
	return true;
}

/*
 * The LLC from which a move of one task makes the load more equal, and most so.
 * Load is the number of waiting tasks per CPU. PVS_MAX_LLCS: there is none.
 */
static __noinline __u32 busiest_llc(__u32 own_llc, __u32 own_queued)
{
	struct pvs_llc_ctx *own = llc_ctx(own_llc), *other;
	__u32 i, busiest = PVS_MAX_LLCS, most, cpus;
	__s32 queued;

	if (!own)
		return busiest;
	cpus = PVS_LOAD(own->nr_cpus);
	/* Waiting tasks per 1024 CPUs, after the move. */
	most = cpus ? ((own_queued + 1) << 10) / cpus : ~0u;
	bpf_for(i, 0, pvs_topology.nr_llcs) {
		if (i == own_llc)
			continue;
		queued = scx_bpf_dsq_nr_queued(PVS_LLC_DSQ(i));
		other = queued > 0 ? llc_ctx(i) : NULL;
		if (!other)
			continue;
		cpus = PVS_LOAD(other->nr_cpus);
		/* Its last CPU went offline as the task was queued. */
		if (!cpus)
			return i;
		if (queued == 1 || ((__u32)(queued - 1) << 10) / cpus < most)
			continue;
		most = ((__u32)(queued - 1) << 10) / cpus + 1;
		busiest = i;
	}
	return busiest;
}

/*
 * Marks this CPU to take a task from a busier LLC at its next dispatch. A move to
 * another node costs the task its memory's nearness: the LLC must be the busiest
 * twice in turn.
 */
static __always_inline void mark_busier(struct pvs_llc_ctx *llcc, struct pvs_cpu_ctx *cpuc,
					__u32 llc, __u32 queued)
{
	__u32 busiest = busiest_llc(llc, queued), before = llcc->busiest;

	llcc->busiest = 0;
	if (busiest == PVS_MAX_LLCS)
		return;
	if (node_of_llc(busiest) != node_of_llc(llc) && before != 1 + busiest) {
		llcc->busiest = 1 + busiest;
		return;
	}
	PVS_STORE(cpuc->steal_from, 1 + busiest);
}

/*
 * Marks this CPU to take an urgent vCPU that has waited in another LLC for
 * node-delay: all CPUs there run tasks that are as urgent.
 */
static __noinline bool mark_urgent(struct pvs_cpu_ctx *cpuc, __u32 own_llc, __u64 now)
{
	__u64 key = 0, waited;
	__u32 i;

	if (!cpuc || is_urgent(cpuc->curr_urgency))
		return false;
	bpf_for(i, 0, pvs_topology.nr_llcs) {
		if (i == own_llc || !has_urgent_queued(i) || !dsq_head_key(PVS_URGENT_DSQ(i), &key))
			continue;
		waited = ((now >> PVS_KEY_TIME_SHIFT) - key) & PVS_KEY_TIME_MASK;
		if (waited << PVS_KEY_TIME_SHIFT < pvs_param_node_delay)
			continue;
		PVS_STORE(cpuc->steal_from, 1 + i + PVS_WAITING_URGENT);
		return true;
	}
	return false;
}

/* Sends tasks that have waited for node-delay to idle CPUs of other nodes. */
static __always_inline void kick_other_nodes(struct pvs_llc_ctx *llcc, __u32 llc, __u32 queued,
					     __u64 now)
{
	struct pvs_node_ctx *node;
	__u32 i;

	if (!queued) {
		llcc->queued_since = 0;
		return;
	}
	if (!llcc->queued_since)
		llcc->queued_since = now;
	if (now - llcc->queued_since < pvs_param_node_delay)
		return;
	bpf_for(i, 0, pvs_topology.nr_nodes) {
		node = node_ctx(i);
		if (i != node_of_llc(llc) && node && PVS_LOAD(node->nr_idle))
			kick_idle_cpu_for_head(PVS_LLC_DSQ(llc), i, 1 + llc);
	}
}

/*
 * A tick: wakes idle CPUs for waiting tasks, and balances the LLCs. Returns whether
 * the task must leave the CPU for an urgent vCPU of another LLC.
 */
static __noinline bool balance(struct pvs_cpu_ctx *cpuc, __s32 cpu, __u64 now)
{
	__u32 llc = llc_of(cpu), queued;
	struct pvs_llc_ctx *llcc = llc_ctx(llc);
	__u64 before;

	if (!cpuc || !llcc)
		return false;
	/* A CPU may have gone idle while a task was on its way into a DSQ. */
	if (any_cpu_idle(llc)) {
		if (has_urgent_queued(llc))
			kick_idle_cpu_for_head(PVS_URGENT_DSQ(llc), node_of_llc(llc), 0);
		kick_idle_cpu_for_head(PVS_LLC_DSQ(llc), node_of_llc(llc), 0);
	}
	if (pvs_topology.nr_llcs == 1)
		return false;
	before = PVS_LOAD(llcc->balanced_at);
	/* One CPU of the LLC balances. */
	if (now - before < pvs_param_balance_interval ||
	    __sync_val_compare_and_swap(&llcc->balanced_at, before, now) != before)
		return false;
	queued = scx_bpf_dsq_nr_queued(PVS_LLC_DSQ(llc));
	kick_other_nodes(llcc, llc, queued, now);
	mark_busier(llcc, cpuc, llc, queued);
	return pvs_binds && mark_urgent(cpuc, llc, now);
}

/*
 * A CPU goes idle, or stops being idle. A task may have come into the DSQ since
 * the CPU looked there, or be on its way: the kernel queues a task after enqueue()
 * returns. So either enqueue() sees the CPU idle, or the CPU sees queued_at.
 */
SEC("struct_ops/pvs_update_idle")
void BPF_PROG(pvs_update_idle, __s32 cpu, bool is_idle)
{
	struct pvs_llc_ctx *llcc = llc_ctx(llc_of(cpu));
	struct pvs_cpu_ctx *cpuc = cpu_ctx(cpu);
	__u64 now;

	if (!cpuc || !llcc)
		return;
	if (is_idle && can_hold_cores() && cpuc->is_held) {
		/* It counts as busy. */
		update_cpuperf(cpuc, cpu, sched_now(), 0);
		return;
	}
	/* A full barrier, before the read of queued_at. */
	set_idle(cpuc, cpu, is_idle);
	if (!is_idle)
		return;
	now = sched_now();
	if (now - PVS_LOAD(llcc->queued_at) < pvs_param_idle_recheck)
		scx_bpf_kick_cpu(cpu, PVS_SCX(scx_kick_flags, SCX_KICK_IDLE));
	cpuc->curr_urgency = 0;
	if (can_hold_cores())
		update_hold(cpuc, cpu);
	update_cpuperf(cpuc, cpu, now, 0);
}
