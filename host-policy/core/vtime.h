/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* Copyright (C) 2026 The pvsched authors */
/*
 * The order of ordinary tasks under pvsched's scheduler: by virtual deadline.
 *
 * A task's vruntime is its CPU time, scaled by the inverse of its weight.
 * Its deadline is its vruntime plus the virtual time it used since it last
 * slept. So of two tasks with the same share, the task with short bursts runs
 * first, and a task that never sleeps runs last. A sleeper gets credit: more
 * if it wakes up often, less if many tasks are queued. The order is that of
 * scx_bpfland.
 *
 * Pure functions. Times are in ns. "Virtual" times are scaled by weight, and
 * wrap like every clock. A struct pvs_vtime belongs to one caller at a time.
 * nr_queued is the number of queued tasks per CPU, rounded from the mean that
 * pvs_nr_queued_avg_add() keeps.
 */
#ifndef PVSCHED_CORE_VTIME_H
#define PVSCHED_CORE_VTIME_H

#include "host-policy/core/param.h"

/* The weight of nice 0 in sched_ext's scale. */
#define PVS_WEIGHT 100

/* Fixed point of nr_queued_avg: 1/16. Also the weight of its history. */
#define PVS_NR_QUEUED_ONE 16

/*
 * slice-max: us 1000..100000. The longest slice of an ordinary task, used
 * while no other task is queued. A tick is 1 to 10 ms: a longer slice only
 * delays other tasks.
 */
PVS_PARAM(__u64, pvs_param_slice_max, 5 * PVS_MS);
/*
 * slice-min: us 100..100000. The shortest slice of an ordinary task. A shorter
 * slice costs more in switches than it gains in latency.
 */
PVS_PARAM(__u64, pvs_param_slice_min, 1 * PVS_MS);
/*
 * lag-max: us 1000..1000000. The most credit that sleep earns, and the largest
 * debt that a task keeps, while no task is queued.
 */
PVS_PARAM(__u64, pvs_param_lag_max, 40 * PVS_MS);
/*
 * lag-half-queue: tasks 1..1024. With this many queued tasks per CPU the
 * largest debt is half of lag-max. A longer queue advances virtual time more
 * slowly, so the same lag takes longer to wait for.
 */
PVS_PARAM(__u32, pvs_param_lag_half_queue, 8);
/*
 * burst-queue-min: tasks 1..1024. From this many queued tasks per CPU on, short
 * bursts count less in the order. Else tasks that exchange messages are
 * switched for each message: with 8, hackbench switches 1.7 times as often.
 */
PVS_PARAM(__u32, pvs_param_burst_queue_min, 4);
/*
 * wakeups-full-credit: wake-ups 1..1000. A task with this many wake-ups per
 * second earns all of lag-max by sleep. The rate counts time asleep only. With
 * 64, a task that forks and waits for each child falls behind the fair class.
 */
PVS_PARAM(__u32, pvs_param_wakeups_full_credit, 16);

struct pvs_vtime {
	__u64 vruntime;
	__u64 awake_vruntime; /* virtual time used since the last sleep */
	__u64 slept_at; /* clock; 0: never */
	__u32 wakeup_rate; /* per second of sleep: running mean */
	__u32 reserved;
};

PVS_INLINE int pvs_before(__u64 a, __u64 b)
{
	return (__s64)(a - b) < 0;
}

PVS_INLINE __u64 pvs_scale_by_weight(__u64 ns, __u32 weight)
{
	if (weight == PVS_WEIGHT)
		return ns;
	return ns * PVS_WEIGHT / (weight ? weight : 1);
}

PVS_INLINE void pvs_vtime_sleep(struct pvs_vtime *v, __u64 now)
{
	v->slept_at = now;
}

/* Rounds the fixed-point mean of queued tasks per CPU to an integer. */
PVS_INLINE __u32 pvs_nr_queued_avg_round(__u32 avg)
{
	return (avg + PVS_NR_QUEUED_ONE / 2) / PVS_NR_QUEUED_ONE;
}

/*
 * Adds one sample to the mean (EWMA). The order must not use the sample alone:
 * it jumps within a millisecond where tasks wait for a disk, and deadlines
 * computed for a short and for a long queue do not compare.
 */
PVS_INLINE __u32 pvs_nr_queued_avg_add(__u32 avg, __u32 nr_queued)
{
	return avg - pvs_nr_queued_avg_round(avg) + nr_queued;
}

/* The largest debt. The more tasks are queued, the closer they stay. */
PVS_INLINE __u64 pvs_lag_limit(__u32 nr_queued)
{
	__u64 half = pvs_param_lag_half_queue;

	return pvs_param_lag_max * half / (nr_queued + half);
}

