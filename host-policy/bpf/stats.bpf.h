/* SPDX-License-Identifier: GPL-2.0 */
/* Copyright (C) 2026 The pvsched authors */
/* The histogram of wake-up latencies. A program includes maps.bpf.c before it. */
#ifndef PVSCHED_STATS_BPF_H
#define PVSCHED_STATS_BPF_H

#include "host-policy/bpf/kernel_types.bpf.h"

/* The bucket of a latency: its binary logarithm in us. */
static __always_inline __u32 bucket_of(__u64 ns)
{
	__u64 us = ns / 1000;
	__u32 bucket = 0;

	if (us >> 16) {
		bucket += 16;
		us >>= 16;
	}
	if (us >> 8) {
		bucket += 8;
		us >>= 8;
	}
	if (us >> 4) {
		bucket += 4;
		us >>= 4;
	}
	if (us >> 2) {
		bucket += 2;
		us >>= 2;
	}
	bucket += us >> 1;
	return bucket < PVS_BUCKETS ? bucket : PVS_BUCKETS - 1;
}

/* The thread runs: counts the latency of the wake-up before it, if there was one. */
static __always_inline void count_wakeup(struct pvs_vcpu_binding *binding)
{
	struct pvs_slot *slot = slot_of(binding);
	__u32 bucket;

	if (!slot || !slot->woken_at)
		return;
	bucket = bucket_of(bpf_ktime_get_ns() - slot->woken_at);
	slot->woken_at = 0;
	if (slot->vcpu.state == PVS_BOOSTED)
		slot->wakeup_us[1][bucket]++;
	else
		slot->wakeup_us[0][bucket]++;
}

#endif /* PVSCHED_STATS_BPF_H */
