// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 The pvsched authors */
/* Its struct pvs_view has a field at another place, so it is refused. */
#include <linux/types.h>

struct pvs_view {
	__u32 state;
	__u32 event;
	__u64 now;
};

__u64 pvs_policy(const struct pvs_view *view)
{
	return view ? view->event : 0;
}

char _license[] __attribute__((section("license"))) = "GPL";
