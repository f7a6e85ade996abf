// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 The pvsched authors */
/* Names a function of the kernel, which a policy may. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "host-policy/core/policy_view.h"

struct task_struct;

extern void bpf_task_release(struct task_struct *p) __ksym __weak;

__u64 pvs_policy(const struct pvs_view *view)
{
	return view && bpf_ksym_exists(bpf_task_release) ? pvs_propose_keep() : 0;
}

char _license[] SEC("license") = "GPL";
