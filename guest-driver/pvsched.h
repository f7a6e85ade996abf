/* SPDX-License-Identifier: GPL-2.0 */
/* Copyright (C) 2026 The pvsched authors */
/*
 * The layers of pvsched.ko. A layer calls only the layers below it, and this
 * header declares them from the lowest to the highest:
 *
 *   pvsched_pci.c      bind to the device, negotiate, start and stop
 *   pvsched_vcpus.c    register and withdraw vCPUs, follow CPU hot-plug
 *   pvsched_sysfs.c    show the records to the guest's admin
 *   pvsched_hooks.c    tracepoints that publish each vCPU's urgency
 *   pvsched_records.c  memory and contents of the records
 *   pvsched_bar0.c     the device's registers
 */
#ifndef PVSCHED_H
#define PVSCHED_H

#include <linux/cpuhotplug.h>
#include <linux/cpumask.h>
#include <linux/mutex.h>
#include <linux/pci.h>

#include "pvsched_abi.h"

struct pvsched {
	struct pci_dev *pdev;
	void __iomem *bar0;
	u64 features; /* PVSCHED_F_*, negotiated */
	struct mutex window; /* VCPU_SELECT, RECORD_ADDR and their result */
	enum cpuhp_state hotplug; /* 0: the driver does not follow hot-plug */
	struct cpumask registered; /* CPUs whose record the device holds */
	struct cpumask shown; /* CPUs that have a folder in sysfs */
	/*
	 * The host did not confirm the last reset. The host may still write to
	 * the records, so nothing else may use their memory.
	 */
	bool unconfirmed;
	/*
	 * A register read all-ones: the device was unplugged, or its server
	 * died or hangs. An access to a hung device takes seconds, so the
	 * driver makes no further access.
	 */
	bool gone;
};

/* --- pvsched_bar0.c --------------------------------------------------- */

/* What a register of a device that is gone reads as. */
#define PVSCHED_GONE (~0u)

int pvsched_bar0_map(struct pvsched *pv);
u32 pvsched_bar0_read(struct pvsched *pv, unsigned int reg);
u64 pvsched_bar0_readq(struct pvsched *pv, unsigned int reg);
void pvsched_bar0_write(struct pvsched *pv, unsigned int reg, u32 value);
void pvsched_bar0_writeq(struct pvsched *pv, unsigned int reg, u64 value);
u32 pvsched_bar0_set_record(struct pvsched *pv, u32 vcpu_id, u64 gpa,
			    u64 *nonce);
bool pvsched_bar0_reset(struct pvsched *pv);

/* --- pvsched_records.c ------------------------------------------------ */

extern struct pvsched_record *pvsched_records; /* by CPU */

int pvsched_records_alloc(void);
void pvsched_records_free(struct pvsched *pv);
u64 pvsched_record_gpa(unsigned int cpu);
void pvsched_record_init(struct pvsched *pv, unsigned int cpu, u32 vcpu_id,
			 u64 nonce);
bool pvsched_preempt_counts_in_ram(void);

/* --- pvsched_hooks.c -------------------------------------------------- */

int pvsched_hooks_register(struct device *dev, u64 features);
void pvsched_hooks_unregister(void);

/* --- pvsched_sysfs.c -------------------------------------------------- */

extern const struct attribute_group *pvsched_groups[];

void pvsched_sysfs_add(struct pvsched *pv, unsigned int cpu);
void pvsched_sysfs_remove(struct pvsched *pv, unsigned int cpu);

/* --- pvsched_vcpus.c -------------------------------------------------- */

int pvsched_vcpus_register(struct pvsched *pv);
void pvsched_vcpus_forget(struct pvsched *pv);

#endif /* PVSCHED_H */
