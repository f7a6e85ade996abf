/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The actuator scx: a scheduler for the whole host that knows of vCPUs.
 *
 * Ordinary tasks wait in one queue for each NUMA node, by virtual deadline
 * (core/fair.h); those bound to one CPU in a queue of that CPU. A vCPU whose
 * grant is a real-time one is urgent: it takes an idle CPU, else that of the
 * least urgent task, else it waits in a queue that every CPU looks into first.
 * The grant is made anew, from the guest's word, whenever a decision needs it:
 * at wake-up, at the tick, at a slice's end, at a sleep. No VM exit is hooked.
 *
 * A vCPU with a lowered or a raised nice value has the weight of that, and one
 * that only idles (SCHED_IDLE) gives way to everybody.
 *
 * docs/scheduler.md has the reasons and where the ideas come from.
 */
#ifndef PVSCHED_SCHEDULER_H
#define PVSCHED_SCHEDULER_H

#include "host-policy/bpf/boot.h"
#include "host-policy/bpf/groups.h"
#include "host-policy/bpf/judge.h"
#include "host-policy/bpf/scx_kernel.h"

/* Queues: of CPU n, of node n, of urgent vCPUs. */
#define PVS_CPU_DSQ(cpu) ((__u64)(cpu))
#define PVS_NODE_DSQ(node) (0x10000ull + (__u64)(node))
#define PVS_URGENT_DSQ 0x20000ull

#define PVS_MAX_NODES 64
/* CPUs compared for the least urgent task, from the vCPU's last one on. */
#define PVS_LOOKED_AT 64
/* vCPUs looked at in one queue for one that became urgent there. */
#define PVS_PULLED_AT 64

/* An urgent vCPU's slice: looked at again at its end, at the tick anyway. */
#define PVS_URGENT_SLICE_NS (5 * 1000000ull)
/* One that may go on for its critical section's sake: for so long at a time. */
#define PVS_CRITICAL_SLICE_NS (1 * 1000000ull)
/* No CPU is taken from its task twice within this: a bound to the storm. */
#define PVS_TAKE_GAP_NS (50 * 1000ull)
/* Urgent vCPUs leave an ordinary task without a CPU for no longer than this. */
#define PVS_STARVED_NS (50 * 1000000ull)
/* The ordinary task that goes first then keeps the CPU for so long. */
#define PVS_SPARED_NS (2 * 1000000ull)

#define PVS_PF_KTHREAD 0x00200000
#define PVS_RT_PRIO 100 /* task_struct's prio: below it, real-time */

/* Virtual time of what runs, by node; each alone in its line. */
struct pvs_clock {
	__u64 vnow;
} __attribute__((aligned(64)));

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, PVS_MAX_NODES);
	__type(key, __u32);
	__type(value, struct pvs_clock);
} clocks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, PVS_MAX_CPUS);
	__type(key, __u32);
	__type(value, struct pvs_cpu);
} cpus SEC(".maps");

/* vCPUs that became urgent while they waited; a CPU that is kicked looks. */
__u32 pvs_to_pull;

static __always_inline struct pvs_cpu *cpu_of(__s32 cpu)
{
	__u32 key = cpu;

	return bpf_map_lookup_elem(&cpus, &key);
}

static __always_inline struct pvs_task *task_of(struct task_struct *p)
{
	return bpf_task_storage_get(&tasks, p, 0, 0);
}

static __always_inline struct pvs_thread *vcpu_of(struct task_struct *p)
{
	return bpf_task_storage_get(&threads, p, 0, 0);
}

static __always_inline __u32 node_of(__s32 cpu)
{
	__u32 node = 0;

	if (bpf_ksym_exists(scx_bpf_cpu_node) && pvs_nr_nodes > 1)
		node = scx_bpf_cpu_node(cpu);
	return node < PVS_MAX_NODES ? node : 0;
}

/*
 * Of those the task waits among. Those bound to one CPU have a time of their
 * own: a crowd there falls behind the node's, and one that woke by the node's
 * would wait until the crowd has caught up.
 */
