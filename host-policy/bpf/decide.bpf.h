/* SPDX-License-Identifier: GPL-2.0 */
/* Copyright (C) 2026 The pvsched authors */
/*
 * Turns an event of a vCPU into a grant, by the policy core.
 *
 * At each event on_event() reads the guest's record in place, in the page that
 * the kernel pinned. The record is untrusted: pvs_begin() validates it, and
 * pvs_finish() caps what the policy proposes for it.
 */
#ifndef PVSCHED_DECIDE_BPF_H
#define PVSCHED_DECIDE_BPF_H

/* A program includes maps.bpf.c before this header: headers hold no map. */
#include "host-policy/bpf/kernel_types.bpf.h"
#include "host-policy/core/default_policy.h"

/* Clock reads added to each event, by which a benchmark checks its own sensitivity. */
#ifndef PVSCHED_SEED_COST
#define PVSCHED_SEED_COST 0
#endif

/* A KICK that takes the interrupt's ticket too, because no INJECT will follow. */
#define PVS_KICK_WITH_TICKET 11

/* Slot, vm_index and APIC id of a vCPU in one word: the BPF stack is small. */
#define PVS_IDS(binding)                                        \
	((__u64)(binding)->vcpu_id << 32 | (binding)->vm << 16 | \
	 (binding)->slot)
#define PVS_IDS_SLOT(ids) ((__u32)(ids) & 0xffff)
#define PVS_IDS_VM(ids) ((__u32)(ids) >> 16)
#define PVS_IDS_VCPU_ID(ids) ((__u32)((ids) >> 32))

/* Events that the holder of a slot judges for other programs in one hold. */
#define PVS_AGAIN_MAX 8

/*
 * The policy. It is weak: pvschedd links an admin's object, whose function of
 * this name replaces it. It is global, so the verifier checks it once, apart from
 * its callers.
 */
__weak __u64 pvs_policy(const struct pvs_view *view)
{
	if (!view)
		return pvs_propose_keep();
	return pvs_default_policy(view);
}

/* Reports a slot, or PVS_SCX_*, to pvschedd. */
static int notify_pvschedd(__u32 index)
{
	struct pvs_pending *event;

	event = bpf_ringbuf_reserve(&decisions, sizeof(*event), 0);
	if (!event)
		return -1;
	event->slot = index;
	event->reserved = 0;
	bpf_ringbuf_submit(event, 0);
	return 0;
}

/*
 * Publishes a grant to the agent. If the ring is full, `pending_grant` keeps its
 * old value, so that the next event publishes again.
 */
static __always_inline void publish_to_agent(struct pvs_slot *slot, __u32 index,
					     __u64 grant)
{
	__u64 before = slot->pending_grant;

	/* Before the notification: the agent reads the slot at once. */
	PVS_STORE(slot->pending_grant, grant);
	if (notify_pvschedd(index))
		PVS_STORE(slot->pending_grant, before);
}

/* Starts pvschedd's timer, which ends a boost that no event ends. */
static __always_inline void start_boost_watch(__u32 index)
{
	__u32 key = 0, *is_watched;

	is_watched = bpf_map_lookup_elem(&watched, &key);
	if (!is_watched || PVS_LOAD(*is_watched))
		return;
	PVS_STORE(*is_watched, 1);
	if (notify_pvschedd(index))
		PVS_STORE(*is_watched, 0);
}

/*
 * Applies a grant through the module, which defers it where it must.
 *
 * pvschedd clears `watched`, then reads every `pending_grant`. This function sets
 * `pending_grant`, then reads `watched`. Both sides have a full barrier between
 * the two accesses, so at least one side sees the other's store.
 */
static __always_inline void apply_by_module(struct pvs_slot *slot, __u32 index,
					    __u64 grant)
{
	__sync_lock_test_and_set(&slot->pending_grant, grant);
	pvsched_host_apply(index, grant);
	if (pvsched_word_flags(grant) & PVSCHED_GRANT_BOOSTED)
		start_boost_watch(index);
}

