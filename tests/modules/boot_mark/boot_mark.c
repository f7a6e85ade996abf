// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 The pvsched authors */
/*
 * Writes pvsched-boot's mark at load time. boot-init uses this module on a
 * processor that QEMU emulates, because QEMU's SVM loses ioperm()'s permissions
 * at a VM exit.
 */
#include <linux/io.h>
#include <linux/irqflags.h>
#include <linux/module.h>
#include <linux/timex.h>

static unsigned long long tsc;
module_param(tsc, ullong, 0444);
MODULE_PARM_DESC(tsc, "TSC at the write of the mark");

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

MODULE_DESCRIPTION("pvsched tests: write pvsched-boot's mark from the kernel");
MODULE_LICENSE("GPL");