static __always_inline __u64 *clock_of(struct task_struct *p, __s32 cpu)
{
	struct pvs_clock *clock;
	struct pvs_cpu *own;
	__u32 node;

	if (p->nr_cpus_allowed == 1) {
		own = cpu_of(cpu);
		return own ? &own->vnow : NULL;
	}
	node = node_of(cpu);
	clock = bpf_map_lookup_elem(&clocks, &node);
	return clock ? &clock->vnow : NULL;
}

/* What the vCPU is granted now, from the guest's word of now. */
static __noinline __u64 judge(struct task_struct *p, struct pvs_thread *thread,
			      __u32 event)
{
	struct pvs_slot *slot;

	if (!thread)
		return 0;
	on_event(p, thread, event);
	slot = slot_of(thread);
	return slot ? slot->wanted : 0;
}

static __always_inline __u64 granted(struct pvs_thread *thread)
{
	struct pvs_slot *slot = slot_of(thread);

	return slot ? slot->wanted : 0;
}

/* It can run: on its CPU, or in a queue. */
static __always_inline bool is_queued(struct task_struct *p)
{
	return p->scx.flags & PVS_SCX(scx_ent_flags, SCX_TASK_QUEUED);
}

/* A grant is a word like the guest's; 0, the thread's own, is nice 0. */
static __always_inline __u32 urgency_of(__u64 grant)
{
	return pvs_rank(pvs_bare(grant));
}

static __always_inline __u32 weight_of(struct task_struct *p,
				       struct pvs_task *task, __u64 grant)
{
	__u32 weight = p->scx.weight;

	if (pvsched_word_flags(grant) &
	    (PVSCHED_GRANT_BOOSTED | PVSCHED_GRANT_LOWERED))
		weight = pvsched_word_policy(grant) == PVSCHED_POLICY_IDLE ?
				 1 :
				 pvs_weight_of_nice(pvsched_word_nice(grant));
	if (task->young_until) {
		if (bpf_ktime_get_ns() < task->young_until)
			weight *= PVS_BOOT_WEIGHT;
		else
			task->young_until = 0;
	}
	if (!pvs_weights || !bpf_ksym_exists(scx_bpf_task_cgroup))
		return weight;
	if (task->weights != pvs_weights) {
		task->weights = pvs_weights;
		task->group_weight = groups_weight(p);
	}
	return weight * task->group_weight / PVS_WEIGHT;
}

/* The same of a task that a callback is not about: its groups' as last known. */
static __always_inline __u32 weight_of_prev(struct task_struct *p,
					    struct pvs_task *task)
{
	__u32 weight = p->scx.weight;

	return task->weights ? weight * task->group_weight / PVS_WEIGHT : weight;
}

/*
 * For the CPU time since the last look, used under `grant`; returns until when
 * its groups wait.
 */
static __noinline __u64 charge(struct task_struct *p, struct pvs_task *task,
			       __u64 grant)
{
	__u64 used;

	if (!task)
		return 0;
	used = p->se.sum_exec_runtime - task->ran_at;
	task->ran_at = p->se.sum_exec_runtime;
	/* As a real-time task's: the budget bounds it, and nobody owes it. */
	if (urgency_of(grant) <= PVS_RANK_RT)
		pvs_fair_charge(&task->fair, used, weight_of(p, task, grant));
	task->parked_until = 0;
	if (pvs_limited && bpf_ksym_exists(scx_bpf_task_cgroup))
		task->parked_until = groups_charge(p, used);
	return task->parked_until;
}

/* Whether its groups' quotas were used up when it was last charged. */
static __always_inline bool is_parked(struct task_struct *p, __u64 now)
{
	struct pvs_task *task = task_of(p);

	return task && task->parked_until > now;
}

/* Ordinary tasks that wait for each CPU of its node. */
static __always_inline __u32 waiting_at(__s32 cpu)
{
	__s32 queued = scx_bpf_dsq_nr_queued(PVS_NODE_DSQ(node_of(cpu)));
	__u32 shared = pvs_nr_cpus;

	if (pvs_nr_nodes > 1)
		shared /= pvs_nr_nodes;
	return queued > 0 && shared ? (__u32)queued / shared : 0;
}

