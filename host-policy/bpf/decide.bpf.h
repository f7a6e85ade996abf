/* SPDX-License-Identifier: GPL-2.0 */
/*
 * An event of a vCPU, turned into a decision of the policy core.
 *
 * The record is read here, at the moment of the decision, through the page
 * that the kernel pinned: no copy, no system call, no hypercall. What the
 * guest writes is a request; pvs_begin() validates and pvs_finish() caps it.
 */
#ifndef PVSCHED_JUDGE_H
#define PVSCHED_JUDGE_H

/* A program includes maps.bpf.c before this header: headers hold no map. */
#include "host-policy/bpf/kernel_types.bpf.h"
#include "host-policy/core/default_policy.h"

/* Clock reads added to each event: docs/benchmarks.md, "Does it notice?" */
#ifndef PVSCHED_SEED_COST
#define PVSCHED_SEED_COST 0
#endif

/*
 * The policy. Weak: an object that brings a function of this name takes its
 * place when pvschedd links the two. A function of its own to the verifier,
 * so that a policy is judged once and by itself.
 */
__weak __u64 pvs_policy(const struct pvs_view *view)
{
	if (!view)
		return pvs_propose_keep();
	return pvs_default_policy(view);
}

static int tell(__u32 index)
{
	struct pvs_pending *decision;

	decision = bpf_ringbuf_reserve(&decisions, sizeof(*decision), 0);
	if (!decision)
		return -1;
	decision->slot = index;
	decision->reserved = 0;
	bpf_ringbuf_submit(decision, 0);
	return 0;
}

/* To the agent. Full: `pending_grant` stays behind, so that the next event tries again. */
static __always_inline void publish(struct pvs_slot *slot, __u32 index,
				    __u64 grant)
{
	__u64 before = slot->pending_grant;

	/* Before the agent is told: it looks at once. */
	PVS_STORE(slot->pending_grant, grant);
	if (tell(index))
		PVS_STORE(slot->pending_grant, before);
}

/* There is a boost to end in time, if nothing else ends it. */
static __always_inline void watch(__u32 index)
{
	__u32 key = 0, *is_watched;

	is_watched = bpf_map_lookup_elem(&watched, &key);
	if (!is_watched || PVS_LOAD(*is_watched))
		return;
	PVS_STORE(*is_watched, 1);
	if (tell(index))
		PVS_STORE(*is_watched, 0);
}

/*
 * At once, where the module says that it may. pvschedd clears `watched`, then
 * looks at all `pending_grant`; here `pending_grant` is set, then `watched` is looked at, with
 * a barrier between: so one of the two sees the other's.
 */
