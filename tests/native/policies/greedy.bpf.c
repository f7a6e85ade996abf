// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 The pvsched authors */
/* Proposes the highest boost at every event. */
#include "host-policy/core/policy_view.h"

__u64 pvs_policy(const struct pvs_view *view)
{
	return pvs_propose(PVSCHED_POLICY_FIFO, -20, 99, 0xff & ~PVS_KEEP &
			   ~PVS_CRITICAL);
}

char _license[] __attribute__((section("license"))) = "GPL";
