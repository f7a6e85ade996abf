// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 The pvsched authors */
/*
 * Takes 50 ms for each decision at an EXIT, so that other events come meanwhile.
 * The proposal tells which event it is for.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "host-policy/core/policy_view.h"

#define SLOW_NS 50000000ull

static int is_over(__u32 i, __u64 *start)
{
	return bpf_ktime_get_ns() - *start > SLOW_NS;
}

__u64 pvs_policy(const struct pvs_view *view)
{
	__u64 start = bpf_ktime_get_ns();

	if (!view)
		return pvs_propose_keep();
	if (view->event == PVS_EXIT)
		bpf_loop(1 << 23, is_over, &start, 0);
	return pvs_propose(PVSCHED_POLICY_RR, 0, view->event, 0);
}

char _license[] __attribute__((section("license"))) = "GPL";
