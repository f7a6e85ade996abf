/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/*
 * The policy core: what a vCPU thread should be given, and for how long.
 *
 * Pure functions over (tunables, state, event, time, CPU time used, the
 * guest's words). No clock, no lock, no map, no I/O: it compiles as BPF, as
 * kernel C and as C++, and most tests are of it. docs/policy.md says the same
 * in prose.
 *
 * Times are nanoseconds. `now` is any monotonic clock; `cpu_ns` is the CPU
 * time that the vCPU thread has used so far and only ever grows.
 * Thread-safety: a state belongs to one caller at a time.
 */
#ifndef PVSCHED_POLICY_H
#define PVSCHED_POLICY_H

#include "pvsched_abi.h"

#define PVS_INLINE static inline __attribute__((always_inline))

enum pvs_state {
	PVS_NORMAL = 0, /* the thread has its own parameters */
	PVS_BOOSTED = 1, /* the thread has what was granted */
	PVS_THROTTLED = 2, /* over budget: its own parameters, for a while */
};

enum pvs_event {
	PVS_ENTER = 0, /* the vCPU enters the guest */
	PVS_EXIT = 1, /* it left the guest; the guest's words are current */
	PVS_HALT = 2, /* its thread goes to sleep */
	PVS_INJECT = 3, /* an interrupt is injected into it */
	PVS_PREEMPT = 4, /* its thread is preempted on the host */
};

enum pvs_mode {
	PVS_ENFORCE = 0,
	PVS_OBSERVE = 1, /* decide and count, apply nothing */
	PVS_OFF = 2, /* decide nothing: every thread at its baseline */
};

/* What an admin sets, for a VM. */
struct pvs_tunables {
	__u32 mode; /* enum pvs_mode */
	__u32 max_policy; /* PVSCHED_POLICY_NORMAL (no boost), _RR or _FIFO */
	__u32 max_rt_prio; /* 1..99: no vCPU thread gets more */
	__u32 halt_rt_prio; /* 0 (off)..99: given ahead of a wake-up */
	__u32 irq_rt_prio; /* 0 (off)..99: given at injection, and to a guest
			    * that says it is in an interrupt */
	__u32 reserved;
	__u64 budget_ns; /* boosted CPU time allowed in any window */
	__u64 window_ns; /* at most 60 s: PVS_SLICES * 2^32 ns */
	__u64 throttle_ns; /* at least that long unboosted once over budget */
	__u64 urgent_memory_ns; /* how long after urgent work a halt or an
				 * interrupt still boosts ahead */
};

/*
 * The defaults. RR 8 is what the first paravirtual scheduling patches used
 * for a boost: above ordinary tasks, below threaded interrupts (FIFO 50).
 * 700 of 1000 ms leaves the host's ordinary tasks more than the kernel's own
 * RT throttling would (950 of 1000 ms).
 */
#define PVS_TUNABLES_DEFAULT                                              \
	{                                                                 \
		.mode = PVS_ENFORCE, .max_policy = PVSCHED_POLICY_RR,     \
		.max_rt_prio = 8, .halt_rt_prio = 8, .irq_rt_prio = 8,    \
		.reserved = 0, .budget_ns = 700 * 1000000ull,             \
		.window_ns = 1000 * 1000000ull,                           \
		.throttle_ns = 50 * 1000000ull,                           \
		.urgent_memory_ns = 1000 * 1000000ull,                    \
	}

/*
 * Boosted CPU time over a sliding window, in slices of the window. The sum
 * covers PVS_SLICES whole slices and the running one, that is, never less
 * than the window: so in no window is more than the budget used, plus what
 * was used between two events (at most a host tick in guest mode).
 */
#define PVS_SLICES 16

struct pvs_vcpu {
	__u32 state; /* enum pvs_state */
	__u32 slice; /* index of the running slice */
	__u64 slice_start;
	__u64 used_ns; /* sum of used[] */
	__u64 cpu_ns; /* at the last event */
	__u64 throttled_until;
	__u64 last_urgent; /* when urgent work was last seen; 0: never */
	__u64 boosted_ns; /* total CPU time used while boosted */
	__u64 boosts; /* times boosted */
	__u32 throttles; /* times throttled */
	__u32 reserved;
	__u64 grant; /* the last decision, PVSCHED_GRANT_* flags included */
	__u64 intent; /* what it was made from */
	__u64 waiting;
	__u32 event;
	__u32 reserved1;
	__u32 used[PVS_SLICES + 1];
	__u32 reserved2;
};

/*
 * How urgent a word is: higher first. The classes in Linux's order; within
 * the real-time ones by rt_prio, within the fair one by nice.
 */
