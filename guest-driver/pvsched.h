/* SPDX-License-Identifier: GPL-2.0 */
/* Copyright (C) 2026 The pvsched authors */
/*
 * The layers of pvsched.ko. A layer calls only the layers below it, and this
 * header declares them from the lowest to the highest:
 *
 *   pvsched_pci.c      bind to the device, negotiate, start, stop, recover
 *   pvsched_vcpus.c    register and withdraw vCPUs, follow CPU hot-plug
 *   pvsched_watch.c    notice that the host no longer uses the records
 *   pvsched_sysfs.c    show the records to the guest's admin
 *   pvsched_hooks.c    tracepoints that publish each vCPU's urgency
 *   pvsched_inherit.c  the tracepoint of priority inheritance
 *   pvsched_words.c    priority words of tasks other than plain and RT tasks
 *   pvsched_cgroups.c  the list of urgent cgroups, and which of their tasks wait
 *   pvsched_tracepoints.c  registers hooks on tracepoints
 *   pvsched_records.c  memory and contents of the records
 *   pvsched_bar0.c     the device's registers
 */
#ifndef PVSCHED_H
#define PVSCHED_H

#include <linux/cpuhotplug.h>
#include <linux/cpumask.h>
#include <linux/jump_label.h>
#include <linux/mutex.h>
#include <linux/notifier.h>
#include <linux/pci.h>
#include <linux/workqueue.h>

#include "pvsched_abi.h"

/* Whether the host uses the records, as far as the guest sees it. */
enum pvsched_host {
	PVSCHED_HOST_UNKNOWN,
	PVSCHED_HOST_READS,
	PVSCHED_HOST_SILENT,
};

struct pvsched {
	struct pci_dev *pdev;
	void __iomem *bar0;
	struct pci_saved_state *config; /* configuration space at probe */
	u64 features; /* PVSCHED_F_*, negotiated */
	dma_addr_t records; /* of the first record */
	dma_addr_t *preempt_counts; /* by CPU; NULL: the device cannot read them */
	struct mutex window; /* VCPU_SELECT, RECORD_ADDR and their result */
	enum cpuhp_state hotplug; /* 0: the driver does not follow hot-plug */
	struct cpumask registered; /* CPUs whose record the device holds */
	struct cpumask unserved; /* online CPUs to register later */
	unsigned long serve_after; /* but not before this time, in jiffies */
	u32 serve_s; /* delay of the next try to register them; 0: none failed */
	u32 last_failure; /* logged PVSCHED_RESULT_*, to log a series once */
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
	bool is_hung; /* the access that found it gone took long */

	struct workqueue_struct *wq;
	/* Checks that the device holds the records; started by pvsched_watch.c. */
	struct work_struct look;
	struct notifier_block vmfork; /* a snapshot or clone was started */
	bool is_started; /* the last pvsched_start() succeeded */
	bool is_paused; /* @look must not run */
	bool must_read; /* the next run of @look reads a register */
	unsigned long read_after; /* but not before this time, in jiffies */
	u32 retry_s; /* delay of the next try to recover; 0: none failed */
	struct cpumask used; /* CPUs whose record the host writes */
	enum pvsched_host host, host_logged;
};

/*
 * Logs at a @level of dev_*(). The driver repeats what fails after it lost its
 * device; only the first failure of such a series is logged.
 */
#define pvsched_log(level, pv, fmt, ...)				\
	do {								\
		if (!(pv)->retry_s)					\
			dev_##level(&(pv)->pdev->dev, fmt, ##__VA_ARGS__); \
	} while (0)

/* --- pvsched_bar0.c --------------------------------------------------- */

/* What a register of a device that is gone reads as. */
#define PVSCHED_GONE (~0u)

int pvsched_bar0_map(struct pvsched *pv);
int pvsched_bar0_restore(struct pvsched *pv);
u32 pvsched_bar0_read(struct pvsched *pv, unsigned int reg);
u64 pvsched_bar0_readq(struct pvsched *pv, unsigned int reg);
void pvsched_bar0_write(struct pvsched *pv, unsigned int reg, u32 value);
void pvsched_bar0_writeq(struct pvsched *pv, unsigned int reg, u64 value);
u32 pvsched_bar0_set_record(struct pvsched *pv, u32 vcpu_id, u64 address,
			    u64 *nonce);
