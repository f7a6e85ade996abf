// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 The pvsched authors */
/*
 * Preemption for vCPUs: the choice of the victim CPU, and vCPUs that become
 * urgent while they are queued.
 */

/* Above every urgency: the urgent DSQ's keys ascend as urgency descends. */
#define PVS_URGENCY_MAX 1024
/* Units of time in the urgent DSQ's keys: 1 us, so that 48 bits last for years. */
#define PVS_KEY_TIME_SHIFT 10
#define PVS_KEY_TIME_MASK 0xffffffffffffull

/* The urgent DSQ's key: highest urgency first, then first come, first served. */
static __always_inline __u64 urgent_key(__u32 urgency, __u64 now)
{
	return ((__u64)(PVS_URGENCY_MAX - urgency) << 48) |
	       ((now >> PVS_KEY_TIME_SHIFT) & PVS_KEY_TIME_MASK);
}

static __always_inline __u32 urgency_of_key(__u64 key)
{
	return PVS_URGENCY_MAX - (__u32)(key >> 48);
}

/* Whether a vCPU may preempt the CPU, by what the CPU does and did. */
static __always_inline bool is_preemptible(const struct pvs_cpu_ctx *cpuc, __u64 now)
{
	return !cpuc->is_rt_running && !cpuc->is_offline &&
	       now - cpuc->preempted_at >= pvs_param_preempt_gap &&
	       now >= cpuc->guarded_until;
}

/* A search for the victim CPU of a vCPU, through one span of CPUs after another. */
struct pvs_victim_search {
	__u64 now;
	__u32 urgency; /* of the vCPU */
	__s64 lead; /* the vCPU's deadline, relative to its virtual time */
	__s64 latest; /* a task as urgent as the vCPU is a victim if its lead is later */
	__u32 lowest; /* urgency of the best victim so far */
	__u32 rank; /* its victim_rank() */
	__s32 cpu; /* the best victim so far; -1: none */
};

/*
 * The order of victims: urgencies that differ by less than 8 are equal, because a
 * vCPU does not leave its CPU for a small difference of nice values. Among equals
 * the small CPUs come last.
 */
static __always_inline __u32 victim_rank(__u32 urgency, __s32 cpu)
{
	return (urgency >> 3) * 2 + (pvs_topology.nr_small && is_small(cpu));
}

/*
 * Compares the CPUs of a span, beginning at position `from` of the order. Among
 * equally urgent victims the vCPU takes the first, which is nearest to its cache. A
 * task as urgent as an ordinary vCPU is a victim if its deadline is later. Deadlines
 * compare by their distance from the virtual time, because each LLC has its own.
 */
static __noinline int search_span(struct pvs_victim_search *search, struct task_struct *p,
				  __u32 first, __u32 nr, __u32 from)
{
	__u32 i, position, cpu, urgency, rank, max_scan = nr;
	struct pvs_cpu_ctx *cpuc;

	if (!search)
		return 0;
	if (max_scan > pvs_param_victim_max_scan)
		max_scan = pvs_param_victim_max_scan;
	bpf_for(i, 0, max_scan) {
		position = from + i;
		if (position >= first + nr)
			position -= nr;
		cpu = pvs_topology.order[position & (PVS_MAX_CPUS - 1)];
		cpuc = cpu_ctx(cpu);
		if (!cpuc)
			continue;
		urgency = PVS_LOAD(cpuc->curr_urgency);
		if (urgency > search->urgency || !is_preemptible(cpuc, search->now))
			continue;
		if (urgency == search->urgency &&
		    (is_urgent(urgency) || cpuc->curr_lead <= search->latest))
			continue;
		rank = victim_rank(urgency, cpu);
		if ((search->cpu >= 0 && rank >= search->rank) ||
		    !bpf_cpumask_test_cpu(cpu, p->cpus_ptr))
			continue;
		search->lowest = urgency;
		search->rank = rank;
		search->cpu = cpu;
	}
	return 0;
}

/*
 * Searches by topology: the vCPU's LLC, from its last CPU on; then its node, if
 * the LLC has no victim; then all CPUs.
 */
