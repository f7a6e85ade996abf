// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 The pvsched authors */
/*
 * The admin's view: a folder pvsched/ of the PCI device, and a folder pvsched/
 * of each CPU whose record the device holds. What changes with each interrupt,
 * switch or decision shows the timing of other users' tasks, so only root reads
 * it.
 *
 * The host may write any value. Values without a name are shown as numbers.
 */
#include <linux/cpu.h>
#include <linux/device.h>
#include <linux/sysfs.h>

#include "pvsched.h"
#include "pvsched_names.h"

struct pvsched_name {
	u32 value;
	const char *name;
};

/* An entry without a name ends a table. */
#define PVSCHED_TABLE(end, ...) { __VA_ARGS__, end }

static const struct pvsched_name pvsched_policies[] =
	PVSCHED_POLICY_NAMES(PVSCHED_TABLE, { });

static const struct pvsched_name pvsched_grant_flags[] =
	PVSCHED_GRANT_NAMES(PVSCHED_TABLE, { });

static const struct pvsched_name pvsched_intent_flags[] =
	PVSCHED_INTENT_NAMES(PVSCHED_TABLE, { });

static const struct pvsched_name pvsched_features[] =
	PVSCHED_FEATURE_NAMES(PVSCHED_TABLE, { });

/* Example: "boosted critical". A space separates it from earlier text. */
static int pvsched_emit_flags(char *buf, int at,
			      const struct pvsched_name *names, u32 flags)
{
	int start = at;

	for (; names->name; names++) {
		if (flags & names->value)
			at += sysfs_emit_at(buf, at, "%s%s", at ? " " : "",
					    names->name);
		flags &= ~names->value;
	}
	if (flags)
		at += sysfs_emit_at(buf, at, "%s%#x", at ? " " : "", flags);
	return at - start;
}

/* Examples: "rr 8", "normal nice 0", "deadline". */
static int pvsched_emit_word(char *buf, u64 word)
{
	const struct pvsched_name *policy = pvsched_policies;
	int at;

	while (policy->name && policy->value != pvsched_word_policy(word))
		policy++;
	at = policy->name ? sysfs_emit(buf, "%s", policy->name) :
			    sysfs_emit(buf, "policy %u",
				       pvsched_word_policy(word));

	switch (pvsched_word_policy(word)) {
	case PVSCHED_POLICY_FIFO:
	case PVSCHED_POLICY_RR:
		return at + sysfs_emit_at(buf, at, " %u",
					  pvsched_word_rt_prio(word));
	case PVSCHED_POLICY_IDLE:
	case PVSCHED_POLICY_DEADLINE:
		return at;
	}
	return at + sysfs_emit_at(buf, at, " nice %d", pvsched_word_nice(word));
}

/* pvsched_sysfs_remove() removes the folder before the records are freed. */
static const struct pvsched_record *pvsched_record_of(struct device *cpu)
{
	return &pvsched_records[cpu->id];
}

static ssize_t vcpu_id_show(struct device *dev, struct device_attribute *attr,
			    char *buf)
{
	return sysfs_emit(buf, "%u\n", pvsched_record_of(dev)->vcpu_id);
}
static DEVICE_ATTR_RO(vcpu_id);

static ssize_t granted_show(struct device *dev, struct device_attribute *attr,
			    char *buf)
{
	u64 grant = READ_ONCE(pvsched_record_of(dev)->grant);
	int at;

	/* Otherwise the grant has no priority: only the host knows the baseline. */
	if (pvsched_word_flags(grant) &
	    (PVSCHED_GRANT_BOOSTED | PVSCHED_GRANT_LOWERED))
		at = pvsched_emit_word(buf, grant);
	else
		at = sysfs_emit(buf, "baseline");
	return at + sysfs_emit_at(buf, at, "\n");
}
static DEVICE_ATTR_ADMIN_RO(granted);

static ssize_t state_show(struct device *dev, struct device_attribute *attr,
			  char *buf)
{
	u64 grant = READ_ONCE(pvsched_record_of(dev)->grant);
	int at = pvsched_emit_flags(buf, 0, pvsched_grant_flags,
				    pvsched_word_flags(grant));

	if (!at)
		at = sysfs_emit(buf, "normal");
	return at + sysfs_emit_at(buf, at, "\n");
}
static DEVICE_ATTR_ADMIN_RO(state);

static ssize_t throttles_show(struct device *dev, struct device_attribute *attr,
			      char *buf)
{
	return sysfs_emit(buf, "%u\n",
			  READ_ONCE(pvsched_record_of(dev)->throttle_count));
}
static DEVICE_ATTR_ADMIN_RO(throttles);

