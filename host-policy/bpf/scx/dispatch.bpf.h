/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The scheduler's queues: who goes into which, and who is taken next.
 */
#ifndef PVSCHED_QUEUES_H
#define PVSCHED_QUEUES_H

#include "host-policy/bpf/scx/cosched.bpf.h"

/* CPUs compared for the least urgent taskc, from the vCPU's last one on. */
#define PVS_LOOKED_AT 64
/* vCPUs looked at in one queue for one that became urgent there. */
#define PVS_PULLED_AT 64

/* An urgent vCPU's slice: looked at again at its end, at the tick anyway. */
#define PVS_URGENT_SLICE_NS (5 * 1000000ull)
/* One that may go on for its critical section's sake: for so long at a time. */
#define PVS_CRITICAL_SLICE_NS (1 * 1000000ull)
/* No CPU is taken from its task twice within this: a bound to the storm. */
#define PVS_TAKE_GAP_NS (50 * 1000ull)
/* How often a kernel thread stays on its CPU though a real-time task takes that. */
#define PVS_GIVEN_BACK_AT 64

/* Between looks at the end of a queue, for one that was put there when time was slower. */
#define PVS_TAIL_GAP_NS (100 * 1000000ull)
/* Of two queues no more than so many count: so no task waits for more slices. */
#define PVS_BALANCED_AT 64

/* Urgent vCPUs: the highest priority first, then the earliest deadline. */
static __always_inline __u64 urgent_order(__u32 urgency, __u64 deadline)
{
	return ((__u64)(1024 - urgency) << 48) | (deadline & 0xffffffffffffull);
}

static __always_inline __u32 urgency_in_order(__u64 order)
{
	return 1024 - (__u32)(order >> 48);
}

/*
 * The CPU, among those it may use, whose task is the least urgent; of equal ones an
 * urgent vCPU's last CPU, for others the one whose task has the latest deadline; -1:
 * all go before this one.
 */
static __noinline __s32 least_urgent(struct task_struct *p, __u32 urgency,
				     __u64 deadline)
{
	__u32 lowest = urgency, looked_at = 0, i, at;
	__u64 now = bpf_ktime_get_ns();
	/* For less than a slice, a switch costs more than it gives. */
	__u64 latest = deadline + PVS_SLICE_MIN_NS;
	__s32 last = task_cpu(p), found = -1;
	struct pvs_cpu_ctx *cpu;

	bpf_for(i, 0, pvs_nr_cpus) {
		at = (__u32)last + i;
		if (at >= pvs_nr_cpus)
			at -= pvs_nr_cpus;
		cpu = cpu_of(at);
		if (!cpu || cpu->is_offline)
			continue;
		if (looked_at++ == PVS_LOOKED_AT)
			break;
		if (cpu->is_taken || cpu->urgency > lowest ||
		    now - cpu->taken_at < PVS_TAKE_GAP_NS ||
		    now < cpu->spared_until ||
		    !bpf_cpumask_test_cpu(at, p->cpus_ptr))
			continue;
		/* Among urgent ones the first to come keeps its CPU. */
		if (cpu->urgency == lowest &&
		    (urgency > PVSCHED_URGENCY_RT || !pvs_before(latest, cpu->deadline)))
			continue;
		lowest = cpu->urgency;
		latest = cpu->deadline;
		found = at;
	}
	cpu = cpu_of(found);
	if (found < 0 || !cpu)
		return -1;
	/* Claimed, so that a second vCPU does not go behind this one. */
	cpu->urgency = urgency;
	cpu->deadline = deadline;
	cpu->taken_at = now;
	return found;
}

/*
 * A kernel thread of one CPU that wakes goes to it at once, as others wait for what it
 * does, for a slice; then it is one among others. What a real-time task takes the CPU
 * from, or keeps from it, comes here again, and goes on with what is left of that slice;
 * but so often and no more before it runs: a kernel ends the scheduler at 256 times.
 */
static __always_inline bool enqueue_kthread(struct task_struct *p, bool is_woken,
					    __u64 enq_flags)
{
	__u64 slice = PVS_SLICE_MIN_NS;

	if (!is_woken) {
		if (!(enq_flags & PVS_SCX(scx_enq_flags, SCX_ENQ_REENQ)) ||
		    (bpf_core_field_exists(p->scx.reenq_cnt) &&
		     p->scx.reenq_cnt > PVS_GIVEN_BACK_AT))
			return false;
		slice = 0; /* as it is */
	}
	pvs_insert(p, PVS_SCX(scx_dsq_id_flags, SCX_DSQ_LOCAL), slice, enq_flags);
	return true;
}

/* An idle CPU, no longer taken for one; -1: there is none. */
static __always_inline __s32 idle_for(struct task_struct *p)
{
	return p && some_idle() ? scx_bpf_pick_idle_cpu(p->cpus_ptr, 0) : -1;
}

