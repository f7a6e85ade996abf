// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 The pvsched authors */
/* Boosts and restores every registered thread, with the run queue's lock held. */
#include <linux/types.h>

#include <bpf/bpf_helpers.h>

#include "pvsched_abi.h"

extern int pvsched_host_apply(__u32 slot, __u64 grant) __ksym;

__u64 switches;

SEC("tp_btf/sched_switch")
int apply_locked(void *context)
{
	__u64 boost = pvsched_word(PVSCHED_POLICY_RR, 0, 3,
				   PVSCHED_GRANT_BOOSTED);
	/* 64 switches between a boost and its end let the module's worker run. */
	__u64 at = switches++;

	pvsched_host_apply(at & 63, at & 64 ? 0 : boost);
	return 0;
}

char _license[] SEC("license") = "GPL";
