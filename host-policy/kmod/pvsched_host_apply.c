// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 The pvsched authors */
/*
 * The registered threads, and how they get their grants.
 *
 * Lock order: target::lock, then the scheduler's locks (sched_setattr() takes
 * them). So no code may take target::lock where the scheduler's locks are held.
 */
#include <linux/btf.h>
#include <linux/btf_ids.h>
#include <linux/irq_work.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/pid.h>
#include <linux/sched.h>
#include <linux/sched/rt.h>
#include <linux/sched/task.h>
#include <linux/version.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include "pvsched_host_apply.h"

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 14, 0)
#define kthread_run_worker kthread_create_worker
#endif

static_assert(PVS_FLAG_RESET_ON_FORK == SCHED_FLAG_RESET_ON_FORK);

struct target {
	struct task_struct *task;
	raw_spinlock_t lock;
	u64 pending_grant; /* the newest grant; written without the lock */
	u64 applied_grant; /* the last grant that the thread was set to */
	struct sched_attr baseline;
	struct sched_attr applied;
	bool is_applied; /* `applied` is in force, as far as the module knows */
	bool is_removed; /* the thread keeps its baseline from now on */
	struct irq_work kick;
	struct kthread_work work;
	struct rcu_work release;
};

static DEFINE_XARRAY(targets); /* by slot */
static struct kthread_worker *worker;
static struct workqueue_struct *release_queue;
static atomic64_t calls, failures, deferred;

static bool is_rt(const struct sched_attr *attr)
{
	return attr->sched_policy == SCHED_FIFO ||
	       attr->sched_policy == SCHED_RR;
}

static void read_attr(struct task_struct *task, struct sched_attr *attr)
{
	memset(attr, 0, sizeof(*attr));
	attr->size = sizeof(*attr);
	attr->sched_policy = task->policy;
	if (task->sched_reset_on_fork)
		attr->sched_flags = SCHED_FLAG_RESET_ON_FORK;
	if (is_rt(attr)) {
		attr->sched_priority = task->rt_priority;
		return;
	}
	attr->sched_nice = task_nice(task);
	/* 0 stands for the kernel's default slice. */
	if (task->se.custom_slice)
		attr->sched_runtime = task->se.slice;
}

/* The caller holds the lock. */
static void apply_locked(struct target *t, u64 grant)
{
	struct sched_attr attr;
	struct pvs_apply_plan plan;

	if (t->is_removed || (t->task->flags & PF_EXITING))
		return;
	t->applied_grant = grant;
	/* An admin's choice. read_attr() does not read deadline parameters. */
	if (t->task->policy == SCHED_DEADLINE)
		return;
	read_attr(t->task, &attr);
	plan = pvs_plan_apply(&t->baseline, t->is_applied ? &t->applied : NULL,
			      &attr, grant);
	if (plan.is_new_baseline) {
		t->is_applied = false;
		t->baseline = attr;
	}
	if (!plan.must_set)
		return;
	atomic64_inc(&calls);
	if (sched_setattr_nocheck(t->task, &plan.next)) {
		atomic64_inc(&failures);
		return;
	}
	t->is_applied = plan.is_granted;
	if (plan.is_granted)
		t->applied = plan.next;
}

static void apply_pending(struct target *t)
{
	unsigned long flags;
	u64 grant;

	raw_spin_lock_irqsave(&t->lock, flags);
	grant = READ_ONCE(t->pending_grant);
	if (grant != t->applied_grant)
		apply_locked(t, grant);
	raw_spin_unlock_irqrestore(&t->lock, flags);
}

static void apply_work(struct kthread_work *work)
{
	apply_pending(container_of(work, struct target, work));
}

static void kick_worker(struct irq_work *kick)
{
	struct target *t = container_of(kick, struct target, kick);

	kthread_queue_work(worker, &t->work);
}

__bpf_kfunc_start_defs();

/*
 * Applies the grant to the slot's thread: before return where the context allows
 * it, else soon after, in the module's thread. Any context may call it.
 * Returns 0, or -ENOENT if the slot is free.
 */
__bpf_kfunc int pvsched_host_apply(u32 slot, u64 grant)
{
	struct target *t;

	rcu_read_lock();
	t = xa_load(&targets, slot);
	if (t) {
		WRITE_ONCE(t->pending_grant, grant);
		/*
		 * The scheduler's locks are held with interrupts disabled only,
		 * and sched_setattr() must not run in an interrupt. Waking the
		 * worker takes such a lock, too, so irq_work does it.
		 */
		if (irqs_disabled() || in_interrupt()) {
			atomic64_inc(&deferred);
			irq_work_queue(&t->kick);
		} else {
			apply_pending(t);
		}
	}
	rcu_read_unlock();
	return t ? 0 : -ENOENT;
}

__bpf_kfunc_end_defs();