/* Urgent vCPUs: the highest priority first, then the earliest deadline. */
static __always_inline __u64 urgent_order(__u32 urgency, __u64 deadline)
{
	return ((__u64)(1024 - urgency) << 48) | (deadline & 0xffffffffffffull);
}

static __always_inline __u32 urgency_in_order(__u64 order)
{
	return 1024 - (__u32)(order >> 48);
}

/* The CPU, among those it may use, with the least urgent task; -1: none less. */
static __noinline __s32 least_urgent(struct task_struct *p, __u32 urgency)
{
	__u32 lowest = urgency, looked_at = pvs_nr_cpus, i, at;
	__u64 now = bpf_ktime_get_ns();
	__s32 last = scx_bpf_task_cpu(p), found = -1;
	struct pvs_cpu *cpu;

	if (looked_at > PVS_LOOKED_AT)
		looked_at = PVS_LOOKED_AT;
	bpf_for(i, 0, looked_at) {
		at = (__u32)last + i;
		if (at >= pvs_nr_cpus)
			at -= pvs_nr_cpus;
		cpu = cpu_of(at);
		if (!cpu || cpu->is_taken || cpu->urgency >= lowest ||
		    now - cpu->taken_at < PVS_TAKE_GAP_NS ||
		    now < cpu->spared_until ||
		    !bpf_cpumask_test_cpu(at, p->cpus_ptr))
			continue;
		lowest = cpu->urgency;
		found = at;
	}
	cpu = cpu_of(found);
	if (found < 0 || !cpu)
		return -1;
	/* Claimed, so that a second vCPU does not go behind this one. */
	cpu->urgency = urgency;
	cpu->taken_at = now;
	return found;
}

static __always_inline void count(__u64 *counter)
{
	__sync_fetch_and_add(counter, 1);
}

/*
 * To the queue of its CPU, if it may use no other; for a kernel thread at
 * once, as others wait for what it does.
 */
static __always_inline __u64 ordinary_queue(struct task_struct *p, __s32 cpu)
{
	if (p->nr_cpus_allowed > 1)
		return PVS_NODE_DSQ(node_of(cpu));
	return p->flags & PVS_PF_KTHREAD ? PVS_SCX(scx_dsq_id_flags, SCX_DSQ_LOCAL) :
					   PVS_CPU_DSQ(cpu);
}

static __noinline int enqueue_urgent(struct task_struct *p,
				     struct pvs_task *task, __u32 urgency,
				     __u64 enq_flags)
{
	__u64 local_on = PVS_SCX(scx_dsq_id_flags, SCX_DSQ_LOCAL_ON);
	struct pvs_cpu *me = cpu_of(scx_bpf_task_cpu(p));
	__s32 cpu;

	if (!me || !task)
		return 0;
	cpu = scx_bpf_pick_idle_cpu(p->cpus_ptr, 0);
	if (cpu >= 0) {
		count(&me->counts.urgent_idle);
		pvs_insert(p, local_on | (__u32)cpu, PVS_URGENT_SLICE_NS,
			   enq_flags);
		scx_bpf_kick_cpu(cpu, PVS_SCX(scx_kick_flags, SCX_KICK_IDLE));
		return 0;
	}
	cpu = least_urgent(p, urgency);
	if (cpu >= 0) {
		count(&me->counts.preempted);
		pvs_insert(p, local_on | (__u32)cpu, PVS_URGENT_SLICE_NS,
			   enq_flags | PVS_SCX(scx_enq_flags, SCX_ENQ_PREEMPT));
		return 0;
	}
	count(&me->counts.urgent_queued);
	pvs_insert_by(p, PVS_URGENT_DSQ, PVS_URGENT_SLICE_NS,
		      urgent_order(urgency, pvs_fair_deadline(&task->fair)),
		      enq_flags);
	return 0;
}

/*
 * sched_ext's own choice of an idle CPU: the last one if it is idle with its
 * whole core, else an idle core that shares its cache, its node, and so on.
 */
