/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* Copyright (C) 2026 The pvsched authors */
/*
 * The policy core: the grant of a vCPU's thread, and how long it may last.
 *
 *   pvs_grant_still_valid()  most events end here
 *   pvs_begin()   charges CPU time, throttles, makes the policy's view
 *   pvs_policy()  proposes: the default policy, or the admin's
 *   pvs_finish()  makes the grant: the proposal under the caps and budgets
 *
 * Pure functions without clock, lock, map or I/O. They compile as BPF, as kernel
 * C and as C++. The page on the policy describes the same in prose.
 *
 * Times are ns. `now` is any monotonic clock. `cpu_ns` is the CPU time that the
 * vCPU's thread has used so far; it never decreases.
 * Thread-safety: a pvs_vcpu belongs to one caller at a time. The exception is
 * pvs_restart_irq_hold(), whose lost update costs one hold time.
 */
#ifndef PVSCHED_CORE_POLICY_H
#define PVSCHED_CORE_POLICY_H

#include "host-policy/core/budget.h"
#include "host-policy/core/policy_view.h"

enum pvs_mode {
	PVS_ENFORCE = 0,
	PVS_OBSERVE = 1, /* decide and count, but apply nothing */
	PVS_OFF = 2, /* no decisions: every thread has its baseline */
};

/*
 * A VM's tunables. host-policy/daemon/tunables.cc defines their names, units,
 * ranges and defaults.
 */
struct pvs_tunables {
	__u32 mode; /* enum pvs_mode */
	__u32 max_policy; /* PVSCHED_POLICY_NORMAL (no real-time), _RR, _FIFO */
	__u32 max_rt_prio; /* cap of a grant's rt_prio */
	__s32 min_nice; /* cap of a grant's nice */
	__u32 halt_rt_prio; /* boost ahead of a wake-up; 0: none */
	__u32 irq_rt_prio; /* boost at an interrupt; 0: none */
	__u32 critical_rt_prio; /* boost in a critical section; 0: none */
	__u32 weight; /* for policies that rank VMs */
	__u64 budget_ns; /* boosted CPU time allowed in any window */
	__u64 critical_budget_ns; /* the same for critical sections */
	__u64 window_ns; /* of both budgets */
	__u64 throttle_ns; /* shortest throttle of a vCPU over budget */
	__u64 urgent_memory_ns; /* how long a vCPU counts as urgent lately */
	__u64 inject_hold_ns; /* longest boost for an unacknowledged interrupt */
};

/*
 * The state of a vCPU between two events. A new vCPU is all zero. The fields are
 * in the order of use: struct pvs_slot says which cache lines an event touches.
 */
struct pvs_vcpu {
	/* The last decision and its input: see pvs_grant_still_valid(). */
	__u64 grant; /* with its PVSCHED_GRANT_* flags */
	__u64 intent;
	__u64 waiting;
	__u64 cpu_ns;
	__u32 irq_ack;
	__u8 event; /* enum pvs_event */
	__u8 critical;
	__u8 injected; /* an interrupt is not acknowledged */
	__u8 asked_rt_prio; /* as in struct pvs_view */

	/* Every decision reads this part. */
	__u8 state; /* enum pvs_state */
	__u8 reserved;
	__u16 urgent_count; /* the low half of the record's */
	__u32 irq_ticket; /* counts interrupts, wrapping */
	__u64 last_urgent; /* time of the last real-time demand; 0: never */
	__u64 injected_at; /* start of the hold time, if `injected` */
	struct pvs_window window;

	/* Only boosts and throttles use the rest. */
	__u64 throttled_until;
	__u64 boosts;
	__u64 boosted_ns; /* CPU time used while boosted, both budgets */
	__u32 throttles;
	struct pvs_budget_buckets buckets;
	__u64 asked_at; /* time of the last demand of asked_rt_prio or more */
};

