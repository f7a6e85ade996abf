/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the scheduler knows of tasks and CPUs, and what a vCPU is worth now.
 */
#ifndef PVSCHED_SCHED_STATE_H
#define PVSCHED_SCHED_STATE_H

#include "host-policy/bpf/scx/maps.bpf.c"
#include "host-policy/bpf/scx/boot_boost.bpf.h"
#include "host-policy/bpf/scx/cgroup.bpf.h"
#include "host-policy/bpf/decide.bpf.h"
#include "host-policy/bpf/scx/bw_throttle.bpf.h"
#include "host-policy/bpf/scx/compat.bpf.h"

#define PVS_MAX_NODES 64
#define PVS_PF_KTHREAD 0x00200000

/* Urgent vCPUs leave ordinary tasks without a CPU for no longer than this, */
#define PVS_STARVED_NS (50 * 1000000ull)
/* that is, with less than this of it; nor is it taken from the one that goes first then. */
#define PVS_SPARED_NS (2 * 1000000ull)

/* Queues: of CPU n, of node n, of urgent vCPUs. */
#define PVS_CPU_DSQ(cpu) ((__u64)(cpu))
#define PVS_NODE_DSQ(node) (0x10000ull + (__u64)(node))
#define PVS_URGENT_DSQ 0x20000ull

/* Virtual time of what runs, by node; each alone in its line. */
struct pvs_clock {
	__u64 vtime_now;
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
	__type(value, struct pvs_cpu_ctx);
} cpu_ctxs SEC(".maps");

static __always_inline struct pvs_cpu_ctx *cpu_of(__s32 cpu)
{
	__u32 key = cpu;

	return bpf_map_lookup_elem(&cpu_ctxs, &key);
}

static __always_inline struct pvs_task_ctx *task_of(struct task_struct *p)
{
	return bpf_task_storage_get(&task_ctxs, p, 0, 0);
}

/* Of a vCPU's thread; NULL of others, which are looked up once for each new vCPU. */
static __always_inline struct pvs_vcpu_binding *vcpu_of(struct task_struct *p,
						  struct pvs_task_ctx *taskc)
{
	/* Before the look: one that comes after it is counted after it. */
	__u32 binds = PVS_LOAD(pvs_binds) + 1;
	struct pvs_vcpu_binding *binding;

	if (!taskc || taskc->no_vcpu == binds)
		return NULL;
	binding = bpf_task_storage_get(&vcpu_bindings, p, 0, 0);
	if (!binding)
		taskc->no_vcpu = binds;
	return binding;
}

static __always_inline __u32 node_of(__s32 cpu)
{
	__u32 node = 0;

	if (bpf_ksym_exists(scx_bpf_cpu_node) && pvs_nr_nodes > 1)
		node = scx_bpf_cpu_node(cpu);
	return node < PVS_MAX_NODES ? node : 0;
}

/* Those that are online, not all that the host may have; and nodes that had some at first. */
__u32 pvs_online_cpus;
__u32 pvs_online_nodes;

static __always_inline __u32 cpus_of_node(void)
{
	__u32 nodes = PVS_LOAD(pvs_online_nodes);
	__u32 cpus = PVS_LOAD(pvs_online_cpus);

	return nodes && cpus > nodes ? cpus / nodes : 1;
}

/*
 * Of those the task waits among. Those bound to one CPU have a time of their
 * own: a nr_queued_avg there falls behind the node's, and one that woke by the node's
 * would wait until the nr_queued_avg has caught up.
 */
static __always_inline __u64 *clock_of(struct task_struct *p, __s32 cpu)
{
	struct pvs_clock *clock;
	struct pvs_cpu_ctx *own;
	__u32 node;

	if (p->nr_cpus_allowed == 1) {
		own = cpu_of(cpu);
		return own ? &own->vtime_now : NULL;
	}
	node = node_of(cpu);
	clock = bpf_map_lookup_elem(&clocks, &node);
	return clock ? &clock->vtime_now : NULL;
}

static __always_inline __u64 granted(struct pvs_vcpu_binding *binding)
{
	struct pvs_slot *slot = slot_of(binding);

	return slot ? slot->pending_grant : 0;
}