SEC("struct_ops/pvs_select_cpu")
__s32 BPF_PROG(pvs_select_cpu, struct task_struct *p, __s32 prev_cpu,
	       __u64 wake_flags)
{
	struct pvs_cpu *me;
	bool is_idle = false;
	__s32 cpu;

	cpu = scx_bpf_select_cpu_dfl(p, prev_cpu, wake_flags, &is_idle);
	if (!is_idle || parked_until(p))
		return cpu;
	pvs_insert(p, PVS_SCX(scx_dsq_id_flags, SCX_DSQ_LOCAL),
		   pvs_fair_slice(waiting_at(cpu)), 0);
	me = cpu_of(cpu);
	if (me)
		count(&me->counts.idle);
	return cpu;
}

/* Before it is queued or given a CPU: what does its guest want of it? */
SEC("struct_ops/pvs_runnable")
void BPF_PROG(pvs_runnable, struct task_struct *p, __u64 enq_flags)
{
	struct pvs_task *task = task_of(p);
	__s32 cpu = scx_bpf_task_cpu(p);
	__u64 *vnow = clock_of(p, cpu);
	__u64 now = bpf_ktime_get_ns();
	struct pvs_thread *thread = vcpu_of(p);
	__u32 waiting = waiting_at(cpu);
	struct pvs_cpu *me = cpu_of(cpu);
	struct pvs_slot *slot;

	if (!task || !vnow || !me)
		return;
	task->young_until = young_until(p, now);
	if (task->young_until) {
		/* All the credit that there is. */
		task->fair.wakes = PVS_WAKES_FULL;
		waiting = 0;
		count(&me->counts.young);
	}
	pvs_fair_wake(&task->fair, p->scx.weight, *vnow, now, waiting);
	if (!thread)
		return;
	slot = slot_of(thread);
	if (slot)
		slot->woken_at = now;
	judge(p, thread, PVS_WAKE);
}

SEC("struct_ops/pvs_enqueue")
void BPF_PROG(pvs_enqueue, struct task_struct *p, __u64 enq_flags)
{
	struct pvs_thread *thread = vcpu_of(p);
	struct pvs_task *task = task_of(p);
	__s32 cpu = scx_bpf_task_cpu(p), idle = -1;
	struct pvs_cpu *me = cpu_of(cpu);
	__u64 local = PVS_SCX(scx_dsq_id_flags, SCX_DSQ_LOCAL);
	__u64 queue, until, *vnow;
	__u32 urgency;

	until = parked_until(p);
	if (until) {
		park(p, until, enq_flags);
		return;
	}
	/* Nobody else is there for its CPU. */
	if (!task || !me || enq_flags & PVS_SCX(scx_enq_flags, SCX_ENQ_LAST)) {
		pvs_insert(p, local, PVS_SLICE_MIN_NS, enq_flags);
		return;
	}
	if (thread) {
		urgency = urgency_of(granted(thread));
		if (urgency > PVS_RANK_RT) {
			enqueue_urgent(p, task, urgency, enq_flags);
			return;
		}
	}
	queue = ordinary_queue(p, cpu);
	if (queue == local) {
		pvs_insert(p, queue, PVS_SLICE_MIN_NS, enq_flags);
		return;
	}
	count(&me->counts.queued);
	vnow = clock_of(p, cpu);
	if (vnow)
		pvs_fair_bound(&task->fair, *vnow);
	pvs_insert_by(p, queue, pvs_fair_slice(waiting_at(cpu)),
		      pvs_fair_deadline(&task->fair), enq_flags);
	/* One that became idle since select_cpu() has not seen this task. */
	if (p->nr_cpus_allowed > 1)
		idle = scx_bpf_pick_idle_cpu(p->cpus_ptr, 0);
	else if (scx_bpf_test_and_clear_cpu_idle(cpu))
		idle = cpu;
	if (idle >= 0)
		scx_bpf_kick_cpu(idle, PVS_SCX(scx_kick_flags, SCX_KICK_IDLE));
}

