// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 The pvsched authors */
/*
 * Finds out that the host no longer uses the records, at no cost to an idle
 * guest. The device may lose its registers and records behind the driver: a VMM
 * does not migrate it, and resets it when it restores a VM.
 *
 * Each vCPU samples its own record from a deferrable timer. Such a timer runs
 * when the vCPU is awake for a tick, and wakes no idle vCPU. A host that holds
 * the record has counted the tick's interrupt there. So only a record that stands
 * still costs a read of the device, which is rate-limited.
 */
#include <linux/container_of.h>
#include <linux/cpuhotplug.h>
#include <linux/jiffies.h>
#include <linux/percpu.h>
#include <linux/timer.h>

#include "pvsched.h"
#include "pvsched_kernels.h"
#include "pvsched_watch.h"

struct pvsched_watch {
	struct timer_list timer;
	struct pvsched *pv;
	unsigned int cpu;
	struct pvsched_sample last;
};

static DEFINE_PER_CPU(struct pvsched_watch, pvsched_watches);

static enum cpuhp_state pvsched_watch_state;

/* The cpuhp callbacks get a CPU only, so the device stands here. */
static struct pvsched *pvsched_watched;

/* Starts pv->look; with @must_read it reads the device's registers. */
void pvsched_look_now(struct pvsched *pv, bool must_read)
{
	if (must_read)
		WRITE_ONCE(pv->must_read, true);
	if (!READ_ONCE(pv->is_paused))
		queue_work(pv->wq, &pv->look);
}

/* Whether it is time to try the unserved CPUs again. */
bool pvsched_is_serving_due(const struct pvsched *pv)
{
	return !cpumask_empty(&pv->unserved) &&
	       time_after_eq(jiffies, READ_ONCE(pv->serve_after));
}

static void pvsched_note_use(struct pvsched *pv, unsigned int cpu)
{
	if (cpumask_test_and_set_cpu(cpu, &pv->used))
		return;
	WRITE_ONCE(pv->host, PVSCHED_HOST_READS);
	pvsched_look_now(pv, false);
}

static void pvsched_note_silence(struct pvsched *pv, unsigned int cpu)
{
	cpumask_clear_cpu(cpu, &pv->used);
	if (!cpumask_empty(&pv->used) ||
	    READ_ONCE(pv->host) == PVSCHED_HOST_SILENT)
		return;
	WRITE_ONCE(pv->host, PVSCHED_HOST_SILENT);
	pvsched_look_now(pv, false);
}

/* Returns whether @watch's vCPU has a reason to read the device's registers. */
static bool pvsched_is_suspicious(struct pvsched_watch *watch)
{
	struct pvsched *pv = watch->pv;
	u32 unchanged;

	if (!cpumask_test_cpu(watch->cpu, &pv->registered))
		return !READ_ONCE(pv->is_started);

	unchanged = pvsched_sample_host_line(&watch->last,
					     &pvsched_records[watch->cpu]);
	if (!unchanged)
		pvsched_note_use(pv, watch->cpu);
	else if (unchanged == PVSCHED_SILENT_SAMPLES)
		pvsched_note_silence(pv, watch->cpu);
	return unchanged;
}

static void pvsched_on_watch(struct timer_list *timer)
{
	struct pvsched_watch *watch =
		container_of(timer, struct pvsched_watch, timer);
	struct pvsched *pv = watch->pv;

	if (pvsched_is_suspicious(watch) &&
	    time_after_eq(jiffies, READ_ONCE(pv->read_after)))
		pvsched_look_now(pv, true);
	else if (pvsched_is_serving_due(pv))
		pvsched_look_now(pv, false);
	mod_timer(timer, jiffies + msecs_to_jiffies(PVSCHED_SAMPLE_MS));
}

static int pvsched_watch_online(unsigned int cpu)
{
	struct pvsched_watch *watch = &per_cpu(pvsched_watches, cpu);

	watch->pv = pvsched_watched;
	watch->cpu = cpu;
	timer_setup(&watch->timer, pvsched_on_watch,
		    TIMER_DEFERRABLE | TIMER_PINNED);
	watch->timer.expires = jiffies + msecs_to_jiffies(PVSCHED_SAMPLE_MS);
	add_timer_on(&watch->timer, cpu);
	return 0;
}

static int pvsched_watch_offline(unsigned int cpu)
{
	pvsched_timer_delete_sync(&per_cpu(pvsched_watches, cpu).timer);
	return 0;
}

/* Starts the watch of each CPU, now and when it comes online. */
void pvsched_watch_start(struct pvsched *pv)
{
	int state;

	pvsched_watched = pv;
	state = cpuhp_setup_state(CPUHP_AP_ONLINE_DYN, "pvsched:watch",
				  pvsched_watch_online, pvsched_watch_offline);
	if (state < 0)
		dev_warn(&pv->pdev->dev,
			 "cannot watch the device, so a migration ends pvsched: error %d\n", state);
	else
		pvsched_watch_state = state;
}

/* After return no watch runs. */
void pvsched_watch_stop(void)
{
	if (pvsched_watch_state)
		cpuhp_remove_state(pvsched_watch_state);
	pvsched_watch_state = 0;
}
