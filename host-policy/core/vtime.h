/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/*
 * The order of ordinary tasks under pvsched's scheduler: by virtual deadline.
 *
 * A task's vruntime is the CPU time that it used, scaled by its weight, as in
 * every fair scheduler. Its deadline is its vruntime plus what it has used
 * since it last slept: so of two tasks with the same share the one that runs in
 * short bursts comes first, and one that never sleeps comes last. Sleep earns
 * credit, the more the more often a task sleeps, the less the more tasks wait.
 * This is the order of scx_bpfland, and the reason for its good latencies.
 *
 * Pure functions, as all of the core. Times are nanoseconds of CPU time, of
 * virtual time where the name says so. A pvs_vtime belongs to one caller at a
 * time.
 */
#ifndef PVSCHED_CORE_FAIR_H
#define PVSCHED_CORE_FAIR_H

#include "host-policy/core/priority_word.h"

#define PVS_WEIGHT 100 /* of a task of nice 0, as sched_ext counts it */

/* A tick is 1 to 10 ms: longer slices only delay, shorter ones only switch. */
#define PVS_SLICE_MAX_NS (5 * 1000000ull)
#define PVS_SLICE_MIN_NS (1 * 1000000ull)
/* No sleep earns more than this, and no debt is greater. */
#define PVS_LAG_MAX_NS (40 * 1000000ull)
/*
 * Of a queue: where bursts begin to count less. With 8 and 16 hackbench switches 1.7 and 1.9
 * times as often, and one that only wakes now and then waits no less (docs/results.md).
 */
#define PVS_BURST_QUEUE_MIN 4
/*
 * Wake-ups a second at which sleep earns all of it. With 64 one that forks, and waits for
 * each child, got less done beside a guest than with the kernel's own (docs/results.md).
 */
#define PVS_WAKEUPS_FULL_CREDIT 16

struct pvs_vtime {
	__u64 vruntime;
	__u64 awake; /* virtual time used since it last slept */
	__u64 slept_at; /* clock; 0: never */
	__u32 wakes; /* a second: running mean */
	__u32 reserved;
};

/* Virtual time wraps like any clock. */
PVS_INLINE int pvs_before(__u64 a, __u64 b)
{
	return (__s64)(a - b) < 0;
}

PVS_INLINE __u64 pvs_scale_by_weight(__u64 ns, __u32 weight)
{
	return ns * PVS_WEIGHT / (weight ? weight : 1);
}

PVS_INLINE void pvs_vtime_sleep(struct pvs_vtime *f, __u64 now)
{
	f->slept_at = now;
}

/* How many wait for each CPU, of the mean of that in sixteenths. */
PVS_INLINE __u32 pvs_nr_queued_avg_round(__u32 nr_queued_avg)
{
	return (nr_queued_avg + 8) / 16;
}

/*
 * That mean with one look more, at which so many wait. Not the number at the moment,
 * which changes from one millisecond to the next where tasks wait for a disk: orders
 * made for a long and for a short queue say nothing of each other. One that never
 * sleeps, and that others went far ahead of while few waited, would go on for several
 * ticks as soon as more do.
 */
PVS_INLINE __u32 pvs_nr_queued_avg_add(__u32 nr_queued_avg, __u32 waiting)
{
	return nr_queued_avg - pvs_nr_queued_avg_round(nr_queued_avg) + waiting;
}

/*
 * The more tasks wait for each CPU, the nearer they stay to each other: virtual
 * time passes slower then, and a lag takes as much longer to wait for.
 */
PVS_INLINE __u64 pvs_lag_limit(__u32 waiting)
{
	return PVS_LAG_MAX_NS * 8 / (waiting + 8ull);
}

/*
 * It joins tasks of which `vtime_now` is the virtual time. It may come from others
 * whose time went faster or slower: neither advance nor debt follows it.
 */
PVS_INLINE void pvs_vtime_clamp(struct pvs_vtime *f, __u64 vtime_now, __u32 waiting)
{
	__u64 lag = pvs_lag_limit(waiting);

	if (pvs_before(f->vruntime, vtime_now - PVS_LAG_MAX_NS))
		f->vruntime = vtime_now - PVS_LAG_MAX_NS;
	if (pvs_before(vtime_now + lag, f->vruntime))
		f->vruntime = vtime_now + lag;
}

/*
 * A new task goes on where its parent is, with its rate of wake-ups. So one that has its
 * work done by children, as a shell has, comes as soon as if it did that itself; and
 * nobody gets rid of a debt by forking.
 */
