// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 The pvsched authors */
/*
 * The boot boost: the first CPU time that the threads of a new VM's process use
 * has the full credit of a sleeper and more weight. So a short-lived VM boots
 * and ends soon on a busy host that is fair to older tasks. core/boot_boost.h
 * has the bounds.
 */

/* Runs in the VMM, once per VM. A process has one boost at a time, however many VMs it creates. */
SEC("?fentry/kvm_arch_init_vm")
int BPF_PROG(pvs_kvm_arch_init_vm)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u32 uid = (__u32)bpf_get_current_uid_gid();
	__u64 now = bpf_ktime_get_ns(), full = 0;
	struct pvs_boot_boost *boost;

	if (!pvs_boot_boost_ns)
		return 0;
	boost = bpf_task_storage_get(&boot_boosts, task->group_leader, 0,
				     BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!boost || now < boost->until)
		return 0;
	/* Fails if the user has a pool. */
	bpf_map_update_elem(&boot_pools, &uid, &full, BPF_NOEXIST);
	boost->used_ns = 0;
	boost->uid = uid;
	boost->until = now + pvs_param_boot_boost_age;
	PVS_STORE(pvs_boot_boost_until, boost->until);
	/* After the boost is stored: a task that reads the new count finds it. */
	__sync_fetch_and_add(&pvs_boot_boosts, 1);
	return 0;
}

static __always_inline struct pvs_boot_boost *boot_boost(struct task_struct *p)
{
	return bpf_task_storage_get(&boot_boosts, p->group_leader, 0, 0);
}

/* NULL: evicted, as more users than the map holds have created VMs since. */
static __always_inline __u64 *boot_pool(const struct pvs_boot_boost *boost)
{
	__u32 uid = boost->uid;

	return bpf_map_lookup_elem(&boot_pools, &uid);
}

static __always_inline bool is_boot_pool_empty(const struct pvs_boot_boost *boost, __u64 now)
{
	__u64 *pool = boot_pool(boost);

	return !pool || pvs_boot_pool_is_empty(*pool, now) ||
	       pvs_boot_pool_is_empty(pvs_boot_host_pool, now);
}

/* Whether to look up the task's boost: once after each boost that begins. */
static __always_inline bool is_boot_boost_likely(const struct pvs_task_ctx *taskc)
{
	__u32 boosts = PVS_LOAD(pvs_boot_boosts);

	return boosts && taskc->not_boosted_boots != boosts + 1;
}

/*
 * The latest end of the task's boot boost; 0: it has none. A task without one
 * is looked up again only after another boost has begun.
 */
static __noinline __u64 boot_boost_until(struct task_struct *p, struct pvs_task_ctx *taskc,
					 __u64 now)
{
	/* Read before the lookup. */
	__u32 boosts = PVS_LOAD(pvs_boot_boosts) + 1;
	struct pvs_boot_boost *boost;

	if (!taskc)
		return 0;
	boost = now < pvs_boot_boost_until ? boot_boost(p) : NULL;
	if (!boost || !pvs_boot_boost_is_on(boost, pvs_boot_boost_ns, now)) {
		taskc->not_boosted_boots = boosts;
		return 0;
	}
	if (!is_boot_pool_empty(boost, now))
		return boost->until;
	count(boot_refused);
	return 0;
}

/* Charges CPU time that a boosted task has used; ends its boost if that was the last of it. */
static __noinline int use_boot_boost(struct task_struct *p, struct pvs_task_ctx *taskc,
				     __u64 used)
{
	struct pvs_boot_boost *boost = boot_boost(p);
	__u64 now = bpf_ktime_get_ns(), *pool;

	if (!taskc)
		return 0;
	if (!boost) {
		taskc->boot_boost_until = 0;
		return 0;
	}
	__sync_fetch_and_add(&boost->used_ns, used);
	pool = boot_pool(boost);
	if (pool)
		pvs_boot_pool_charge(pool, used, pvs_param_boot_boost_user_share,
				     pvs_online_cpus, now);
	pvs_boot_pool_charge(&pvs_boot_host_pool, used, pvs_param_boot_boost_share,
			     pvs_online_cpus, now);
	if (!pvs_boot_boost_is_on(boost, pvs_boot_boost_ns, now) ||
	    is_boot_pool_empty(boost, now))
		taskc->boot_boost_until = 0;
	return 0;
}