bool pvsched_bar0_reset(struct pvsched *pv);

/* --- pvsched_records.c ------------------------------------------------ */

extern struct pvsched_record *pvsched_records; /* by CPU */

int pvsched_records_alloc(struct pvsched *pv);
void pvsched_records_free(struct pvsched *pv);
u64 pvsched_record_address(const struct pvsched *pv, unsigned int cpu);
void pvsched_record_init(struct pvsched *pv, unsigned int cpu, u32 vcpu_id,
			 u64 nonce);
void pvsched_records_clear_words(void);

/* --- pvsched_tracepoints.c -------------------------------------------- */

struct tracepoint;

struct pvsched_hook {
	const char *name; /* of its tracepoint */
	void *probe;
	bool optional; /* x86 kernels have it depending on CONFIG_* */
	u64 feature; /* the hook serves this feature only; 0: all */
	bool threaded; /* a thread does this work, so no hook is needed */
	struct tracepoint *tp;
	bool registered;
};

struct pvsched_hooks {
	struct pvsched_hook *first;
	unsigned int count;
};

int pvsched_register_hooks(struct pvsched_hooks *hooks, u64 features);
void pvsched_unregister_hooks(struct pvsched_hooks *hooks);

/* --- pvsched_cgroups.c ------------------------------------------------ */

#ifdef CONFIG_CGROUPS
DECLARE_STATIC_KEY_FALSE(pvsched_uses_cgroups);

void pvsched_cgroups_start(void);
void pvsched_cgroups_stop(void);
void pvsched_cgroups_forget_waiters(void);
#else
static inline void pvsched_cgroups_start(void) { }
static inline void pvsched_cgroups_stop(void) { }
static inline void pvsched_cgroups_forget_waiters(void) { }
#endif

/* Whether a cgroup is listed. The other functions are called only then. */
static __always_inline bool pvsched_has_cgroups(void)
{
#ifdef CONFIG_CGROUPS
	return static_branch_unlikely(&pvsched_uses_cgroups);
#else
	return false;
#endif
}

u64 pvsched_word_by_cgroup(const struct task_struct *p, u64 word);
void pvsched_cgroups_wakeup(const struct task_struct *p);
u64 pvsched_cgroups_switch(const struct task_struct *next,
			   const struct task_struct *prev, u64 intent, u64 waiting);
u64 pvsched_cgroups_waiting(u64 waiting);

/* --- pvsched_words.c -------------------------------------------------- */

u64 pvsched_translate(const struct task_struct *p, u32 flags);
u64 pvsched_translate_at(const struct task_struct *p, s32 prio, u32 flags);
u64 pvsched_translate_running(const struct task_struct *p,
			      const struct task_struct *prev, u32 flags);
u64 pvsched_running_word(u64 word);

/* --- pvsched_inherit.c ------------------------------------------------ */

void pvsched_on_sched_pi_setprio(void *data, struct task_struct *p,
				 struct task_struct *pi_task);
void pvsched_inherit_switch(const struct task_struct *next,
			    const struct task_struct *prev);
void pvsched_inherit_wakeup(unsigned int cpu, u64 woken);

/* --- pvsched_hooks.c -------------------------------------------------- */

int pvsched_hooks_register(u64 features);
void pvsched_hooks_unregister(void);

/* --- pvsched_sysfs.c -------------------------------------------------- */

extern const struct attribute_group *pvsched_groups[];

void pvsched_sysfs_add(struct pvsched *pv, unsigned int cpu);
void pvsched_sysfs_remove(struct pvsched *pv, unsigned int cpu);

/* --- pvsched_watch.c -------------------------------------------------- */

void pvsched_look_now(struct pvsched *pv, bool must_read);
bool pvsched_is_serving_due(const struct pvsched *pv);
void pvsched_watch_start(struct pvsched *pv);
void pvsched_watch_stop(void);

/* --- pvsched_vcpus.c -------------------------------------------------- */

int pvsched_vcpus_register(struct pvsched *pv);
bool pvsched_vcpus_held(struct pvsched *pv);
int pvsched_vcpus_serve(struct pvsched *pv);
void pvsched_vcpus_forget(struct pvsched *pv);

#endif /* PVSCHED_H */
