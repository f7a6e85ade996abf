// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 The pvsched authors */
/*
 * Urgent cgroups: the guest's admin lists cgroups whose ordinary tasks count as
 * real-time tasks. The driver compares ids of cgroups, so it keeps no cgroup from
 * being freed, and the id of a removed cgroup matches no task. A hook on the making
 * of cgroups takes the new id when a listed cgroup is made again.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cgroup.h>
#include <linux/errno.h>
#include <linux/jump_label.h>
#include <linux/moduleparam.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/smp.h>
#include <linux/string.h>
#include <linux/tracepoint.h>
#include <trace/events/cgroup.h>
#include <trace/events/sched.h>

#include "pvsched.h"
#include "pvsched_cgroup_list.h"
#include "pvsched_cgroup_waiters.h"
#include "pvsched_publish.h"
#include "pvsched_task_word.h"

/* One list is in use, the other one takes the next change. */
static struct pvsched_cgroup_list pvsched_lists[2];
static struct pvsched_cgroup_list __rcu *pvsched_listed =
	RCU_INITIALIZER(&pvsched_lists[0]);

/* Changes of the list and of what follows from it. */
static DEFINE_MUTEX(pvsched_cgroups_lock);
static bool pvsched_has_device;

/* Whether a cgroup is listed. */
DEFINE_STATIC_KEY_FALSE(pvsched_uses_cgroups);

/* Each is accessed under the run-queue lock of its CPU. */
static DEFINE_PER_CPU(struct pvsched_waiters, pvsched_waiters);
static u32 pvsched_waiters_generation;

/*
 * The priority that p's cgroups give it; 0: none. The caller cannot be preempted,
 * which makes it an RCU reader: it keeps p's set of cgroups and their names.
 */
static u32 pvsched_cgroup_rt_prio(const struct task_struct *p)
{
	const struct pvsched_cgroup_list *list =
		rcu_dereference_sched(pvsched_listed);
	const struct pvsched_cgroup_key *key;
	struct cgroup *cgrp, *ancestor;

	if (p->flags & PF_KTHREAD || READ_ONCE(p->policy) == SCHED_IDLE)
		return 0;
	cgrp = rcu_dereference_sched(p->cgroups)->dfl_cgrp;
	for (key = list->keys; key < list->keys + list->count; key++) {
		ancestor = cgroup_ancestor(cgrp, key->level);
		if (ancestor && cgroup_id(ancestor) == READ_ONCE(key->id))
			return key->rt_prio;
	}
	return 0;
}

/* The word of @p, which is @word apart from p's cgroups. */
u64 pvsched_word_by_cgroup(const struct task_struct *p, u64 word)
{
	u64 urgent = pvsched_word(PVSCHED_POLICY_RR, 0, pvsched_cgroup_rt_prio(p),
				  pvsched_word_flags(word));

	if (!pvsched_word_rt_prio(urgent) ||
	    pvsched_urgency(urgent) <= pvsched_urgency(word))
		return word;
	return urgent;
}

static void pvsched_note_waiter(struct pvsched_waiters *waiters,
				const struct task_struct *p)
{
	u32 rt_prio = pvsched_cgroup_rt_prio(p);

	if (!rt_prio)
		return;
	pvsched_waiters_renew(waiters, READ_ONCE(pvsched_waiters_generation));
	pvsched_waiters_add(waiters, p->pid, rt_prio);
}

/* @p starts to wait, under the run-queue lock of its CPU. */
void pvsched_cgroups_wakeup(const struct task_struct *p)
{
	pvsched_note_waiter(&per_cpu(pvsched_waiters, task_cpu(p)), p);
}

/* What waits on this CPU: @waiting, or a noted task if that is more urgent. */
u64 pvsched_cgroups_waiting(u64 waiting)
{
	struct pvsched_waiters *waiters = this_cpu_ptr(&pvsched_waiters);
	u32 top;

	pvsched_waiters_renew(waiters, READ_ONCE(pvsched_waiters_generation));
	top = pvsched_waiters_top(waiters);
	if (!top)
		return waiting;
	return pvsched_raise_waiting(waiting,
				     pvsched_word(PVSCHED_POLICY_RR, 0, top,
						  PVSCHED_WAITING_VALID));
}