/*
 * The earlier of the CPU's and its node's first task; of another node's if there
 * is none. Not one that is later than `prev`, the task that could go on.
 */
static __noinline bool take_ordinary(__s32 cpu, struct task_struct *prev)
{
	__u64 own = PVS_CPU_DSQ(cpu), node = PVS_NODE_DSQ(node_of(cpu));
	__u64 at_own = 0, at_node = 0, deadline;
	bool has_own, has_node;
	struct pvs_task *task;
	__u32 i;

	has_own = scx_bpf_dsq_nr_queued(own) > 0 && pvs_head(own, &at_own);
	has_node = scx_bpf_dsq_nr_queued(node) > 0 && pvs_head(node, &at_node);
	if (prev && (has_own || has_node)) {
		task = task_of(prev);
		if (!task)
			return false;
		/* What it used of its slice is charged only when it stops. */
		deadline = pvs_fair_deadline(&task->fair) +
			   2 * pvs_virtual(prev->se.sum_exec_runtime -
						   task->ran_at,
					   weight_of_prev(prev, task));
		if ((!has_own || !pvs_before(at_own, deadline)) &&
		    (!has_node || !pvs_before(at_node, deadline)))
			return false;
	}
	if (has_own && (!has_node || pvs_before(at_own, at_node)) &&
	    pvs_take_from(own))
		return true;
	if (has_node && pvs_take_from(node))
		return true;
	/* It may be that no task of the node may run here. */
	if (has_own && pvs_take_from(own))
		return true;
	if (prev)
		return false;
	bpf_for(i, 0, pvs_nr_nodes) {
		if (PVS_NODE_DSQ(i) != node && pvs_take_from(PVS_NODE_DSQ(i)))
			return true;
	}
	return false;
}

/* A vCPU that became urgent in an ordinary queue, by a kick. */
static __noinline bool pull(__s32 cpu, __u64 queue)
{
	__u64 local = PVS_SCX(scx_dsq_id_flags, SCX_DSQ_LOCAL);
	struct pvs_thread *thread;
	struct bpf_iter_scx_dsq it;
	struct task_struct *p;
	bool is_found = false;
	__u32 i;

	bpf_iter_scx_dsq_new(&it, queue, 0);
	bpf_for(i, 0, PVS_PULLED_AT) {
		p = bpf_iter_scx_dsq_next(&it);
		if (!p)
			break;
		thread = vcpu_of(p);
		if (!thread || urgency_of(granted(thread)) <= PVS_RANK_RT ||
		    !bpf_cpumask_test_cpu(cpu, p->cpus_ptr))
			continue;
		is_found = scx_bpf_dsq_move(&it, p, local, 0);
		if (is_found)
			break;
	}
	bpf_iter_scx_dsq_destroy(&it);
	return is_found;
}

/* An interrupt made this vCPU urgent: if it waits, a CPU is to look for it. */
static __always_inline void kick(struct task_struct *p, struct pvs_thread *thread)
{
	__u32 urgency = urgency_of(granted(thread));
	__s32 cpu;

	if (urgency <= PVS_RANK_RT || scx_bpf_task_running(p) || !is_queued(p))
		return;
	cpu = least_urgent(p, urgency);
	if (cpu < 0)
		return;
	__sync_lock_test_and_set(&pvs_to_pull, 1);
	scx_bpf_kick_cpu(cpu, PVS_SCX(scx_kick_flags, SCX_KICK_PREEMPT));
}

/* What prev, a vCPU that could go on, is granted now; 0: it cannot, or is none. */
static __always_inline __u64 judge_prev(struct task_struct *prev)
{
	struct pvs_thread *thread;

	if (!prev || !is_queued(prev))
		return 0;
	thread = vcpu_of(prev);
	if (!thread)
		return 0;
	/* Only the tick ends a boost, only a preemption begins a critical one. */
	return judge(prev, thread,
		     urgency_of(granted(thread)) > PVS_RANK_RT ? PVS_TICK :
								 PVS_PREEMPT);
}

/*
 * Who has waited for long: an ordinary task, or, in turns, the last of the
 * urgent queue, where more urgent ones may pass it for ever.
 */