static void trace_decision(const struct pvs_slot *slot, __u32 index,
			   const struct pvs_input *in, __u64 before)
{
	struct pvs_trace *entry;

	entry = bpf_ringbuf_reserve(&trace, sizeof(*entry), 0);
	if (!entry)
		return;
	entry->now = in->now;
	entry->intent = in->intent;
	entry->waiting = in->waiting;
	entry->before = before;
	entry->grant = slot->vcpu.grant;
	entry->boost_used_ns = slot->vcpu.window.boost.used_ns;
	entry->slot = index;
	entry->event = in->event;
	entry->state = slot->vcpu.state;
	entry->critical = in->critical;
	bpf_ringbuf_submit(entry, 0);
}

/* The record's `grant`: the grant, and why the vCPU is off its CPU. */
static __always_inline __u64 record_grant(const struct pvs_slot *slot)
{
	return PVS_LOAD(slot->vcpu.grant) |
	       (__u64)PVS_LOAD(slot->off_cpu) << PVSCHED_WORD_FLAGS_SHIFT;
}

/*
 * Writes `grant` of the guest's record. Its two parts, the grant and the off-CPU
 * flag, may have writers on two CPUs. Each writer sets its part in the slot, then
 * stores the whole to the record with a full barrier, then reads both parts
 * again. So the last store to the record holds both.
 */
static __always_inline void write_record_grant(struct pvsched_record *record,
					       const struct pvs_slot *slot)
{
	__u64 grant;
	int i;

	for (i = 0; i < 4; i++) {
		grant = record_grant(slot);
		__sync_lock_test_and_set(&record->grant, grant);
		if (grant == record_grant(slot))
			return;
	}
}

static __always_inline void set_off_cpu(struct pvsched_record *record,
					struct pvs_slot *slot, __u32 flag)
{
	PVS_STORE(slot->off_cpu, flag);
	write_record_grant(record, slot);
}

/* The thread leaves its CPU, for the reason `flag`, or gets one (0). */
static __always_inline void on_switch(struct pvs_vcpu_binding *binding, __u32 flag)
{
	struct pvsched_record *record = binding->record;
	struct pvs_slot *slot = slot_of(binding);

	if (record && slot)
		set_off_cpu(record, slot, flag);
}

/* Whether a vCPU of the VM waits for another one, or did so lately. */
static __always_inline __u32 is_awaited(__u32 vm, const struct pvs_input *in)
{
	struct pvs_vm_waits *waits;

	if (in->event == PVS_AWAITED)
		return 1;
	if ((in->event != PVS_PREEMPT && in->event != PVS_RESCHED) ||
	    !pvs_is_critical(in->intent, in->critical))
		return 0;
	waits = bpf_map_lookup_elem(&vm_waits, &vm);
	return waits && waits->waited_at &&
	       in->now - waits->waited_at <= PVS_WAIT_MEMORY_NS;
}

/*
 * The slow part of pvs_judge(), for an input that changed. Returns the grant for the
 * actuator.
 */
static __u64 decide(__u64 ids, struct pvsched_record *record,
		    struct pvs_slot *slot, struct pvs_input *in)
{
	__u64 before = slot->vcpu.grant, had_ns = slot->vcpu.cpu_ns, grant;
	const struct pvs_tunables *tunables;
	struct pvs_view view = {};
	__u32 vm = PVS_IDS_VM(ids);

	tunables = bpf_map_lookup_elem(&vm_tunables, &vm);
	if (!tunables)
		return slot->pending_grant;
	in->now = bpf_ktime_get_ns();
	in->awaited = is_awaited(vm, in);
	view.vcpu_id = PVS_IDS_VCPU_ID(ids);
	view.vm = vm;
	if (pvs_begin(tunables, &slot->vcpu, in, &view))
		pvs_finish(tunables, &slot->vcpu, pvs_policy(&view));
	grant = slot->vcpu.grant;
	/* CPU time in a critical section counts as ordinary. */
	if (pvs_actuator == PVS_ACTUATOR_SCX &&
	    pvsched_urgency(pvs_without_flags(slot->pending_grant)) > PVSCHED_URGENCY_RT &&
	    !(pvsched_word_flags(slot->pending_grant) & PVSCHED_GRANT_CRITICAL))
		slot->urgent_ns += slot->vcpu.cpu_ns - had_ns;

