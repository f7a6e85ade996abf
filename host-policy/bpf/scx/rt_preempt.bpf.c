// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 The pvsched authors */
/*
 * Preemption by a higher scheduling class (RT, DL). An RT task usually runs for
 * less time than re-enqueueing the preempted task costs, and it would have to
 * wait for the re-enqueue. So the preempted task stays on its CPU's local DSQ
 * unless it may run on an idle CPU of its node. If the RT task keeps the CPU for longer than
 * rt-reenq-delay, another CPU's tick re-enqueues the preempted task. An urgent
 * vCPU is always re-enqueued at once.
 */

#define PVS_MAX_RT_PRIO 100 /* task_struct's prio is below it for RT and DL */
#define PVS_CPU_WORDS (PVS_MAX_CPUS / 64)

/* CPUs, one bit each, with an RT-preempted task on the local DSQ. */
PVS_OWN(__u64, pvs_rt_preempted_cpus[PVS_CPU_WORDS]);

static __always_inline __u64 *rt_preempted_word(__s32 cpu)
{
	return &pvs_rt_preempted_cpus[(__u32)cpu / 64 % PVS_CPU_WORDS];
}

/* RT preempts the CPU's task `p`; returns whether to re-enqueue the local DSQ now. */
static __always_inline bool rt_preempt(__s32 cpu, struct task_struct *p)
{
	struct pvs_cpu_ctx *cpuc = cpu_ctx(cpu);

	if (!cpuc)
		return true;
	cpuc->is_rt_running = 1;
	/* Older kernels cannot re-enqueue it later; an offline CPU has no later. */
	if (!bpf_ksym_exists(scx_bpf_dsq_reenq) || cpuc->is_offline ||
	    is_urgent(cpuc->curr_urgency) ||
	    (p && any_cpu_idle(llc_of(cpu)) && has_idle_cpu(p, node_of(cpu))))
		return true;
	/*
	 * A CPU that goes idle at this moment misses the task. It finds it at
	 * its next event, or another CPU's tick does.
	 */
	cpuc->rt_preempted_at = sched_now();
	/* A full barrier: a CPU that sees the bit sees the time. */
	__sync_fetch_and_or(rt_preempted_word(cpu), 1ull << (cpu & 63));
	return false;
}

SEC("struct_ops/pvs_cpu_release")
void BPF_PROG(pvs_cpu_release, __s32 cpu, struct scx_cpu_release_args *args)
{
	/* The preempted task is current until the switch. */
	if (rt_preempt(cpu, (void *)bpf_get_current_task_btf()))
		scx_bpf_reenqueue_local___v1();
}

/* The same on kernels whose sched_ext has no cpu_release(). */
SEC("?tp_btf/sched_switch")
int BPF_PROG(pvs_rt_preempt, bool preempt, struct task_struct *prev,
	     struct task_struct *next)
{
	if (!next || next->prio >= PVS_MAX_RT_PRIO)
		return 0;
	/* From RT to RT nothing changes. In between, the idle task may get tasks. */
	if (prev && prev->prio < PVS_MAX_RT_PRIO)
		return 0;
	if (rt_preempt(bpf_get_smp_processor_id(), prev) &&
	    bpf_ksym_exists(scx_bpf_reenqueue_local___v2___new))
		scx_bpf_reenqueue_local___v2___new();
	return 0;
}

/* Whether the CPU's preempted task has waited for longer than `delay`. */
static __always_inline bool is_rt_reenq_due(__u32 cpu, __u64 delay, __u64 now)
{
	struct pvs_cpu_ctx *cpuc = cpu_ctx(cpu);
	__u64 since = cpuc && !cpuc->is_offline ? PVS_LOAD(cpuc->rt_preempted_at) : 0;

	return since && pvs_before(since + delay, now);
}

/* Re-enqueues tasks that RT preempted that long ago; returns whether there were any. */
static __noinline bool reenqueue_rt_preempted(__u64 delay)
{
	__u32 word, bit, cpu;
	__u64 cpus, now = 0;
	bool is_any = false;

	if (!bpf_ksym_exists(scx_bpf_dsq_reenq))
		return false;
	for (word = 0; word < PVS_CPU_WORDS && word * 64 < pvs_topology.nr_cpus; word++) {
		cpus = PVS_LOAD(pvs_rt_preempted_cpus[word]);
		if (!cpus)
			continue;
		if (!now)
			now = sched_now();
		bpf_for(bit, 0, 64) {
			cpu = word * 64 + bit;
			if (!(cpus >> bit & 1) || !is_rt_reenq_due(cpu, delay, now))
				continue;
			/* Several CPUs look; the one that clears the bit re-enqueues. */
			if (!(__sync_fetch_and_and(rt_preempted_word(cpu), ~(1ull << bit)) >> bit & 1))
				continue;
			scx_bpf_dsq_reenq(PVS_SCX(scx_dsq_id_flags, SCX_DSQ_LOCAL_ON) | cpu, 0);
			is_any = true;
		}
	}
	return is_any;
}

/*
 * The RT task is gone and the preempted task runs again. A vCPU that became
 * urgent meanwhile preempts it.
 */
static __always_inline void end_rt_preemption(struct pvs_cpu_ctx *cpuc, __s32 cpu,
					      __u32 urgency)
{
	cpuc->rt_preempted_at = 0;
	__sync_fetch_and_and(rt_preempted_word(cpu), ~(1ull << (cpu & 63)));
	if (!is_urgent(urgency) && (cpuc->pull_pid || has_urgent_queued(llc_of(cpu))) &&
	    !pvs_before(sched_now(), cpuc->guarded_until))
		kick_to_preempt(cpu);
}
