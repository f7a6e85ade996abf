// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 The pvsched authors */
/*
 * The scheduler's part of a sched_ext debug dump, which the kernel takes when it
 * ends the scheduler, or on SysRq-D.
 */

/* The format is not const: the kfunc takes a writable string. Policies have .data. */
#define dump_line(format, args...)						\
	({									\
		static char line_format[] SEC(".data.pvs") = format;		\
		unsigned long long values[] = { args };				\
										\
		if (bpf_ksym_exists(scx_bpf_dump_bstr))				\
			scx_bpf_dump_bstr(line_format, values, sizeof(values));	\
	})

SEC("struct_ops/pvs_dump")
void BPF_PROG(pvs_dump, struct scx_dump_ctx *dctx)
{
	struct pvs_llc_ctx *llcc;
	__u32 i;

	dump_line("pvsched: bindings=%llu throttled_queued=%lld throttles=%llu\n",
		  pvs_binds, scx_bpf_dsq_nr_queued(PVS_BW_DSQ), pvs_bw_throttles);
	bpf_for(i, 0, pvs_topology.nr_llcs) {
		llcc = llc_ctx(i);
		if (!llcc)
			break;
		dump_line("pvsched: llc=%llu node=%llu cpus=%llu idle=%llu\n", i,
			  node_of_llc(i), llcc->nr_cpus, llcc->nr_idle);
		dump_line("pvsched: llc=%llu queued=%lld urgent_queued=%lld vtime_now=%llu\n", i,
			  scx_bpf_dsq_nr_queued(PVS_LLC_DSQ(i)),
			  scx_bpf_dsq_nr_queued(PVS_URGENT_DSQ(i)), llcc->vtime_now);
	}
}

SEC("struct_ops/pvs_dump_cpu")
void BPF_PROG(pvs_dump_cpu, struct scx_dump_ctx *dctx, __s32 cpu, bool idle)
{
	struct pvs_cpu_ctx *cpuc = cpu_ctx(cpu);

	/* An idle CPU explains no stall, unless tasks are queued for it alone. */
	if (!cpuc || (idle && !scx_bpf_dsq_nr_queued(PVS_CPU_DSQ(cpu))))
		return;
	dump_line("pvsched: urgency=%llu lead=%lld rt_running=%llu offline=%llu\n",
		  cpuc->curr_urgency, cpuc->curr_lead, cpuc->is_rt_running,
		  cpuc->is_offline);
	dump_line("pvsched: pinned_queued=%lld queued_avg=%llu pull_pid=%lld yield_to=%lld\n",
		  scx_bpf_dsq_nr_queued(PVS_CPU_DSQ(cpu)), cpuc->nr_queued_avg,
		  cpuc->pull_pid, cpuc->yield_to);
	dump_line("pvsched: perf=%llu idle=%llu\n", cpuc->perf, cpuc->is_idle);
	dump_line("pvsched: urgent_since=%llu guarded_until=%llu preempted_at=%llu rt_preempted_at=%llu\n",
		  cpuc->urgent_since, cpuc->guarded_until, cpuc->preempted_at,
		  cpuc->rt_preempted_at);
}

SEC("struct_ops/pvs_dump_task")
void BPF_PROG(pvs_dump_task, struct scx_dump_ctx *dctx, struct task_struct *p)
{
	struct pvs_task_ctx *taskc = task_ctx(p);
	struct pvs_vcpu_binding *binding = vcpu_binding(p, taskc);

	if (!taskc)
		return;
	dump_line("pvsched: clock=%llu vruntime=%llu awake_vruntime=%llu weight=%llu\n",
		  taskc->clock, taskc->vt.vruntime, taskc->vt.awake_vruntime, taskc->weight);
	dump_line("pvsched: throttled_until=%llu\n", taskc->bw_throttled_until);
	if (binding)
		dump_line("pvsched: vcpu_id=%llu vm=%llu slot=%llu grant=%llx\n",
			  binding->vcpu_id, binding->vm, binding->slot,
			  current_grant(binding));
}
