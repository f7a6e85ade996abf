/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What begins and ends under the scheduler: tasks, CPUs, the scheduler itself.
 */
#ifndef PVSCHED_LIFECYCLE_H
#define PVSCHED_LIFECYCLE_H

#include "host-policy/bpf/scx/ctx.bpf.h"

/* A loop needs an end; those beyond it, if they have no other CPU, hold up hot-plug. */
#define PVS_GIVEN_UP_AT 65536

/* May sleep: one that may not is refused memory in a burst of forks. */
SEC("struct_ops.s/pvs_init_task")
__s32 BPF_PROG(pvs_init_task, struct task_struct *p,
	       struct scx_init_task_args *args)
{
	struct pvs_task_ctx *taskc, *parent;

	taskc = bpf_task_storage_get(&task_ctxs, p, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!taskc)
		return -12; /* ENOMEM */
	parent = args->fork ? task_of(bpf_get_current_task_btf()) : NULL;
	if (!parent)
		return 0;
	pvs_vtime_fork(&taskc->fair, &parent->fair);
	taskc->is_child = 1;
	return 0;
}

SEC("struct_ops/pvs_enable")
void BPF_PROG(pvs_enable, struct task_struct *p)
{
	__u64 *vtime_now = clock_of(p, task_cpu(p));
	struct pvs_task_ctx *taskc = task_of(p);

	if (!taskc || !vtime_now)
		return;
	if (!taskc->is_child)
		taskc->fair.vruntime = *vtime_now;
	taskc->is_child = 0;
	taskc->weight = p->scx.weight;
}

SEC("struct_ops/pvs_cpu_online")
void BPF_PROG(pvs_cpu_online, __s32 cpu)
{
	struct pvs_cpu_ctx *cpuc = cpu_of(cpu);

	if (cpuc) {
		cpuc->is_offline = 0;
		cpuc->left_at = 0;
	}
	pvs_online_cpus++;
}

/* Who was on the CPU that goes: from its local queue the kernel takes them elsewhere. */
static __noinline int give_up(__s32 cpu, __u64 queue)
{
	__u64 local = PVS_SCX(scx_dsq_id_flags, SCX_DSQ_LOCAL);
	struct bpf_iter_scx_dsq it;
	struct task_struct *p;
	__u32 i;

	bpf_iter_scx_dsq_new(&it, queue, 0);
	bpf_for(i, 0, PVS_GIVEN_UP_AT) {
		p = bpf_iter_scx_dsq_next(&it);
		if (!p)
			break;
		/* Its other CPUs, if it has any, may be offline too. */
		if (task_cpu(p) == cpu)
			scx_bpf_dsq_move(&it, p, local, 0);
	}
	bpf_iter_scx_dsq_destroy(&it);
	return 0;
}

SEC("struct_ops/pvs_cpu_offline")
void BPF_PROG(pvs_cpu_offline, __s32 cpu)
{
	struct pvs_cpu_ctx *cpuc = cpu_of(cpu);

	if (cpuc)
		cpuc->is_offline = 1;
	pvs_online_cpus--;
	/* Nobody else takes what only this CPU may run, and the kernel waits for it to leave. */
	give_up(cpu, PVS_CPU_DSQ(cpu));
	give_up(cpu, PVS_NODE_DSQ(node_of(cpu)));
	give_up(cpu, PVS_URGENT_DSQ);
	give_up(cpu, PVS_PARKED_DSQ);
}

/* CPUs that come and go from now on tell so: cpu_online(), cpu_offline(). */
static __always_inline void count_online(void)
{
	const struct cpumask *online = scx_bpf_get_online_cpumask();
	__u64 nodes = 0;
	struct pvs_cpu_ctx *cpuc;
	__u32 i;

	pvs_online_cpus = 0;
	pvs_online_nodes = 0;
	bpf_for(i, 0, pvs_nr_cpus) {
		cpuc = cpu_of(i);
		if (!cpuc)
			break;
		cpuc->is_taken = 0;
		cpuc->left_at = 0;
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

	count_online();
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
	error = parked_init();
	return error ? error : scx_bpf_create_dsq(PVS_URGENT_DSQ, -1);
}

SEC("struct_ops/pvs_exit")
void BPF_PROG(pvs_exit, struct scx_exit_info *info)
{
	struct pvs_scx_exit *end = &pvs_scx_exit;

	bpf_probe_read_kernel_str(end->reason, sizeof(end->reason),
				  info->reason);
	bpf_probe_read_kernel_str(end->message, sizeof(end->message),
				  info->msg);
	end->code = info->exit_code;
	end->is_detached = info->kind == PVS_SCX(scx_exit_kind, SCX_EXIT_UNREG);
	tell(PVS_SCX_ENDED);
}

#endif /* PVSCHED_LIFECYCLE_H */
