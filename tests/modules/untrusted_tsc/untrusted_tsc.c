// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 The pvsched authors */
/*
 * Marks the host's TSC unstable until the next boot. KVM then adjusts a vCPU's
 * TSC each time that the vCPU thread is scheduled in.
 */
#include <linux/module.h>
#include <asm/tsc.h>

static int __init untrusted_tsc_init(void)
{
	mark_tsc_unstable("pvsched test");
	return 0;
}
module_init(untrusted_tsc_init);

MODULE_DESCRIPTION("pvsched tests: mark the host's TSC unstable");
MODULE_LICENSE("GPL");