/*
 * This CPU switches to @next, which publishes @intent. @prev waits from now on, unless
 * it is NULL. Returns @waiting, or the word of a noted task that is more urgent.
 */
u64 pvsched_cgroups_switch(const struct task_struct *next,
			   const struct task_struct *prev, u64 intent, u64 waiting)
{
	struct pvsched_waiters *waiters = this_cpu_ptr(&pvsched_waiters);
	u64 all;

	/* No task waits for an idle CPU. */
	if (is_idle_task(next))
		waiters->count = 0;
	else
		pvsched_waiters_remove(waiters, next->pid);
	if (prev)
		pvsched_note_waiter(waiters, prev);

	all = pvsched_cgroups_waiting(waiting);
	if (!pvsched_outranks(all, intent))
		return waiting;
	/* Before @intent, because @next is less urgent than what waits. */
	pvsched_publish(&pvsched_records[smp_processor_id()].waiting, all);
	return all;
}

/* What waited before may have run meanwhile. */
void pvsched_cgroups_forget_waiters(void)
{
	WRITE_ONCE(pvsched_waiters_generation, pvsched_waiters_generation + 1);
}

/*
 * Before @p moves to another CPU. A queued task moves under the run-queue lock of
 * its present CPU. A task that wakes up moves without it, and is not noted.
 */
static void pvsched_on_sched_migrate_task(void *data, struct task_struct *p,
					  int dest_cpu)
{
	if (READ_ONCE(p->on_rq))
		pvsched_waiters_remove(&per_cpu(pvsched_waiters, task_cpu(p)),
				       p->pid);
}

/* A cgroup was made, at @path in its hierarchy. */
static void pvsched_on_cgroup_mkdir(void *data, struct cgroup *cgrp,
				    const char *path)
{
	struct pvsched_cgroup_list *list;
	u32 i;

	if (cgrp->root != &cgrp_dfl_root)
		return;
	rcu_read_lock();
	list = rcu_dereference(pvsched_listed);
	for (i = 0; i < list->count; i++) {
		if (!strcmp(list->paths[i], path))
			WRITE_ONCE(list->keys[i].id, cgroup_id(cgrp));
	}
	rcu_read_unlock();
}

static struct pvsched_hook pvsched_of_cgroups[] = {
	{ "cgroup_mkdir", pvsched_on_cgroup_mkdir },
	{ "sched_migrate_task", pvsched_on_sched_migrate_task },
};

static struct pvsched_hooks pvsched_cgroup_hooks = {
	pvsched_of_cgroups, ARRAY_SIZE(pvsched_of_cgroups)
};

static void pvsched_check_types(void)
{
	check_trace_callback_type_cgroup_mkdir(pvsched_on_cgroup_mkdir);
	check_trace_callback_type_sched_migrate_task(pvsched_on_sched_migrate_task);
}

/* Returns the id of the cgroup at @path; 0: there is none. */
static u64 pvsched_cgroup_id_of(const char *path)
{
	char found[PVSCHED_CGROUP_PATH_SIZE];
	struct cgroup *cgrp = cgroup_get_from_path(path);
	u64 id;

	if (IS_ERR(cgrp))
		return 0;
	/* The kernel starts at the root of the caller's cgroup namespace. */
	found[0] = 0;
	cgroup_path(cgrp, found, sizeof(found));
	id = strcmp(found, path) ? 0 : cgroup_id(cgrp);
	cgroup_put(cgrp);
	return id;
}

/* A cgroup that is made meanwhile has its id from the hook, which is newer. */
static void pvsched_find_cgroups(struct pvsched_cgroup_list *list)
{
	u64 id;
	u32 i;

	for (i = 0; i < list->count; i++) {
		id = pvsched_cgroup_id_of(list->paths[i]);
		if (id)
			cmpxchg(&list->keys[i].id, 0, id);
		else
			pr_info("urgent_cgroups: there is no cgroup %s; its tasks are urgent once it is made\n",
				list->paths[i]);
	}
}