static __noinline bool take_starved(struct pvs_cpu *me, __s32 cpu)
{
	__u64 local = PVS_SCX(scx_dsq_id_flags, SCX_DSQ_LOCAL);
	struct bpf_iter_scx_dsq it;
	struct task_struct *p;
	bool is_taken = false;

	if (!me)
		return false;
	me->turn = !me->turn;
	if (me->turn && take_ordinary(cpu, NULL))
		return true;
	bpf_iter_scx_dsq_new(&it, PVS_URGENT_DSQ,
			     PVS_SCX(scx_dsq_iter_flags, SCX_DSQ_ITER_REV));
	p = bpf_iter_scx_dsq_next(&it);
	if (p && bpf_cpumask_test_cpu(cpu, p->cpus_ptr))
		is_taken = scx_bpf_dsq_move(&it, p, local, 0);
	bpf_iter_scx_dsq_destroy(&it);
	return is_taken || (!me->turn && take_ordinary(cpu, NULL));
}

/* Whether urgent vCPUs have had this CPU for too long, and others wait. */
static __always_inline bool is_starved(struct pvs_cpu *me, __s32 cpu, __u64 now)
{
	if (!me->urgent_since || now - me->urgent_since < PVS_STARVED_NS)
		return false;
	if (scx_bpf_dsq_nr_queued(PVS_CPU_DSQ(cpu)) ||
	    scx_bpf_dsq_nr_queued(PVS_NODE_DSQ(node_of(cpu))) ||
	    scx_bpf_dsq_nr_queued(PVS_URGENT_DSQ))
		return true;
	me->urgent_since = now;
	return false;
}

SEC("struct_ops/pvs_dispatch")
void BPF_PROG(pvs_dispatch, __s32 cpu, struct task_struct *prev)
{
	struct pvs_cpu *me = cpu_of(cpu);
	__u64 now = bpf_ktime_get_ns(), order, grant;
	__u32 urgency;
	bool is_critical, others_first;

	if (!me)
		return;
	grant = judge_prev(prev);
	urgency = urgency_of(grant);
	is_critical = pvsched_word_flags(grant) & PVSCHED_GRANT_CRITICAL;
	if (pvs_to_pull) {
		__sync_fetch_and_and(&pvs_to_pull, 0);
		if (urgency <= PVS_RANK_RT &&
		    (pull(cpu, PVS_CPU_DSQ(cpu)) ||
		     pull(cpu, PVS_NODE_DSQ(node_of(cpu))))) {
			count(&me->counts.pulled);
			return;
		}
	}
	if (is_starved(me, cpu, now) && take_starved(me, cpu)) {
		/* If the last of the urgent: the next one's turn is as far away. */
		me->urgent_since = now;
		/* Else the vCPU that has just made room would take it again. */
		me->spared_until = now + PVS_SPARED_NS;
		count(&me->counts.starved);
		return;
	}
	if (scx_bpf_dsq_nr_queued(PVS_URGENT_DSQ) &&
	    pvs_head(PVS_URGENT_DSQ, &order)) {
		others_first = is_critical ?
				       urgency_in_order(order) > urgency :
				       urgency_in_order(order) >= urgency;
		if (others_first && pvs_take_from(PVS_URGENT_DSQ))
			return;
	}
	if (urgency > PVS_RANK_RT && !is_parked(prev, now)) {
		/* It goes on: nobody else is put on this CPU. */
		count(is_critical ? &me->counts.critical_kept :
				    &me->counts.kept);
		pvs_set_slice(prev, is_critical ? PVS_CRITICAL_SLICE_NS :
						  PVS_URGENT_SLICE_NS);
		return;
	}
	if (prev && (!is_queued(prev) || is_parked(prev, now)))
		prev = NULL;
	if (take_parked(now) || take_ordinary(cpu, prev))
		return;
	if (prev)
		pvs_set_slice(prev, pvs_fair_slice(waiting_at(cpu)));
}