/* An event, and the values of the guest's memory at it, each read once. */
struct pvs_input {
	__u32 event; /* enum pvs_event */
	__u32 critical; /* preemption is off in the guest */
	__u64 now;
	__u64 cpu_ns;
	__u64 intent;
	__u64 waiting;
	__u32 urgent_count;
	__u32 urgent_word;
	__u32 irq_ack;
	__u32 acks; /* the guest acknowledges interrupts */
	__u32 is_irq; /* the event is a new interrupt, which takes a ticket */
	__u32 awaited; /* as in struct pvs_view */
};

/*
 * Whether an event adds nothing to the last one. The wake-up by an interrupt
 * adds nothing to the interrupt, unless a throttle may have ended since.
 */
PVS_INLINE int pvs_is_repetition(const struct pvs_vcpu *v, __u32 event)
{
	if (event == PVS_WAKE && v->state != PVS_THROTTLED)
		return v->event == PVS_WAKE || v->event == PVS_INJECT ||
		       v->event == PVS_KICK;
	return event == v->event && event != PVS_TIMER;
}

/*
 * Whether the input of the last decision is unchanged, so that its grant is
 * still valid. What time alone changes, as the end of a hold, is noticed at the
 * next charge of CPU time, that is, at the host's next tick or switch. Most
 * events end here, before a clock is read: this does not use `now`.
 */
PVS_INLINE int pvs_grant_still_valid(const struct pvs_vcpu *v,
				     const struct pvs_input *in)
{
	return pvs_is_repetition(v, in->event) && in->cpu_ns == v->cpu_ns &&
	       in->intent == v->intent && in->waiting == v->waiting &&
	       !in->critical == !v->critical && in->irq_ack == v->irq_ack;
}

/* Charges the CPU time since the last event to the budget of the grant. */
PVS_INLINE void pvs_account(const struct pvs_tunables *t, struct pvs_vcpu *v,
			    __u64 now, __u64 cpu_ns)
{
	__u64 used = cpu_ns > v->cpu_ns ? cpu_ns - v->cpu_ns : 0;
	__u32 bucket;

	v->cpu_ns = cpu_ns;
	if (v->state == PVS_BOOSTED) {
		v->boosted_ns += used;
		bucket = v->buckets.current_index;
		if (bucket > PVS_BUDGET_BUCKETS)
			bucket = 0; /* for the verifier */
		if (pvsched_word_flags(v->grant) & PVSCHED_GRANT_CRITICAL)
			pvs_budget_charge(&v->window.critical,
					  &v->buckets.critical[bucket], used);
		else
			pvs_budget_charge(&v->window.boost,
					  &v->buckets.boost[bucket], used);
	}
	pvs_window_advance(&v->window, &v->buckets, t->window_ns, t->budget_ns,
			   t->critical_budget_ns, now);
}

/* Begins or ends the throttle; returns 1 if the vCPU is throttled now. */
PVS_INLINE int pvs_update_throttle(const struct pvs_tunables *t,
				   struct pvs_vcpu *v, __u64 now)
{
	int over = pvs_budget_is_used_up(&v->window.boost, t->budget_ns);

	if (v->state == PVS_BOOSTED && over &&
	    !(pvsched_word_flags(v->grant) & PVSCHED_GRANT_CRITICAL)) {
		v->state = PVS_THROTTLED;
		v->throttled_until = now + t->throttle_ns;
		v->throttles++;
	}
	if (v->state != PVS_THROTTLED)
		return 0;
	if (now < v->throttled_until || over) {
		v->grant = pvsched_word(0, 0, 0, PVSCHED_GRANT_THROTTLED);
		return 1;
	}
	v->state = PVS_NORMAL;
	v->grant = 0;
	return 0;
}

/*
 * Tracks the oldest interrupt that the guest has not acknowledged, by tickets.
 * Under scx its hold time restarts when the vCPU's thread is next on a CPU.
 */
PVS_INLINE void pvs_update_tickets(struct pvs_vcpu *v, const struct pvs_input *in)
{
	if (in->is_irq) {
		v->irq_ticket++;
		if (in->acks && !v->injected) {
			v->injected = 1;
			v->injected_at = in->now;
		}
	} else if (!in->acks || in->irq_ack == v->irq_ticket) {
		v->injected = 0;
	}
}