/* What the vCPU is granted now, from the guest's word of now. */
static __noinline __u64 judge(struct task_struct *p, struct pvs_vcpu_binding *binding,
			      __u32 event)
{
	if (!binding)
		return 0;
	on_event(p, binding, event);
	return granted(binding);
}

/* It can run: on its CPU, or in a queue. */
static __always_inline bool is_queued(struct task_struct *p)
{
	return p->scx.flags & PVS_SCX(scx_ent_flags, SCX_TASK_QUEUED);
}

/* A grant is a word like the guest's; 0, the thread's own, is nice 0. */
static __always_inline __u32 urgency_of(__u64 grant)
{
	return pvsched_urgency(pvs_without_flags(grant));
}

static __always_inline __u32 weight_of(struct task_struct *p,
				       struct pvs_task_ctx *taskc, __u64 grant)
{
	__u32 flags = pvsched_word_flags(grant);
	__u32 weight = p->scx.weight, granted;

	if (flags & (PVSCHED_GRANT_BOOSTED | PVSCHED_GRANT_LOWERED)) {
		granted = pvsched_word_policy(grant) == PVSCHED_POLICY_IDLE ?
				  1 :
				  pvs_weight_of_nice(pvsched_word_nice(grant));
		/* One that its admin set apart is not lowered by a boost, nor the reverse. */
		if (flags & PVSCHED_GRANT_BOOSTED ? granted > weight : granted < weight)
			weight = granted;
	}
	if (taskc->young_until) {
		if (bpf_ktime_get_ns() < taskc->young_until)
			weight *= PVS_BOOT_WEIGHT;
		else
			taskc->young_until = 0;
	}
	if (!pvs_weights || !bpf_ksym_exists(scx_bpf_task_cgroup))
		return weight;
	if (taskc->weights != pvs_weights) {
		taskc->weights = pvs_weights;
		taskc->group_weight = groups_weight(p);
	}
	return weight * taskc->group_weight / PVS_WEIGHT;
}

/* Ordinary tasks that wait for each CPU of its node. */
static __always_inline __u32 waiting_at(__s32 cpu)
{
	__s32 queued = scx_bpf_dsq_nr_queued(PVS_NODE_DSQ(node_of(cpu)));

	return queued > 0 ? (__u32)queued / cpus_of_node() : 0;
}

/* Virtual time passes; not each time, as that is a look at queues. */
static __always_inline void pass(struct task_struct *p, __u64 scaled)
{
	__s32 cpu = task_cpu(p);
	struct pvs_cpu_ctx *cpuc = cpu_of(cpu);
	__u64 *vtime_now;

	if (!cpuc)
		return;
	cpuc->passed_ns += scaled;
	if (cpuc->passed_ns < PVS_SLICE_MIN_NS)
		return;
	vtime_now = clock_of(p, cpu);
	/* Lost where another CPU writes at the same moment: then a little late. */
	if (vtime_now && p->nr_cpus_allowed > 1)
		*vtime_now = pvs_vtime_advance(*vtime_now, cpuc->passed_ns,
				      (waiting_at(cpu) + 1) * cpus_of_node());
	else if (vtime_now)
		*vtime_now = pvs_vtime_advance(*vtime_now, cpuc->passed_ns,
				      scx_bpf_dsq_nr_queued(PVS_CPU_DSQ(cpu)) + 1);
	cpuc->passed_ns = 0;
}

/* Whether it is a kernel thread of one CPU. */
static __always_inline bool is_bound_kthread(struct task_struct *p)
{
	return p->flags & PVS_PF_KTHREAD && p->nr_cpus_allowed == 1;
}

/*
 * Urgent vCPUs have left others so much of this CPU that those do not starve. A kernel
 * thread of this CPU is nobody whom they keep waiting.
 */
static __always_inline void spare(struct task_struct *p, __u64 ordinary)
{
	struct pvs_cpu_ctx *cpuc = cpu_of(task_cpu(p));

	if (!cpuc || !cpuc->urgent_since || is_bound_kthread(p))
		return;
	cpuc->ordinary_ns += ordinary;
	if (cpuc->ordinary_ns >= PVS_SPARED_NS)
		cpuc->urgent_since = 0;
}