SEC("struct_ops/pvs_tick")
void BPF_PROG(pvs_tick, struct task_struct *p)
{
	__s32 cpu = scx_bpf_task_cpu(p);
	struct pvs_cpu *me = cpu_of(cpu);
	struct pvs_thread *thread = vcpu_of(p);
	__u64 now = bpf_ktime_get_ns(), had = 0;
	__u32 urgency = 0;

	if (!me)
		return;
	if (thread) {
		had = granted(thread);
		urgency = urgency_of(judge(p, thread, PVS_TICK));
		me->urgency = urgency;
	}
	if (pvs_limited && charge(p, task_of(p), had)) {
		pvs_set_slice(p, 0);
		return;
	}
	if (urgency > PVS_RANK_RT) {
		if (is_starved(me, cpu, now))
			pvs_set_slice(p, 0);
		return;
	}
	if (now < me->spared_until)
		return;
	/* Its boost has ended; or a vCPU waits that is more urgent. */
	if (urgency_of(had) > PVS_RANK_RT ||
	    scx_bpf_dsq_nr_queued(PVS_URGENT_DSQ))
		pvs_set_slice(p, 0);
}

SEC("struct_ops/pvs_running")
void BPF_PROG(pvs_running, struct task_struct *p)
{
	__s32 cpu = scx_bpf_task_cpu(p);
	struct pvs_thread *thread = vcpu_of(p);
	struct pvs_task *task = task_of(p);
	struct pvs_cpu *me = cpu_of(cpu);
	__u64 *vnow = clock_of(p, cpu);
	__u32 urgency = urgency_of(0);

	if (!task || !me || !vnow)
		return;
	task->ran_at = p->se.sum_exec_runtime;
	if (thread) {
		urgency = urgency_of(granted(thread));
		count_wakeup(thread);
		on_switch(thread, 0);
	}
	me->urgency = urgency;
	me->is_taken = 0;
	if (urgency > PVS_RANK_RT) {
		if (!me->urgent_since)
			me->urgent_since = bpf_ktime_get_ns();
		return;
	}
	me->urgent_since = 0;
	if (pvs_before(*vnow, task->fair.vruntime))
		*vnow = task->fair.vruntime;
	me->vnow = task->fair.vruntime;
}

/*
 * It leaves its CPU. A vCPU that sleeps halts, or waits for its VMM: what wakes
 * it then is an interrupt or an answer, that is, news for the guest.
 */
SEC("struct_ops/pvs_stopping")
void BPF_PROG(pvs_stopping, struct task_struct *p, bool runnable)
{
	struct pvs_thread *thread = vcpu_of(p);
	struct pvs_task *task = task_of(p);
	__u64 had = 0;

	if (!task)
		return;
	if (thread) {
		had = granted(thread);
		judge(p, thread, runnable ? PVS_PREEMPT : PVS_HALT);
		on_switch(thread, runnable ? PVSCHED_GRANT_PREEMPTED :
					     PVSCHED_GRANT_HALTED);
	}
	charge(p, task, had);
}

SEC("struct_ops/pvs_quiescent")
void BPF_PROG(pvs_quiescent, struct task_struct *p, __u64 deq_flags)
{
	struct pvs_task *task = task_of(p);

	if (task)
		pvs_fair_sleep(&task->fair, bpf_ktime_get_ns());
}

SEC("struct_ops/pvs_init_task")
__s32 BPF_PROG(pvs_init_task, struct task_struct *p,
	       struct scx_init_task_args *args)
{
	return bpf_task_storage_get(&tasks, p, 0, BPF_LOCAL_STORAGE_GET_F_CREATE) ?
		       0 :
		       -12 /* ENOMEM */;
}

SEC("struct_ops/pvs_enable")
void BPF_PROG(pvs_enable, struct task_struct *p)
{
	__u64 *vnow = clock_of(p, scx_bpf_task_cpu(p));
	struct pvs_task *task = task_of(p);

	if (task && vnow)
		task->fair.vruntime = *vnow;
}