/* The thread is on a CPU again: only now can the guest handle the interrupt. */
PVS_INLINE void pvs_restart_irq_hold(struct pvs_vcpu *v, __u64 now)
{
	v->injected_at = now;
}

/*
 * Carries the use of the budgets and the throttle of a vCPU over to `v`, its new
 * registration, which is all zero. Otherwise a guest could renew its budgets by
 * registering again. The new thread's CPU time counts from its first event.
 */
PVS_INLINE void pvs_carry(const struct pvs_vcpu *old, struct pvs_vcpu *v)
{
	if (old->state == PVS_THROTTLED)
		v->state = PVS_THROTTLED;
	v->window = old->window;
	v->buckets = old->buckets;
	v->throttled_until = old->throttled_until;
}

/*
 * Notes a real-time demand. A lower demand replaces a higher one once that is
 * longer ago than urgent_memory_ns.
 */
PVS_INLINE void pvs_note_urgent(const struct pvs_tunables *t,
				struct pvs_vcpu *v, __u64 demand, __u64 now)
{
	__u32 rt_prio = pvsched_word_policy(demand) ==
					PVSCHED_POLICY_DEADLINE ?
				PVS_ASKED_DEADLINE :
				pvsched_word_rt_prio(demand);

	v->last_urgent = now;
	if (rt_prio >= v->asked_rt_prio ||
	    now - v->asked_at > t->urgent_memory_ns) {
		v->asked_rt_prio = (__u8)rt_prio;
		v->asked_at = now;
	}
}

/* Notes a real-time task that has run, maybe between two events. */
PVS_INLINE void pvs_note_ran_urgent(const struct pvs_tunables *t,
				    struct pvs_vcpu *v,
				    const struct pvs_input *in)
{
	__u64 word = pvs_sanitize(in->urgent_word);

	if ((__u16)in->urgent_count == v->urgent_count)
		return;
	v->urgent_count = (__u16)in->urgent_count;
	if (pvsched_urgency(pvs_without_flags(word)) > PVSCHED_URGENCY_RT)
		pvs_note_urgent(t, v, word, in->now);
}

/*
 * Charges CPU time for the event and makes the policy's view of it. Returns 1 if
 * the caller must ask the policy; else v->grant is the new grant.
 */
PVS_INLINE int pvs_begin(const struct pvs_tunables *t, struct pvs_vcpu *v,
			 const struct pvs_input *in, struct pvs_view *view)
{
	__u64 running, waiting, demand;

	v->event = (__u8)in->event;
	v->intent = in->intent;
	v->waiting = in->waiting;
	v->critical = in->critical != 0;
	v->irq_ack = in->irq_ack;
	pvs_update_tickets(v, in);
	if (t->mode == PVS_OFF) {
		v->state = PVS_NORMAL;
		v->cpu_ns = in->cpu_ns;
		v->grant = 0;
		return 0;
	}
	pvs_account(t, v, in->now, in->cpu_ns);
	running = pvs_sanitize(in->intent);
	waiting = pvs_sanitize(in->waiting);
	demand = pvs_demand(running, waiting);
	/*
	 * Interrupts do not count as urgent demand. Otherwise the ticks of a
	 * guest of ordinary tasks would keep it boosted for ever.
	 */
	if (pvsched_urgency(pvs_without_flags(demand)) > PVSCHED_URGENCY_RT)
		pvs_note_urgent(t, v, demand, in->now);
	else
		pvs_note_ran_urgent(t, v, in);
	if (pvs_update_throttle(t, v, in->now))
		return 0;

	view->event = in->event;
	view->state = v->state;
	view->now = in->now;
	view->running = running;
	view->waiting = waiting;
	view->demand = demand;
	view->grant = v->grant;
	view->last_urgent = v->last_urgent;
	view->injected_at = v->injected ? v->injected_at : 0;
	view->critical = pvs_is_critical(running, in->critical);
	view->awaited = in->awaited;
	view->weight = t->weight;
	view->halt_rt_prio = t->halt_rt_prio;
	view->irq_rt_prio = t->irq_rt_prio;
	view->critical_rt_prio = t->critical_rt_prio;
	view->asked_rt_prio = v->asked_rt_prio;
	view->urgent_memory_ns = t->urgent_memory_ns;
	view->inject_hold_ns = t->inject_hold_ns;
	return 1;
}