BTF_KFUNCS_START(pvsched_host_ids)
BTF_ID_FLAGS(func, pvsched_host_apply)
BTF_KFUNCS_END(pvsched_host_ids)

static const struct btf_kfunc_id_set pvsched_host_kfuncs = {
	.owner = THIS_MODULE,
	.set = &pvsched_host_ids,
};

static void release_target(struct work_struct *work)
{
	struct target *t = container_of(to_rcu_work(work), struct target,
					release);

	/* After the grace period no kfunc uses the target; its work may run yet. */
	irq_work_sync(&t->kick);
	kthread_cancel_work_sync(&t->work);
	put_task_struct(t->task);
	kfree(t);
}

int pvsched_host_add(const struct pvsched_host_target *target)
{
	struct target *t = kzalloc(sizeof(*t), GFP_KERNEL);
	int err;

	if (!t)
		return -ENOMEM;
	rcu_read_lock();
	t->task = get_pid_task(find_vpid(target->tid), PIDTYPE_PID);
	rcu_read_unlock();
	err = -ESRCH;
	if (!t->task)
		goto free;
	err = -EINVAL;
	if (t->task->flags & PF_KTHREAD)
		goto put;
	raw_spin_lock_init(&t->lock);
	init_irq_work(&t->kick, kick_worker);
	kthread_init_work(&t->work, apply_work);
	INIT_RCU_WORK(&t->release, release_target);
	read_attr(t->task, &t->baseline);
	err = xa_insert(&targets, target->slot, t, GFP_KERNEL);
	if (!err)
		return 0;
	if (err == -EBUSY)
		err = -EEXIST;
put:
	put_task_struct(t->task);
free:
	kfree(t);
	return err;
}

/* The target is in no slot any more. */
static void restore_baseline(struct target *t)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&t->lock, flags);
	apply_locked(t, 0);
	t->is_removed = true;
	raw_spin_unlock_irqrestore(&t->lock, flags);
	queue_rcu_work(release_queue, &t->release);
}

int pvsched_host_remove(unsigned long slot)
{
	struct target *t = xa_erase(&targets, slot);

	if (!t)
		return -ENOENT;
	restore_baseline(t);
	return 0;
}

void pvsched_host_remove_all(void)
{
	struct target *t;
	unsigned long slot;

	xa_for_each(&targets, slot, t) {
		xa_erase(&targets, slot);
		restore_baseline(t);
	}
}

int pvsched_host_read(struct pvsched_host_state *state)
{
	struct target *t = xa_load(&targets, state->slot);
	struct sched_attr attr;
	unsigned long flags;

	if (!t)
		return -ENOENT;
	raw_spin_lock_irqsave(&t->lock, flags);
	read_attr(t->task, &attr);
	state->is_applied = t->is_applied;
	state->baseline = pvs_attr_params(&t->baseline);
	raw_spin_unlock_irqrestore(&t->lock, flags);
	state->now = pvs_attr_params(&attr);
	return 0;
}

void pvsched_host_reset_stats(void)
{
	atomic64_set(&calls, 0);
	atomic64_set(&failures, 0);
	atomic64_set(&deferred, 0);
}

void pvsched_host_read_stats(struct pvsched_host_stats *stats)
{
	stats->calls = atomic64_read(&calls);
	stats->failures = atomic64_read(&failures);
	stats->deferred = atomic64_read(&deferred);
}

static int make_worker(void)
{
	const struct sched_attr attr = {
		.size = sizeof(attr),
		.sched_policy = SCHED_FIFO,
		.sched_priority = PVS_ACTUATOR_RT_PRIO,
	};
	int err;

	worker = kthread_run_worker(0, "pvsched_host");
	if (IS_ERR(worker))
		return PTR_ERR(worker);
	err = sched_setattr_nocheck(worker->task, &attr);
	if (err)
		kthread_destroy_worker(worker);
	return err;
}

int pvsched_host_apply_init(void)
{
	int err;

	release_queue = alloc_workqueue("pvsched_host", WQ_UNBOUND, 0);
	if (!release_queue)
		return -ENOMEM;
	err = make_worker();
	if (err)
		goto destroy_queue;
	err = register_btf_kfunc_id_set(BPF_PROG_TYPE_TRACING,
					&pvsched_host_kfuncs);
	if (!err)
		err = register_btf_kfunc_id_set(BPF_PROG_TYPE_SYSCALL,
						&pvsched_host_kfuncs);
	if (!err)
		return 0;
	kthread_destroy_worker(worker);
destroy_queue:
	destroy_workqueue(release_queue);
	return err;
}

void pvsched_host_apply_exit(void)
{
	/* Waits until RCU has queued the releases of removed threads. */
	rcu_barrier();
	destroy_workqueue(release_queue);
	kthread_destroy_worker(worker);
}