SEC("struct_ops/pvs_cpu_online")
void BPF_PROG(pvs_cpu_online, __s32 cpu)
{
	struct pvs_cpu *me = cpu_of(cpu);

	if (me)
		me->is_taken = 0;
}

SEC("struct_ops/pvs_cpu_offline")
void BPF_PROG(pvs_cpu_offline, __s32 cpu)
{
	struct pvs_cpu *me = cpu_of(cpu);

	if (me)
		me->is_taken = 1;
}

/* A real-time task takes the CPU: what waits for it may find another. */
SEC("struct_ops/pvs_cpu_release")
void BPF_PROG(pvs_cpu_release, __s32 cpu, struct scx_cpu_release_args *args)
{
	struct pvs_cpu *me = cpu_of(cpu);

	if (me)
		me->is_taken = 1;
	scx_bpf_reenqueue_local___v1();
}

/* The same, where sched_ext lets go of cpu_release(). */
SEC("?tp_btf/sched_switch")
int BPF_PROG(pvs_cpu_taken, bool preempt, struct task_struct *prev,
	     struct task_struct *next)
{
	struct pvs_cpu *me;

	if (!next || next->prio >= PVS_RT_PRIO)
		return 0;
	me = cpu_of(bpf_get_smp_processor_id());
	if (!me || me->is_taken)
		return 0;
	me->is_taken = 1;
	if (bpf_ksym_exists(scx_bpf_reenqueue_local___v2___new))
		scx_bpf_reenqueue_local___v2___new();
	return 0;
}

SEC("struct_ops.s/pvs_init")
__s32 BPF_PROG(pvs_init)
{
	__s32 error;
	__u32 i;

	bpf_for(i, 0, pvs_nr_cpus) {
		error = scx_bpf_create_dsq(PVS_CPU_DSQ(i), -1);
		if (error)
			return error;
	}
	bpf_for(i, 0, pvs_nr_nodes) {
		error = scx_bpf_create_dsq(PVS_NODE_DSQ(i), i);
		if (error)
			return error;
	}
	error = groups_init();
	return error ? error : scx_bpf_create_dsq(PVS_URGENT_DSQ, -1);
}

SEC("struct_ops/pvs_exit")
void BPF_PROG(pvs_exit, struct scx_exit_info *info)
{
	struct pvs_scheduler_end *end = &pvs_scheduler_end;

	bpf_probe_read_kernel_str(end->reason, sizeof(end->reason),
				  info->reason);
	bpf_probe_read_kernel_str(end->message, sizeof(end->message),
				  info->msg);
	end->code = info->exit_code;
	PVS_STORE(end->kind, (__u32)info->kind);
	tell(PVS_SCHEDULER_ENDED);
}

SEC(".struct_ops.link")
struct sched_ext_ops pvs_scheduler = {
	.select_cpu = (void *)pvs_select_cpu,
	.runnable = (void *)pvs_runnable,
	.enqueue = (void *)pvs_enqueue,
	.dispatch = (void *)pvs_dispatch,
	.tick = (void *)pvs_tick,
	.running = (void *)pvs_running,
	.stopping = (void *)pvs_stopping,
	.quiescent = (void *)pvs_quiescent,
	.init_task = (void *)pvs_init_task,
	.enable = (void *)pvs_enable,
	.cgroup_init = (void *)pvs_cgroup_init,
	.cgroup_exit = (void *)pvs_cgroup_exit,
	.cgroup_move = (void *)pvs_cgroup_move,
	.cgroup_set_weight = (void *)pvs_cgroup_set_weight,
	.cgroup_set_bandwidth = (void *)pvs_cgroup_set_bandwidth,
	.cpu_online = (void *)pvs_cpu_online,
	.cpu_offline = (void *)pvs_cpu_offline,
	.cpu_release = (void *)pvs_cpu_release,
	.init = (void *)pvs_init,
	.exit = (void *)pvs_exit,
	/* So that one whose quota is used up stops though its CPU has no other. */
	.flags = PVS_SCX_OPS_ENQ_LAST,
	.timeout_ms = 10000,
	.name = "pvsched",
};

#endif /* PVSCHED_SCHEDULER_H */
