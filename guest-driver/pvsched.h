/* SPDX-License-Identifier: GPL-2.0 */
/* What the module's files share. */
#ifndef PVSCHED_H
#define PVSCHED_H

#include <linux/cpuhotplug.h>
#include <linux/cpumask.h>
#include <linux/mutex.h>
#include <linux/pci.h>

#include "pvsched_abi.h"

/* What pvsched_set_record() returns if there is no device to answer. */
#define PVSCHED_GONE (~0u)

struct pvsched {
	struct pci_dev *pdev;
	void __iomem *bar0;
	u64 features; /* PVSCHED_F_*, taken */
	struct mutex window; /* VCPU_SELECT, RECORD_ADDR and the answer */
	enum cpuhp_state hotplug; /* 0: the device holds no records */
	struct cpumask shown; /* have their folder in sysfs */
	/*
	 * The host did not confirm that it lets go of the records: it may still
	 * write there, so the memory must never be used for anything else.
	 */
	bool unconfirmed;
	/*
	 * Registers read all-ones: the device was pulled out, or what serves
	 * it died or hangs. Each access to a hung one takes seconds, so there
	 * are no more of them.
	 */
	bool gone;
};

/* pvsched_pci.c */
u32 pvsched_set_record(struct pvsched *pv, u32 vcpu_id, u64 gpa, u64 *nonce);

/* pvsched_records.c */
extern struct pvsched_record *pvsched_records; /* by CPU number */
int pvsched_records_alloc(void);
void pvsched_records_free(struct pvsched *pv);
int pvsched_records_register(struct pvsched *pv);
void pvsched_records_forget(struct pvsched *pv);
const struct cpumask *pvsched_records_registered(void);
bool pvsched_preempt_counts_in_ram(void);

/* pvsched_hooks.c */
int pvsched_hooks_register(struct device *dev, u64 features);
void pvsched_hooks_unregister(void);

/* pvsched_sysfs.c */
extern const struct attribute_group *pvsched_groups[];
void pvsched_sysfs_add(struct pvsched *pv, unsigned int cpu);
void pvsched_sysfs_remove(struct pvsched *pv, unsigned int cpu);

#endif /* PVSCHED_H */
