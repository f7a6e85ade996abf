// SPDX-License-Identifier: GPL-2.0
/*
 * Writes pvsched-boot's mark when it is loaded, for boot-init on a processor that
 * QEMU emulates: its SVM forgets at a VM exit what ioperm() permitted.
 */
#include <linux/io.h>
#include <linux/module.h>

static int __init boot_mark_init(void)
{
	outb(0x5a, 0x80);
	return 0;
}
module_init(boot_mark_init);

MODULE_DESCRIPTION("pvsched-boot's mark, without user space's access to ports");
MODULE_LICENSE("GPL");