PVS_INLINE void pvs_vtime_fork(struct pvs_vtime *child, const struct pvs_vtime *parent)
{
	*child = *parent;
	child->slept_at = 0;
}

/*
 * It becomes runnable. `vtime_now` is the virtual time of those that run, `waiting`
 * the number of tasks that wait for each CPU.
 */
PVS_INLINE void pvs_vtime_wake(struct pvs_vtime *f, __u32 weight, __u64 vtime_now,
			      __u64 now, __u32 waiting)
{
	__u64 gap = now - f->slept_at, credit;
	__u32 rate;

	if (f->slept_at) {
		/* One every `gap`, not counting what it ran in between. */
		rate = gap > 1000000 ? (__u32)(1000000000ull / gap) : 1000;
		f->wakes = (f->wakes * 3 + rate) / 4;
		f->awake = 0;
	}
	credit = PVS_LAG_MAX_NS * (f->wakes < PVS_WAKEUPS_FULL_CREDIT ? f->wakes + 1 :
							   PVS_WAKEUPS_FULL_CREDIT) /
		 PVS_WAKEUPS_FULL_CREDIT / (waiting + 1);
	/* More weight, more of it, as for everything else. */
	credit = credit * weight / PVS_WEIGHT;
	if (credit > PVS_LAG_MAX_NS)
		credit = PVS_LAG_MAX_NS;
	if (pvs_before(f->vruntime, vtime_now - credit))
		f->vruntime = vtime_now - credit;
	pvs_vtime_clamp(f, vtime_now, waiting);
}

PVS_INLINE void pvs_vtime_charge(struct pvs_vtime *f, __u64 used, __u32 weight)
{
	__u64 scaled = pvs_scale_by_weight(used, weight);

	f->vruntime += scaled;
	f->awake += scaled;
	if (f->awake > PVS_LAG_MAX_NS)
		f->awake = PVS_LAG_MAX_NS;
}

PVS_INLINE __u64 pvs_vtime_deadline(const struct pvs_vtime *f)
{
	return f->vruntime + f->awake;
}

/*
 * Its place in a queue. In a long one it counts ever less that a task's bursts are
 * short: tasks that write to each other would be switched to for each message, where
 * one that comes later finds several. From PVS_BURST_QUEUE_MIN tasks a CPU on.
 */
PVS_INLINE __u64 pvs_vtime_dsq_key(const struct pvs_vtime *f, __u32 waiting)
{
	__u64 most = pvs_lag_limit(waiting) / (1 + waiting / PVS_BURST_QUEUE_MIN);

	return f->vruntime + (f->awake < most ? f->awake : most);
}

/*
 * The virtual time after one of `runnable` tasks has run for what its weight makes
 * `scaled` (pvs_scale_by_weight()). It passes by that, too, not only with those that run:
 * else new tasks, each of which begins at `vtime_now` and ends soon, would go before an
 * older one for ever.
 */
PVS_INLINE __u64 pvs_vtime_advance(__u64 vtime_now, __u64 scaled, __u32 runnable)
{
	return vtime_now + scaled / (runnable ? runnable : 1);
}

/* The more tasks wait for each CPU, the shorter: so each waits about as long. */
PVS_INLINE __u64 pvs_slice_for(__u32 waiting)
{
	__u64 slice = PVS_SLICE_MAX_NS / (waiting + 1);

	return slice < PVS_SLICE_MIN_NS ? PVS_SLICE_MIN_NS : slice;
}

/*
 * The weight of nice values -20..19 in sched_ext's scale, 1024 at nice 0 made
 * 100: the kernel's own table, by which each step is 10 % of CPU time.
 */
PVS_INLINE __u32 pvs_weight_of_nice(__s32 nice)
{
	static const __u32 weights[40] = {
		8668, 7016, 5517, 4547, 3553, 2864, 2284, 1830, 1457, 1160,
		932,  739,  595,  478,	382,  305,  244,  195,	155,  125,
		100,  80,   64,	  51,	41,   33,   27,	  21,	17,   13,
		11,   9,    7,	  6,	4,    4,    3,	  2,	2,    1,
	};
	__u32 index = (__u32)(nice + 20); /* unsigned: the verifier follows it */

	return index < 40 ? weights[index] : PVS_WEIGHT;
}

#endif /* PVSCHED_CORE_FAIR_H */
