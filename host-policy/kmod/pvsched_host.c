// SPDX-License-Identifier: GPL-2.0
/*
 * pvsched_host: lends BPF a checked sched_setattr().
 *
 * A grant of the policy is applied inside of the event that made it; by a thread
 * of this module where the event may have come with the scheduler's locks held.
 * Only threads that pvschedd has registered can be named, by slot number alone.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/btf.h>
#include <linux/btf_ids.h>
#include <linux/irq_work.h>
#include <linux/kthread.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/pid.h>
#include <linux/sched.h>
#include <linux/sched/rt.h>
#include <linux/sched/task.h>
#include <linux/uaccess.h>
#include <linux/version.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>
#include <uapi/linux/sched/types.h>

#include "host-policy/kmod/pvsched_host.h"

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 14, 0)
#define kthread_run_worker kthread_create_worker
#endif

/* As pvschedd's agent: above every boost that the default caps allow. */
#define WORKER_PRIO 49

struct target {
	struct task_struct *task;
	/* Taken before the scheduler's locks, so never where those are held. */
	raw_spinlock_t lock;
	u64 pending_grant; /* the last grant; written without the lock */
	u64 done; /* the one that was applied last */
	struct sched_attr own;
	struct sched_attr applied;
	bool is_applied; /* the thread has `applied`, as far as we know */
	bool is_gone; /* it has its own parameters back for good */
	struct irq_work kick;
	struct kthread_work work;
	struct rcu_work release;
};

static DEFINE_XARRAY(targets);
static DEFINE_MUTEX(changing); /* of the set of targets */
static unsigned long is_open;
static struct kthread_worker *worker;
static struct workqueue_struct *releasing;
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
	/* A slice of its own; 0 is the default one. */
	if (task->se.custom_slice)
		attr->sched_runtime = task->se.slice;
}

static bool same_attr(const struct sched_attr *a, const struct sched_attr *b)
{
	return a->sched_policy == b->sched_policy &&
	       a->sched_flags == b->sched_flags &&
	       a->sched_priority == b->sched_priority &&
	       a->sched_nice == b->sched_nice &&
	       a->sched_runtime == b->sched_runtime;
}

static void to_params(const struct sched_attr *attr, struct pvs_sched_params *params)
{
	params->policy = attr->sched_policy;
	params->nice = attr->sched_nice;
	params->rt_prio = attr->sched_priority;
	params->reset_on_fork = !!(attr->sched_flags & SCHED_FLAG_RESET_ON_FORK);
}

/* Whether it has what was applied, or what it has left of that. */
static bool has_boost(const struct target *t, const struct sched_attr *now)
{
	struct pvs_sched_params own, applied, params;

	if (!t->is_applied)
		return false;
	to_params(&t->own, &own);
	to_params(&t->applied, &applied);
	to_params(now, &params);
	return same_attr(now, &t->applied) ||
	       pvs_params_of_boost(&own, &applied, &params);
}

/* The attributes under a grant; false: the thread's own. */
static bool granted_attr(const struct sched_attr *own, u64 grant,
			 struct sched_attr *attr)
{
	struct pvs_sched_params params, granted;

	*attr = *own;
	to_params(own, &params);
	if (!pvs_params_granted(&params, grant, &granted))
		return false;
	memset(attr, 0, sizeof(*attr));
	attr->size = sizeof(*attr);
	attr->sched_policy = granted.policy;
	attr->sched_priority = granted.rt_prio;
	attr->sched_nice = granted.nice;
	if (granted.reset_on_fork)
		attr->sched_flags = SCHED_FLAG_RESET_ON_FORK;
	return true;
}

/* Gives the thread what `grant` says; the caller has the lock. */
static void apply_locked(struct target *t, u64 grant)
{
	struct sched_attr now, next;
	bool is_granted;

	if (t->is_gone || (t->task->flags & PF_EXITING))
		return;
	t->done = grant;
	/* It has left our hands, and is the admin's who made it so. */
	if (t->task->policy == SCHED_DEADLINE)
		return;
	read_attr(t->task, &now);
	/* Not ours: its own, as they were or as an admin has set them since. */
	if (!has_boost(t, &now)) {
		t->is_applied = false;
		t->own = now;
	}
	is_granted = granted_attr(&t->own, grant, &next);
	if (same_attr(&now, &next))
		return;
	atomic64_inc(&calls);
	if (sched_setattr_nocheck(t->task, &next)) {
		atomic64_inc(&failures);
		return;
	}
	t->is_applied = is_granted;
	if (is_granted)
		t->applied = next;
}

