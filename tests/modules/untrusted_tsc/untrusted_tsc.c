// SPDX-License-Identifier: GPL-2.0
/*
 * From when it is loaded until the next boot Linux, and so KVM, does not trust the
 * host's TSC: KVM then sets a vCPU's TSC anew whenever its thread comes back to a CPU.
 */
#include <linux/module.h>
#include <asm/tsc.h>

static int __init untrusted_tsc_init(void)
{
	mark_tsc_unstable("pvsched's test");
	return 0;
}
module_init(untrusted_tsc_init);

MODULE_DESCRIPTION("A host whose TSC is not trusted");
MODULE_LICENSE("GPL");