PVS_INLINE __u32 pvs_rank(__u64 word)
{
	__u32 rt_prio = pvsched_word_rt_prio(word);
	__s32 nice = pvsched_word_nice(word);

	switch (pvsched_word_policy(word)) {
	case PVSCHED_POLICY_DEADLINE:
		return 400;
	case PVSCHED_POLICY_FIFO:
	case PVSCHED_POLICY_RR:
		/* Prio 0 or above 99 is no real-time priority. */
		if (rt_prio >= 1 && rt_prio <= 99)
			return 200 + rt_prio;
		break;
	case PVSCHED_POLICY_IDLE:
		return 10;
	}
	if (nice < -20 || nice > 19)
		nice = 0;
	return (__u32)(100 - nice);
}

/* "In an interrupt", as the guest says it. */
#define PVS_INTENT_IRQ \
	(PVSCHED_INTENT_HARDIRQ | PVSCHED_INTENT_SOFTIRQ | PVSCHED_INTENT_NMI)

#define PVS_RANK_RT 200 /* ranks above this one are real-time */

/* The more urgent of what runs and what waits; flags are `intent`'s. */
PVS_INLINE __u64 pvs_demand(__u64 intent, __u64 waiting)
{
	__u64 flags = (__u64)pvsched_word_flags(intent)
		      << PVSCHED_WORD_FLAGS_SHIFT;
	__u64 running = intent & 0xffffff;

	waiting = pvsched_word_flags(waiting) & PVSCHED_WAITING_VALID ?
			  waiting & 0xffffff :
			  0;
	if (pvsched_word_flags(intent) & PVSCHED_INTENT_IDLE)
		return waiting | flags;
	return (pvs_rank(waiting) > pvs_rank(running) ? waiting : running) |
	       flags;
}

/* A boost under the caps; 0 where they allow none. */
PVS_INLINE __u64 pvs_capped(const struct pvs_tunables *t, __u32 policy,
			    __u32 rt_prio)
{
	if (rt_prio > t->max_rt_prio)
		rt_prio = t->max_rt_prio;
	if (!rt_prio || t->max_policy == PVSCHED_POLICY_NORMAL)
		return 0;
	if (policy != PVSCHED_POLICY_FIFO ||
	    t->max_policy != PVSCHED_POLICY_FIFO)
		policy = PVSCHED_POLICY_RR;
	return pvsched_word(policy, 0, rt_prio, PVSCHED_GRANT_BOOSTED);
}

/* What the demanded priority is worth under the caps; 0: no boost. */
PVS_INLINE __u64 pvs_boost_for(const struct pvs_tunables *t, __u64 demand)
{
	__u32 policy = pvsched_word_policy(demand);

	if (pvs_rank(demand) <= PVS_RANK_RT)
		return 0;
	/* DEADLINE has no rt_prio: it gets all that the cap allows. */
	return pvs_capped(t, policy,
			  policy == PVSCHED_POLICY_DEADLINE ?
				  t->max_rt_prio :
				  pvsched_word_rt_prio(demand));
}

/* Moves the sliding window to `now`. */
PVS_INLINE void pvs_budget_advance(const struct pvs_tunables *t,
				   struct pvs_vcpu *v, __u64 now)
{
	__u64 slice_ns = t->window_ns / PVS_SLICES;
	__u32 i;

	if (now - v->slice_start < slice_ns)
		return;
	for (i = 0; i < PVS_SLICES + 1; i++) {
		__u32 next;

		if (now - v->slice_start < slice_ns)
			return;
		next = v->slice >= PVS_SLICES ? 0 : v->slice + 1;
		v->used_ns -= v->used[next];
		v->used[next] = 0;
		v->slice = next;
		v->slice_start += slice_ns;
	}
	/* Away for longer than the window: start anew. */
	v->slice_start = now;
}

/* Charges the CPU time since the last event if it was used while boosted. */
PVS_INLINE void pvs_account(const struct pvs_tunables *t, struct pvs_vcpu *v,
			    __u64 now, __u64 cpu_ns)
{
	__u64 used = cpu_ns > v->cpu_ns ? cpu_ns - v->cpu_ns : 0;
	__u32 slice;

	v->cpu_ns = cpu_ns;
	/*
	 * Charge before the window moves: the time was used before now, so
	 * it leaves the window too early by one event's distance at most.
	 */
	if (v->state == PVS_BOOSTED && used) {
		slice = v->slice > PVS_SLICES ? 0 : v->slice;
		if (used > 0xffffffffu - v->used[slice])
			used = 0xffffffffu - v->used[slice];
		v->used[slice] += (__u32)used;
		v->used_ns += used;
		v->boosted_ns += used;
	}
	pvs_budget_advance(t, v, now);
}

/*
 * Whether nothing that counts has changed since the last decision, so that it
 * still stands. The scheduler charges CPU time at each of the host's ticks and
 * at each switch; time alone changes nothing in between. Most exits end here,
 * before a clock is read.
 */
