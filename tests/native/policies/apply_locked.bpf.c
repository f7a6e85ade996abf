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
	/* Between a boost and its end lie 64 switches: who applies it has its turn. */
	__u64 at = turn++;

	pvsched_host_apply(at & 63, at & 64 ? 0 : boost);
	return 0;
}

char _license[] SEC("license") = "GPL";
