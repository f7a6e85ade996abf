/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/*
 * What the BPF programs and the loader share: the values of the maps. Both
 * include this file; neither has a copy.
 */
#ifndef PVSCHED_LAYOUT_H
#define PVSCHED_LAYOUT_H

#include "host-policy/core/policy.h"

#ifdef __bpf__
#include <bpf/bpf_helpers.h>
#define PVS_UPTR __uptr
#else
#define PVS_UPTR
#endif

/* Upper bounds for one host; what is above is refused at registration. */
#define PVS_MAX_VCPUS 4096
#define PVS_MAX_VMS 1024

/*
 * Task storage of a vCPU thread. The kernel pins the record's page for as
 * long as this entry lives, which is at most as long as the thread.
 */
struct pvs_thread {
	struct pvsched_record PVS_UPTR *record;
	__u32 slot; /* index into `slots` */
	__u32 vm; /* index into `vms` */
};

/*
 * A vCPU on the host: one writer at a time (the programs), which `busy` makes
 * sure of; the loader only reads, and clears it between two uses.
 */
struct pvs_slot {
	struct pvs_vcpu vcpu;
	__u64 wanted; /* the grant that the actuator was last told of */
	__u64 events;
	__u64 lost; /* events that came while one was being handled */
	__u32 busy;
	__u32 reserved[3];
} __attribute__((aligned(64)));

/* A registered vCPU whose thread has not been seen. */
struct pvs_unbound_key {
	__u32 tgid;
	__u32 vcpu_id;
};

/* `seen` ring: this thread is that vCPU. */
struct pvs_seen {
	__u32 tgid;
	__u32 tid;
	__u32 vcpu_id;
	__u32 reserved;
};

/* `decisions` ring: a slot's `wanted` changed. */
struct pvs_decision {
	__u32 slot;
	__u32 reserved;
};

#endif /* PVSCHED_LAYOUT_H */
