// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 The pvsched authors */
/*
 * cgroups under the scheduler: cpu.weight, and cpu.max where the kernel tells a
 * scheduler about it (6.17 on). The quota of cpu.max is the admin's, so it
 * binds urgent vCPUs too. bw_throttle.bpf.c queues throttled tasks.
 */

/* cgroups deeper than this have no weight or quota of their own. */
#define PVS_CGROUP_DEPTH_MAX 12
/* cpu.weight by default. */
#define PVS_CGROUP_WEIGHT 100
/* Bounds of the product of the weights of a task's cgroups. */
#define PVS_CGROUPS_WEIGHT_MAX 10000

static __always_inline struct pvs_cgroup_ctx *cgroup_ctx(struct cgroup *cgroup)
{
	return bpf_cgrp_storage_get(&cgroup_ctxs, cgroup, 0, 0);
}

static __always_inline void set_cgroup_quota(struct pvs_cgroup_ctx *cgc,
					     __u64 period_us, __u64 quota_us)
{
	/* "max" is a number of microseconds that no quota has. */
	__u64 quota = quota_us >> 40 ? 0 : quota_us * 1000, old;

	old = pvs_bandwidth_set(&cgc->bandwidth, quota, period_us * 1000,
				bpf_ktime_get_ns());
	if (!quota != !old)
		__sync_fetch_and_add(&pvs_quota_generation, 1);
}

static __always_inline void set_cgroup_weight(struct pvs_cgroup_ctx *cgc, __u32 weight)
{
	if (cgc->weight == weight)
		return;
	cgc->weight = weight;
	__sync_fetch_and_add(&pvs_weight_generation, 1);
}

/*
 * Charges `used` to the task's cgroup and its ancestors. Returns when all of
 * them may run; 0: now.
 */
static __noinline __u64 charge_cgroups(struct task_struct *p, __u64 used)
{
	struct cgroup *own, *cgroup;
	struct pvs_cgroup_ctx *cgc;
	__u64 now = bpf_ktime_get_ns(), until = 0, at;
	int level;

	own = scx_bpf_task_cgroup(p);
	if (!own)
		return 0;
	/* Level 0 is the root, which has no quota. */
	bpf_for(level, 1, PVS_CGROUP_DEPTH_MAX) {
		cgroup = bpf_cgroup_ancestor(own, level);
		if (!cgroup)
			break;
		cgc = cgroup_ctx(cgroup);
		if (cgc) {
			at = pvs_bandwidth_charge(&cgc->bandwidth, used, now);
			if (at > until)
				until = at;
		}
		bpf_cgroup_release(cgroup);
	}
	bpf_cgroup_release(own);
	return until;
}

/* Whether one of the task's cgroups has a quota. */
static __noinline bool read_has_quota(struct task_struct *p)
{
	struct cgroup *own = scx_bpf_task_cgroup(p), *cgroup;
	struct pvs_cgroup_ctx *cgc;
	bool has_quota = false;
	int level;

	if (!own)
		return false;
	bpf_for(level, 1, PVS_CGROUP_DEPTH_MAX) {
		cgroup = bpf_cgroup_ancestor(own, level);
		if (!cgroup)
			break;
		cgc = cgroup_ctx(cgroup);
		has_quota |= cgc && cgc->bandwidth.quota_ns;
		bpf_cgroup_release(cgroup);
	}
	bpf_cgroup_release(own);
	return has_quota;
}

/*
 * Whether a quota binds the task. Its cgroups are read again only after a quota
 * began or ended, or the task moved. Only for the task of the callback: the kernel
 * ends a scheduler that asks for another task's cgroup.
 */
static __always_inline bool has_quota(struct task_struct *p, struct pvs_task_ctx *taskc)
{
	__u32 generation = PVS_LOAD(pvs_quota_generation);

	if (!generation || !bpf_ksym_exists(scx_bpf_task_cgroup))
		return false;
	if (taskc->quota_generation != generation) {
		taskc->quota_generation = generation;
		taskc->has_quota = read_has_quota(p);
	}
	return taskc->has_quota;
}

