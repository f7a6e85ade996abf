// SPDX-License-Identifier: GPL-2.0
/* Copyright (C) 2026 The pvsched authors */
/*
 * Preemption for vCPUs: the choice of the victim CPU, and vCPUs that become
 * urgent while they are queued.
 */

/* Above every urgency: the urgent DSQ's keys ascend as urgency descends. */
#define PVS_URGENCY_MAX 1024

/* The urgent DSQ's key: highest urgency first, then the earliest deadline. */
static __always_inline __u64 urgent_key(__u32 urgency, __u64 deadline)
{
	return ((__u64)(PVS_URGENCY_MAX - urgency) << 48) | (deadline & 0xffffffffffffull);
}

static __always_inline __u32 urgency_of_key(__u64 key)
{
	return PVS_URGENCY_MAX - (__u32)(key >> 48);
}

/* Whether a vCPU may preempt the CPU, by what the CPU does and did. */
static __always_inline bool is_preemptible(const struct pvs_cpu_ctx *cpuc, __u64 now)
{
	return !cpuc->is_rt_running &&
	       now - cpuc->preempted_at >= pvs_param_preempt_gap &&
	       now >= cpuc->guarded_until;
}

/*
 * Claims the victim CPU: of the CPUs that the task may use, the CPU with the
 * least urgent task. Among equals it is the last CPU of an urgent vCPU, and the
 * CPU with the latest deadline for an ordinary vCPU. -1: no CPU is less urgent.
 */
static __noinline __s32 claim_victim_cpu(struct task_struct *p, __u32 urgency,
					 __u64 deadline)
{
	__u32 lowest = urgency, scanned = 0, i, cpu;
	__u64 now = bpf_ktime_get_ns();
	/* A gain of less than a slice is not worth a switch. */
	__u64 latest = deadline + pvs_param_slice_min;
	__s32 last = task_cpu(p), victim = -1;
	struct pvs_cpu_ctx *cpuc;

	bpf_for(i, 0, pvs_nr_cpus) {
		cpu = (__u32)last + i;
		if (cpu >= pvs_nr_cpus)
			cpu -= pvs_nr_cpus;
		cpuc = cpu_ctx(cpu);
		if (!cpuc || cpuc->is_offline)
			continue;
		if (scanned++ == pvs_param_victim_max_scan)
			break;
		if (cpuc->curr_urgency > lowest || !is_preemptible(cpuc, now) ||
		    !bpf_cpumask_test_cpu(cpu, p->cpus_ptr))
			continue;
		/* An urgent vCPU does not preempt an equally urgent vCPU. */
		if (cpuc->curr_urgency == lowest &&
		    (is_urgent(urgency) || !pvs_before(latest, cpuc->curr_deadline)))
			continue;
		lowest = cpuc->curr_urgency;
		latest = cpuc->curr_deadline;
		victim = cpu;
	}
	cpuc = cpu_ctx(victim);
	if (victim < 0 || !cpuc)
		return -1;
	/* The claim keeps a second vCPU from queueing behind this one. */
	cpuc->curr_urgency = urgency;
	cpuc->curr_deadline = deadline;
	cpuc->preempted_at = now;
	return victim;
}

/* Consumes the vCPU that became urgent in a queue, if this CPU is to look for one. */
static __noinline bool dispatch_pulled(struct pvs_cpu_ctx *cpuc, __s32 cpu,
					    __u32 prev_urgency)
{
	__u32 from, least;

	if (!cpuc->pull_from)
		return false;
	from = __sync_lock_test_and_set(&cpuc->pull_from, 0);
	if (!from)
		return false;
	least = is_urgent(prev_urgency) ? prev_urgency : PVSCHED_URGENCY_RT;
	if (consume_first(cpu, PVS_CPU_DSQ(cpu), 0, PVS_ELIGIBLE_URGENT, least) ||
	    consume_first(cpu, PVS_NODE_DSQ(from - 1), 0, PVS_ELIGIBLE_URGENT, least)) {
		count(&cpuc->counts.pulled);
		return true;
	}
	/* prev is as urgent for now, but not for long: look again then. */
	if (is_urgent(least))
		__sync_val_compare_and_swap(&cpuc->pull_from, 0, from);
	return false;
}