/* Caps a valid priority word; the result has its PVSCHED_GRANT_* flags. */
PVS_INLINE __u64 pvs_capped(const struct pvs_tunables *t, __u64 word)
{
	__u32 policy = pvsched_word_policy(word);
	__u32 rt_prio = pvsched_word_rt_prio(word);
	__s32 nice = pvsched_word_nice(word);

	switch (policy) {
	case PVSCHED_POLICY_DEADLINE:
		/* DEADLINE has no rt_prio; it gets the cap's. */
		rt_prio = t->max_rt_prio;
		policy = PVSCHED_POLICY_RR;
		break;
	case PVSCHED_POLICY_FIFO:
	case PVSCHED_POLICY_RR:
		if (rt_prio > t->max_rt_prio)
			rt_prio = t->max_rt_prio;
		if (t->max_policy != PVSCHED_POLICY_FIFO)
			policy = PVSCHED_POLICY_RR;
		break;
	case PVSCHED_POLICY_IDLE:
		return pvsched_word(policy, 0, 0, PVSCHED_GRANT_LOWERED);
	default:
		rt_prio = 0;
	}
	if (rt_prio && t->max_policy != PVSCHED_POLICY_NORMAL)
		return pvsched_word(policy, 0, rt_prio, PVSCHED_GRANT_BOOSTED);
	/* A real-time demand under a cap of NORMAL gets the lowest nice. */
	if (policy == PVSCHED_POLICY_FIFO || policy == PVSCHED_POLICY_RR) {
		policy = PVSCHED_POLICY_NORMAL;
		nice = -20;
	}
	if (nice < t->min_nice)
		nice = t->min_nice;
	if (nice < 0)
		return pvsched_word(policy, nice, 0, PVSCHED_GRANT_BOOSTED);
	if (nice > 0 || policy == PVSCHED_POLICY_BATCH)
		return pvsched_word(policy, nice, 0, PVSCHED_GRANT_LOWERED);
	return 0;
}

/* Makes the grant: the proposal of any policy, under the caps and budgets. */
PVS_INLINE __u64 pvs_finish(const struct pvs_tunables *t, struct pvs_vcpu *v,
			    __u64 proposal)
{
	__u32 flags = pvsched_word_flags(proposal);
	int critical = flags & PVS_CRITICAL;
	__u64 grant;

	if (flags & PVS_KEEP) {
		/* The caps may have changed since the grant was made. */
		proposal = pvs_without_flags(v->grant);
		critical = pvsched_word_flags(v->grant) &
			   PVSCHED_GRANT_CRITICAL;
	}
	grant = pvs_capped(t, pvs_sanitize(pvs_without_flags(proposal)));
	if (pvsched_word_flags(grant) & PVSCHED_GRANT_BOOSTED) {
		if (critical) {
			if (pvs_budget_is_used_up(&v->window.critical,
						  t->critical_budget_ns))
				grant = 0;
			else
				grant |= (__u64)PVSCHED_GRANT_CRITICAL
					 << PVSCHED_WORD_FLAGS_SHIFT;
		} else if (pvs_budget_is_used_up(&v->window.boost,
						 t->budget_ns)) {
			/* pvs_update_throttle() throttles only a boosted vCPU. */
			grant = 0;
		}
	}
	if (pvsched_word_flags(grant) & PVSCHED_GRANT_BOOSTED) {
		if (v->state != PVS_BOOSTED)
			v->boosts++;
		v->state = PVS_BOOSTED;
	} else {
		v->state = PVS_NORMAL;
	}
	v->grant = grant;
	return grant;
}

#endif /* PVSCHED_CORE_POLICY_H */
