// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 The pvsched authors */
/*
 * pvsched_host: lends BPF a checked sched_setattr().
 *
 * The kfunc applies a grant inside of the event that caused it. Where the event
 * may hold the scheduler's locks, a thread of the module applies the grant soon
 * after. BPF names threads by slot only, and only threads that pvschedd has
 * registered through the device file.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/uaccess.h>

#include "pvsched_host_apply.h"

static DEFINE_MUTEX(ioctl_lock); /* one change of the registered threads at a time */
static unsigned long is_open;

static long ioctl_add(const struct pvsched_host_target __user *arg)
{
	struct pvsched_host_target target;

	if (copy_from_user(&target, arg, sizeof(target)))
		return -EFAULT;
	return pvsched_host_add(&target);
}

static long ioctl_read(struct pvsched_host_state __user *arg)
{
	struct pvsched_host_state state;
	int err;

	if (copy_from_user(&state, arg, sizeof(state)))
		return -EFAULT;
	err = pvsched_host_read(&state);
	if (err)
		return err;
	return copy_to_user(arg, &state, sizeof(state)) ? -EFAULT : 0;
}

static long ioctl_stats(struct pvsched_host_stats __user *arg)
{
	struct pvsched_host_stats stats;

	pvsched_host_read_stats(&stats);
	return copy_to_user(arg, &stats, sizeof(stats)) ? -EFAULT : 0;
}

static long host_ioctl(struct file *file, unsigned int command,
		       unsigned long arg)
{
	void __user *user = (void __user *)arg;
	long result;

	mutex_lock(&ioctl_lock);
	switch (command) {
	case PVSCHED_HOST_GET_VERSION:
		result = put_user((u32)PVSCHED_HOST_VERSION,
				  (u32 __user *)user);
		break;
	case PVSCHED_HOST_ADD:
		result = ioctl_add(user);
		break;
	case PVSCHED_HOST_REMOVE:
		result = pvsched_host_remove(arg);
		break;
	case PVSCHED_HOST_READ:
		result = ioctl_read(user);
		break;
	case PVSCHED_HOST_STATS:
		result = ioctl_stats(user);
		break;
	default:
		result = -ENOTTY;
	}
	mutex_unlock(&ioctl_lock);
	return result;
}

static int host_open(struct inode *inode, struct file *file)
{
	if (!capable(CAP_SYS_NICE))
		return -EPERM;
	if (test_and_set_bit(0, &is_open))
		return -EBUSY;
	pvsched_host_reset_stats();
	return 0;
}

/* The end of pvschedd closes the file, too: no thread keeps a boost. */
static int host_release(struct inode *inode, struct file *file)
{
	pvsched_host_remove_all();
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

/* Without BTF the kernel accepts the kfunc, but no program can call it. */
static int check_btf(void)
{
#ifdef CONFIG_DEBUG_INFO_BTF_MODULES
	if (THIS_MODULE->btf_data_size)
		return 0;
	pr_err("built without BTF: build the module where pahole and the kernel's BTF are installed\n");
	return -ENOEXEC;
#else
	pr_err("this kernel has no BTF for modules: use pvschedd --actuator agent\n");
	return -EOPNOTSUPP;
#endif
}

static int __init host_init(void)
{
	int err = check_btf();

	if (err)
		return err;
	err = pvsched_host_apply_init();
	if (err)
		return err;
	err = misc_register(&host_device);
	if (err)
		pvsched_host_apply_exit();
	return err;
}

static void __exit host_exit(void)
{
	misc_deregister(&host_device);
	pvsched_host_apply_exit();
}

module_init(host_init);
module_exit(host_exit);

MODULE_DESCRIPTION("pvsched: scheduling parameters of vCPU threads, set from BPF");
MODULE_LICENSE("GPL");
MODULE_VERSION("0.1.0");
