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

enum pvs_actuator {
	PVS_ACTUATOR_AGENT = 0, /* pvschedd, told by the ring `decisions` */
	PVS_ACTUATOR_KFUNC = 1, /* the programs, through pvsched_host */
	PVS_ACTUATOR_SCX = 2, /* the scheduler in scheduler.h, as it schedules */
};

/* The guest's own count of reasons not to preempt, in its per-CPU memory. */
struct pvs_preempt_count {
	__u32 count;
};

/*
 * Task storage of a vCPU thread. The kernel pins the pages for as long as this
 * entry lives, which is at most as long as the thread.
 */
struct pvs_vcpu_binding {
	struct pvsched_record PVS_UPTR *record;
	struct pvs_preempt_count PVS_UPTR *preempt; /* NULL: not given */
	__u32 preempt_mask;
	__u32 acks; /* the guest acknowledges interrupts */
	__u32 slot; /* index into `slots` */
	__u32 vm; /* index into `vms` */
	__u32 vcpu_id;
	__u32 reserved;
};

/* The kernel keeps 8 bytes of its own before it, in the same cache line. */
PVSCHED_STATIC_ASSERT(sizeof(struct pvs_vcpu_binding) <= 64 - 8,
		      "struct pvs_vcpu_binding does not fit into a cache line");

/* Buckets of a histogram by powers of two: bucket i is [2^i, 2^(i+1)) us. */
#define PVS_BUCKETS 20

/*
 * A vCPU on the host: one writer at a time (the programs), which `busy` makes
 * sure of; the loader only reads, and clears it between two uses.
 *
 * Among many vCPUs a slot has left the cache since its last event. So what an
 * event touches whose decision stands is the first line, and what one that
 * decides anew and boosts nobody does, the second.
 */
struct pvs_slot {
	__u64 pending_grant; /* the grant that the actuator was last told of */
	__u64 events;
	__u32 busy;
	__u32 off_cpu; /* PVSCHED_GRANT_HALTED or _PREEMPTED; 0: it runs */
	struct pvs_vcpu vcpu;
	__u32 has_new_tid; /* its thread has its process's number, or soon will */
	__u32 reserved;
	__u64 lost; /* events that came while one was being handled */
	__u64 woken_at; /* 0: not waiting for a CPU after a wake-up */
	__u64 urgent_ns; /* CPU time used while urgent, under the scheduler */
	/* From wake-up to running, by whether it was boosted. */
	__u64 wakeup_us[2][PVS_BUCKETS];
} __attribute__((aligned(64)));

PVSCHED_STATIC_ASSERT(PVSCHED_OFFSETOF(struct pvs_slot, vcpu.state) == 64,
		      "what pvs_stands() needs is not the first cache line");
PVSCHED_STATIC_ASSERT(PVSCHED_OFFSETOF(struct pvs_slot, vcpu.throttled_until) <=
			      128,
		      "what each decision needs is not in two cache lines");

/* A registered vCPU whose thread has not been seen. */
struct pvs_unbound_key {
	__u32 tgid;
	__u32 vcpu_id;
};

/* `seen` ring: this thread is that vCPU. */
struct pvs_vcpu_seen {
	__u32 tgid;
	__u32 tid;
	__u32 vcpu_id;
	__u32 reserved;
};

/* `decisions` ring: a slot's `pending_grant` changed. */
struct pvs_pending {
	__u32 slot; /* or PVS_SCX_ENDED */
	__u32 reserved;
};

#define PVS_SCX_ENDED 0xffffffffu

/* `trace` ring, while tracing: a decision, and what it was made from. */
struct pvs_trace {
	__u64 now;
	__u64 intent;
	__u64 waiting;
	__u64 before; /* the grant before it */
	__u64 grant;
	__u64 boost_used_ns; /* of the budget, in the window */
	__u32 slot;
	__u32 event; /* enum pvs_event */
	__u32 state; /* enum pvs_state */
	__u32 critical;
};

/* Argument of the program pvs_timer. */
struct pvs_timer_args {
	__s32 tid;
};

#endif /* PVSCHED_LAYOUT_H */
