// SPDX-License-Identifier: GPL-2.0
/*
 * The maps, and what pvschedd sets in the object before the programs run.
 */
#ifndef PVSCHED_MAPS_BPF_C
#define PVSCHED_MAPS_BPF_C

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "host-policy/bpf/intf.h"

/* One access, of the whole word: the other side is not ours. */
#define PVS_LOAD(x) (*(const volatile __typeof__(x) *)&(x))
#define PVS_STORE(x, value) (*(volatile __typeof__(x) *)&(x) = (value))

/*
 * clang emits a type's full BTF only if the object uses the type itself, and
 * the kernel must know the record to let programs into it.
 */
struct pvsched_record pvs_record_type SEC(".data.type");
struct pvs_preempt_count pvs_preempt_count_type SEC(".data.type");

/* Threads that became vCPUs', so far; counted after each one is in `threads`. */
__u32 pvs_binds;
/* Registered vCPUs whose thread is unknown; 0 spares other VMs the look-up. */
__u32 pvs_unbound_count;
/* Somebody reads the `trace` ring. */
__u32 pvs_tracing;
/* Who applies decisions: enum pvs_actuator. */
const volatile __u32 pvs_actuator;

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

/* Not 0: pvschedd looks at the boosted vCPUs from time to time. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} watched SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, PVS_MAX_VCPUS);
	__type(key, struct pvs_unbound_key);
	__type(value, __u32);
} unbound SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 64 * 1024);
} seen SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 64 * 1024);
} decisions SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1024 * 1024);
} trace SEC(".maps");

#endif /* PVSCHED_MAPS_BPF_C */