/* Makes the hooks follow the list. */
static int pvsched_cgroups_follow(void)
{
	struct pvsched_cgroup_list *list =
		rcu_dereference_protected(pvsched_listed,
					  lockdep_is_held(&pvsched_cgroups_lock));
	int err;

	if (!pvsched_has_device || !list->count) {
		static_branch_disable(&pvsched_uses_cgroups);
		pvsched_unregister_hooks(&pvsched_cgroup_hooks);
		return 0;
	}
	pvsched_check_types();
	err = pvsched_register_hooks(&pvsched_cgroup_hooks, 0);
	if (err)
		return err;
	pvsched_find_cgroups(list);
	pvsched_cgroups_forget_waiters();
	static_branch_enable(&pvsched_uses_cgroups);
	return 0;
}

/* The driver works without the list, so an error is only logged. */
void pvsched_cgroups_start(void)
{
	mutex_lock(&pvsched_cgroups_lock);
	pvsched_has_device = true;
	pvsched_cgroups_follow();
	mutex_unlock(&pvsched_cgroups_lock);
}

/* The list stays for the next start. */
void pvsched_cgroups_stop(void)
{
	mutex_lock(&pvsched_cgroups_lock);
	pvsched_has_device = false;
	pvsched_cgroups_follow();
	mutex_unlock(&pvsched_cgroups_lock);
}

static const char *pvsched_explain_list(int err)
{
	switch (err) {
	case -ERANGE:
		return "a priority is not from 1 to 99";
	case -ENAMETOOLONG:
		return "a path has " __stringify(PVSCHED_CGROUP_PATH_SIZE) " bytes or more";
	case -ENOSPC:
		return "more cgroups than " __stringify(PVSCHED_CGROUPS_MAX);
	case -ENOENT:
		return "a cgroup to remove is not in the list";
	}
	return "an entry is not \"/PATH PRIORITY\", \"+/PATH PRIORITY\" or \"-/PATH\"";
}

/*
 * While the module loads, nothing but the list changes: if another parameter is
 * wrong, the kernel frees the module without a call.
 */
static int pvsched_cgroups_set(const char *text, const struct kernel_param *kp)
{
	struct pvsched_cgroup_list *list, *next;
	u32 i;
	int err;

	mutex_lock(&pvsched_cgroups_lock);
	list = rcu_dereference_protected(pvsched_listed,
					 lockdep_is_held(&pvsched_cgroups_lock));
	next = list == &pvsched_lists[0] ? &pvsched_lists[1] : &pvsched_lists[0];
	*next = *list;
	err = pvsched_cgroup_parse(next, text);
	if (err) {
		pr_err("urgent_cgroups stays as it is: %s\n",
		       pvsched_explain_list(err));
		goto unlock;
	}
	for (i = 0; i < next->count; i++)
		next->keys[i].id = 0;
	rcu_assign_pointer(pvsched_listed, next);
	/* After this no hook reads the former list, and the next change may use it. */
	synchronize_rcu();
	err = pvsched_cgroups_follow();
unlock:
	mutex_unlock(&pvsched_cgroups_lock);
	return err;
}

static int pvsched_cgroups_get(char *buf, const struct kernel_param *kp)
{
	const struct pvsched_cgroup_list *list;
	int at = 0;
	u32 i;

	mutex_lock(&pvsched_cgroups_lock);
	list = rcu_dereference_protected(pvsched_listed,
					 lockdep_is_held(&pvsched_cgroups_lock));
	for (i = 0; i < list->count; i++)
		at += scnprintf(buf + at, PAGE_SIZE - at, "%s %u\n",
				list->paths[i], list->keys[i].rt_prio);
	mutex_unlock(&pvsched_cgroups_lock);
	return at;
}

static const struct kernel_param_ops pvsched_cgroups_ops = {
	.set = pvsched_cgroups_set,
	.get = pvsched_cgroups_get,
};

module_param_cb(urgent_cgroups, &pvsched_cgroups_ops, NULL, 0644);
MODULE_PARM_DESC(urgent_cgroups,
		 "Cgroups whose ordinary tasks count as SCHED_RR: \"/PATH PRIORITY\", separated by commas (default: none)");
