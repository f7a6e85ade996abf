// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 The pvsched authors */
/* Tasks, CPUs and the scheduler itself begin and end. */

/*
 * CPU time of the current task since its last charge. The kernel adds run time to
 * sum_exec_runtime at ticks and switches, so a slice that began since then counts from the
 * time when the task got its CPU.
 */
static __always_inline __u64 current_uncharged_ns(struct task_struct *current,
						  struct pvs_task_ctx *taskc)
{
	__u64 used = current->se.sum_exec_runtime - taskc->charged_exec_ns, elapsed;

	if (!bpf_ksym_exists(scx_bpf_now) ||
	    !bpf_core_field_exists(current->sched_info.last_arrival))
		return used;
	elapsed = scx_bpf_now() - current->sched_info.last_arrival;
	/* It may have been charged since it got the CPU, at a tick. */
	used += pvs_param_slice_max;
	return elapsed < used ? elapsed : used;
}

/* Sleepable: a non-sleepable allocation can fail in a burst of forks. */
SEC("struct_ops.s/pvs_init_task")
__s32 BPF_PROG(pvs_init_task, struct task_struct *p,
	       struct scx_init_task_args *args)
{
	struct task_struct *current = bpf_get_current_task_btf();
	struct pvs_task_ctx *taskc, *parent;

	taskc = bpf_task_storage_get(&task_ctxs, p, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!taskc)
		return -12; /* ENOMEM */
	parent = args->fork ? task_ctx(current) : NULL;
	if (!parent)
		return 0;
	pvs_vtime_fork(&taskc->vt, &parent->vt);
	/* Else a chain of tasks, each of which forks the next one, would pay for none. */
	pvs_vtime_charge(&taskc->vt, pvs_scale_by_weight(current_uncharged_ns(current, parent),
							 parent->weight));
	taskc->clock = parent->clock;
	taskc->is_forked = 1;
	return 0;
}

SEC("struct_ops/pvs_enable")
void BPF_PROG(pvs_enable, struct task_struct *p)
{
	struct pvs_task_ctx *taskc = task_ctx(p);
	__u64 *vtime_now;

	if (!taskc)
		return;
	vtime_now = join_clock(p, taskc, task_cpu(p));
	if (vtime_now && !taskc->is_forked)
		taskc->vt.vruntime = *vtime_now;
	/* It may have left the scheduler while it waited. */
	uncount_waiting(taskc);
	taskc->charged_exec_ns = p->se.sum_exec_runtime;
	taskc->is_forked = 0;
	taskc->weight = p->scx.weight;
}

/* Adds the CPU to its LLC's, or takes it away. */
static __always_inline void count_online_cpu(__s32 cpu, bool is_online)
{
	struct pvs_llc_ctx *llcc = llc_ctx(llc_of(cpu));

	if (llcc)
		__sync_fetch_and_add(&llcc->nr_cpus, is_online ? 1 : -1);
	__sync_fetch_and_add(&pvs_online_cpus, is_online ? 1 : -1);
}

SEC("struct_ops/pvs_cpu_online")
void BPF_PROG(pvs_cpu_online, __s32 cpu)
{
	struct pvs_cpu_ctx *cpuc = cpu_ctx(cpu);

	if (cpuc) {
		cpuc->is_offline = 0;
		cpuc->rt_preempted_at = 0;
	}
	count_online_cpu(cpu, true);
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

	if (cpuc) {
		set_idle(cpuc, cpu, false);
		cpuc->is_offline = 1;
		cpuc->curr_urgency = 0;
		if (can_hold_cores())
			update_hold(cpuc, cpu);
	}
	count_online_cpu(cpu, false);
	/* No other CPU consumes a pinned task, and the hot-plug waits for it. */
	move_to_offline_cpu(cpu, PVS_CPU_DSQ(cpu));
	move_to_offline_cpu(cpu, PVS_LLC_DSQ(llc_of(cpu)));
	move_to_offline_cpu(cpu, PVS_URGENT_DSQ(llc_of(cpu)));
	move_to_offline_cpu(cpu, PVS_BW_DSQ);
}

/*
 * Resets what the scheduler before this one left in the contexts, and counts the
 * online CPUs and the idle ones; callbacks keep the counts.
 */
static __always_inline void init_cpus(void)
{
	const struct cpumask *online = scx_bpf_get_online_cpumask();
	struct pvs_cpu_ctx *cpuc;
	struct pvs_node_ctx *node;
	struct pvs_llc_ctx *llcc;
	__u32 i;

	pvs_online_cpus = 0;
	bpf_for(i, 0, pvs_topology.nr_llcs) {
		llcc = llc_ctx(i);
		if (!llcc)
			break;
		llcc->nr_cpus = 0;
		llcc->nr_idle = 0;
	}
	bpf_for(i, 0, pvs_topology.nr_nodes) {
		node = node_ctx(i);
		if (node)
			node->nr_idle = 0;
	}
	bpf_for(i, 0, pvs_topology.nr_cpus) {
		cpuc = cpu_ctx(i);
		if (!cpuc)
			break;
		cpuc->is_rt_running = 0;
		cpuc->is_idle = 0;
		cpuc->is_held = 0;
		cpuc->holds_core = 0;
		cpuc->rt_preempted_at = 0;
		cpuc->is_offline = !bpf_cpumask_test_cpu(i, online);
		if (cpuc->is_offline)
			continue;
		count_online_cpu(i, true);
		/* The kernel reports no CPU that idles already; running() corrects it. */
		set_idle(cpuc, i, true);
	}
	scx_bpf_put_cpumask(online);
}

SEC("struct_ops.s/pvs_init")
__s32 BPF_PROG(pvs_init)
{
	__s32 error;
	__u32 i;

	init_cpus();
	error = init_fast_cpus();
	if (error)
		return error;
	bpf_for(i, 0, pvs_topology.nr_cpus) {
		error = scx_bpf_create_dsq(PVS_CPU_DSQ(i), -1);
		if (error)
			return error;
	}
	bpf_for(i, 0, pvs_topology.nr_llcs) {
		error = scx_bpf_create_dsq(PVS_LLC_DSQ(i), node_of_llc(i));
		if (error)
			return error;
		error = scx_bpf_create_dsq(PVS_URGENT_DSQ(i), node_of_llc(i));
		if (error)
			return error;
	}
	return init_bw_throttle();
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
