/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tasks whose groups have used up their quotas: they wait in a queue of their own,
 * by when they may run again, which every CPU looks into; for CPUs that sleep there
 * is a timer.
 */
#ifndef PVSCHED_PARKED_H
#define PVSCHED_PARKED_H

#include "host-policy/bpf/scx/cgroup.bpf.h"

#define PVS_PARKED_DSQ 0x20001ull

/* Tasks looked at whose wait is over. */
#define PVS_PARKED_AT 64
/* After so long the timer looks again: a CPU may have been late, or busy. */
#define PVS_LOOK_AGAIN_NS PVS_SLICE_MAX_NS

struct pvs_wake {
	struct bpf_timer timer;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct pvs_wake);
} parked_timer SEC(".maps");

/* Tasks parked so far; counted before the timer is looked at. 0: nobody need look. */
__u64 pvs_parks;
/* The timer's own: what that was at its last look. */
__u64 pvs_parks_seen;
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
		/* One that should have gone off by now could not be started. */
		if (at && at <= due && now < at + PVS_LOOK_AGAIN_NS)
			return 0;
		if (__sync_val_compare_and_swap(&pvs_wake_at, at, due) == at)
			break;
	}
	if (bpf_timer_start(&wake->timer, due - now, 0)) {
		PVS_STORE(pvs_wake_at, 0);
		return 0;
	}
	/* The start of an earlier one may have come in between. */
	at = PVS_LOAD(pvs_wake_at);
	if (at && at < due)
		bpf_timer_start(&wake->timer, at > now ? at - now : 0, 0);
	return 0;
}

/* A CPU that sleeps does not look whether a period has ended. */
static int parked_wake(void *map, int *key, struct pvs_wake *wake)
{
	__u64 now = bpf_ktime_get_ns(), due = 0, parks;
	struct bpf_iter_scx_dsq it;
	struct task_struct *p;
	__s32 cpu;
	__u32 i;

	/*
	 * Before the look: who parks a task after it starts the timer. Who relied
	 * on this one is counted, though the task may not be in the queue yet.
	 */
	__sync_lock_test_and_set(&pvs_wake_at, 0);
	/* Kernels before 6.18.2 take it for one that may sleep, as its starter may. */
	bpf_rcu_read_lock();
	parks = PVS_LOAD(pvs_parks);
	/* Of the scheduler before this one it may come before the queue does. */
	if (pvs_first(PVS_PARKED_DSQ, &due))
		wake_by(wake, due > now ? due : now + PVS_LOOK_AGAIN_NS);
	if (parks != pvs_parks_seen)
		wake_by(wake, now + PVS_LOOK_AGAIN_NS);
	pvs_parks_seen = parks;
	bpf_iter_scx_dsq_new(&it, PVS_PARKED_DSQ, 0);
	bpf_for(i, 0, PVS_PARKED_AT) {
		p = bpf_iter_scx_dsq_next(&it);
		if (!p || p->scx.dsq_vtime > now)
			break;
		cpu = scx_bpf_pick_idle_cpu(p->cpus_ptr, 0);
		if (cpu >= 0)
			scx_bpf_kick_cpu(cpu, PVS_SCX(scx_kick_flags, SCX_KICK_IDLE));
	}
	bpf_iter_scx_dsq_destroy(&it);
	bpf_rcu_read_unlock();
	return 0;
}

static __noinline int park(struct task_struct *p, __u64 until, __u64 enq_flags)
{
	struct pvs_wake *wake;
	__u32 key = 0;

	pvs_insert_by(p, PVS_PARKED_DSQ, PVS_SLICE_MAX_NS, until, enq_flags);
	wake = bpf_map_lookup_elem(&parked_timer, &key);
	__sync_fetch_and_add(&pvs_parks, 1);
	if (wake)
		wake_by(wake, until);
	return 0;
}

/* Whether a task's wait is over. */
static __always_inline bool is_parked_due(__u64 now)
{
	__u64 due;

	return PVS_LOAD(pvs_parks) && pvs_head(PVS_PARKED_DSQ, &due) && due <= now;
}

/* A task that may run here and whose wait is over, if there is one. */
static __noinline bool take_parked(__s32 cpu, __u64 now)
{
	__u64 local = PVS_SCX(scx_dsq_id_flags, SCX_DSQ_LOCAL);
	struct bpf_iter_scx_dsq it;
	struct task_struct *p;
	bool is_taken = false;
	__u32 i;

	if (!is_parked_due(now))
		return false;
	bpf_iter_scx_dsq_new(&it, PVS_PARKED_DSQ, 0);
	bpf_for(i, 0, PVS_PARKED_AT) {
		p = bpf_iter_scx_dsq_next(&it);
		if (!p || p->scx.dsq_vtime > now)
			break;
		if (!may_run(p, cpu))
			continue;
		is_taken = scx_bpf_dsq_move(&it, p, local, 0);
		if (is_taken)
			break;
	}
	bpf_iter_scx_dsq_destroy(&it);
	return is_taken;
}

static __always_inline __s32 parked_init(void)
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
	pvs_parks = 0;
	return scx_bpf_create_dsq(PVS_PARKED_DSQ, -1);
}

#endif /* PVSCHED_PARKED_H */