/* Urgent vCPUs keep others from this CPU from now on. */
static __always_inline void begin_urgent(struct pvs_cpu_ctx *cpuc, __u64 now)
{
	cpuc->urgent_since = now;
	cpuc->ordinary_ns = 0;
}

static __always_inline __u64 urgent_ns(struct pvs_vcpu_binding *binding)
{
	struct pvs_slot *slot = binding ? slot_of(binding) : NULL;

	return slot ? slot->urgent_ns : 0;
}

/*
 * The CPU time that the task owes since it was last charged. What a vCPU used while it
 * was urgent is as a real-time task's: the budget bounds it, and nobody owes it.
 */
static __always_inline __u64 owed(struct task_struct *p, struct pvs_task_ctx *taskc,
				  struct pvs_vcpu_binding *binding)
{
	__u64 used = p->se.sum_exec_runtime - taskc->ran_at;
	__u64 urgent = urgent_ns(binding);

	/* Registered anew it begins at 0. */
	urgent = urgent > taskc->urgent_ns ? urgent - taskc->urgent_ns : 0;
	return urgent < used ? used - urgent : 0;
}

/*
 * For the CPU time since the last look, used under `grant`; returns until when its
 * groups wait. Of the task that an operation is about only: the kernel tells of no
 * other's groups, and ends the scheduler.
 */
static __noinline __u64 charge(struct task_struct *p, struct pvs_task_ctx *taskc,
			       struct pvs_vcpu_binding *binding, __u64 grant)
{
	__u64 used, ordinary, scaled;

	if (!taskc)
		return 0;
	used = p->se.sum_exec_runtime - taskc->ran_at;
	ordinary = owed(p, taskc, binding);
	taskc->ran_at = p->se.sum_exec_runtime;
	taskc->urgent_ns = urgent_ns(binding);
	if (ordinary) {
		taskc->weight = weight_of(p, taskc, urgency_of(grant) > PVSCHED_URGENCY_RT ? 0 : grant);
		pvs_vtime_charge(&taskc->fair, ordinary, taskc->weight);
		/*
		 * By less than its weight makes of it, if that is a small one: else one that
		 * runs alone would take the time far ahead of all that wait elsewhere.
		 */
		scaled = pvs_scale_by_weight(ordinary, taskc->weight);
		pass(p, scaled < ordinary ? scaled : ordinary);
		if (urgency_of(grant) <= PVSCHED_URGENCY_RT)
			spare(p, ordinary);
	}
	taskc->parked_until = 0;
	if (pvs_limited && bpf_ksym_exists(scx_bpf_task_cgroup))
		taskc->parked_until = groups_charge(p, used);
	return taskc->parked_until;
}

/* As spare(), of the task that the CPU is still at: it is charged only when it stops. */
static __noinline int look_at_spared(struct task_struct *prev)
{
	struct pvs_cpu_ctx *cpuc = cpu_of(task_cpu(prev));
	struct pvs_task_ctx *taskc = task_of(prev);
	struct pvs_vcpu_binding *binding = vcpu_of(prev, taskc);

	if (!cpuc || !taskc || is_bound_kthread(prev) ||
	    (binding && urgency_of(granted(binding)) > PVSCHED_URGENCY_RT))
		return 0;
	if (cpuc->ordinary_ns + owed(prev, taskc, binding) >= PVS_SPARED_NS)
		cpuc->urgent_since = 0;
	return 0;
}

/* Whether its groups' quotas were used up when it was last charged. */
static __always_inline bool is_parked(const struct pvs_task_ctx *taskc, __u64 now)
{
	return pvs_limited && taskc && taskc->parked_until > now;
}

/* A busy host has none, and need not look for the best one: enqueue() looks again. */
static __always_inline bool some_idle(void)
{
	const struct cpumask *idle = scx_bpf_get_idle_cpumask();
	bool none = bpf_cpumask_empty(idle);

	scx_bpf_put_idle_cpumask(idle);
	return !none;
}

static __always_inline void count(__u64 *counter)
{
	__sync_fetch_and_add(counter, 1);
}

#endif /* PVSCHED_SCHED_STATE_H */
