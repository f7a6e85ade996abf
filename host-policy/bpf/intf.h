/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/*
 * What the BPF programs and the loader share: the values of the maps. Both
 * include this file; neither has a copy.
 */
#ifndef PVSCHED_LAYOUT_H
#define PVSCHED_LAYOUT_H

#include "host-policy/core/vtime.h"
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

/* Why the scheduler ended: the kernel's words. */
struct pvs_scx_exit {
	__u32 is_detached; /* by pvschedd: to stop, or for another in its place */
	__u32 reserved;
	__s64 code;
	char reason[128];
	char message[1024];
};

/* What the scheduler did, on one CPU. */
struct pvs_scx_counts {
	__u64 idle; /* tasks that woke onto an idle CPU */
	__u64 queued; /* that waited in a queue */
	__u64 urgent_idle; /* urgent vCPUs that found an idle CPU, */
	__u64 preempted; /* that took a less urgent task's, */
	__u64 urgent_queued; /* that found none */
	__u64 kept; /* urgent vCPUs that went on at the end of their slice, */
	__u64 critical_kept; /* and others, for a critical section's sake */
	__u64 starved; /* tasks that went before an urgent vCPU, as they starved */
	__u64 pulled; /* vCPUs that became urgent in a queue */
	__u64 young; /* wake-ups in the boot profile */
};

/* A task under the scheduler. */
struct pvs_task_ctx {
	struct pvs_vtime fair;
	__u64 ran_at; /* its CPU time when it was last charged, */
	__u64 urgent_ns; /* and how much of it was a vCPU's that was urgent */
	__u64 young_until; /* in the boot profile till then; 0: it is not */
	__u64 parked_until; /* by its groups' quotas, as of then; 0: it may run */
	__u32 weights; /* what group_weight was made from: pvs_weights */
	__u32 group_weight;
	__u32 weight; /* at which it was last charged: all together */
	__u32 no_vcpu; /* it was none after pvs_binds + 1 of them; 0: unknown */
	__u32 is_awake; /* woken since it last slept */
	__u32 counted_in; /* the VM, + 1, of which it is a vCPU that runs; 0: none */
	__u32 is_child; /* of a fork, and not yet enabled */
	__u32 reserved;
};

#define PVS_MAX_CPUS 1024

/* A CPU of the scheduler: what runs there, for others to compare with. */
struct pvs_cpu_ctx {
	__u32 urgency; /* pvsched_urgency() of it, or of what was sent there */
	__u8 is_taken; /* by a real-time task */
	__u8 is_offline;
	__u16 turn; /* of those that starve: 0 is that of the last */
	__u64 deadline; /* of its task when that began to run, or was sent there */
	__u64 taken_at; /* when a vCPU last took it from another task */
	__u64 urgent_since; /* since when urgent vCPUs left others too little; 0: they do not */
	__u64 ordinary_ns; /* what they did leave them since then */
	__u64 spared_until; /* no urgent vCPU takes it before */
	__u64 vtime_now; /* virtual time of its own tasks */
	__u64 passed_ns; /* used, by weight: what virtual time is still to pass by */
	__u64 left_at; /* by its task, which stays, to a real-time one; 0: none stays */
	__u64 looked_at; /* when the queue's end was last looked at */
	__s32 balance; /* its own tasks' turn: 0 or more; the node's: less */
	__s32 yields_to; /* pid; -1: to anybody, 0: to nobody */
	__u32 has_own; /* tasks may wait in its own queue */
	__u32 last_is_due; /* of the urgent vCPUs */
	__u32 to_pull; /* 1 + the node where a vCPU became urgent while it waited; 0: none */
	__u32 nr_queued_avg; /* pvs_nr_queued_avg_add() of its node's queue */
	struct pvs_scx_counts counts;
} __attribute__((aligned(64)));

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
