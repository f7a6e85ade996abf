/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* Copyright (C) 2026 The pvsched authors */
/*
 * What the scheduler's programs share with the loader: its counters and the
 * record of its exit. maps.bpf.c has the other values of the maps.
 */
#ifndef PVSCHED_SCX_INTF_H
#define PVSCHED_SCX_INTF_H

#include <linux/types.h>

/* What a host may have; a host with more is refused at start. */
#define PVS_MAX_CPUS 1024
#define PVS_MAX_LLCS 256 /* last-level caches */
#define PVS_MAX_NODES 64

/* A range of pvs_topology.order. */
struct pvs_cpu_span {
	__u16 first;
	__u16 nr;
};

/*
 * The host's CPUs, as the loader reads them from sysfs before the load. `order`
 * holds all CPU ids by node, LLC, core and id, so each node, LLC and core is a
 * span of it. LLCs are numbered in the same order, so a node's LLCs are a range.
 */
struct pvs_topology {
	__u16 llc_of[PVS_MAX_CPUS];
	__u16 position_of[PVS_MAX_CPUS]; /* the CPU's index in `order` */
	__u16 order[PVS_MAX_CPUS];
	__u16 node_of_llc[PVS_MAX_LLCS];
	struct pvs_cpu_span llcs[PVS_MAX_LLCS];
	struct pvs_cpu_span nodes[PVS_MAX_NODES];
	struct pvs_cpu_span node_llcs[PVS_MAX_NODES]; /* ranges of LLCs, not of `order` */
	__u16 sibling_of[PVS_MAX_CPUS]; /* the next CPU of the same core; itself: there is none */
	__u8 is_small[PVS_MAX_CPUS]; /* slower than the host's other CPUs */
	__u32 nr_cpus;
	__u32 nr_llcs;
	__u32 nr_nodes;
	__u32 nr_small;
	__u32 has_smt; /* some core has several CPUs */
	__u32 reserved;
};

/* The size of sched_ext's exit dump by default. */
#define PVS_SCX_DUMP_MAX 32768

/* The exit of the scheduler, in the kernel's words. Strings end with a zero. */
struct pvs_scx_exit {
	__u32 is_detached; /* pvschedd detached it, to stop or to replace it */
	__u32 kind; /* enum scx_exit_kind */
	__s64 code;
	char reason[128];
	char message[1024];
	char dump[PVS_SCX_DUMP_MAX];
};

/* Events of one CPU since the scheduler was loaded. */
struct pvs_scx_counts {
	__u64 idle; /* wake-ups on an idle CPU */
	__u64 queued; /* tasks inserted into an LLC's or a CPU's DSQ */
	__u64 urgent_idle; /* urgent vCPUs sent to an idle CPU */
	__u64 preempted; /* vCPUs that preempted a less urgent task */
	__u64 urgent_queued; /* urgent vCPUs that found no victim */
	__u64 kept; /* slices renewed for an urgent vCPU */
	__u64 critical_kept; /* slices renewed for a critical section */
	__u64 starved; /* tasks that the starvation guard dispatched */
	__u64 pulled; /* vCPUs that became urgent while queued */
	__u64 stolen; /* tasks that this CPU took from another LLC's DSQ */
	__u64 boot_boosted; /* wake-ups with the boot boost */
	__u64 boot_refused; /* wake-ups without it, as the user's or the host's pool was empty */
	__u64 upgraded; /* tasks moved to a faster CPU or a whole idle core at a slice end */
	__u64 held; /* times that this CPU idled for the urgent vCPU on its core's other CPU */
};

/*
 * The context of a CPU, written under the lock of its run queue. Without that
 * lock other CPUs write the first group when they claim the CPU as a victim, and
 * pull_pid, steal_from and counts atomically; a CPU that finds this one held sets
 * is_held. A lost update costs one late or one needless reschedule.
 */
struct pvs_cpu_ctx {
	/* Other CPUs compare and claim these: one cache line. */
	__u32 curr_urgency; /* pvsched_urgency() of what runs, or claimed the CPU */
	__u8 is_rt_running; /* an RT or DL task has the CPU */
	__u8 is_offline;
	__u16 starvation_turn; /* counts to starvation-tail-every */
	__s64 curr_lead; /* deadline of what runs, relative to its virtual time */
	__u64 preempted_at; /* when a vCPU last claimed the CPU */
	__u64 guarded_until; /* no urgent vCPU preempts the CPU before */
	__s32 pull_pid; /* a queued vCPU that became urgent; 0: none */
	__u32 steal_from; /* 1 + the LLC to take a task from; 0: none */
	__u64 rt_preempted_at; /* when RT preempted the task still on our local DSQ; 0: none */
	__u32 curr_vm; /* 1 + the VM whose vCPU runs; 0: none. Kept with urgent-sibling only */
	__u32 is_held; /* idle for the urgent vCPU on its core's other CPU, which kicks it later */
	__u32 holds_core; /* its urgent vCPU has the other CPU of its core held */
	__u32 reserved;

	__u64 urgent_since __attribute__((aligned(64))); /* start of the starvation guard's period; 0: none */
	__u64 ordinary_ns; /* CPU time of ordinary tasks in that period */
	__u64 vtime_now; /* of the pinned tasks */
	__u64 unpublished_vtime; /* used here, not yet added to the virtual time */
	__u64 tail_checked_at; /* see tail-interval */
	__u64 shared_since; /* when tasks with short bursts began to share a slice; 0: they do not */
	__s32 balance; /* >= 0: the pinned tasks' turn; < 0: the LLC's */
	__s32 yield_to; /* pid; -1: any task, 0: no yield */
	__u64 used_ns; /* CPU time charged since perf_at; less than 0 by what is not charged yet */
	__u64 perf_at; /* when `perf` was last computed */
	__u32 perf; /* what cpufreq was asked for, of 1024 */
	__u32 nr_queued_avg; /* see pvs_nr_queued_avg_add() */
	__u8 has_pinned; /* the CPU's DSQ may hold tasks */
	__u8 is_tail_due; /* next, check the tail of the LLC's DSQ */
	__u8 is_urgent_tail_due; /* next, dispatch the tail of the urgent DSQ */
	__u8 is_idle; /* counted as idle in its LLC and node */
	struct pvs_scx_counts counts;
} __attribute__((aligned(64)));

#endif /* PVSCHED_SCX_INTF_H */
