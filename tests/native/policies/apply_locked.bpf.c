// SPDX-License-Identifier: GPL-2.0
/* Boosts and unboosts whoever is registered, with the scheduler's locks held. */
#include <linux/types.h>

#include <bpf/bpf_helpers.h>

#include "pvsched_abi.h"

extern int pvsched_host_apply(__u32 slot, __u64 grant) __ksym;

__u64 turn;

SEC("tp_btf/sched_switch")
int apply_locked(void *context)
{
	__u64 boost = pvsched_word(PVSCHED_POLICY_RR, 0, 3,
				   PVSCHED_GRANT_BOOSTED);
	__u32 slot = turn++ >> 1 & 63;

	pvsched_host_apply(slot, turn & 1 ? boost : 0);
	return 0;
}

char _license[] SEC("license") = "GPL";