/*
 * To the CPU that this runs on, if that is its own and to be taken, as it is if its timer
 * has just expired there: at once, and nobody has to look. Else into the queue that every
 * CPU looks into first, with one CPU told to look now: should that be held up, by a
 * real-time task or its hypervisor, another one comes.
 */
static __noinline int enqueue_urgent(struct task_struct *p,
				     struct pvs_task_ctx *taskc, __u32 urgency,
				     __u64 enq_flags)
{
	struct pvs_cpu_ctx *cpuc = cpu_of(task_cpu(p));
	__s32 idle, cpu = -1;
	__u64 deadline;

	if (!cpuc || !taskc)
		return 0;
	deadline = pvs_vtime_deadline(&taskc->fair);
	idle = idle_for(p);
	if (idle < 0) {
		cpu = least_urgent(p, urgency, deadline);
		if (cpu == task_cpu(p) && cpu == (__s32)bpf_get_smp_processor_id()) {
			count(&cpuc->counts.preempted);
			pvs_insert(p, PVS_SCX(scx_dsq_id_flags, SCX_DSQ_LOCAL),
				   PVS_URGENT_SLICE_NS,
				   enq_flags | PVS_SCX(scx_enq_flags, SCX_ENQ_PREEMPT));
			return 0;
		}
	}
	pvs_insert_by(p, PVS_URGENT_DSQ, PVS_URGENT_SLICE_NS,
		      urgent_order(urgency, deadline), enq_flags);
	if (cpu >= 0) {
		count(&cpuc->counts.preempted);
		scx_bpf_kick_cpu(cpu, PVS_SCX(scx_kick_flags, SCX_KICK_PREEMPT));
		return 0;
	}
	/* One that became idle since; later ones a tick finds. */
	if (idle < 0)
		idle = idle_for(p);
	if (idle >= 0) {
		count(&cpuc->counts.urgent_idle);
		scx_bpf_kick_cpu(idle, PVS_SCX(scx_kick_flags, SCX_KICK_IDLE));
		return 0;
	}
	count(&cpuc->counts.urgent_queued);
	return 0;
}

/* An idle CPU looks for the first in a queue, if it may run there. */
static __noinline int kick_idle_for(__u64 queue)
{
	struct bpf_iter_scx_dsq it;
	__s32 idle;

	/* Without its lock, as others' ticks look, too. */
	if (bpf_ksym_exists(scx_bpf_dsq_peek)) {
		idle = idle_for(scx_bpf_dsq_peek(queue));
	} else {
		if (!scx_bpf_dsq_nr_queued(queue))
			return 0;
		bpf_iter_scx_dsq_new(&it, queue, 0);
		idle = idle_for(bpf_iter_scx_dsq_next(&it));
		bpf_iter_scx_dsq_destroy(&it);
	}
	if (idle >= 0)
		scx_bpf_kick_cpu(idle, PVS_SCX(scx_kick_flags, SCX_KICK_IDLE));
	return 0;
}

static __always_inline __s32 balanced(__s32 tasks)
{
	return tasks < 1 ? 1 : tasks > PVS_BALANCED_AT ? PVS_BALANCED_AT : tasks;
}

/*
 * Whether it is the turn of those bound to this CPU. They and the node's have
 * clocks of their own, so that their orders say nothing of each other: both have
 * as many slices as they have tasks here.
 */
static __noinline bool own_goes_first(struct pvs_cpu_ctx *cpuc, __s32 cpu)
{
	if (!cpuc)
		return false;
	if (cpuc->balance < 0) {
		cpuc->balance += balanced(scx_bpf_dsq_nr_queued(PVS_CPU_DSQ(cpu)));
		return false;
	}
	cpuc->balance -= balanced(waiting_at(cpu));
	return true;
}

/* The first in a queue of this CPU's own tasks; the flag spares most CPUs the look. */
static __always_inline bool own_head(struct pvs_cpu_ctx *cpuc, __s32 cpu, __u64 *order)
{
	if (!cpuc->has_own)
		return false;
	/* Under the lock of this CPU's run queue, as is who sets it. */
	cpuc->has_own = pvs_head(PVS_CPU_DSQ(cpu), order);
	return cpuc->has_own;
}

static __noinline bool take_elsewhere(__u64 node)
{
	__u32 i;

	bpf_for(i, 0, pvs_nr_nodes) {
		if (PVS_NODE_DSQ(i) != node && pvs_take_from(PVS_NODE_DSQ(i)))
			return true;
	}
	return false;
}

