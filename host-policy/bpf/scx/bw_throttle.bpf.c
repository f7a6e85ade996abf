// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 The pvsched authors */
/*
 * Tasks whose cgroups have used up their quota (bw_throttled). They wait in a
 * DSQ of their own, keyed by the time at which they may run. Every CPU looks
 * there when it dispatches; a timer wakes idle CPUs. It is a bpf_timer. PREEMPT_RT
 * has none, so there pvschedd reads pvs_bw_timer_at and runs pvs_bw_timer().
 */

/* Tasks throttled so far, counted before the timer is read. */
PVS_OWN(__u64, pvs_bw_throttles);
/* Its value when the timer last fired; only the timer uses it. */
PVS_OWN(__u64, pvs_bw_throttles_seen);
/* Its value when the timer last found the DSQ empty, and no task on its way there. */
PVS_OWN(__u64, pvs_bw_throttles_ended);
/* When the timer fires; 0: it is not armed. */
PVS_OWN(__u64, pvs_bw_timer_at);

/* Returns 0 if the timer will fire. */
static __always_inline int start_bw_timer(struct pvs_bw_timer *timer, __u64 delay)
{
	if (pvs_param_bw_kernel_timer)
		return bpf_timer_start(&timer->timer, delay, 0);
	return notify_pvschedd(PVS_SCX_BW_TIMER);
}

/*
 * Arms the timer unless it fires by then. It never fires at once, because the
 * kernel inserts the throttled task into its DSQ only after the caller returns.
 */
static __noinline int arm_bw_timer(struct pvs_bw_timer *timer, __u64 due)
{
	__u64 now = bpf_ktime_get_ns(), at;
	int i;

	if (!timer)
		return 0;
	if (due < now + pvs_param_slice_min)
		due = now + pvs_param_slice_min;
	/* Other CPUs arm it too. After a few losses one of theirs is as early as ours. */
	for (i = 0; i < 4; i++) {
		at = PVS_LOAD(pvs_bw_timer_at);
		/* A time that has passed without a callback means a failed start. */
		if (at && at <= due && now < at + pvs_param_bw_retry)
			return 0;
		if (__sync_val_compare_and_swap(&pvs_bw_timer_at, at, due) == at)
			break;
	}
	if (start_bw_timer(timer, due - now)) {
		PVS_STORE(pvs_bw_timer_at, 0);
		return 0;
	}
	/* Another CPU may have started it for an earlier time in between. */
	at = PVS_LOAD(pvs_bw_timer_at);
	if (at && at < due)
		start_bw_timer(timer, at > now ? at - now : 0);
	return 0;
}

/* Kicks an idle CPU for each task whose throttling has ended. */
static int bw_timer_fired(void *map, int *key, struct pvs_bw_timer *timer)
{
	__u64 now = bpf_ktime_get_ns(), due = 0, throttles;
	struct bpf_iter_scx_dsq it;
	struct task_struct *p;
	bool is_empty;
	__s32 cpu;
	__u32 i;

	/*
	 * Before the DSQ is read: a CPU that throttles a task from here on arms
	 * the timer again. A CPU that relied on this callback is in the count,
	 * though its task may not be in the DSQ yet.
	 */
	__sync_lock_test_and_set(&pvs_bw_timer_at, 0);
	/* Before 6.18.2 the verifier takes a callback for sleepable if its starter is. */
	bpf_rcu_read_lock();
	throttles = PVS_LOAD(pvs_bw_throttles);
	is_empty = !dsq_head_key_by_iter(PVS_BW_DSQ, &due);
	/* A timer of the scheduler before this one may fire before the DSQ exists. */
	if (!is_empty)
		arm_bw_timer(timer, due > now ? due : now + pvs_param_bw_retry);
	if (throttles != pvs_bw_throttles_seen)
		arm_bw_timer(timer, now + pvs_param_bw_retry);
	else if (is_empty)
		PVS_STORE(pvs_bw_throttles_ended, throttles);
	pvs_bw_throttles_seen = throttles;
	bpf_iter_scx_dsq_new(&it, PVS_BW_DSQ, 0);
	bpf_for(i, 0, pvs_param_bw_max_scan) {
		p = bpf_iter_scx_dsq_next(&it);
		if (!p || p->scx.dsq_vtime > now)
			break;
		cpu = claim_idle_cpu(p, node_of(task_cpu(p)));
		if (cpu >= 0)
			kick_idle(cpu);
	}
	bpf_iter_scx_dsq_destroy(&it);
	bpf_rcu_read_unlock();
	return 0;
}

/* pvschedd runs it at pvs_bw_timer_at if pvs_param_bw_kernel_timer is 0. */
SEC("?syscall")
int pvs_bw_timer(void *ctx)
{
	__u32 key = 0;
	struct pvs_bw_timer *timer = bpf_map_lookup_elem(&bw_timer, &key);

	return timer ? bw_timer_fired(&bw_timer, (int *)&key, timer) : 0;
}

static __noinline int throttle_task(struct task_struct *p, __u64 until, __u64 enq_flags)
{
	struct pvs_bw_timer *timer;
	__u32 key = 0;

	dsq_insert_vtime(p, PVS_BW_DSQ, pvs_param_slice_max, until, enq_flags);
	timer = bpf_map_lookup_elem(&bw_timer, &key);
	__sync_fetch_and_add(&pvs_bw_throttles, 1);
	if (timer)
		arm_bw_timer(timer, until);
	return 0;
}

/* Whether a task is throttled. On most hosts none is. */
static __always_inline bool is_any_throttled(void)
{
	return PVS_LOAD(pvs_bw_throttles) != PVS_LOAD(pvs_bw_throttles_ended);
}

/* Whether the throttling of a task has ended. */
static __always_inline bool is_unthrottle_due(void)
{
	__u64 due;

	return is_any_throttled() && dsq_head_key(PVS_BW_DSQ, &due) &&
	       due <= bpf_ktime_get_ns();
}

/* Consumes a task whose throttling has ended. */
static __noinline bool consume_unthrottled(__s32 cpu)
{
	return is_unthrottle_due() &&
	       consume_first(cpu, PVS_BW_DSQ, bpf_ktime_get_ns(), PVS_ELIGIBLE_UP_TO_KEY, 0);
}

static __always_inline __s32 init_bw_throttle(void)
{
	struct pvs_bw_timer *timer;
	__u32 key = 0;

	timer = bpf_map_lookup_elem(&bw_timer, &key);
	if (!timer)
		return -22; /* EINVAL */
	if (pvs_param_bw_kernel_timer) {
		/* EBUSY: the timer is that of the scheduler that this one replaces. */
		bpf_timer_init(&timer->timer, &bw_timer, 1 /* CLOCK_MONOTONIC */);
		bpf_timer_set_callback(&timer->timer, bw_timer_fired);
	}
	pvs_bw_timer_at = 0;
	pvs_bw_throttles = 0;
	pvs_bw_throttles_ended = 0;
	return scx_bpf_create_dsq(PVS_BW_DSQ, -1);
}
