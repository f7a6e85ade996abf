/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/*
 * CPU time used over a sliding window, against two budgets.
 *
 * Kept in slices of the window. The sum covers PVS_SLICES whole slices and the
 * running one, that is, never less than the window: so in no window is more
 * used than the budget allows, plus what was used between two looks.
 */
#ifndef PVSCHED_CORE_BUDGET_H
#define PVSCHED_CORE_BUDGET_H

#include "host-policy/core/words.h"

#define PVS_SLICES 16

struct pvs_budget {
	__u64 used_ns; /* in the window: sum of its slices */
};

/* Looked at each time. */
struct pvs_window {
	__u64 slice_start;
	struct pvs_budget boost;
	struct pvs_budget critical;
};

/* Looked at when something was used, or leaves the window. */
struct pvs_slices {
	__u32 running; /* index of the running slice */
	__u32 boost[PVS_SLICES + 1];
	__u32 critical[PVS_SLICES + 1];
};

/* What was used in the oldest slice leaves the window. */
PVS_INLINE void pvs_budget_leave(struct pvs_budget *b, __u32 *oldest)
{
	b->used_ns -= *oldest;
	*oldest = 0;
}

/* Moves the window to `now`. */
PVS_INLINE void pvs_window_advance(struct pvs_window *w, struct pvs_slices *s,
				   __u64 window_ns, __u64 now)
{
	__u64 slice_ns = window_ns / PVS_SLICES;
	__u32 i, next;

	if (now - w->slice_start < slice_ns)
		return;
	/* Where the slices begin counts only while something is in them. */
	if (!w->boost.used_ns && !w->critical.used_ns) {
		w->slice_start = now;
		return;
	}
	for (i = 0; i < PVS_SLICES + 1; i++) {
		if (now - w->slice_start < slice_ns)
			return;
		next = s->running >= PVS_SLICES ? 0 : s->running + 1;
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
}

#endif /* PVSCHED_CORE_BUDGET_H */