static void apply(struct target *t)
{
	unsigned long flags;
	u64 grant;

	raw_spin_lock_irqsave(&t->lock, flags);
	grant = READ_ONCE(t->pending_grant);
	if (grant != t->done)
		apply_locked(t, grant);
	raw_spin_unlock_irqrestore(&t->lock, flags);
}

static void apply_work(struct kthread_work *work)
{
	apply(container_of(work, struct target, work));
}

static void kick_worker(struct irq_work *kick)
{
	struct target *t = container_of(kick, struct target, kick);

	kthread_queue_work(worker, &t->work);
}

__bpf_kfunc_start_defs();

/*
 * Gives the slot's thread what the grant says: before this returns where that is
 * safe, else by a thread of the module's, soon. May be called in any context.
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
		 * The scheduler's locks are only ever held with interrupts off,
		 * and sched_setattr() may not be called from an interrupt. To
		 * wake a thread from here could need such a lock, too.
		 */
		if (irqs_disabled() || in_interrupt()) {
			atomic64_inc(&deferred);
			irq_work_queue(&t->kick);
		} else {
			apply(t);
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

static void release_work(struct work_struct *work)
{
	struct target *t = container_of(to_rcu_work(work), struct target,
					release);

	/* No program has it any more; what it has queued may be under way. */
	irq_work_sync(&t->kick);
	kthread_cancel_work_sync(&t->work);
	put_task_struct(t->task);
	kfree(t);
}

static long add_target(const struct pvsched_host_target __user *arg)
{
	struct pvsched_host_target what;
	struct target *t;
	long error;

	if (copy_from_user(&what, arg, sizeof(what)))
		return -EFAULT;
	t = kzalloc(sizeof(*t), GFP_KERNEL);
	if (!t)
		return -ENOMEM;
	rcu_read_lock();
	t->task = get_pid_task(find_vpid(what.tid), PIDTYPE_PID);
	rcu_read_unlock();
	error = -ESRCH;
	if (!t->task)
		goto free;
	error = -EINVAL;
	if (t->task->flags & PF_KTHREAD)
		goto put;
	raw_spin_lock_init(&t->lock);
	init_irq_work(&t->kick, kick_worker);
	kthread_init_work(&t->work, apply_work);
	INIT_RCU_WORK(&t->release, release_work);
	read_attr(t->task, &t->own);
	error = xa_insert(&targets, what.slot, t, GFP_KERNEL);
	if (!error)
		return 0;
	if (error == -EBUSY)
		error = -EEXIST;
put:
	put_task_struct(t->task);
free:
	kfree(t);
	return error;
}

static void give_back(struct target *t)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&t->lock, flags);
	apply_locked(t, 0);
	t->is_gone = true;
	raw_spin_unlock_irqrestore(&t->lock, flags);
	queue_rcu_work(releasing, &t->release);
}

static long remove_target(unsigned long slot)
{
	struct target *t = xa_erase(&targets, slot);

	if (!t)
		return -ENOENT;
	give_back(t);
	return 0;
}

static long read_target(struct pvsched_host_state __user *arg)
{
	struct pvsched_host_state state;
	struct sched_attr now;
	unsigned long flags;
	struct target *t;

	if (copy_from_user(&state, arg, sizeof(state)))
		return -EFAULT;
	t = xa_load(&targets, state.slot);
	if (!t)
		return -ENOENT;
	raw_spin_lock_irqsave(&t->lock, flags);
	read_attr(t->task, &now);
	state.is_applied = t->is_applied;
	to_params(&t->own, &state.own);
	raw_spin_unlock_irqrestore(&t->lock, flags);
	to_params(&now, &state.now);
	return copy_to_user(arg, &state, sizeof(state)) ? -EFAULT : 0;
}

