/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* Copyright (C) 2026 The pvsched authors */
/* The interface of the BPF programs and the loader: the values of the maps. */
#ifndef PVSCHED_BPF_INTF_H
#define PVSCHED_BPF_INTF_H

#include "host-policy/core/policy.h"

#ifdef __bpf__
#include <bpf/bpf_helpers.h>
#define PVS_UPTR(type) __typeof__(type) __uptr *
#else
#define PVS_UPTR(type) __typeof__(type) *
#endif

/* Limits of one host. pvschedd refuses registrations above them. */
#define PVS_MAX_VCPUS 4096
#define PVS_MAX_VMS 1024

/* Buckets of pvs_bound_tids. */
#define PVS_TID_BUCKETS 4096

enum pvs_actuator {
	PVS_ACTUATOR_AGENT = 0, /* a thread of pvschedd, by the ring `decisions` */
	PVS_ACTUATOR_KFUNC = 1, /* the programs, through the module pvsched_host */
	PVS_ACTUATOR_SCX = 2, /* the sched_ext scheduler (bpf/scx) */
};

/* The guest's preempt count, in its per-CPU memory. */
struct pvs_preempt_count {
	__u32 count;
};

/*
 * The binding of a vCPU's thread to its record, in task storage. The kernel pins
 * the pages while the entry exists; it ends with the thread at the latest.
 */
struct pvs_vcpu_binding {
	PVS_UPTR(struct pvsched_record) record;
	PVS_UPTR(struct pvs_preempt_count) preempt; /* NULL: the guest gave none */
	__u32 preempt_mask; /* bits that forbid preemption */
	__u32 acks; /* the guest acknowledges interrupts */
	__u32 slot; /* index into `slots` */
	__u32 vm; /* index into `vm_tunables` */
	__u32 vcpu_id; /* APIC id */
	__u32 reserved;
};

/* The kernel's own 8 bytes precede the value in its cache line. */
PVSCHED_STATIC_ASSERT(sizeof(struct pvs_vcpu_binding) <= 64 - 8,
		      "struct pvs_vcpu_binding does not fit into a cache line");

/* Buckets of a histogram: bucket i counts [2^i, 2^(i+1)) us. */
#define PVS_BUCKETS 20

/*
 * `busy` of a slot. The program that sets PVS_BUSY holds the slot and judges an
 * event. A program that finds it held adds its event's bit, and the holder judges
 * that event before it releases the slot. A release starts a new generation, so a
 * reader that finds the word unchanged has read consistent fields.
 */
#define PVS_BUSY 1u
#define PVS_BUSY_EVENT(event) (1u << (event)) /* enum pvs_event, PVS_KICK_WITH_TICKET */
#define PVS_BUSY_EVENTS 0xfffeu
#define PVS_BUSY_GENERATION 0x10000u

/*
 * A vCPU on the host. The program that holds `busy` writes the decision and
 * `vcpu`. Programs write off_cpu, events, woken_at, wakeup_us and has_new_tid
 * without it. pvschedd reads a slot, and resets it between two registrations.
 *
 * With many vCPUs a slot has left the cache since its last event. So most events
 * whose grant is still valid touch the first cache line only, and a decision
 * without a boost the first two. A wake-up also reads `vcpu.state`.
 */
struct pvs_slot {
	__u64 pending_grant; /* the grant last published to the actuator */
	__u64 events; /* not atomic: a few may be missed */
	__u32 busy; /* PVS_BUSY_* */
	__u32 off_cpu; /* PVSCHED_GRANT_HALTED or _PREEMPTED; 0: it runs */
	struct pvs_vcpu vcpu;
	__u32 has_new_tid; /* the thread has its process's tid, or will soon */
	__u32 reserved;
	__u64 lost; /* events that were not judged: too many came at once */
	__u64 woken_at; /* when the thread woke up; 0: it has run since */
	__u64 urgent_ns; /* scx: CPU time used while urgent */
	/* Wake-up latencies: [0] while not boosted, [1] while boosted. */
	__u64 wakeup_us[2][PVS_BUCKETS];
} __attribute__((aligned(64)));

PVSCHED_STATIC_ASSERT(PVSCHED_OFFSETOF(struct pvs_slot, vcpu.state) == 64,
		      "pvs_grant_still_valid() needs more than the first cache line");
PVSCHED_STATIC_ASSERT(PVSCHED_OFFSETOF(struct pvs_slot, vcpu.throttled_until) <=
			      128,
		      "a decision without a boost needs more than two cache lines");

/* What the search for a VMM's vCPUs writes, for each vCPU. */
struct pvs_vcpu_found {
	__u32 vcpu_id; /* APIC id */
	__s32 tid; /* of the thread that ran the vCPU last; 0: none did */
};

/* Event of the ring `decisions`: a slot's `pending_grant` changed. */
struct pvs_pending {
	__u32 slot; /* or PVS_SCX_* */
	__u32 reserved;
};

#define PVS_SCX_ENDED 0xffffffffu
/* pvs_bw_timer_at has changed, and pvschedd is the timer. */
#define PVS_SCX_BW_TIMER 0xfffffffeu

/* Event of the ring `trace`: a decision and its input. */
struct pvs_trace {
	__u64 now;
	__u64 intent;
	__u64 waiting;
	__u64 before; /* the grant before the decision */
	__u64 grant;
	__u64 boost_used_ns; /* use of the boost budget in the window */
	__u32 slot;
	__u32 event; /* enum pvs_event */
	__u32 state; /* enum pvs_state */
	__u32 critical;
};

/* Argument of the program pvs_timer. */
struct pvs_timer_args {
	__s32 tid;
};

#endif /* PVSCHED_BPF_INTF_H */