static __noinline int search_victim(struct pvs_victim_search *search, struct task_struct *p,
				    __s32 last)
{
	__u32 position = pvs_topology.position_of[(__u32)last & (PVS_MAX_CPUS - 1)];
	__u32 llc = llc_of(last), node = node_of(last) & (PVS_MAX_NODES - 1);
	__u32 first = pvs_topology.llcs[llc & (PVS_MAX_LLCS - 1)].first;
	__u32 nr = pvs_topology.llcs[llc & (PVS_MAX_LLCS - 1)].nr, level;

	if (!search)
		return 0;
	bpf_for(level, 0, 3) {
		search_span(search, p, first, nr, position);
		/* An ordinary vCPU does not leave its cache to preempt. */
		if (search->cpu >= 0 || !is_urgent(search->urgency) ||
		    nr >= pvs_topology.nr_cpus)
			break;
		first = level ? 0 : pvs_topology.nodes[node].first;
		nr = level ? pvs_topology.nr_cpus : pvs_topology.nodes[node].nr;
	}
	return 0;
}

/*
 * Claims the victim CPU, a CPU with a less urgent task: the claim keeps a second
 * vCPU from queueing behind this one. -1: there is none, or another vCPU was
 * first.
 */
static __noinline __s32 claim_victim_cpu(struct task_struct *p, struct pvs_task_ctx *taskc,
					 __u32 urgency, __u64 now)
{
	struct pvs_victim_search search = {
		.now = now,
		.urgency = urgency,
		.lowest = urgency,
		.cpu = -1,
	};
	struct pvs_cpu_ctx *cpuc;
	__u64 *vtime_now;

	if (!taskc)
		return -1;
	vtime_now = vtime_of(taskc->clock);
	if (vtime_now)
		search.lead = (__s64)(pvs_vtime_deadline(&taskc->vt) - *vtime_now);
	/* A gain of less than a slice is not worth a switch. */
	search.latest = search.lead + pvs_param_slice_min;
	search_victim(&search, p, task_cpu(p));
	cpuc = cpu_ctx(search.cpu);
	if (search.cpu < 0 || !cpuc ||
	    __sync_val_compare_and_swap(&cpuc->curr_urgency, search.lowest, urgency) !=
		    search.lowest)
		return -1;
	cpuc->curr_lead = search.lead;
	cpuc->preempted_at = now;
	return search.cpu;
}

/* Consumes the vCPU that became urgent in a queue, if this CPU is to pull one. */
static __noinline bool dispatch_pulled(struct pvs_cpu_ctx *cpuc, __s32 cpu,
				       __u32 prev_urgency)
{
	struct pvs_vcpu_binding *binding;
	struct task_struct *p;
	bool is_moved = false;
	__s32 pid;

	if (!cpuc)
		return false;
	pid = __sync_lock_test_and_set(&cpuc->pull_pid, 0);
	p = pid ? bpf_task_from_pid(pid) : NULL;
	if (!p)
		return false;
	binding = bpf_task_storage_get(&vcpu_bindings, p, 0, 0);
	if (binding && is_grant_urgent(current_grant(binding))) {
		if (urgency_of(p, current_grant(binding)) > prev_urgency)
			is_moved = consume_task(p, cpu);
		else /* prev is as urgent for now, but not for long. */
			__sync_val_compare_and_swap(&cpuc->pull_pid, 0, pid);
	}
	bpf_task_release(p);
	if (is_moved)
		cpuc->counts.pulled++;
	return is_moved;
}

/* The scheduler's callbacks see every wake-up. */
static __always_inline bool needs_wake_ups(void)
{
	return false;
}

/*
 * An interrupt made this vCPU urgent. If it is queued, a victim CPU is kicked to
 * pull it; if there is no victim, its last CPU pulls it when it next dispatches.
 */
static __always_inline void after_kick(struct task_struct *p,
				       struct pvs_vcpu_binding *binding)
{
	__u64 grant = current_grant(binding);
	struct pvs_task_ctx *taskc = task_ctx(p);
	struct pvs_cpu_ctx *cpuc;
	__s32 cpu;

	if (!taskc || !is_grant_urgent(grant) || scx_bpf_task_running(p) ||
	    !is_on_rq(p) || is_bw_throttled(taskc, bpf_ktime_get_ns()))
		return;
	cpu = claim_victim_cpu(p, taskc, urgency_of(p, grant), sched_now());
	cpuc = cpu_ctx(cpu < 0 ? task_cpu(p) : cpu);
	if (!cpuc)
		return;
	__sync_lock_test_and_set(&cpuc->pull_pid, p->pid);
	if (cpu >= 0)
		kick_to_preempt(cpu);
}
