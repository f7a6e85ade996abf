// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 The pvsched authors */
/*
 * The performance that each CPU asks of cpufreq. Under sched_ext the governor
 * schedutil knows no utilisation but what the scheduler tells it, and runs every
 * CPU at its highest frequency until then. Other governors ignore it.
 */

#define PVS_PERF_ONE 1024 /* a CPU's highest performance: SCX_CPUPERF_ONE */

/*
 * Asks for a quarter more than the CPU's use in the last cpuperf-interval, as
 * schedutil does for the fair class; for the highest while an urgent vCPU runs.
 * `used`: CPU time of the running task that is not charged yet.
 */
static __noinline int update_cpuperf(struct pvs_cpu_ctx *cpuc, __s32 cpu, __u64 now,
				     __u64 used)
{
	__u64 window = cpuc ? now - cpuc->perf_at : 0, perf;

	if (!cpuc || !bpf_ksym_exists(scx_bpf_cpuperf_set) ||
	    window < pvs_param_cpuperf_interval)
		return 0;
	perf = (cpuc->used_ns + used) * PVS_PERF_ONE / window;
	perf += perf / 4;
	if (perf < (__u64)PVS_PERF_ONE * pvs_param_cpuperf_min / 100)
		perf = (__u64)PVS_PERF_ONE * pvs_param_cpuperf_min / 100;
	if (perf > PVS_PERF_ONE || is_urgent(cpuc->curr_urgency))
		perf = PVS_PERF_ONE;
	cpuc->perf_at = now;
	/* The next charge adds all of it again. */
	cpuc->used_ns = 0 - used;
	if (perf == cpuc->perf)
		return 0;
	cpuc->perf = perf;
	scx_bpf_cpuperf_set(cpu, perf);
	return 0;
}
