/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/*
 * CPU time used over a sliding window, against two budgets.
 *
 * Kept in slices of the window. The sum covers PVS_BUDGET_BUCKETS whole slices and the
 * running one, that is, never less than the window: so in no window is more
 * used than the budget allows, plus what was used between two looks.
 *
 * That plus must not come anew with each window. So a budget has a bucket, too,
 * which use fills and time drains at the budget's own rate. Within the window's
 * limit it holds more than the budget only by what was used beyond it: that
 * shortens what the next windows allow, and a share over time is no more than
 * the budget's.
 */
#ifndef PVSCHED_CORE_BUDGET_H
#define PVSCHED_CORE_BUDGET_H

#include "host-policy/core/priority_word.h"

#define PVS_BUDGET_BUCKETS 16

struct pvs_budget {
	__u64 used_ns; /* in the window: sum of its slices */
	__u64 level_ns; /* of the bucket */
};

/* Looked at each time. */
struct pvs_window {
	__u64 slice_start;
	struct pvs_budget boost;
	struct pvs_budget critical;
};

/* Looked at when something was used, or leaves the window. */
struct pvs_budget_buckets {
	__u32 running; /* index of the running slice */
	__u32 boost[PVS_BUDGET_BUCKETS + 1];
	__u32 critical[PVS_BUDGET_BUCKETS + 1];
};

PVS_INLINE int pvs_budget_is_used_up(const struct pvs_budget *b,
				     __u64 budget_ns)
{
	return b->used_ns >= budget_ns || b->level_ns >= budget_ns;
}

/*
 * Slices of the window have passed. A bucket is at most twice full: else who
 * was given a smaller budget would pay for long for what the old one allowed.
 */
PVS_INLINE void pvs_budget_drain(struct pvs_budget *b, __u64 budget_ns,
				 __u64 slices)
{
	__u64 drained = budget_ns / PVS_BUDGET_BUCKETS * slices;

	if (b->level_ns > 2 * budget_ns)
		b->level_ns = 2 * budget_ns;
	b->level_ns -= drained < b->level_ns ? drained : b->level_ns;
}

/* What was used in the oldest slice leaves the window. */
PVS_INLINE void pvs_budget_leave(struct pvs_budget *b, __u32 *oldest)
{
	b->used_ns -= *oldest;
	*oldest = 0;
}

/* Moves the window to `now`. */
PVS_INLINE void pvs_window_advance(struct pvs_window *w, struct pvs_budget_buckets *s,
				   __u64 window_ns, __u64 budget_ns,
				   __u64 critical_budget_ns, __u64 now)
{
	__u64 slice_ns = window_ns / PVS_BUDGET_BUCKETS, passed;
	__u32 i, next;

	if (now - w->slice_start < slice_ns)
		return;
	passed = (now - w->slice_start) / slice_ns;
	if (passed > 2 * PVS_BUDGET_BUCKETS)
		passed = 2 * PVS_BUDGET_BUCKETS; /* no bucket holds more than that */
	pvs_budget_drain(&w->boost, budget_ns, passed);
	pvs_budget_drain(&w->critical, critical_budget_ns, passed);
	/* With nothing in them, slices need no moving one by one. */
	if (!w->boost.used_ns && !w->critical.used_ns) {
		w->slice_start += passed * slice_ns;
		if (now - w->slice_start >= slice_ns)
			w->slice_start = now;
		return;
	}
	for (i = 0; i < PVS_BUDGET_BUCKETS + 1; i++) {
		if (now - w->slice_start < slice_ns)
			return;
		next = s->running >= PVS_BUDGET_BUCKETS ? 0 : s->running + 1;
		pvs_budget_leave(&w->boost, &s->boost[next]);
		pvs_budget_leave(&w->critical, &s->critical[next]);
		s->running = next;
		w->slice_start += slice_ns;
	}
	/* Away for longer than the window: start anew. */
	w->slice_start = now;
}

/*
 * Charges CPU time that was used up to now. Before the window moves: so it
 * leaves the window too early by one event's distance at most.
 */
PVS_INLINE void pvs_budget_charge(struct pvs_budget *b, __u32 *running,
				  __u64 used_ns)
{
	__u64 room = 0xffffffffu - *running;

	if (used_ns > room)
		used_ns = room;
	*running += (__u32)used_ns;
	b->used_ns += used_ns;
	b->level_ns += used_ns;
}

#endif /* PVSCHED_CORE_BUDGET_H */