PVS_INLINE int pvs_stands(const struct pvs_vcpu *v, __u32 event, __u64 cpu_ns,
			  __u64 intent, __u64 waiting)
{
	return event == v->event && cpu_ns == v->cpu_ns &&
	       intent == v->intent && waiting == v->waiting;
}

/*
 * The decision: the grant that the vCPU thread should have from now on. With
 * PVSCHED_GRANT_BOOSTED in its flags its policy and rt_prio are to be applied,
 * else the thread's baseline is.
 *
 *   state      event   condition                       -> state      grant
 *   any        any     mode is off                      -> NORMAL     baseline
 *   BOOSTED    any     budget used up                   -> THROTTLED  baseline
 *   THROTTLED  any     throttle time not over, or
 *                      budget still used up             -> THROTTLED  baseline
 *   any        ENTER   (accounts)                       -> as before
 *   any        other   urgent task runs or waits        -> BOOSTED    its, capped
 *   any        EXIT    in an interrupt, urgent lately   -> BOOSTED    irq's
 *   any        EXIT    idle, nothing waits              -> as before
 *   any        EXIT    else                             -> NORMAL     baseline
 *   any        HALT    urgent lately                    -> BOOSTED    halt's
 *   any        HALT    else                             -> NORMAL     baseline
 *   any        INJECT  urgent lately                    -> BOOSTED    irq's
 *   any        INJECT  else                             -> as before
 *   any        PREEMPT in an interrupt, urgent lately   -> BOOSTED    irq's
 *   any        PREEMPT else                             -> as before
 *
 * Where two boosts apply the higher one is given. "Lately" is within
 * urgent_memory_ns, now included.
 *
 * PREEMPT never ends a boost: who preempts a boosted vCPU is often the thread
 * that has just applied the boost, before the guest could use it.
 *
 * An idle guest keeps its state at EXIT because HALT follows at once; to end
 * and renew a boost in each idle cycle would cost two decisions for nothing.
 * It cannot keep a boost so by spinning: that uses budget.
 */
PVS_INLINE __u64 pvs_decide(const struct pvs_tunables *t, struct pvs_vcpu *v,
			    __u32 event, __u64 now, __u64 cpu_ns, __u64 intent,
			    __u64 waiting)
{
	__u64 demand, boost, ahead;
	__u32 flags, ahead_prio = 0;

	v->event = event;
	v->intent = intent;
	v->waiting = waiting;
	if (t->mode == PVS_OFF) {
		v->state = PVS_NORMAL;
		v->cpu_ns = cpu_ns;
		v->grant = 0;
		return 0;
	}
	pvs_account(t, v, now, cpu_ns);

	if (v->state == PVS_BOOSTED && v->used_ns >= t->budget_ns) {
		v->state = PVS_THROTTLED;
		v->throttled_until = now + t->throttle_ns;
		v->throttles++;
	}
	if (v->state == PVS_THROTTLED) {
		if (now < v->throttled_until || v->used_ns >= t->budget_ns) {
			v->grant = pvsched_word(0, 0, 0,
						PVSCHED_GRANT_THROTTLED);
			return v->grant;
		}
		v->state = PVS_NORMAL;
		v->grant = 0;
	}

	if (event == PVS_ENTER)
		return v->grant;

	demand = pvs_demand(intent, waiting);
	flags = pvsched_word_flags(demand);
	boost = pvs_boost_for(t, demand);
	/*
	 * Only tasks make work urgent for the time to come: else a guest of
	 * ordinary tasks would be boosted ahead for ever by its own ticks.
	 */
	if (pvs_rank(demand) > PVS_RANK_RT)
		v->last_urgent = now;
	if (v->last_urgent && now - v->last_urgent <= t->urgent_memory_ns) {
		if (event == PVS_HALT)
			ahead_prio = t->halt_rt_prio;
		else if (event == PVS_INJECT || flags & PVS_INTENT_IRQ)
			ahead_prio = t->irq_rt_prio;
	}
	ahead = pvs_capped(t, PVSCHED_POLICY_RR, ahead_prio);
	if (pvsched_word_rt_prio(ahead) > pvsched_word_rt_prio(boost))
		boost = ahead;

	if (!boost && (event == PVS_INJECT || event == PVS_PREEMPT ||
		       (event == PVS_EXIT && !(demand & 0xffffff) &&
			flags & PVSCHED_INTENT_IDLE)))
		return v->grant;

	if (boost && v->state != PVS_BOOSTED)
		v->boosts++;
	v->state = boost ? PVS_BOOSTED : PVS_NORMAL;
	v->grant = boost;
	return boost;
}

#endif /* PVSCHED_POLICY_H */
