// SPDX-License-Identifier: GPL-2.0
/* Reads behind the view, which the verifier does not allow. */
#include "host-policy/core/policy_view.h"

__u64 pvs_policy(const struct pvs_view *view)
{
	if (!view)
		return 0;
	return ((const volatile __u64 *)view)[4096];
}

char _license[] __attribute__((section("license"))) = "GPL";
