/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* Copyright (C) 2026 The pvsched authors */
/*
 * A cgroup's CPU bandwidth: cpu.max, a quota of CPU time in each period.
 *
 * CPU time is charged late, at ticks, and may then exceed the quota. The excess
 * is a debt; each period refills one quota, and until the debt is paid no task
 * of the cgroup runs. So the share over time is the quota, however late a tick.
 *
 * Pure but for used_ns and period_start, which several CPUs change at once, each
 * by an atomic operation, so that no charge and no refill is lost. Times are ns.
 */
#ifndef PVSCHED_CORE_BANDWIDTH_H
#define PVSCHED_CORE_BANDWIDTH_H

#include "host-policy/core/param.h"

/*
 * bw-debt-max: ms 100..5000. The longest throttling for one debt. It must stay
 * below the timeout of sched_ext's watchdog (10 s), which ends the scheduler.
 */
PVS_PARAM(__u64, pvs_param_bw_debt_max, 2000 * PVS_MS);

struct pvs_bandwidth {
	__u64 quota_ns; /* 0: no limit */
	__u64 period_ns; /* the kernel allows 1 ms to 1 s */
	__u64 period_start;
	__u64 used_ns; /* charged and not yet refilled */
};

/* Sets the quota; returns the old one. 0: no limit. */
PVS_INLINE __u64 pvs_bandwidth_set(struct pvs_bandwidth *b, __u64 quota_ns,
				   __u64 period_ns, __u64 now)
{
	b->period_ns = period_ns;
	b->period_start = now;
	b->used_ns = 0;
	return __sync_lock_test_and_set(&b->quota_ns, quota_ns);
}

PVS_INLINE void pvs_bandwidth_refill(struct pvs_bandwidth *b, __u64 refill)
{
	__u64 used;
	int i;

	/* A failed exchange means that another CPU charged. Four in a row do not happen. */
	for (i = 0; i < 4; i++) {
		used = *(const volatile __u64 *)&b->used_ns;
		if (__sync_val_compare_and_swap(&b->used_ns, used,
						used > refill ? used - refill : 0) ==
		    used)
			return;
	}
}

/*
 * Charges CPU time. Returns when the cgroup may run; 0: now. Several CPUs call
 * this at once with slightly different `now`: one of them starts the new period,
 * and a period never moves back.
 */
PVS_INLINE __u64 pvs_bandwidth_charge(struct pvs_bandwidth *b, __u64 used, __u64 now)
{
	__u64 start = *(const volatile __u64 *)&b->period_start, periods, max, debt;
	__u64 quota = b->quota_ns, period = b->period_ns;
	__s64 elapsed = (__s64)(now - start);

	if (!quota || !period)
		return 0;
	max = pvs_param_bw_debt_max / period;
	/* A period may be longer than bw-debt-max: one period must fit. */
	if (!max)
		max = 1;
	/*
	 * More debt than that is forgotten. The bound on one charge matters if
	 * the CPU time dates from before the cgroup had a quota.
	 */
	if (b->used_ns < quota * max)
		__sync_fetch_and_add(&b->used_ns,
				     used < quota * max ? used : quota * max);
	if (elapsed > 0 && (__u64)elapsed >= period) {
		periods = (__u64)elapsed / period;
		if (__sync_val_compare_and_swap(&b->period_start, start,
						start + periods * period) == start)
			pvs_bandwidth_refill(b, periods * quota);
	}
	debt = *(const volatile __u64 *)&b->used_ns / quota;
	if (debt > max)
		debt = max;
	return debt ? *(const volatile __u64 *)&b->period_start + debt * period : 0;
}

#endif /* PVSCHED_CORE_BANDWIDTH_H */
