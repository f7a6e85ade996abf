// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 The pvsched authors */
/* The maps and variables that both objects have. */
#ifndef PVSCHED_MAPS_BPF_C
#define PVSCHED_MAPS_BPF_C

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "host-policy/bpf/intf.h"

/* One access of the whole variable: another CPU, or the guest, may write it. */
#define PVS_LOAD(x) (*(const volatile __typeof__(x) *)&(x))
#define PVS_STORE(x, value) (*(volatile __typeof__(x) *)&(x) = (value))

/*
 * pvsched's own variables have a section that no policy shares: each loaded policy
 * begins with its own initial values in .bss and .data.
 */
#define PVS_OWN(type, name) type name SEC(".bss.pvs")

/*
 * clang emits a type's full BTF only if the object has a variable of that type.
 * The kernel needs the BTF of what a __uptr points to.
 */
struct pvsched_record pvs_record_type SEC(".data.type");
struct pvs_preempt_count pvs_preempt_count_type SEC(".data.type");

/* Bindings made so far. Each is counted after it is in `vcpu_bindings`. */
PVS_OWN(__u32, pvs_binds);
/* Bound threads by the low bits of their tids. 0 spares other threads the lookup. */
PVS_OWN(__u16, pvs_bound_tids[PVS_TID_BUCKETS]);
/* Not 0: decisions are written to the ring `trace`. */
PVS_OWN(__u32, pvs_tracing);
/* enum pvs_actuator. */
const volatile __u32 pvs_actuator;
/*
 * Not 0: a program that can be preempted prevents that while it holds a slot.
 * Kernels before 6.15 allow no call of pvs_policy() then.
 */
const volatile __u32 pvs_masks_preemption;

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct pvs_vcpu_binding);
} vcpu_bindings SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, PVS_MAX_VCPUS);
	__type(key, __u32);
	__type(value, struct pvs_slot);
} slots SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, PVS_MAX_VMS);
	__type(key, __u32);
	__type(value, struct pvs_tunables);
} vm_tunables SEC(".maps");

/* Places of a VM for vCPUs that are preempted in critical sections; a power of two. */
#define PVS_WAIT_PLACES 8

/*
 * vCPUs of a VM that wait for another one, and that may be waited for. Only a vCPU
 * that waits, or that is preempted in a critical section, writes this.
 */
struct pvs_vm_waits {
	/*
	 * Slot (high half) and tid of vCPUs that were preempted in a critical
	 * section; 0: none. A vCPU's place follows from its APIC id, and the newest
	 * vCPU has it.
	 */
	__u64 preempted[PVS_WAIT_PLACES];
	__u64 waited_at; /* when a vCPU last waited for another one; 0: never */
} __attribute__((aligned(64)));

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, PVS_MAX_VMS);
	__type(key, __u32);
	__type(value, struct pvs_vm_waits);
} vm_waits SEC(".maps");

/* Not 0: pvschedd's timer runs, and ends boosts that no event ends. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} watched SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 64 * 1024);
} decisions SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1024 * 1024);
} trace SEC(".maps");

static __always_inline struct pvs_slot *slot_of(struct pvs_vcpu_binding *binding)
{
	__u32 index = binding->slot;

	return bpf_map_lookup_elem(&slots, &index);
}

/* Whether the thread may be a vCPU's; if not, `vcpu_bindings` needs no lookup. */
static __always_inline bool may_be_bound(int tid)
{
	return PVS_LOAD(pvs_bound_tids[(__u32)tid & (PVS_TID_BUCKETS - 1)]);
}

#endif /* PVSCHED_MAPS_BPF_C */
