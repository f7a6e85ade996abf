// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 The pvsched authors */
/* The maps and variables that only the scheduler's object has. */
#ifndef PVSCHED_SCX_MAPS_BPF_C
#define PVSCHED_SCX_MAPS_BPF_C

#include "host-policy/bpf/maps.bpf.c"
#include "host-policy/bpf/scx/intf.h"
#include "host-policy/bpf/scx/params.bpf.h"

#define PVS_MAX_NODES 64

/* A task under the scheduler. */
struct pvs_task_ctx {
	struct pvs_vtime vt;
	__u64 charged_exec_ns; /* sum_exec_runtime at the last charge */
	__u64 charged_urgent_ns; /* the slot's urgent_ns at the last charge */
	__u64 boot_boost_until; /* 0: no boot boost */
	__u64 bw_throttled_until; /* as of the last charge; 0: not throttled */
	__u32 weight_generation; /* pvs_weight_generation of group_weight */
	__u32 group_weight; /* of its cgroups, 100: no effect */
	__u32 weight; /* of the last charge: the task's, its grant's, its cgroups' */
	__u32 not_vcpu_binds; /* no vCPU as of pvs_binds + 1; 0: unknown */
	__u32 is_awake; /* woken since it last slept */
	__u32 cosched_vm; /* 1 + the VM that counts it as running; 0: none */
	__u32 is_forked; /* forked, and not yet enabled */
	__u32 reserved;
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

/* The virtual time of a node's queue. One cache line each. */
struct pvs_node_vtime {
	__u64 vtime_now;
} __attribute__((aligned(64)));

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, PVS_MAX_NODES);
	__type(key, __u32);
	__type(value, struct pvs_node_vtime);
} node_vtimes SEC(".maps");

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

/* tgid -> when the process created its VM. The oldest entries are evicted. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, __u64);
} vm_created_at SEC(".maps");

/* One more than the highest CPU and node that the host may have. */
const volatile __u32 pvs_nr_cpus;
const volatile __u32 pvs_nr_nodes;

/* Online CPUs, and nodes that had an online CPU at init. */
__u32 pvs_online_cpus;
__u32 pvs_online_nodes;

/* cgroups with a quota. 0 spares every task the lookup. */
__u32 pvs_nr_limited_cgroups;
/* Changes with every cpu.weight. 0: no cgroup has ever had its own. */
__u32 pvs_weight_generation;

/* How long the boot boost lasts; written by pvschedd. 0: no boot boost. */
__u64 pvs_boot_boost_ns;
/* End of the last VM's boot boost. It spares other tasks the lookup. */
__u64 pvs_boot_boost_until;

struct pvs_scx_exit pvs_scx_exit;

#endif /* PVSCHED_SCX_MAPS_BPF_C */
