// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 The pvsched authors */
/* Its struct pvs_view has a field that this pvschedd does not know, so it is refused. */
#include <linux/types.h>

struct pvs_view {
	__u32 event;
	__u32 state;
	__u64 now;
	__u64 mood;
};

__u64 pvs_policy(const struct pvs_view *view)
{
	return view ? view->mood : 0;
}

char _license[] __attribute__((section("license"))) = "GPL";
