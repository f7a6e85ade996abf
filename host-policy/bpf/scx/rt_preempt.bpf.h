/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A real-time task takes a CPU from the scheduler's own.
 *
 * Most keep it for less than it would take to send that one elsewhere, and would wait for
 * that to be done. So an ordinary task stays, and goes on with its slice, unless a CPU is
 * idle. If it stays for long, another CPU sends it on. A vCPU that is urgent never stays.
 */
#ifndef PVSCHED_TAKEN_H
#define PVSCHED_TAKEN_H

#include "host-policy/bpf/scx/ctx.bpf.h"

#define PVS_RT_PRIO 100 /* task_struct's prio: below it, real-time */

/* What a move costs is worth a slice, not less. */
#define PVS_STAYS_NS PVS_SLICE_MIN_NS

#define PVS_LEFT_WORDS (PVS_MAX_CPUS / 64)

/* CPUs, a bit each, where a task stays. */
__u64 pvs_left[PVS_LEFT_WORDS];

static __always_inline __u64 *left_of(__s32 cpu)
{
	return &pvs_left[(__u32)cpu / 64 % PVS_LEFT_WORDS];
}

/* Whether what waits for the CPU, which is taken, is to look for another. */
static __always_inline bool taken(__s32 cpu)
{
	struct pvs_cpu_ctx *cpuc = cpu_of(cpu);

	if (!cpuc)
		return true;
	cpuc->is_taken = 1;
	/* Older kernels let nobody send it on later; a CPU that goes offline is not told to. */
	if (!bpf_ksym_exists(scx_bpf_dsq_reenq) || cpuc->is_offline ||
	    cpuc->urgency > PVSCHED_URGENCY_RT || some_idle())
		return true;
	/*
	 * One that goes idle just now has not seen this one: it does when it next has
	 * something to do, if no other CPU's tick comes first.
	 */
	cpuc->left_at = bpf_ktime_get_ns();
	/* A barrier: who sees the bit sees since when. */
	__sync_fetch_and_or(left_of(cpu), 1ull << (cpu & 63));
	return false;
}

SEC("struct_ops/pvs_cpu_release")
void BPF_PROG(pvs_cpu_release, __s32 cpu, struct scx_cpu_release_args *args)
{
	if (taken(cpu))
		scx_bpf_reenqueue_local___v1();
}

/* The same, where sched_ext lets go of cpu_release(). */
SEC("?tp_btf/sched_switch")
int BPF_PROG(pvs_cpu_taken, bool preempt, struct task_struct *prev,
	     struct task_struct *next)
{
	if (!next || next->prio >= PVS_RT_PRIO)
		return 0;
	/* Real-time tasks in a row; it may be idle in between, and be given tasks then. */
	if (prev && prev->prio < PVS_RT_PRIO)
		return 0;
	if (taken(bpf_get_smp_processor_id()) &&
	    bpf_ksym_exists(scx_bpf_reenqueue_local___v2___new))
		scx_bpf_reenqueue_local___v2___new();
	return 0;
}

/* Sends on those that have stayed for so long; whether there were any. */
static __noinline bool send_on(__u64 longer_than)
{
	__u64 left, since, now = 0;
	struct pvs_cpu_ctx *cpu;
	bool is_any = false;
	__u32 word, bit;

	if (!bpf_ksym_exists(scx_bpf_dsq_reenq))
		return false;
	for (word = 0; word < PVS_LEFT_WORDS && word * 64 < pvs_nr_cpus; word++) {
		left = PVS_LOAD(pvs_left[word]);
		if (!left)
			continue;
		if (!now)
			now = bpf_ktime_get_ns();
		bpf_for(bit, 0, 64) {
			if (!(left >> bit & 1))
				continue;
			cpu = cpu_of(word * 64 + bit);
			since = cpu && !cpu->is_offline ? PVS_LOAD(cpu->left_at) : 0;
			if (!since || !pvs_before(since + longer_than, now))
				continue;
			/* By one of those who look. */
			if (!(__sync_fetch_and_and(left_of(word * 64 + bit), ~(1ull << bit)) >> bit & 1))
				continue;
			scx_bpf_dsq_reenq(PVS_SCX(scx_dsq_id_flags, SCX_DSQ_LOCAL_ON) |
						  (word * 64 + bit), 0);
			is_any = true;
		}
	}
	return is_any;
}

/* The real-time task is gone, and this one goes on: not before vCPUs that became urgent. */
static __always_inline void goes_on(struct pvs_cpu_ctx *cpuc, __s32 cpu, __u32 urgency)
{
	cpuc->left_at = 0;
	__sync_fetch_and_and(left_of(cpu), ~(1ull << (cpu & 63)));
	if (urgency <= PVSCHED_URGENCY_RT &&
	    (cpuc->to_pull || (pvs_binds && scx_bpf_dsq_nr_queued(PVS_URGENT_DSQ))) &&
	    !pvs_before(bpf_ktime_get_ns(), cpuc->spared_until))
		scx_bpf_kick_cpu(cpu, PVS_SCX(scx_kick_flags, SCX_KICK_PREEMPT));
}

#endif /* PVSCHED_TAKEN_H */