	if (in->is_irq)
		PVS_STORE(record->irq_ticket, slot->vcpu.irq_ticket);
	if (grant != before) {
		write_record_grant(record, slot);
		PVS_STORE(record->boosted_ns, slot->vcpu.boosted_ns);
		PVS_STORE(record->throttle_count, slot->vcpu.throttles);
		if (pvs_tracing)
			trace_decision(slot, PVS_IDS_SLOT(ids), in, before);
	}
	return tunables->mode == PVS_OBSERVE ? 0 : grant;
}

/* Gives a changed grant to the actuator. */
static __always_inline void give_to_actuator(struct pvs_slot *slot, __u32 index,
					     __u64 grant)
{
	if (pvs_actuator == PVS_ACTUATOR_SCX)
		PVS_STORE(slot->pending_grant, grant);
	else if (pvs_actuator == PVS_ACTUATOR_KFUNC &&
		 bpf_ksym_exists(pvsched_host_apply))
		apply_by_module(slot, index, grant);
	else
		publish_to_agent(slot, index, grant);
}

/* Reads what the decision needs of the thread and of the guest's memory, once. */
static __always_inline void read_input(struct pvs_input *in, __u32 event,
				       struct task_struct *p,
				       struct pvs_vcpu_binding *binding,
				       struct pvsched_record *record,
				       const struct pvs_slot *slot)
{
	in->event = event == PVS_KICK_WITH_TICKET ? PVS_KICK : event;
	in->is_irq = event == PVS_INJECT || event == PVS_KICK_WITH_TICKET;
	in->cpu_ns = p->se.sum_exec_runtime;
	/*
	 * The order of these reads pairs with the guest's stores: see struct
	 * pvsched_record. irq_ack and the preempt count change all the time.
	 * They are read only where they can change the decision; otherwise
	 * nearly every event would need a new one.
	 */
	in->acks = binding->acks;
	in->irq_ack = slot->vcpu.irq_ack;
	if (in->acks && slot->vcpu.injected)
		in->irq_ack = PVS_LOAD(record->irq_ack);
	in->waiting = PVS_LOAD(record->waiting);
	in->intent = PVS_LOAD(record->intent);
	in->urgent_count = PVS_LOAD(record->urgent_count);
	in->urgent_word = PVS_LOAD(record->urgent_word);
	in->critical = 0;
	if (binding->preempt &&
	    (event == PVS_PREEMPT || event == PVS_RESCHED || event == PVS_AWAITED ||
	     pvsched_word_flags(slot->vcpu.grant) & PVSCHED_GRANT_CRITICAL))
		in->critical = PVS_LOAD(binding->preempt->count) &
			       binding->preempt_mask;
}

/* Whether the last decision answers this input too, and its grant is published. */
static __always_inline bool is_decided(const struct pvs_slot *slot,
				       const struct pvs_input *in)
{
	return pvs_grant_still_valid(&slot->vcpu, in) &&
	       slot->pending_grant == slot->vcpu.grant;
}

/*
 * Judges an event. The caller holds the slot. The function is global, so the
 * verifier checks it once and not in each loop and program that calls it.
 */
__noinline int pvs_judge(__u64 ids, struct pvsched_record *record __arg_nonnull,
			 struct pvs_slot *slot __arg_nonnull,
			 struct pvs_input *in __arg_nonnull)
{
	__u64 grant;

	slot->events++;
	if (is_decided(slot, in))
		return 0;
	grant = decide(ids, record, slot, in);
	if (grant != slot->pending_grant)
		give_to_actuator(slot, PVS_IDS_SLOT(ids), grant);
	return 0;
}

/* `busy` of a released slot. */
static __always_inline __u32 released(__u32 busy)
{
	return (busy & ~(PVS_BUSY | PVS_BUSY_EVENTS)) + PVS_BUSY_GENERATION;
}

