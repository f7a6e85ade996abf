/* SPDX-License-Identifier: GPL-2.0 */
/*
 * cgroups under the scheduler: cpu.weight, and cpu.max where the kernel tells
 * a scheduler of it (6.17 on). A host that relies on quotas keeps them.
 *
 * A quota binds urgent vCPUs too: it is the admin's. A task whose group, or one
 * above it, has used its quota waits in a queue ordered by when the period ends.
 * What a group used over its quota, as its tasks stop at ticks, it owes the next
 * period: so the average is the quota.
 */
#ifndef PVSCHED_GROUPS_H
#define PVSCHED_GROUPS_H

#include "host-policy/bpf/judge.h"
#include "host-policy/bpf/scx_kernel.h"

#define PVS_PARKED_DSQ 0x20001ull

/* Groups in one another; what lies deeper has no weight or quota of its own. */
#define PVS_MAX_DEPTH 12
/* No more periods than this are owed: tasks must run within the watchdog's time. */
#define PVS_MAX_OWED 4
/* Tasks looked at for one whose period has ended and that may run here. */
#define PVS_PARKED_AT 64
/* A group's weight where nobody set one. */
#define PVS_GROUP_WEIGHT 100

struct pvs_group {
	__u32 weight;
	__u32 reserved;
	__u64 quota_ns; /* 0: no limit */
	__u64 period_ns;
	__u64 period_start;
	__u64 used_ns;
};

struct {
	__uint(type, BPF_MAP_TYPE_CGRP_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct pvs_group);
} groups SEC(".maps");

struct pvs_wake {
	struct bpf_timer timer;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct pvs_wake);
} parked_timer SEC(".maps");

/* Groups that have a quota; 0 spares every task the look. */
__u32 pvs_limited;
/* Changes with every group's weight; 0: none was ever set. */
__u32 pvs_weights;
/* When the timer goes off; 0: it is not started. */
__u64 pvs_wake_at;

/*
 * Starts the timer, if it would not go off by then. Not at once: who parks a task
 * is here before the kernel has put it into the queue.
 */
static __noinline int wake_by(struct pvs_wake *wake, __u64 due)
{
	__u64 now = bpf_ktime_get_ns(), at;
	int i;

	if (!wake)
		return 0;
	if (due < now + PVS_SLICE_MIN_NS)
		due = now + PVS_SLICE_MIN_NS;
	/* Others may set it too; after a few of them one is as early as this one. */
	for (i = 0; i < 4; i++) {
		at = PVS_LOAD(pvs_wake_at);
		if (at && at <= due)
			return 0;
		if (__sync_val_compare_and_swap(&pvs_wake_at, at, due) == at)
			break;
	}
	bpf_timer_start(&wake->timer, due - now, 0);
	/* The start of an earlier one may have come in between. */
	at = PVS_LOAD(pvs_wake_at);
	if (at && at < due)
		bpf_timer_start(&wake->timer, at > now ? at - now : 0, 0);
	return 0;
}

static __always_inline struct pvs_group *group_of(struct cgroup *cgroup)
{
	return bpf_cgrp_storage_get(&groups, cgroup, 0, 0);
}

static __always_inline void group_set_quota(struct pvs_group *group,
					    __u64 period_us, __u64 quota_us)
{
	/* "max" is more microseconds than anybody has. */
	__u64 quota = quota_us >> 40 ? 0 : quota_us * 1000;

	if (quota && !group->quota_ns)
		__sync_fetch_and_add(&pvs_limited, 1);
	if (!quota && group->quota_ns)
		__sync_fetch_and_sub(&pvs_limited, 1);
	group->quota_ns = quota;
	group->period_ns = period_us * 1000;
	group->period_start = bpf_ktime_get_ns();
	group->used_ns = 0;
}

static __always_inline void group_set_weight(struct pvs_group *group, __u32 weight)
{
	if (group->weight == weight)
		return;
	group->weight = weight;
	__sync_fetch_and_add(&pvs_weights, 1);
}

/*
 * Moves the period to now; when the group may run, 0: now. Its tasks do this on
 * several CPUs at once, some a moment behind: one of them moves it, never back.
 */