/*
 * Bounds the task's distance from `vtime_now`, the virtual time of the tasks
 * that it joins. Another queue's virtual time may have run faster or slower;
 * neither its advance nor its debt follows the task.
 */
PVS_INLINE void pvs_vtime_clamp(struct pvs_vtime *v, __u64 vtime_now, __u32 nr_queued)
{
	__u64 limit = pvs_lag_limit(nr_queued);

	if (pvs_before(v->vruntime, vtime_now - pvs_param_lag_max))
		v->vruntime = vtime_now - pvs_param_lag_max;
	if (pvs_before(vtime_now + limit, v->vruntime))
		v->vruntime = vtime_now + limit;
}

/*
 * A child continues at its parent's position, with its wake-up rate. So a
 * parent whose children do its work runs as soon as if it did the work itself,
 * and no task loses a debt by forking.
 */
PVS_INLINE void pvs_vtime_fork(struct pvs_vtime *child, const struct pvs_vtime *parent)
{
	*child = *parent;
	child->slept_at = 0;
}

/* The task becomes runnable: its wake-up rate, and the credit for its sleep. */
PVS_INLINE void pvs_vtime_wake(struct pvs_vtime *v, __u32 weight, __u64 vtime_now,
			       __u64 now, __u32 nr_queued)
{
	__u64 full = pvs_param_wakeups_full_credit, max = pvs_param_lag_max;
	__u64 gap = now - v->slept_at, credit;
	__u32 rate;

	if (v->slept_at) {
		/* The rate if each sleep were this long; run time is left out. */
		rate = gap > PVS_MS ? (__u32)(1000 * PVS_MS / gap) : 1000;
		v->wakeup_rate = (v->wakeup_rate * 3 + rate) / 4;
		v->awake_vruntime = 0;
	}
	credit = max * (v->wakeup_rate < full ? v->wakeup_rate + 1 : full) /
		 full / (nr_queued + 1);
	credit = credit * weight / PVS_WEIGHT;
	if (credit > max)
		credit = max;
	if (pvs_before(v->vruntime, vtime_now - credit))
		v->vruntime = vtime_now - credit;
	pvs_vtime_clamp(v, vtime_now, nr_queued);
}

/* Charges CPU time, scaled by pvs_scale_by_weight(). */
PVS_INLINE void pvs_vtime_charge(struct pvs_vtime *v, __u64 scaled)
{
	v->vruntime += scaled;
	v->awake_vruntime += scaled;
	if (v->awake_vruntime > pvs_param_lag_max)
		v->awake_vruntime = pvs_param_lag_max;
}

PVS_INLINE __u64 pvs_vtime_deadline(const struct pvs_vtime *v)
{
	return v->vruntime + v->awake_vruntime;
}

/*
 * The task's key in a DSQ: its deadline, where a long queue bounds how much the
 * length of its bursts counts. See burst-queue-min.
 */
PVS_INLINE __u64 pvs_vtime_dsq_key(const struct pvs_vtime *v, __u32 nr_queued)
{
	__u64 max = pvs_lag_limit(nr_queued) /
		    (1 + nr_queued / pvs_param_burst_queue_min);

	return v->vruntime + (v->awake_vruntime < max ? v->awake_vruntime : max);
}

/*
 * The virtual time after one of `runnable` tasks has run for `scaled` ns of
 * virtual time. It advances with CPU time, not only with the task that runs.
 * Else short new tasks, each starting at vtime_now, would starve an older task.
 */
PVS_INLINE __u64 pvs_vtime_advance(__u64 vtime_now, __u64 scaled, __u32 runnable)
{
	return vtime_now + scaled / (runnable ? runnable : 1);
}

/* The slice shrinks as the queue grows, so that each task waits as long. */
PVS_INLINE __u64 pvs_slice_for(__u32 nr_queued)
{
	__u64 slice = pvs_param_slice_max / (nr_queued + 1);

	return slice < pvs_param_slice_min ? pvs_param_slice_min : slice;
}

/*
 * The weight of nice values -20..19 in sched_ext's scale: the kernel's
 * sched_prio_to_weight, where 1024 becomes 100.
 */
PVS_INLINE __u32 pvs_weight_of_nice(__s32 nice)
{
	static const __u32 weights[40] = {
		8668, 7016, 5517, 4547, 3553, 2864, 2284, 1830, 1457, 1160,
		932,  739,  595,  478,	382,  305,  244,  195,	155,  125,
		100,  80,   64,	  51,	41,   33,   27,	  21,	17,   13,
		11,   9,    7,	  6,	4,    4,    3,	  2,	2,    1,
	};
	__u32 index = (__u32)(nice + 20); /* unsigned: one bound for the verifier */

	return index < 40 ? weights[index] : PVS_WEIGHT;
}

#endif /* PVSCHED_CORE_VTIME_H */
