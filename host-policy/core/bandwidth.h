/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/*
 * A control group's quota of CPU time in each period, cpu.max.
 *
 * What is used is known late, at ticks, and is then more than the quota left. It
 * is a debt, which each period pays off by a quota; until it is paid nobody of the
 * group runs. So the share over time is the quota, however late a tick is.
 *
 * Pure but for `used_ns` and `start`, which several CPUs change at once: each by
 * an atomic operation, so that nothing used or paid is lost. Times are ns.
 */
#ifndef PVSCHED_CORE_QUOTA_H
#define PVSCHED_CORE_QUOTA_H

#include "host-policy/core/priority_word.h"

/* No wait is longer: tasks must run within sched_ext's watchdog's time. */
#define PVS_BW_DEBT_MAX_NS (2 * 1000000000ull)

struct pvs_bandwidth {
	__u64 quota_ns; /* 0: no limit */
	__u64 period_ns; /* the kernel allows 1 ms to 1 s */
	__u64 start; /* of the period */
	__u64 used_ns; /* and not paid */
};

/* Its quota now; what it was, 0: no limit. */
PVS_INLINE __u64 pvs_bandwidth_set(struct pvs_bandwidth *q, __u64 quota_ns,
			       __u64 period_ns, __u64 now)
{
	q->period_ns = period_ns;
	q->start = now;
	q->used_ns = 0;
	return __sync_lock_test_and_set(&q->quota_ns, quota_ns);
}

PVS_INLINE void pvs_bandwidth_refill(struct pvs_bandwidth *q, __u64 paid)
{
	__u64 used;
	int i;

	/* Whoever is in the way has changed it: so often in a row, nobody is. */
	for (i = 0; i < 4; i++) {
		used = *(const volatile __u64 *)&q->used_ns;
		if (__sync_val_compare_and_swap(&q->used_ns, used,
						used > paid ? used - paid : 0) ==
		    used)
			return;
	}
}

/*
 * Charges what was used up to now; when the group may run, 0: now. Its tasks do
 * this on several CPUs at once, some a moment behind: one of them moves the
 * period, never back.
 */
PVS_INLINE __u64 pvs_bandwidth_charge(struct pvs_bandwidth *q, __u64 used, __u64 now)
{
	__u64 start = *(const volatile __u64 *)&q->start, periods, most, owed;
	__u64 quota = q->quota_ns, period = q->period_ns;
	__s64 gone = (__s64)(now - start);

	if (!quota || !period)
		return 0;
	most = PVS_BW_DEBT_MAX_NS / period;
	/*
	 * More is not paid before it is forgotten. Nor is more added at once: it may be of
	 * before there was a quota.
	 */
	if (q->used_ns < quota * most)
		__sync_fetch_and_add(&q->used_ns,
				     used < quota * most ? used : quota * most);
	if (gone > 0 && (__u64)gone >= period) {
		periods = (__u64)gone / period;
		if (__sync_val_compare_and_swap(&q->start, start,
						start + periods * period) == start)
			pvs_bandwidth_refill(q, periods * quota);
	}
	owed = *(const volatile __u64 *)&q->used_ns / quota;
	if (owed > most)
		owed = most;
	return owed ? *(const volatile __u64 *)&q->start + owed * period : 0;
}

#endif /* PVSCHED_CORE_QUOTA_H */