static __always_inline __u64 group_advance(struct pvs_group *group, __u64 now)
{
	__u64 start = PVS_LOAD(group->period_start), periods, paid, used;
	__s64 gone = now - start;

	if (!group->quota_ns || !group->period_ns)
		return 0;
	if (gone > 0 && (__u64)gone >= group->period_ns) {
		periods = (__u64)gone / group->period_ns;
		if (__sync_val_compare_and_swap(&group->period_start, start,
						start + periods * group->period_ns) ==
		    start) {
			paid = periods * group->quota_ns;
			used = PVS_LOAD(group->used_ns);
			__sync_fetch_and_sub(&group->used_ns,
					     used > paid ? paid : used);
		}
	}
	if (group->used_ns < group->quota_ns)
		return 0;
	return group->period_start + group->period_ns;
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
		if (group && group->quota_ns) {
			if (group->used_ns < group->quota_ns * PVS_MAX_OWED)
				__sync_fetch_and_add(&group->used_ns, used);
			at = group_advance(group, now);
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

/* A CPU that sleeps does not look whether a period has ended. */
static int parked_wake(void *map, int *key, struct pvs_wake *wake)
{
	__u64 now = bpf_ktime_get_ns(), due = 0;
	__u32 i;

	/* Before the look: who parks a task after it starts the timer. */
	__sync_lock_test_and_set(&pvs_wake_at, 0);
	if (!pvs_head(PVS_PARKED_DSQ, &due))
		return 0;
	if (due <= now) {
		bpf_for(i, 0, pvs_nr_cpus)
			scx_bpf_kick_cpu(i, PVS_SCX(scx_kick_flags, SCX_KICK_IDLE));
	}
	wake_by(wake, due);
	return 0;
}

static __noinline int park(struct task_struct *p, __u64 until, __u64 enq_flags)
{
	struct pvs_wake *wake;
	__u32 key = 0;

	pvs_insert_by(p, PVS_PARKED_DSQ, PVS_SLICE_MAX_NS, until, enq_flags);
	wake = bpf_map_lookup_elem(&parked_timer, &key);
	if (wake)
		wake_by(wake, until);
	return 0;
}

/* A task that may run here and whose period has ended, if one waits. */
static __noinline bool take_parked(__s32 cpu, __u64 now)
{
	__u64 local = PVS_SCX(scx_dsq_id_flags, SCX_DSQ_LOCAL);
	struct bpf_iter_scx_dsq it;
	struct task_struct *p;
	bool is_taken = false;
	__u32 i;

	/* The timer goes for as long as one waits: most hosts need not look. */
	if (!PVS_LOAD(pvs_wake_at))
		return false;
	bpf_iter_scx_dsq_new(&it, PVS_PARKED_DSQ, 0);
	bpf_for(i, 0, PVS_PARKED_AT) {
		p = bpf_iter_scx_dsq_next(&it);
		if (!p || p->scx.dsq_vtime > now)
			break;
		if (!bpf_cpumask_test_cpu(cpu, p->cpus_ptr))
			continue;
		is_taken = scx_bpf_dsq_move(&it, p, local, 0);
		if (is_taken)
			break;
	}
	bpf_iter_scx_dsq_destroy(&it);
	return is_taken;
}

static __always_inline __s32 groups_init(void)
{
	struct pvs_wake *wake;
	__u32 key = 0;

	wake = bpf_map_lookup_elem(&parked_timer, &key);
	if (!wake)
		return -22;
	/* EBUSY: of a scheduler that this one takes the place of. */
	bpf_timer_init(&wake->timer, &parked_timer, 1 /* CLOCK_MONOTONIC */);
	bpf_timer_set_callback(&wake->timer, parked_wake);
	pvs_wake_at = 0;
	pvs_limited = 0;
	return scx_bpf_create_dsq(PVS_PARKED_DSQ, -1);
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

/* Its new groups' weights count from its next wake-up on. */
SEC("struct_ops/pvs_cgroup_move")
void BPF_PROG(pvs_cgroup_move, struct task_struct *p, struct cgroup *from,
	      struct cgroup *to)
{
	struct pvs_task *task = bpf_task_storage_get(&tasks, p, 0, 0);

	if (task)
		task->weights = 0;
}

#endif /* PVSCHED_GROUPS_H */