static long read_stats(void __user *arg)
{
	struct pvsched_host_stats stats = {
		.calls = atomic64_read(&calls),
		.failures = atomic64_read(&failures),
		.deferred = atomic64_read(&deferred),
	};

	return copy_to_user(arg, &stats, sizeof(stats)) ? -EFAULT : 0;
}

static long host_ioctl(struct file *file, unsigned int command,
		       unsigned long arg)
{
	void __user *user = (void __user *)arg;
	long result;

	mutex_lock(&changing);
	switch (command) {
	case PVSCHED_HOST_GET_VERSION:
		result = put_user((u32)PVSCHED_HOST_VERSION,
				  (u32 __user *)user);
		break;
	case PVSCHED_HOST_ADD:
		result = add_target(user);
		break;
	case PVSCHED_HOST_REMOVE:
		result = remove_target(arg);
		break;
	case PVSCHED_HOST_READ:
		result = read_target(user);
		break;
	case PVSCHED_HOST_STATS:
		result = read_stats(user);
		break;
	default:
		result = -ENOTTY;
	}
	mutex_unlock(&changing);
	return result;
}

static int host_open(struct inode *inode, struct file *file)
{
	if (!capable(CAP_SYS_NICE))
		return -EPERM;
	if (test_and_set_bit(0, &is_open))
		return -EBUSY;
	atomic64_set(&calls, 0);
	atomic64_set(&failures, 0);
	atomic64_set(&deferred, 0);
	return 0;
}

static int host_release(struct inode *inode, struct file *file)
{
	struct target *t;
	unsigned long slot;

	xa_for_each(&targets, slot, t) {
		xa_erase(&targets, slot);
		give_back(t);
	}
	clear_bit_unlock(0, &is_open);
	return 0;
}

static const struct file_operations host_operations = {
	.owner = THIS_MODULE,
	.open = host_open,
	.release = host_release,
	.unlocked_ioctl = host_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

static struct miscdevice host_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = PVSCHED_HOST_DEVICE,
	.mode = 0600,
	.fops = &host_operations,
};

static int make_worker(void)
{
	const struct sched_attr attr = {
		.size = sizeof(attr),
		.sched_policy = SCHED_FIFO,
		.sched_priority = WORKER_PRIO,
	};

	worker = kthread_run_worker(0, "pvsched_host");
	if (IS_ERR(worker))
		return PTR_ERR(worker);
	return sched_setattr_nocheck(worker->task, &attr);
}

static int __init host_init(void)
{
	int error;

	/* Without BTF the registration would succeed and lend nothing. */
#ifdef CONFIG_DEBUG_INFO_BTF_MODULES
	if (!THIS_MODULE->btf_data_size) {
		pr_err("built without BTF: build it where pahole and the kernel's BTF are\n");
		return -ENOEXEC;
	}
#else
	pr_err("this kernel has no BTF for modules: use pvschedd --actuator agent\n");
	return -EOPNOTSUPP;
#endif
	releasing = alloc_workqueue("pvsched_host", WQ_UNBOUND, 0);
	if (!releasing)
		return -ENOMEM;
	error = make_worker();
	if (error)
		goto no_worker;
	error = register_btf_kfunc_id_set(BPF_PROG_TYPE_TRACING,
					  &pvsched_host_kfuncs);
	if (!error)
		error = register_btf_kfunc_id_set(BPF_PROG_TYPE_SYSCALL,
						  &pvsched_host_kfuncs);
	if (!error)
		error = misc_register(&host_device);
	if (!error)
		return 0;
no_worker:
	if (!IS_ERR_OR_NULL(worker))
		kthread_destroy_worker(worker);
	destroy_workqueue(releasing);
	return error;
}

static void __exit host_exit(void)
{
	misc_deregister(&host_device);
	/* Releases wait for RCU before they are queued. */
	rcu_barrier();
	destroy_workqueue(releasing);
	kthread_destroy_worker(worker);
}

module_init(host_init);
module_exit(host_exit);

MODULE_DESCRIPTION("pvsched: scheduling parameters of vCPU threads, set from BPF");
MODULE_LICENSE("GPL");
