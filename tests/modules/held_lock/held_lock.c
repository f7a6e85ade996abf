// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 The pvsched authors */
/*
 * A kernel thread on one of the guest's CPUs takes a spinlock `rounds` times and
 * computes while it holds the lock. If `waits` is set, the CPU that loads the module
 * takes the lock each time, too, and so waits for the thread.
 */
#include <linux/completion.h>
#include <linux/cpu.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/spinlock.h>

static unsigned int cpu = 1;
module_param(cpu, uint, 0444);
MODULE_PARM_DESC(cpu, "CPU of the thread that holds the lock");

static unsigned int hold_ms = 20;
module_param(hold_ms, uint, 0444);
MODULE_PARM_DESC(hold_ms, "CPU time for which it holds the lock");

static unsigned int rounds = 1;
module_param(rounds, uint, 0444);
MODULE_PARM_DESC(rounds, "how often it takes the lock");

static bool waits;
module_param(waits, bool, 0444);
MODULE_PARM_DESC(waits, "the CPU that loads the module takes the lock, too");

static unsigned int held_us;
module_param(held_us, uint, 0444);
MODULE_PARM_DESC(held_us, "for how long the thread held the lock, on average");

static DEFINE_RAW_SPINLOCK(lock);
static DECLARE_COMPLETION(is_done);
static bool is_held;

/* Time that the vCPU's thread did not have its CPU shows as a gap, and does not count. */
static void compute(u64 ns)
{
	u64 last = ktime_get_ns(), used = 0, now;

	while (used < ns) {
		now = ktime_get_ns();
		used += min_t(u64, now - last, 100 * NSEC_PER_USEC);
		last = now;
	}
}

static int hold(void *unused)
{
	u64 began;

	raw_spin_lock(&lock);
	began = ktime_get_ns();
	WRITE_ONCE(is_held, true);
	compute((u64)hold_ms * NSEC_PER_MSEC);
	held_us += (ktime_get_ns() - began) / NSEC_PER_USEC / rounds;
	raw_spin_unlock(&lock);
	complete(&is_done);
	return 0;
}

static int hold_once(void)
{
	struct task_struct *thread = kthread_create(hold, NULL, "held_lock");

	if (IS_ERR(thread))
		return PTR_ERR(thread);
	kthread_bind(thread, cpu);
	WRITE_ONCE(is_held, false);
	reinit_completion(&is_done);
	wake_up_process(thread);
	while (waits && !READ_ONCE(is_held))
		usleep_range(100, 200);
	if (waits) {
		raw_spin_lock(&lock);
		raw_spin_unlock(&lock);
	}
	wait_for_completion(&is_done);
	return 0;
}

static int __init held_lock_init(void)
{
	unsigned int i;
	int err;

	if (!rounds || !cpu_online(cpu))
		return -EINVAL;
	for (i = 0; i < rounds; i++) {
		err = hold_once();
		if (err)
			return err;
		msleep(20);
	}
	return 0;
}

static void __exit held_lock_exit(void)
{
}
module_init(held_lock_init);
module_exit(held_lock_exit);

MODULE_DESCRIPTION("pvsched tests: a spinlock that is held and waited for");
MODULE_LICENSE("GPL");
