/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/*
 * CPU time used over a sliding window.
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
	__u64 slice_start;
	__u64 used_ns; /* sum of used[] */
	__u32 slice; /* index of the running slice */
	__u32 used[PVS_SLICES + 1];
};

/* Moves the window to `now`. */
PVS_INLINE void pvs_budget_advance(struct pvs_budget *b, __u64 window_ns,
				   __u64 now)
{
	__u64 slice_ns = window_ns / PVS_SLICES;
	__u32 i, next;

	for (i = 0; i < PVS_SLICES + 1; i++) {
		if (now - b->slice_start < slice_ns)
			return;
		next = b->slice >= PVS_SLICES ? 0 : b->slice + 1;
		b->used_ns -= b->used[next];
		b->used[next] = 0;
		b->slice = next;
		b->slice_start += slice_ns;
	}
	/* Away for longer than the window: start anew. */
	b->slice_start = now;
}

/*
 * Charges CPU time that was used up to now. Before the window moves: so it
 * leaves the window too early by one event's distance at most.
 */
PVS_INLINE void pvs_budget_charge(struct pvs_budget *b, __u64 used_ns)
{
	__u32 slice = b->slice > PVS_SLICES ? 0 : b->slice;
	__u64 room = 0xffffffffu - b->used[slice];

	if (used_ns > room)
		used_ns = room;
	b->used[slice] += (__u32)used_ns;
	b->used_ns += used_ns;
}

#endif /* PVSCHED_CORE_BUDGET_H */
