// SPDX-License-Identifier: GPL-2.0
/*
 * Writes pvsched-boot's mark when it is loaded, for boot-init on a processor that
 * QEMU emulates: its SVM forgets at a VM exit what ioperm() permitted.
 */
#include <linux/io.h>
#include <linux/irqflags.h>
#include <linux/module.h>
#include <linux/timex.h>

static unsigned long long tsc;
module_param(tsc, ullong, 0444);
MODULE_PARM_DESC(tsc, "TSC as the mark was written");

static int __init boot_mark_init(void)
{
	unsigned long flags;

	local_irq_save(flags);
	outb(0x5a, 0x80);
	tsc = get_cycles();
	local_irq_restore(flags);
	return 0;
}
module_init(boot_mark_init);

MODULE_DESCRIPTION("pvsched-boot's mark, without user space's access to ports");
MODULE_LICENSE("GPL");
