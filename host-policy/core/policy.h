/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/*
 * The policy core: what a vCPU thread should be given, and for how long.
 *
 *   pvs_stands()  does the last decision still stand? (most events end here)
 *   pvs_begin()   accounts CPU time, throttles, makes the policy's view
 *   pvs_policy()  proposes: the default one, or the admin's own
 *   pvs_finish()  puts the proposal under the caps and the budgets
 *
 * Pure functions. No clock, no lock, no map, no I/O: it compiles as BPF, as
 * kernel C and as C++, and most tests are of it. docs/policy.md says the same
 * in prose.
 *
 * Times are nanoseconds. `now` is any monotonic clock; `cpu_ns` is the CPU
 * time that the vCPU thread has used so far and only ever grows.
 * Thread-safety: a pvs_vcpu belongs to one caller at a time.
 */
#ifndef PVSCHED_CORE_POLICY_H
#define PVSCHED_CORE_POLICY_H

#include "host-policy/core/budget.h"
#include "host-policy/core/policy_view.h"

enum pvs_mode {
	PVS_ENFORCE = 0,
	PVS_OBSERVE = 1, /* decide and count, apply nothing */
	PVS_OFF = 2, /* decide nothing: every thread at its baseline */
};

/*
 * What an admin sets, for a VM. Names, units, ranges and defaults:
 * host-policy/daemon/tunables.cc.
 */
struct pvs_tunables {
	__u32 mode; /* enum pvs_mode */
	__u32 max_policy; /* PVSCHED_POLICY_NORMAL (no real-time), _RR, _FIFO */
	__u32 max_rt_prio; /* no vCPU thread gets more */
	__s32 min_nice; /* nor less than this */
	__u32 halt_rt_prio;
	__u32 irq_rt_prio;
	__u32 critical_rt_prio;
	__u32 weight; /* for policies that rank VMs */
	__u64 budget_ns; /* boosted CPU time allowed in any window */
	__u64 critical_budget_ns; /* the same, for critical sections */
	__u64 window_ns;
	__u64 throttle_ns; /* at least that long unboosted once over budget */
	__u64 urgent_memory_ns;
	__u64 inject_hold_ns;
};

/*
 * A vCPU between two events. Zero is a new one. In the order of use, so that an
 * event touches few cache lines: see struct pvs_slot for the lines.
 */
struct pvs_vcpu {
	/* The last decision, and what it was made from: see pvs_stands(). */
	__u64 grant; /* PVSCHED_GRANT_* flags included */
	__u64 intent;
	__u64 waiting;
	__u64 cpu_ns;
	__u32 irq_ack;
	__u8 event; /* enum pvs_event */
	__u8 critical;
	__u8 injected; /* an injection is not acknowledged */
	__u8 reserved;

	/* What each decision needs. */
	__u32 state; /* enum pvs_state */
	__u32 irq_ticket; /* number of injections, wrapping */
	__u64 last_urgent; /* when real-time demand was last seen; 0: never */
	__u64 injected_at; /* the oldest unacknowledged one, if `injected` */
	struct pvs_window window;

	/* The rest is for those that boost. */
	__u64 throttled_until;
	__u64 boosts;
	__u64 boosted_ns; /* CPU time used while boosted, both budgets */
	__u32 throttles;
	struct pvs_budget_buckets slices;
};

/* What happened, and what the guest's memory said then: each read once. */
struct pvs_input {
	__u32 event; /* enum pvs_event */
	__u32 critical; /* preemption is off in the guest */
	__u64 now;
	__u64 cpu_ns;
	__u64 intent;
	__u64 waiting;
	__u32 irq_ack;
	__u32 acks; /* the guest acknowledges interrupts at all */
};

/*
 * Whether an event adds nothing to the last one: nor does the wake-up that comes of an
 * interrupt, unless a throttle may have ended in between.
 */
PVS_INLINE int pvs_is_same(const struct pvs_vcpu *v, __u32 event)
{
	if (event == PVS_WAKE && v->state != PVS_THROTTLED)
		return v->event == PVS_WAKE || v->event == PVS_INJECT ||
		       v->event == PVS_KICK;
	return event == v->event && event != PVS_TIMER;
}

/*
 * Whether nothing that counts has changed since the last decision, so that it
 * still stands. The scheduler charges CPU time at each of the host's ticks and
 * at each switch; time alone changes nothing in between. Most exits end here,
 * before a clock is read (`now` is not looked at).
 */
PVS_INLINE int pvs_stands(const struct pvs_vcpu *v, const struct pvs_input *in)
{
	return pvs_is_same(v, in->event) && in->cpu_ns == v->cpu_ns && in->intent == v->intent &&
	       in->waiting == v->waiting && !in->critical == !v->critical &&
	       in->irq_ack == v->irq_ack;
}

