// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 The pvsched authors */
/*
 * Has a variable, a counter and a map of the same names as second_state, with other
 * places, values and sizes. Boosts to rt_prio 2.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "host-policy/core/policy_view.h"

__u32 level = 2;
__u64 calls;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} steps SEC(".maps");

__u64 pvs_policy(const struct pvs_view *view)
{
	__u32 key = 0, *step;

	if (!view)
		return pvs_propose_keep();
	step = bpf_map_lookup_elem(&steps, &key);
	if (step)
		*step = 4;
	calls++;
	return pvs_propose(PVSCHED_POLICY_RR, 0, level, 0);
}

char _license[] SEC("license") = "GPL";