static ssize_t boosted_ns_show(struct device *dev,
			       struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%llu\n",
			  READ_ONCE(pvsched_record_of(dev)->boosted_ns));
}
static DEVICE_ATTR_ADMIN_RO(boosted_ns);

static ssize_t intent_show(struct device *dev, struct device_attribute *attr,
			   char *buf)
{
	u64 intent = READ_ONCE(pvsched_record_of(dev)->intent);
	u32 flags = pvsched_word_flags(intent);
	int at;

	at = flags & PVSCHED_INTENT_IDLE ? sysfs_emit(buf, "nothing") :
					   pvsched_emit_word(buf, intent);
	at += pvsched_emit_flags(buf, at, pvsched_intent_flags,
				 flags & ~PVSCHED_INTENT_IDLE);
	return at + sysfs_emit_at(buf, at, "\n");
}
static DEVICE_ATTR_ADMIN_RO(intent);

static ssize_t waiting_show(struct device *dev, struct device_attribute *attr,
			    char *buf)
{
	u64 waiting = READ_ONCE(pvsched_record_of(dev)->waiting);
	int at;

	at = pvsched_word_flags(waiting) & PVSCHED_WAITING_VALID ?
		     pvsched_emit_word(buf, waiting) :
		     sysfs_emit(buf, "nothing");
	return at + sysfs_emit_at(buf, at, "\n");
}
static DEVICE_ATTR_ADMIN_RO(waiting);

static ssize_t irq_ticket_show(struct device *dev,
			       struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%u\n",
			  READ_ONCE(pvsched_record_of(dev)->irq_ticket));
}
static DEVICE_ATTR_ADMIN_RO(irq_ticket);

static ssize_t irq_ack_show(struct device *dev, struct device_attribute *attr,
			    char *buf)
{
	return sysfs_emit(buf, "%u\n",
			  READ_ONCE(pvsched_record_of(dev)->irq_ack));
}
static DEVICE_ATTR_ADMIN_RO(irq_ack);

static struct attribute *pvsched_cpu_attrs[] = {
	&dev_attr_vcpu_id.attr,	   &dev_attr_granted.attr,
	&dev_attr_state.attr,	   &dev_attr_throttles.attr,
	&dev_attr_boosted_ns.attr, &dev_attr_intent.attr,
	&dev_attr_waiting.attr,	   &dev_attr_irq_ticket.attr,
	&dev_attr_irq_ack.attr,	   NULL
};

static const struct attribute_group pvsched_cpu_group = {
	.name = "pvsched",
	.attrs = pvsched_cpu_attrs,
};

/* The driver works without these files, so an error is only logged. */
void pvsched_sysfs_add(struct pvsched *pv, unsigned int cpu)
{
	struct device *dev = get_cpu_device(cpu);
	int err = dev ? sysfs_create_group(&dev->kobj, &pvsched_cpu_group) :
			-ENODEV;

	if (err)
		dev_warn(&pv->pdev->dev,
			 "cannot create the sysfs files of CPU %u: error %d\n", cpu, err);
	else
		cpumask_set_cpu(cpu, &pv->shown);
}

/* After return no reader of these files accesses the record. */
void pvsched_sysfs_remove(struct pvsched *pv, unsigned int cpu)
{
	if (cpumask_test_and_clear_cpu(cpu, &pv->shown))
		sysfs_remove_group(&get_cpu_device(cpu)->kobj,
				   &pvsched_cpu_group);
}

static ssize_t features_show(struct device *dev, struct device_attribute *attr,
			     char *buf)
{
	struct pvsched *pv = dev_get_drvdata(dev);
	int at = pvsched_emit_flags(buf, 0, pvsched_features, pv->features);

	return at + sysfs_emit_at(buf, at, "\n");
}
static DEVICE_ATTR_RO(features);

static ssize_t cpus_show(struct device *dev, struct device_attribute *attr,
			 char *buf)
{
	struct pvsched *pv = dev_get_drvdata(dev);

	return sysfs_emit(buf, "%*pbl\n",
			  cpumask_pr_args(&pv->registered));
}
static DEVICE_ATTR_RO(cpus);

static ssize_t used_show(struct device *dev, struct device_attribute *attr,
			 char *buf)
{
	struct pvsched *pv = dev_get_drvdata(dev);

	return sysfs_emit(buf, "%*pbl\n", cpumask_pr_args(&pv->used));
}
static DEVICE_ATTR_RO(used);

static struct attribute *pvsched_attrs[] = {
	&dev_attr_features.attr,
	&dev_attr_cpus.attr,
	&dev_attr_used.attr,
	NULL
};

static const struct attribute_group pvsched_group = {
	.name = "pvsched",
	.attrs = pvsched_attrs,
};

const struct attribute_group *pvsched_groups[] = { &pvsched_group, NULL };