/* Charges the CPU time since the last event to what it was used under. */
PVS_INLINE void pvs_account(const struct pvs_tunables *t, struct pvs_vcpu *v,
			    __u64 now, __u64 cpu_ns)
{
	__u64 used = cpu_ns > v->cpu_ns ? cpu_ns - v->cpu_ns : 0;
	__u32 slice;

	v->cpu_ns = cpu_ns;
	if (v->state == PVS_BOOSTED) {
		v->boosted_ns += used;
		slice = v->slices.running;
		if (slice > PVS_BUDGET_BUCKETS)
			slice = 0;
		if (pvsched_word_flags(v->grant) & PVSCHED_GRANT_CRITICAL)
			pvs_budget_charge(&v->window.critical,
					  &v->slices.critical[slice], used);
		else
			pvs_budget_charge(&v->window.boost,
					  &v->slices.boost[slice], used);
	}
	pvs_window_advance(&v->window, &v->slices, t->window_ns, t->budget_ns,
			   t->critical_budget_ns, now);
}

/* Whether the vCPU is over budget for now: then no policy is asked. */
PVS_INLINE int pvs_throttle(const struct pvs_tunables *t, struct pvs_vcpu *v,
			    __u64 now)
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
 * Tickets: which injection the guest has not acknowledged, and since when it could
 * have: not while its thread waits for a CPU.
 */
PVS_INLINE void pvs_tickets(struct pvs_vcpu *v, const struct pvs_input *in)
{
	if (in->event == PVS_INJECT) {
		v->irq_ticket++;
		if (in->acks && !v->injected) {
			v->injected = 1;
			v->injected_at = in->now;
		}
	} else if (!in->acks || in->irq_ack == v->irq_ticket) {
		v->injected = 0;
	}
}

/* Its thread has a CPU again: only now can the guest take the interrupt. */
PVS_INLINE void pvs_enter(struct pvs_vcpu *v, __u64 now)
{
	v->injected_at = now;
}

/*
 * A vCPU that is registered anew, `v`, being zero: with what it has used of its
 * budgets and its throttle, for else it could renew them. Its thread may be
 * another one: the CPU time is counted from that one's first event.
 */
PVS_INLINE void pvs_carry(const struct pvs_vcpu *old, struct pvs_vcpu *v)
{
	if (old->state == PVS_THROTTLED)
		v->state = PVS_THROTTLED;
	v->window = old->window;
	v->slices = old->slices;
	v->throttled_until = old->throttled_until;
}

/*
 * BudgetLedger for the event and makes the policy's view of it. Returns 1 if the
 * policy is to be asked; else the grant stands in v->grant.
 */
PVS_INLINE int pvs_begin(const struct pvs_tunables *t, struct pvs_vcpu *v,
			 const struct pvs_input *in, struct pvs_view *view)
{
	__u64 running, waiting, demand;
	int idle;

	v->event = (__u8)in->event;
	v->intent = in->intent;
	v->waiting = in->waiting;
	v->critical = in->critical != 0;
	v->irq_ack = in->irq_ack;
	pvs_tickets(v, in);
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
	 * Only tasks make work urgent for the time to come: else a guest of
	 * ordinary tasks would be boosted ahead for ever by its own ticks.
	 */
	if (pvsched_urgency(pvs_without_flags(demand)) > PVSCHED_URGENCY_RT)
		v->last_urgent = in->now;
	if (pvs_throttle(t, v, in->now))
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
	/* Linux's idle loop has preemption off: that is no critical section. */
	idle = pvsched_word_flags(running) & PVSCHED_INTENT_IDLE;
	view->critical = (in->critical && !idle) ||
			 pvsched_word_flags(running) & PVS_INTENT_IRQ;
	view->weight = t->weight;
	view->halt_rt_prio = t->halt_rt_prio;
	view->irq_rt_prio = t->irq_rt_prio;
	view->critical_rt_prio = t->critical_rt_prio;
	view->reserved = 0;
	view->urgent_memory_ns = t->urgent_memory_ns;
	view->inject_hold_ns = t->inject_hold_ns;
	return 1;
}

/* A valid word under the caps, with the grant flags it has by its worth. */
PVS_INLINE __u64 pvs_capped(const struct pvs_tunables *t, __u64 word)
{
	__u32 policy = pvsched_word_policy(word);
	__u32 rt_prio = pvsched_word_rt_prio(word);
	__s32 nice = pvsched_word_nice(word);

	switch (policy) {
	case PVSCHED_POLICY_DEADLINE:
		/* It has no rt_prio: it gets all that the cap allows. */
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
	/* Real-time work where none is allowed: the best of the fair class. */
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

/* The grant: the proposal, whoever made it, under the caps and budgets. */
PVS_INLINE __u64 pvs_finish(const struct pvs_tunables *t, struct pvs_vcpu *v,
			    __u64 proposal)
{
	__u32 flags = pvsched_word_flags(proposal);
	int critical = flags & PVS_CRITICAL;
	__u64 grant;

	if (flags & PVS_KEEP) {
		/* Under the caps of now, which may be other ones. */
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
			/* Used up by now, though not boosted at this event. */
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
