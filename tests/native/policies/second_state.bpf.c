// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 The pvsched authors */
/* See first_state. Boosts to rt_prio 7 while the state is what this policy gave it. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "host-policy/core/policy_view.h"

__u64 calls[512];
__u32 offset = 5, level = 7;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 8);
	__type(key, __u32);
	__type(value, __u64);
} steps SEC(".maps");

__u64 pvs_policy(const struct pvs_view *view)
{
	__u32 key = 0, rt_prio = level;
	__u64 *step;

	if (!view)
		return pvs_propose_keep();
	step = bpf_map_lookup_elem(&steps, &key);
	if (!step || *step || calls[0] || offset != 5)
		rt_prio = 1;
	calls[511]++;
	return pvs_propose(PVSCHED_POLICY_RR, 0, rt_prio, 0);
}

char _license[] SEC("license") = "GPL";
