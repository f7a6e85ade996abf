// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 The pvsched authors */
/* The maps and variables that only the scheduler's object has. */
#ifndef PVSCHED_SCX_MAPS_BPF_C
#define PVSCHED_SCX_MAPS_BPF_C

#include "host-policy/bpf/maps.bpf.c"
#include "host-policy/bpf/scx/intf.h"
#include "host-policy/bpf/scx/params.bpf.h"
#include "host-policy/core/boot_boost.h"

/* A task under the scheduler. */
struct pvs_task_ctx {
	struct pvs_vtime vt;
	__u64 charged_exec_ns; /* sum_exec_runtime at the last charge */
	__u64 charged_urgent_ns; /* the slot's urgent_ns at the last charge */
	__u64 boot_boost_until; /* its latest end; 0: no boot boost */
	__u64 bw_throttled_until; /* as of the last charge; 0: not throttled */
	__u32 weight_generation; /* pvs_weight_generation of group_weight */
	__u32 group_weight; /* of its cgroups, 100: no effect */
	__u32 quota_generation; /* pvs_quota_generation of has_quota */
	__u32 has_quota; /* one of its cgroups has a quota */
	__u32 clock; /* whose virtual time `vt` is relative to: join_clock() */
	__u32 counted_in; /* which LLC counts it as a waiting vCPU: count_waiting() */
	__u32 weight; /* of the last charge: the task's, its grant's, its cgroups' */
	__u32 not_vcpu_binds; /* no vCPU as of pvs_binds + 1; 0: unknown */
	__u32 is_awake; /* woken since it last slept */
	__u32 cosched_vm; /* 1 + the VM that counts it as running; 0: none */
	__u32 not_boosted_boots; /* no boot boost as of pvs_boot_boosts + 1; 0: unknown */
	__u8 is_forked; /* forked, and not yet enabled */
	__u8 is_short; /* it used the CPU for less than short-burst before it slept */
	__u8 reserved[2];
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct pvs_task_ctx);
} task_ctxs SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, PVS_MAX_CPUS);
	__type(key, __u32);
	__type(value, struct pvs_cpu_ctx);
} cpu_ctxs SEC(".maps");

/* A last-level cache (LLC): its DSQ, and its CPUs. */
struct pvs_llc_ctx {
	/* Written as tasks are queued and run. */
	__u64 vtime_now; /* of the tasks in the DSQ */
	__u64 queued_at; /* when a task last came into the DSQ */
	__u32 nr_urgent; /* urgent vCPUs on their way through the urgent DSQ */
	__u32 nr_vcpus; /* ordinary vCPUs on their way through the DSQ */

	/* The second line: written once in balance-interval, as CPUs go idle, or at a hot-plug. */
	__u64 reserved[5];
	__u64 balanced_at;
	__u64 queued_since; /* since when balance() has found waiting tasks; 0: none */
	__u32 busiest; /* 1 + the busier LLC of another node that balance() last found */
	__u32 nr_cpus; /* online */
	__u32 nr_idle;
	__u32 unused;
} __attribute__((aligned(64)));

PVSCHED_STATIC_ASSERT(PVSCHED_OFFSETOF(struct pvs_llc_ctx, balanced_at) == 64,
		      "the lines of struct pvs_llc_ctx have different writers");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, PVS_MAX_LLCS);
	__type(key, __u32);
	__type(value, struct pvs_llc_ctx);
} llc_ctxs SEC(".maps");

/* Idle CPUs of a node. One cache line each: every CPU that goes idle writes it. */
struct pvs_node_ctx {
	__u32 nr_idle;
} __attribute__((aligned(64)));

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, PVS_MAX_NODES);
	__type(key, __u32);
	__type(value, struct pvs_node_ctx);
} node_ctxs SEC(".maps");

struct pvs_cgroup_ctx {
	__u32 weight; /* cpu.weight; 0: unknown */
	__u32 reserved;
	struct pvs_bandwidth bandwidth; /* cpu.max */
};

struct {
	__uint(type, BPF_MAP_TYPE_CGRP_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct pvs_cgroup_ctx);
} cgroup_ctxs SEC(".maps");

/* The CPUs that are not small. */
struct pvs_fast_cpus {
	__kptr struct bpf_cpumask *mask;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct pvs_fast_cpus);
} fast_cpumask SEC(".maps");

struct pvs_bw_timer {
	struct bpf_timer timer;
};

/* Wakes idle CPUs for throttled tasks whose period has ended. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct pvs_bw_timer);
} bw_timer SEC(".maps");

/* vCPUs of a VM that run. One cache line each: every switch of a vCPU writes it. */
struct pvs_running_vcpus {
	__u32 nr;
} __attribute__((aligned(64)));

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, PVS_MAX_VMS);
	__type(key, __u32);
	__type(value, struct pvs_running_vcpus);
} running_vcpus SEC(".maps");

/* Of the first thread of a process that created a VM. */
struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct pvs_boot_boost);
} boot_boosts SEC(".maps");

/* uid -> when its pool of boosted CPU time is full again. Evicts the oldest. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, __u64);
} boot_pools SEC(".maps");

const volatile struct pvs_topology pvs_topology;
/* The kernel keeps an idle mask for each node (6.15 on), as the loader asked. */
const volatile bool pvs_has_idle_nodes;

PVS_OWN(__u32, pvs_online_cpus);

/* Changes with every cpu.max. 0: no cgroup has ever had a quota. */
PVS_OWN(__u32, pvs_quota_generation);
/* Changes with every cpu.weight. 0: no cgroup has ever had its own. */
PVS_OWN(__u32, pvs_weight_generation);

/* CPU time of a VM's boot boost; written by pvschedd. 0: no boot boost. */
PVS_OWN(__u64, pvs_boot_boost_ns);
/* The latest end of any boot boost. It spares other tasks the lookup. */
PVS_OWN(__u64, pvs_boot_boost_until);
/* Boot boosts that have begun. */
PVS_OWN(__u32, pvs_boot_boosts);
/* When the host's pool of boosted CPU time is full again. */
PVS_OWN(__u64, pvs_boot_host_pool);

PVS_OWN(struct pvs_scx_exit, pvs_scx_exit);

#endif /* PVSCHED_SCX_MAPS_BPF_C */