/*
 * An interrupt made this vCPU urgent. If it is queued, a victim CPU is kicked to
 * pull it. Its last CPU looks too when it next dispatches or ticks: there may be
 * no victim at this moment, or an RT task may hold up the victim.
 */
static __always_inline void preempt_for_queued(struct task_struct *p,
					       struct pvs_vcpu_binding *binding)
{
	__u32 urgency = urgency_of(current_grant(binding));
	__u32 from = 1 + node_of(task_cpu(p));
	struct pvs_task_ctx *taskc = task_ctx(p);
	struct pvs_cpu_ctx *last, *victim;
	__s32 cpu;

	if (!taskc || !is_urgent(urgency) || scx_bpf_task_running(p) ||
	    !is_on_rq(p) || is_bw_throttled(taskc, bpf_ktime_get_ns()))
		return;
	last = cpu_ctx(task_cpu(p));
	if (last)
		__sync_lock_test_and_set(&last->pull_from, from);
	cpu = claim_victim_cpu(p, urgency, pvs_vtime_deadline(&taskc->vt));
	victim = cpu_ctx(cpu);
	if (cpu < 0 || !victim)
		return;
	__sync_lock_test_and_set(&victim->pull_from, from);
	kick_to_preempt(cpu);
}

/*
 * A vCPU's own thread raises an interrupt, as for its timer: the vCPU runs, so
 * no CPU is searched. Most often the interrupt was an event already, and this
 * is its injection into the guest.
 */
static __always_inline int on_own_kick(struct task_struct *p)
{
	struct pvs_vcpu_binding *binding;
	struct pvsched_record *record;
	struct pvs_slot *slot;

	binding = bpf_task_storage_get(&vcpu_bindings, p, 0, 0);
	if (!binding)
		return 0;
	slot = slot_of(binding);
	record = binding->record;
	if (!slot || !record)
		return 0;
	/* No event may have come since the guest acknowledged the last interrupt. */
	if (!slot->vcpu.injected || PVS_LOAD(record->irq_ack) == slot->vcpu.irq_ticket)
		on_event(p, binding, PVS_INJECT);
	return 0;
}

/*
 * An interrupt is raised for a vCPU, in any context. It is the only event of a
 * preempted vCPU, so without it the interrupt shows only when the vCPU runs.
 */
static __always_inline int on_kick(struct kvm_vcpu *vcpu)
{
	struct task_struct *p = (void *)bpf_get_current_task_btf();
	struct pvs_vcpu_binding *binding;
	struct pid *pid;

	if (!vcpu)
		return 0;
	pid = vcpu->pid;
	if (!pid)
		return 0;
	if (p->thread_pid == pid)
		return on_own_kick(p);
	p = bpf_task_from_pid(BPF_CORE_READ(pid, numbers[0].nr));
	if (!p)
		return 0;
	binding = bpf_task_storage_get(&vcpu_bindings, p, 0, 0);
	if (binding) {
		on_event(p, binding, PVS_KICK);
		preempt_for_queued(p, binding);
	}
	bpf_task_release(p);
	return 0;
}

SEC("?fentry/kvm_vcpu_kick")
int BPF_PROG(pvs_kvm_vcpu_kick, struct kvm_vcpu *vcpu)
{
	return on_kick(vcpu);
}

/* From 7.3 on kvm_vcpu_kick() is inline over this function. */
SEC("?fentry/__kvm_vcpu_kick")
int BPF_PROG(pvs_kvm_vcpu_kick_73, struct kvm_vcpu *vcpu)
{
	return on_kick(vcpu);
}
