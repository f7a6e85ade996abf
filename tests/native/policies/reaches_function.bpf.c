// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 The pvsched authors */
/* Reaches for a function of pvsched, so it is refused. It may use the kernel's. */
#include "host-policy/core/policy_view.h"
#include "tests/native/policies/own_object.h"

struct task_struct;

extern void bpf_task_release(struct task_struct *p) __ksym __weak;

__u64 pvs_policy(const struct pvs_view *view)
{
	if (!view || bpf_ksym_exists(bpf_task_release))
		return pvs_propose_keep();
	return decide(0, 0, view->event);
}

char _license[] SEC("license") = "GPL";
