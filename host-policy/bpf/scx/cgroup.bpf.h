/* SPDX-License-Identifier: GPL-2.0 */
/*
 * cgroups under the scheduler: cpu.weight, and cpu.max where the kernel tells
 * a scheduler of it (6.17 on). A host that relies on quotas keeps them.
 *
 * A quota binds urgent vCPUs too: it is the admin's. A task whose group, or one
 * above it, has used its quota is parked (parked.h) until it may run again, by
 * core/quota.h.
 */
#ifndef PVSCHED_GROUPS_H
#define PVSCHED_GROUPS_H

#include "host-policy/bpf/decide.bpf.h"
#include "host-policy/bpf/scx/maps.bpf.c"
#include "host-policy/bpf/scx/compat.bpf.h"
#include "host-policy/core/bandwidth.h"

/* Groups in one another; what lies deeper has no weight or quota of its own. */
#define PVS_MAX_DEPTH 12
/* A group's weight where nobody set one. */
#define PVS_GROUP_WEIGHT 100

struct pvs_group {
	__u32 weight;
	__u32 reserved;
	struct pvs_bandwidth quota;
};

struct {
	__uint(type, BPF_MAP_TYPE_CGRP_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct pvs_group);
} groups SEC(".maps");

/* Groups that have a quota; 0 spares every task the look. */
__u32 pvs_limited;
/* Changes with every group's weight; 0: none was ever set. */
__u32 pvs_weights;

static __always_inline struct pvs_group *group_of(struct cgroup *cgroup)
{
	return bpf_cgrp_storage_get(&groups, cgroup, 0, 0);
}

static __always_inline void group_set_quota(struct pvs_group *group,
					    __u64 period_us, __u64 quota_us)
{
	/* "max" is more microseconds than anybody has. */
	__u64 quota = quota_us >> 40 ? 0 : quota_us * 1000, had;

	/* Two may write the same file at once: one of them changes the number. */
	had = pvs_bandwidth_set(&group->quota, quota, period_us * 1000,
			    bpf_ktime_get_ns());
	if (quota && !had)
		__sync_fetch_and_add(&pvs_limited, 1);
	if (!quota && had)
		__sync_fetch_and_sub(&pvs_limited, 1);
}

static __always_inline void group_set_weight(struct pvs_group *group, __u32 weight)
{
	if (group->weight == weight)
		return;
	group->weight = weight;
	__sync_fetch_and_add(&pvs_weights, 1);
}

/*
 * Charges `used` to the task's group and those above; returns when they all may
 * run, 0: now.
 */
static __noinline __u64 groups_charge(struct task_struct *p, __u64 used)
{
	struct cgroup *own, *cgroup;
	struct pvs_group *group;
	__u64 now = bpf_ktime_get_ns(), until = 0, at;
	int level;

	own = scx_bpf_task_cgroup(p);
	if (!own)
		return 0;
	/* Level 0 is the root, which has no quota. */
	bpf_for(level, 1, PVS_MAX_DEPTH) {
		cgroup = bpf_cgroup_ancestor(own, level);
		if (!cgroup)
			break;
		group = group_of(cgroup);
		if (group) {
			at = pvs_bandwidth_charge(&group->quota, used, now);
			if (at > until)
				until = at;
		}
		bpf_cgroup_release(cgroup);
	}
	bpf_cgroup_release(own);
	return until;
}

/*
 * When the task may run, by its groups' quotas; 0: now. Only of the task that a
 * callback is about: the kernel tells no other one's group.
 */
static __always_inline __u64 parked_until(struct task_struct *p)
{
	if (!pvs_limited || !bpf_ksym_exists(scx_bpf_task_cgroup))
		return 0;
	return groups_charge(p, 0);
}

/* The task's share in its groups' shares: the weights' product. */
static __noinline __u32 groups_weight(struct task_struct *p)
{
	struct cgroup *own, *cgroup;
	__u32 weight = PVS_WEIGHT;
	struct pvs_group *group;
	int level;

	own = scx_bpf_task_cgroup(p);
	if (!own)
		return weight;
	bpf_for(level, 1, PVS_MAX_DEPTH) {
		cgroup = bpf_cgroup_ancestor(own, level);
		if (!cgroup)
			break;
		group = group_of(cgroup);
		if (group && group->weight)
			weight = weight * group->weight / PVS_GROUP_WEIGHT;
		if (weight < 1)
			weight = 1;
		if (weight > 10000)
			weight = 10000;
		bpf_cgroup_release(cgroup);
	}
	bpf_cgroup_release(own);
	return weight;
}

SEC("struct_ops.s/pvs_cgroup_init")
__s32 BPF_PROG(pvs_cgroup_init, struct cgroup *cgroup,
	       struct scx_cgroup_init_args *args)
{
	struct pvs_group *group;

	group = bpf_cgrp_storage_get(&groups, cgroup, 0,
				     BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!group)
		return -12; /* ENOMEM */
	__builtin_memset(group, 0, sizeof(*group));
	group->weight = PVS_GROUP_WEIGHT;
	group_set_weight(group, args->weight);
	if (bpf_core_field_exists(args->bw_quota_us))
		group_set_quota(group, args->bw_period_us, args->bw_quota_us);
	return 0;
}

SEC("struct_ops/pvs_cgroup_exit")
void BPF_PROG(pvs_cgroup_exit, struct cgroup *cgroup)
{
	struct pvs_group *group = group_of(cgroup);

	if (group)
		group_set_quota(group, 0, ~0ull);
}

SEC("struct_ops/pvs_cgroup_set_weight")
void BPF_PROG(pvs_cgroup_set_weight, struct cgroup *cgroup, __u32 weight)
{
	struct pvs_group *group = group_of(cgroup);

	if (group)
		group_set_weight(group, weight);
}

SEC("struct_ops/pvs_cgroup_set_bandwidth")
void BPF_PROG(pvs_cgroup_set_bandwidth, struct cgroup *cgroup,
	      __u64 period_us, __u64 quota_us, __u64 burst_us)
{
	struct pvs_group *group = group_of(cgroup);

	if (group)
		group_set_quota(group, period_us, quota_us);
}

/* Its new groups' weights count from when it is next charged. */
SEC("struct_ops/pvs_cgroup_move")
void BPF_PROG(pvs_cgroup_move, struct task_struct *p, struct cgroup *from,
	      struct cgroup *to)
{
	struct pvs_task_ctx *taskc = bpf_task_storage_get(&task_ctxs, p, 0, 0);

	if (taskc)
		taskc->weights = 0;
}

#endif /* PVSCHED_GROUPS_H */