/*
 * Judges the events that came during the hold, then releases the slot. An event
 * counts as lost only if more than PVS_AGAIN_MAX came.
 */
static __always_inline void judge_again(struct task_struct *p,
					struct pvs_vcpu_binding *binding,
					struct pvsched_record *record,
					struct pvs_slot *slot, struct pvs_input *in)
{
	__u32 events = 0, busy, i;

	bpf_for(i, 0, PVS_AGAIN_MAX) {
		if (!events) {
			busy = PVS_LOAD(slot->busy);
			if (!(busy & PVS_BUSY_EVENTS) &&
			    __sync_val_compare_and_swap(&slot->busy, busy,
							released(busy)) == busy)
				return;
			events = __sync_fetch_and_and(&slot->busy, ~PVS_BUSY_EVENTS) &
				 PVS_BUSY_EVENTS;
		}
		read_input(in, __builtin_ctz(events), p, binding, record, slot);
		events &= events - 1;
		pvs_judge(PVS_IDS(binding), record, slot, in);
	}
	busy = PVS_LOAD(slot->busy);
	events |= __sync_lock_test_and_set(&slot->busy, released(busy)) &
		  PVS_BUSY_EVENTS;
	slot->lost += __builtin_popcount(events);
}

/*
 * Holds the slot and judges the event, of which `busy` is the slot's word before
 * `in` was read. If another program holds the slot, that program judges the event.
 */
static __always_inline void hold_and_judge(struct task_struct *p,
					   struct pvs_vcpu_binding *binding,
					   struct pvsched_record *record,
					   struct pvs_slot *slot,
					   struct pvs_input *in, __u32 event,
					   __u32 busy)
{
	if (!(busy & PVS_BUSY) &&
	    __sync_val_compare_and_swap(&slot->busy, busy, busy | PVS_BUSY) == busy) {
		pvs_judge(PVS_IDS(binding), record, slot, in);
		busy |= PVS_BUSY;
		if (__sync_val_compare_and_swap(&slot->busy, busy, released(busy)) ==
		    busy)
			return;
	} else if (__sync_fetch_and_or(&slot->busy, PVS_BUSY | PVS_BUSY_EVENT(event)) &
		   PVS_BUSY) {
		return;
	}
	judge_again(p, binding, record, slot, in);
}

/*
 * Handles an event of a vCPU's thread. Most often its grant is still valid: then
 * the slot is only read, and `busy` proves that no program changed it meanwhile.
 */
static __always_inline void handle_event(struct task_struct *p,
					 struct pvs_vcpu_binding *binding, __u32 event,
					 bool is_preemptible)
{
	struct pvsched_record *record = binding->record;
	struct pvs_slot *slot = slot_of(binding);
	struct pvs_input in = {};
	__u32 busy;
	int i;

	if (!record || !slot)
		return;
	for (i = 0; i < PVSCHED_SEED_COST; i++)
		bpf_ktime_get_ns();
	/*
	 * A kernel may miss a switch tracepoint. A vCPU that exits, or gets an
	 * interrupt injected, runs.
	 */
	if ((event == PVS_EXIT || event == PVS_INJECT) && slot->off_cpu)
		set_off_cpu(record, slot, 0);
	busy = PVS_LOAD(slot->busy);
	barrier();
	read_input(&in, event, p, binding, record, slot);
	if (!(busy & PVS_BUSY) && is_decided(slot, &in)) {
		barrier();
		if (PVS_LOAD(slot->busy) == busy) {
			slot->events++;
			return;
		}
	}
	/* A preempted holder would keep the vCPU's other events waiting. */
	if (is_preemptible && pvs_masks_preemption)
		bpf_preempt_disable();
	hold_and_judge(p, binding, record, slot, &in, event, busy);
	if (is_preemptible && pvs_masks_preemption)
		bpf_preempt_enable();
}

/* For a program that cannot be preempted, or has disabled preemption itself. */
static __always_inline void on_event(struct task_struct *p,
				     struct pvs_vcpu_binding *binding, __u32 event)
{
	handle_event(p, binding, event, false);
}

#endif /* PVSCHED_DECIDE_BPF_H */
