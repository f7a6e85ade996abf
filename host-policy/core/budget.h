/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* Copyright (C) 2026 The pvsched authors */
/*
 * CPU time used over a sliding window, against two budgets.
 *
 * The window is divided into buckets. The sum covers PVS_BUDGET_BUCKETS whole
 * buckets and the current one, so it never covers less than the window. No
 * window then holds more use than the budget and one interval between events.
 *
 * That excess must not recur in each window. So each budget also has a debt:
 * use adds to it, and time pays it off at the budget's rate. An excess stays in
 * the debt and shortens the following windows. Over time the share of CPU time
 * is the budget's.
 */
#ifndef PVSCHED_CORE_BUDGET_H
#define PVSCHED_CORE_BUDGET_H

#include "host-policy/core/priority_word.h"

#define PVS_BUDGET_BUCKETS 16

struct pvs_budget {
	__u64 used_ns; /* sum of the window's buckets */
	__u64 debt_ns; /* use that time has not paid off */
};

/* Every decision reads this part. */
struct pvs_window {
	__u64 bucket_start; /* when the current bucket began */
	struct pvs_budget boost;
	struct pvs_budget critical;
};

/* Only a charge, and use that leaves the window, reads this part. */
struct pvs_budget_buckets {
	__u32 current_index;
	__u32 boost[PVS_BUDGET_BUCKETS + 1];
	__u32 critical[PVS_BUDGET_BUCKETS + 1];
};

PVS_INLINE int pvs_budget_is_used_up(const struct pvs_budget *b,
				     __u64 budget_ns)
{
	return b->used_ns >= budget_ns || b->debt_ns >= budget_ns;
}

/*
 * Pays off debt for the time of `buckets` buckets. The debt is at most twice
 * the budget: after an admin lowers the budget, an old debt would otherwise
 * throttle for long.
 */
PVS_INLINE void pvs_budget_pay_off(struct pvs_budget *b, __u64 budget_ns,
				   __u64 buckets)
{
	__u64 paid_ns = budget_ns / PVS_BUDGET_BUCKETS * buckets;

	if (b->debt_ns > 2 * budget_ns)
		b->debt_ns = 2 * budget_ns;
	b->debt_ns -= paid_ns < b->debt_ns ? paid_ns : b->debt_ns;
}

/* Removes the use of the oldest bucket from the window. */
PVS_INLINE void pvs_budget_expire(struct pvs_budget *b, __u32 *oldest)
{
	b->used_ns -= *oldest;
	*oldest = 0;
}

/* Moves the window to `now`. */
PVS_INLINE void pvs_window_advance(struct pvs_window *w,
				   struct pvs_budget_buckets *buckets,
				   __u64 window_ns, __u64 budget_ns,
				   __u64 critical_budget_ns, __u64 now)
{
	__u64 bucket_ns = window_ns / PVS_BUDGET_BUCKETS, passed;
	__u32 i, next;

	if (now - w->bucket_start < bucket_ns)
		return;
	passed = (now - w->bucket_start) / bucket_ns;
	if (passed > 2 * PVS_BUDGET_BUCKETS)
		passed = 2 * PVS_BUDGET_BUCKETS; /* pays off any debt */
	pvs_budget_pay_off(&w->boost, budget_ns, passed);
	pvs_budget_pay_off(&w->critical, critical_budget_ns, passed);
	/* Empty buckets need no expiry one by one. */
	if (!w->boost.used_ns && !w->critical.used_ns) {
		w->bucket_start += passed * bucket_ns;
		if (now - w->bucket_start >= bucket_ns)
			w->bucket_start = now;
		return;
	}
	for (i = 0; i < PVS_BUDGET_BUCKETS + 1; i++) {
		if (now - w->bucket_start < bucket_ns)
			return;
		next = buckets->current_index >= PVS_BUDGET_BUCKETS ?
			       0 :
			       buckets->current_index + 1;
		pvs_budget_expire(&w->boost, &buckets->boost[next]);
		pvs_budget_expire(&w->critical, &buckets->critical[next]);
		buckets->current_index = next;
		w->bucket_start += bucket_ns;
	}
	/* No event for longer than the window: all buckets are empty now. */
	w->bucket_start = now;
}

/*
 * Charges CPU time that was used since the last event to the current bucket.
 * The caller charges before it moves the window. So use may leave the window
 * too early, by at most the interval between two events.
 */
PVS_INLINE void pvs_budget_charge(struct pvs_budget *b, __u32 *bucket,
				  __u64 used_ns)
{
	__u64 room = 0xffffffffu - *bucket;

	if (used_ns > room)
		used_ns = room;
	*bucket += (__u32)used_ns;
	b->used_ns += used_ns;
	b->debt_ns += used_ns;
}

#endif /* PVSCHED_CORE_BUDGET_H */