/*
 * Refills the quotas of the task's cgroups. Returns when the task may run; 0: now.
 * Only for the task of the callback.
 */
static __always_inline __u64 refill_bandwidth(struct task_struct *p, struct pvs_task_ctx *taskc)
{
	return taskc && has_quota(p, taskc) ? charge_cgroups(p, 0) : 0;
}

/* The product of the weights of the task's cgroup and its ancestors. */
static __noinline __u32 weight_of_cgroups(struct task_struct *p)
{
	struct cgroup *own, *cgroup;
	__u32 weight = PVS_WEIGHT;
	struct pvs_cgroup_ctx *cgc;
	int level;

	own = scx_bpf_task_cgroup(p);
	if (!own)
		return weight;
	bpf_for(level, 1, PVS_CGROUP_DEPTH_MAX) {
		cgroup = bpf_cgroup_ancestor(own, level);
		if (!cgroup)
			break;
		cgc = cgroup_ctx(cgroup);
		if (cgc && cgc->weight)
			weight = weight * cgc->weight / PVS_CGROUP_WEIGHT;
		if (weight < 1)
			weight = 1;
		if (weight > PVS_CGROUPS_WEIGHT_MAX)
			weight = PVS_CGROUPS_WEIGHT_MAX;
		bpf_cgroup_release(cgroup);
	}
	bpf_cgroup_release(own);
	return weight;
}

SEC("struct_ops.s/pvs_cgroup_init")
__s32 BPF_PROG(pvs_cgroup_init, struct cgroup *cgroup,
	       struct scx_cgroup_init_args *args)
{
	struct pvs_cgroup_ctx *cgc;

	cgc = bpf_cgrp_storage_get(&cgroup_ctxs, cgroup, 0,
				   BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!cgc)
		return -12; /* ENOMEM */
	__builtin_memset(cgc, 0, sizeof(*cgc));
	cgc->weight = PVS_CGROUP_WEIGHT;
	set_cgroup_weight(cgc, args->weight);
	if (bpf_core_field_exists(args->bw_quota_us))
		set_cgroup_quota(cgc, args->bw_period_us, args->bw_quota_us);
	return 0;
}

SEC("struct_ops/pvs_cgroup_exit")
void BPF_PROG(pvs_cgroup_exit, struct cgroup *cgroup)
{
	struct pvs_cgroup_ctx *cgc = cgroup_ctx(cgroup);

	if (cgc)
		set_cgroup_quota(cgc, 0, ~0ull);
}

SEC("struct_ops/pvs_cgroup_set_weight")
void BPF_PROG(pvs_cgroup_set_weight, struct cgroup *cgroup, __u32 weight)
{
	struct pvs_cgroup_ctx *cgc = cgroup_ctx(cgroup);

	if (cgc)
		set_cgroup_weight(cgc, weight);
}

SEC("struct_ops/pvs_cgroup_set_bandwidth")
void BPF_PROG(pvs_cgroup_set_bandwidth, struct cgroup *cgroup,
	      __u64 period_us, __u64 quota_us, __u64 burst_us)
{
	struct pvs_cgroup_ctx *cgc = cgroup_ctx(cgroup);

	if (cgc)
		set_cgroup_quota(cgc, period_us, quota_us);
}

/* The next charge reads the weights and quotas of the new cgroups. */
SEC("struct_ops/pvs_cgroup_move")
void BPF_PROG(pvs_cgroup_move, struct task_struct *p, struct cgroup *from,
	      struct cgroup *to)
{
	struct pvs_task_ctx *taskc = task_ctx(p);

	if (taskc) {
		taskc->weight_generation = 0;
		taskc->quota_generation = 0;
	}
}
