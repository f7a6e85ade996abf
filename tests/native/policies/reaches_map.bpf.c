// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 The pvsched authors */
/* Reaches for pvsched's tunables, so it is refused: it would raise its own caps. */
#include "host-policy/core/policy_view.h"
#include "tests/native/policies/own_object.h"

__u64 pvs_policy(const struct pvs_view *view)
{
	__u32 key = 0;
	__u64 *caps = bpf_map_lookup_elem(&vm_tunables, &key);

	return caps && view ? *caps : 0;
}

char _license[] SEC("license") = "GPL";