static __always_inline void apply(struct pvs_slot *slot, __u32 index,
				  __u64 grant)
{
	__sync_lock_test_and_set(&slot->pending_grant, grant);
	pvsched_host_apply(index, grant);
	if (pvsched_word_flags(grant) & PVSCHED_GRANT_BOOSTED)
		watch(index);
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

static __always_inline __u64 shown(const struct pvs_slot *slot)
{
	return PVS_LOAD(slot->vcpu.grant) |
	       (__u64)PVS_LOAD(slot->off_cpu) << PVSCHED_WORD_FLAGS_SHIFT;
}

/*
 * The grant, to the guest. Its two halves have two writers, who may be on two
 * CPUs: each sets its half, then writes the word, with a barrier, then looks
 * again. So whoever writes last has seen both.
 */
static __always_inline void show(struct pvsched_record *record,
				 const struct pvs_slot *slot)
{
	__u64 word;
	int i;

	for (i = 0; i < 4; i++) {
		word = shown(slot);
		__sync_lock_test_and_set(&record->grant, word);
		if (word == shown(slot))
			return;
	}
}

static __always_inline void set_off_cpu(struct pvsched_record *record,
					struct pvs_slot *slot, __u32 flag)
{
	PVS_STORE(slot->off_cpu, flag);
	show(record, slot);
}

/* The thread leaves its CPU, or takes one. */
static __always_inline void on_switch(struct pvs_vcpu_binding *binding, __u32 flag)
{
	struct pvsched_record *record = binding->record;
	__u32 index = binding->slot;
	struct pvs_slot *slot;

	slot = bpf_map_lookup_elem(&slots, &index);
	if (record && slot)
		set_off_cpu(record, slot, flag);
}

/*
 * The slow half of on_event(): something has changed. Returns the grant that
 * the thread is to have.
 */
static __u64 decide(struct pvs_vcpu_binding *binding, struct pvsched_record *record,
		    struct pvs_slot *slot, struct pvs_input *in)
{
	__u64 before = slot->vcpu.grant, had_ns = slot->vcpu.cpu_ns, grant;
	const struct pvs_tunables *tunables;
	struct pvs_view view = {};
	__u32 vm = binding->vm;

	tunables = bpf_map_lookup_elem(&vm_tunables, &vm);
	if (!tunables)
		return slot->pending_grant;
	in->now = bpf_ktime_get_ns();
	view.vcpu_id = binding->vcpu_id;
	view.vm = binding->vm;
	if (pvs_begin(tunables, &slot->vcpu, in, &view))
		pvs_finish(tunables, &slot->vcpu, pvs_policy(&view));
	grant = slot->vcpu.grant;
	/* A critical section is part of what is ordinary otherwise. */
	if (pvs_actuator == PVS_ACTUATOR_SCX &&
	    pvsched_urgency(pvs_without_flags(slot->pending_grant)) > PVSCHED_URGENCY_RT &&
	    !(pvsched_word_flags(slot->pending_grant) & PVSCHED_GRANT_CRITICAL))
		slot->urgent_ns += slot->vcpu.cpu_ns - had_ns;

	if (in->event == PVS_INJECT)
		PVS_STORE(record->irq_ticket, slot->vcpu.irq_ticket);
	if (grant != before) {
		show(record, slot);
		PVS_STORE(record->boosted_ns, slot->vcpu.boosted_ns);
		PVS_STORE(record->throttle_count, slot->vcpu.throttles);
		if (pvs_tracing)
			trace_decision(slot, binding->slot, in, before);
	}
	return tunables->mode == PVS_OBSERVE ? 0 : grant;
}

static __always_inline void on_event(struct task_struct *p,
				     struct pvs_vcpu_binding *binding, __u32 event)
{
	struct pvsched_record *record = binding->record;
	struct pvs_input in = {};
	__u32 index = binding->slot;
	struct pvs_slot *slot;
	__u64 grant;
	int i;

	slot = bpf_map_lookup_elem(&slots, &index);
	if (!record || !slot)
		return;
	for (i = 0; i < PVSCHED_SEED_COST; i++)
		bpf_ktime_get_ns();
	/*
	 * Not every switch is told of: of those on a 6.18 in a VM 1 in 60 was
	 * not, to ftrace either. But who exits does run.
	 */
	if ((event == PVS_EXIT || event == PVS_INJECT) && slot->off_cpu)
		set_off_cpu(record, slot, 0);
	/*
	 * A program can be preempted, and sched_switch then comes in the
	 * middle of another; and a waker or an injector is on another CPU.
	 */
	if (__sync_lock_test_and_set(&slot->busy, 1)) {
		slot->lost++;
		return;
	}
	in.event = event;
	in.cpu_ns = p->se.sum_exec_runtime;
	/*
	 * In this order: see struct pvsched_record for the words; and an
	 * acknowledgement speaks of words at least as new as itself. It and
	 * the preempt count change all the time, so they are read only where
	 * they can make a difference: else no decision would ever stand.
	 */
	in.acks = binding->acks;
	in.irq_ack = slot->vcpu.irq_ack;
	if (in.acks && slot->vcpu.injected)
		in.irq_ack = PVS_LOAD(record->irq_ack);
	in.waiting = PVS_LOAD(record->waiting);
	in.intent = PVS_LOAD(record->intent);
	if (binding->preempt &&
	    (event == PVS_PREEMPT || pvsched_word_flags(slot->vcpu.grant) &
					     PVSCHED_GRANT_CRITICAL))
		in.critical = PVS_LOAD(binding->preempt->count) &
			      binding->preempt_mask;
	slot->events++;
	if (!pvs_stands(&slot->vcpu, &in) ||
	    slot->pending_grant != slot->vcpu.grant) {
		grant = decide(binding, record, slot, &in);
		if (grant != slot->pending_grant) {
			if (pvs_actuator == PVS_ACTUATOR_SCX)
				PVS_STORE(slot->pending_grant, grant);
			else if (pvs_actuator == PVS_ACTUATOR_KFUNC &&
				 bpf_ksym_exists(pvsched_host_apply))
				apply(slot, index, grant);
			else
				publish(slot, index, grant);
		}
	}
	barrier();
	PVS_STORE(slot->busy, 0);
}

/* The bucket of a time, by powers of two of microseconds. */
static __always_inline __u32 bucket_of(__u64 ns)
{
	__u64 us = ns / 1000;
	__u32 bucket = 0;

	if (us >> 16) {
		bucket += 16;
		us >>= 16;
	}
	if (us >> 8) {
		bucket += 8;
		us >>= 8;
	}
	if (us >> 4) {
		bucket += 4;
		us >>= 4;
	}
	if (us >> 2) {
		bucket += 2;
		us >>= 2;
	}
	bucket += us >> 1;
	return bucket < PVS_BUCKETS ? bucket : PVS_BUCKETS - 1;
}

static __always_inline struct pvs_slot *slot_of(struct pvs_vcpu_binding *binding)
{
	__u32 index = binding->slot;

	return bpf_map_lookup_elem(&slots, &index);
}

static __always_inline void count_wakeup(struct pvs_vcpu_binding *binding)
{
	struct pvs_slot *slot = slot_of(binding);
	__u32 bucket;

	if (!slot || !slot->woken_at)
		return;
	bucket = bucket_of(bpf_ktime_get_ns() - slot->woken_at);
	slot->woken_at = 0;
	if (slot->vcpu.state == PVS_BOOSTED)
		slot->wakeup_us[1][bucket]++;
	else
		slot->wakeup_us[0][bucket]++;
}

#endif /* PVSCHED_JUDGE_H */