/* The last one of a queue, if its order is later than `beyond`; 0: in any case. */
static __noinline bool take_last(__s32 cpu, __u64 queue, __u64 beyond)
{
	__u64 local = PVS_SCX(scx_dsq_id_flags, SCX_DSQ_LOCAL);
	struct bpf_iter_scx_dsq it;
	struct task_struct *p;
	bool is_taken = false;

	bpf_iter_scx_dsq_new(&it, queue, PVS_SCX(scx_dsq_iter_flags, SCX_DSQ_ITER_REV));
	p = bpf_iter_scx_dsq_next(&it);
	if (p && may_run(p, cpu) && (!beyond || pvs_before(beyond, p->scx.dsq_vtime)))
		is_taken = scx_bpf_dsq_move(&it, p, local, 0);
	bpf_iter_scx_dsq_destroy(&it);
	return is_taken;
}

/*
 * The last one of the node's queue, if it was put there when so few waited that it
 * is far behind by now: many that woke since could go before it for ever.
 */
static __noinline bool take_tail(struct pvs_cpu_ctx *cpuc, __s32 cpu)
{
	__u64 now = bpf_ktime_get_ns();
	__u32 node = node_of(cpu);
	struct pvs_clock *clock;

	if (!cpuc || now - cpuc->looked_at < PVS_TAIL_GAP_NS)
		return false;
	cpuc->looked_at = now;
	clock = bpf_map_lookup_elem(&clocks, &node);
	return clock && take_last(cpu, PVS_NODE_DSQ(node), clock->vtime_now + 4 * pvs_lag_limit(waiting_at(cpu)));
}

/*
 * The first task of the CPU's queue or of its node's; of another node's if there
 * is none. Not one that is later than `prev`, the task that could go on.
 */
static __noinline bool take_ordinary(__s32 cpu, struct task_struct *prev)
{
	__u64 own = PVS_CPU_DSQ(cpu), node = PVS_NODE_DSQ(node_of(cpu));
	__u64 at_own = 0, at_node = 0, deadline = 0, used, *vtime_now;
	bool has_own, has_node = true, is_own = false;
	struct pvs_cpu_ctx *cpuc = cpu_of(cpu);
	__u32 waiting;
	struct pvs_task_ctx *taskc;
	struct pvs_vtime fair;
	int found;

	if (!cpuc)
		return false;
	has_own = own_head(cpuc, cpu, &at_own);
	/* Most often the node's is the only one: its first need not be known. */
	if (prev || has_own)
		has_node = pvs_head(node, &at_node);
	if (prev) {
		taskc = task_of(prev);
		if (!taskc || (!has_own && !has_node))
			return false;
		is_own = prev->nr_cpus_allowed == 1;
		/* What it used of its slice is charged only when it stops. */
		used = pvs_scale_by_weight(owed(prev, taskc, vcpu_of(prev, taskc)), taskc->weight);
		fair = taskc->fair;
		fair.vruntime += used;
		fair.awake += used;
		vtime_now = clock_of(prev, cpu);
		waiting = pvs_nr_queued_avg_round(cpuc->nr_queued_avg);
		/* As it will be then: those that wait are not further from the time. */
		if (vtime_now)
			pvs_vtime_clamp(&fair, *vtime_now, waiting);
		deadline = pvs_vtime_dsq_key(&fair, waiting);
	}
	if ((has_own || is_own) &&
	    ((!has_node && !(prev && !is_own)) || own_goes_first(cpuc, cpu))) {
		if (is_own && (!has_own || !pvs_before(at_own, deadline)))
			return false;
		if (has_own && pvs_take_from(own))
			return true;
	} else if (prev && !is_own &&
		   (!has_node || !pvs_before(at_node, deadline))) {
		return false;
	}
	if (pvs_binds && has_node && !is_own) {
		found = take_together(cpu, node, prev, deadline);
		if (found)
			return found == PVS_TAKEN;
	}
	if (has_node && (take_tail(cpuc, cpu) || pvs_take_from(node)))
		return true;
	/* It may be that no task of the node may run here. */
	if (has_own && pvs_take_from(own))
		return true;
	return !prev && take_elsewhere(node);
}

/* The vCPU that another one gave its turn to, unless it would come much later. */
static __noinline bool take_yielded(__s32 cpu, __s32 pid)
{
	__u64 queue = PVS_NODE_DSQ(node_of(cpu)), first = 0;
	__u64 local = PVS_SCX(scx_dsq_id_flags, SCX_DSQ_LOCAL);
	struct bpf_iter_scx_dsq it;
	struct task_struct *p;
	bool is_taken = false;
	__u32 i;

	if (!pvs_head(queue, &first))
		return false;
	bpf_iter_scx_dsq_new(&it, queue, 0);
	bpf_for(i, 0, PVS_PULLED_AT) {
		p = bpf_iter_scx_dsq_next(&it);
		if (!p || pvs_before(first + PVS_SLICE_MAX_NS, p->scx.dsq_vtime))
			break;
		if (p->pid != pid)
			continue;
		is_taken = may_run(p, cpu) && scx_bpf_dsq_move(&it, p, local, 0);
		break;
	}
	bpf_iter_scx_dsq_destroy(&it);
	return is_taken;
}

