// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 The pvsched authors */
/* Tasks, CPUs and the scheduler itself begin and end. */

/* Sleepable: a non-sleepable allocation can fail in a burst of forks. */
SEC("struct_ops.s/pvs_init_task")
__s32 BPF_PROG(pvs_init_task, struct task_struct *p,
	       struct scx_init_task_args *args)
{
	struct pvs_task_ctx *taskc, *parent;

	taskc = bpf_task_storage_get(&task_ctxs, p, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!taskc)
		return -12; /* ENOMEM */
	parent = args->fork ? task_ctx(bpf_get_current_task_btf()) : NULL;
	if (!parent)
		return 0;
	pvs_vtime_fork(&taskc->vt, &parent->vt);
	taskc->is_forked = 1;
	return 0;
}

SEC("struct_ops/pvs_enable")
void BPF_PROG(pvs_enable, struct task_struct *p)
{
	__u64 *vtime_now = vtime_of(p, task_cpu(p));
	struct pvs_task_ctx *taskc = task_ctx(p);

	if (!taskc || !vtime_now)
		return;
	if (!taskc->is_forked)
		taskc->vt.vruntime = *vtime_now;
	taskc->is_forked = 0;
	taskc->weight = p->scx.weight;
}

SEC("struct_ops/pvs_cpu_online")
void BPF_PROG(pvs_cpu_online, __s32 cpu)
{
	struct pvs_cpu_ctx *cpuc = cpu_ctx(cpu);

	if (cpuc) {
		cpuc->is_offline = 0;
		cpuc->rt_preempted_at = 0;
	}
	pvs_online_cpus++;
}

/*
 * Moves the CPU's tasks of a DSQ to its local DSQ, from where the kernel
 * migrates them.
 */
static __noinline int move_to_offline_cpu(__s32 cpu, __u64 dsq)
{
	struct bpf_iter_scx_dsq it;
	struct task_struct *p;
	__u32 i;

	bpf_iter_scx_dsq_new(&it, dsq, 0);
	bpf_for(i, 0, pvs_param_offline_max_scan) {
		p = bpf_iter_scx_dsq_next(&it);
		if (!p)
			break;
		/* The task's other CPUs, if it has any, may be offline too. */
		if (task_cpu(p) == cpu)
			scx_bpf_dsq_move(&it, p, PVS_DSQ_LOCAL, 0);
	}
	bpf_iter_scx_dsq_destroy(&it);
	return 0;
}

SEC("struct_ops/pvs_cpu_offline")
void BPF_PROG(pvs_cpu_offline, __s32 cpu)
{
	struct pvs_cpu_ctx *cpuc = cpu_ctx(cpu);

	if (cpuc)
		cpuc->is_offline = 1;
	pvs_online_cpus--;
	/* No other CPU consumes a pinned task, and the hot-plug waits for it. */
	move_to_offline_cpu(cpu, PVS_CPU_DSQ(cpu));
	move_to_offline_cpu(cpu, PVS_NODE_DSQ(node_of(cpu)));
	move_to_offline_cpu(cpu, PVS_URGENT_DSQ);
	move_to_offline_cpu(cpu, PVS_BW_DSQ);
}

/* Counts online CPUs and nodes; cpu_online() and cpu_offline() keep the count. */
static __always_inline void count_online_cpus(void)
{
	const struct cpumask *online = scx_bpf_get_online_cpumask();
	struct pvs_cpu_ctx *cpuc;
	__u64 nodes = 0;
	__u32 i;

	pvs_online_cpus = 0;
	pvs_online_nodes = 0;
	bpf_for(i, 0, pvs_nr_cpus) {
		cpuc = cpu_ctx(i);
		if (!cpuc)
			break;
		cpuc->is_rt_running = 0;
		cpuc->rt_preempted_at = 0;
		cpuc->is_offline = !bpf_cpumask_test_cpu(i, online);
		if (cpuc->is_offline)
			continue;
		pvs_online_cpus++;
		nodes |= 1ull << node_of(i);
	}
	scx_bpf_put_cpumask(online);
	bpf_for(i, 0, PVS_MAX_NODES)
		pvs_online_nodes += nodes >> i & 1;
}

SEC("struct_ops.s/pvs_init")
__s32 BPF_PROG(pvs_init)
{
	__s32 error;
	__u32 i;

	count_online_cpus();
	bpf_for(i, 0, pvs_nr_cpus) {
		error = scx_bpf_create_dsq(PVS_CPU_DSQ(i), -1);
		if (error)
			return error;
	}
	bpf_for(i, 0, pvs_nr_nodes) {
		error = scx_bpf_create_dsq(PVS_NODE_DSQ(i), i);
		if (error)
			return error;
	}
	error = init_bw_throttle();
	return error ? error : scx_bpf_create_dsq(PVS_URGENT_DSQ, -1);
}

SEC("struct_ops/pvs_exit")
void BPF_PROG(pvs_exit, struct scx_exit_info *info)
{
	struct pvs_scx_exit *end = &pvs_scx_exit;

	bpf_probe_read_kernel_str(end->reason, sizeof(end->reason), info->reason);
	bpf_probe_read_kernel_str(end->message, sizeof(end->message), info->msg);
	bpf_probe_read_kernel_str(end->dump, sizeof(end->dump), info->dump);
	end->code = info->exit_code;
	end->kind = info->kind;
	end->is_detached = info->kind == PVS_SCX(scx_exit_kind, SCX_EXIT_UNREG);
	notify_pvschedd(PVS_SCX_ENDED);
}