/* A vCPU that became urgent in an ordinary queue, by a kick, more than `urgency`. */
static __noinline bool pull(__s32 cpu, __u64 queue, __u32 urgency)
{
	__u64 local = PVS_SCX(scx_dsq_id_flags, SCX_DSQ_LOCAL);
	struct pvs_vcpu_binding *binding;
	struct bpf_iter_scx_dsq it;
	struct task_struct *p;
	bool is_found = false;
	__u32 i;

	bpf_iter_scx_dsq_new(&it, queue, 0);
	bpf_for(i, 0, PVS_PULLED_AT) {
		p = bpf_iter_scx_dsq_next(&it);
		if (!p)
			break;
		binding = vcpu_of(p, task_of(p));
		if (!binding || urgency_of(granted(binding)) <= urgency ||
		    !may_run(p, cpu))
			continue;
		is_found = scx_bpf_dsq_move(&it, p, local, 0);
		if (is_found)
			break;
	}
	bpf_iter_scx_dsq_destroy(&it);
	return is_found;
}

/*
 * An interrupt made this vCPU urgent: if it waits, a CPU is to look for it at once, and its
 * last one when it schedules or at its tick: no other may be free to be taken just now,
 * or the other is held up by a real-time task or its hypervisor.
 */
static __always_inline void kick(struct task_struct *p, struct pvs_vcpu_binding *binding)
{
	__u32 urgency = urgency_of(granted(binding));
	__u32 in = 1 + node_of(task_cpu(p));
	struct pvs_task_ctx *taskc = task_of(p);
	struct pvs_cpu_ctx *last, *chosen;
	__s32 cpu;

	/* One whose group has used its quota up is not looked for. */
	if (!taskc || urgency <= PVSCHED_URGENCY_RT || scx_bpf_task_running(p) ||
	    !is_queued(p) || is_parked(taskc, bpf_ktime_get_ns()))
		return;
	last = cpu_of(task_cpu(p));
	if (last)
		__sync_lock_test_and_set(&last->to_pull, in);
	cpu = least_urgent(p, urgency, pvs_vtime_deadline(&taskc->fair));
	chosen = cpu_of(cpu);
	if (cpu < 0 || !chosen)
		return;
	__sync_lock_test_and_set(&chosen->to_pull, in);
	scx_bpf_kick_cpu(cpu, PVS_SCX(scx_kick_flags, SCX_KICK_PREEMPT));
}

/*
 * Who has waited for long: an ordinary taskc; each fourth time the last of the node's,
 * as there are few turns, and vCPUs that were urgent until just now, and owe nothing
 * for that, would take them all. After it, or if there is none, the last of the urgent
 * queue, where more urgent ones may pass it for ever.
 */
static __noinline bool take_starved(struct pvs_cpu_ctx *cpuc, __s32 cpu, __u64 now)
{
	if (!cpuc)
		return false;
	cpuc->turn = (cpuc->turn + 1) % 4;
	if (take_parked(cpu, now) ||
	    (!cpuc->turn && take_last(cpu, PVS_NODE_DSQ(node_of(cpu)), 0)) ||
	    take_ordinary(cpu, NULL)) {
		cpuc->last_is_due = scx_bpf_dsq_nr_queued(PVS_URGENT_DSQ) > 0;
		return true;
	}
	return take_last(cpu, PVS_URGENT_DSQ, 0);
}

/* The first urgent vCPU; or the last, if it is due. */
static __always_inline bool take_urgent(struct pvs_cpu_ctx *cpuc, __s32 cpu)
{
	if (cpuc->last_is_due) {
		cpuc->last_is_due = 0;
		if (take_last(cpu, PVS_URGENT_DSQ, 0))
			return true;
	}
	return pvs_take_from(PVS_URGENT_DSQ);
}

/* Whether urgent vCPUs have had this CPU for too long, and others wait. */
static __always_inline bool is_starved(struct pvs_cpu_ctx *cpuc, __s32 cpu, __u64 now)
{
	if (!cpuc->urgent_since || now - cpuc->urgent_since < PVS_STARVED_NS)
		return false;
	if (scx_bpf_dsq_nr_queued(PVS_CPU_DSQ(cpu)) ||
	    scx_bpf_dsq_nr_queued(PVS_NODE_DSQ(node_of(cpu))) ||
	    scx_bpf_dsq_nr_queued(PVS_URGENT_DSQ) || is_parked_due(now))
		return true;
	begin_urgent(cpuc, now);
	return false;
}

#endif /* PVSCHED_QUEUES_H */
