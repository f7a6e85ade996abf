// SPDX-License-Identifier: GPL-2.0
/*
 * The actuator scx: a scheduler for the whole host that knows of vCPUs.
 *
 * Ordinary tasks wait in one queue for each NUMA node, by virtual deadline
 * (core/fair.h); those bound to one CPU in a queue of that CPU. A vCPU whose
 * grant is a real-time one is urgent: it waits in a queue that every CPU looks
 * into first, and an idle CPU, else that of the least urgent taskc, looks at once.
 * The grant is made anew, from the guest's word, whenever a decision needs it:
 * at wake-up, at the tick, at a slice's end, at a sleep. No VM exit is hooked.
 *
 * A vCPU with a lowered or a raised nice value has the weight of that, and one
 * that only idles (SCHED_IDLE) gives way to everybody.
 *
 * docs/scheduler.md has the reasons and where the ideas come from.
 */
#include "host-policy/bpf/kernel_types.bpf.h"

#include <linux/bpf.h>
#include <stdbool.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "host-policy/bpf/maps.bpf.c"
#include "host-policy/bpf/scx/maps.bpf.c"
#include "host-policy/bpf/binding.bpf.c"
#include "host-policy/bpf/scx/lifecycle.bpf.h"
#include "host-policy/bpf/scx/dispatch.bpf.h"
#include "host-policy/bpf/scx/rt_preempt.bpf.h"

char _license[] SEC("license") = "GPL";

/*
 * It has slept, or is new. Before it is queued or given a CPU: what does its
 * guest want of it?
 */
static __noinline int wake(struct task_struct *p, struct pvs_task_ctx *taskc)
{
	struct pvs_vcpu_binding *binding;
	__u64 now, *vtime_now;
	struct pvs_slot *slot;
	struct pvs_cpu_ctx *cpuc;
	__s32 cpu;
	__u32 waiting;

	if (!taskc)
		return 0;
	cpu = task_cpu(p);
	vtime_now = clock_of(p, cpu);
	cpuc = cpu_of(cpu);
	if (!vtime_now || !cpuc)
		return 0;
	now = bpf_ktime_get_ns();
	waiting = pvs_nr_queued_avg_round(cpuc->nr_queued_avg);
	taskc->is_awake = 1;
	taskc->young_until = young_until(p, now);
	if (taskc->young_until) {
		/* All the credit that there is. */
		taskc->fair.wakes = PVS_WAKEUPS_FULL_CREDIT;
		waiting = 0;
		count(&cpuc->counts.young);
	}
	pvs_vtime_wake(&taskc->fair, p->scx.weight, *vtime_now, now, waiting);
	binding = vcpu_of(p, taskc);
	if (!binding)
		return 0;
	slot = slot_of(binding);
	if (slot)
		slot->woken_at = now;
	judge(p, binding, PVS_WAKE);
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
	struct pvs_cpu_ctx *cpuc;
	bool is_idle = false;
	__s32 cpu;

	wake(p, task_of(p));
	if (!some_idle())
		return prev_cpu;
	cpu = scx_bpf_select_cpu_dfl(p, prev_cpu, wake_flags, &is_idle);
	if (!is_idle || parked_until(p))
		return cpu;
	/* Nobody waits for a CPU that is idle. */
	pvs_insert(p, PVS_SCX(scx_dsq_id_flags, SCX_DSQ_LOCAL),
		   PVS_SLICE_MAX_NS, 0);
	cpuc = cpu_of(cpu);
	if (cpuc)
		count(&cpuc->counts.idle);
	return cpu;
}

SEC("struct_ops/pvs_enqueue")
void BPF_PROG(pvs_enqueue, struct task_struct *p, __u64 enq_flags)
{
	struct pvs_task_ctx *taskc = task_of(p);
	struct pvs_vcpu_binding *binding = vcpu_of(p, taskc);
	__s32 cpu = task_cpu(p), idle = -1;
	struct pvs_cpu_ctx *cpuc = cpu_of(cpu);
	__u64 local = PVS_SCX(scx_dsq_id_flags, SCX_DSQ_LOCAL);
	__u64 queue, until, *vtime_now;
	bool is_woken = taskc && !taskc->is_awake;
	__u32 urgency = 0, waiting;

	/* One that has no choice of CPU comes here first. */
	if (is_woken)
		wake(p, taskc);
	until = parked_until(p);
	if (until) {
		park(p, until, enq_flags);
		return;
	}
	/* Nobody else is there for its CPU. */
	if (!taskc || !cpuc || enq_flags & PVS_SCX(scx_enq_flags, SCX_ENQ_LAST)) {
		pvs_insert(p, local, PVS_SLICE_MIN_NS, enq_flags);
		/* Older kernels do not look again by themselves. */
		if (enq_flags & PVS_SCX(scx_enq_flags, SCX_ENQ_LAST))
			scx_bpf_kick_cpu(cpu, 0);
		return;
	}
	if (binding) {
		urgency = urgency_of(granted(binding));
		if (urgency > PVSCHED_URGENCY_RT) {
			enqueue_urgent(p, taskc, urgency, enq_flags);
			return;
		}
	}
	if (is_bound_kthread(p) && enqueue_kthread(p, is_woken, enq_flags))
		return;
	count(&cpuc->counts.queued);
	waiting = pvs_nr_queued_avg_round(cpuc->nr_queued_avg);
	vtime_now = clock_of(p, cpu);
	if (vtime_now)
		pvs_vtime_clamp(&taskc->fair, *vtime_now, waiting);
	queue = PVS_NODE_DSQ(node_of(cpu));
	if (p->nr_cpus_allowed == 1) {
		queue = PVS_CPU_DSQ(cpu);
		cpuc->has_own = 1;
	}
	pvs_insert_by(p, queue, pvs_slice_for(waiting),
		      pvs_vtime_dsq_key(&taskc->fair, waiting), enq_flags);
	/*
	 * One that became idle since select_cpu() has not seen this taskc; one that does
	 * before this returns, which is when the task is queued, is found by a tick.
	 */
	if (p->nr_cpus_allowed > 1)
		idle = idle_for(p);
	else if (scx_bpf_test_and_clear_cpu_idle(cpu))
		idle = cpu;
	if (idle >= 0) {
		scx_bpf_kick_cpu(idle, PVS_SCX(scx_kick_flags, SCX_KICK_IDLE));
		return;
	}
	/*
	 * Other tasks wait for a slice to end. A vCPU that wakes has an interrupt
	 * to handle: it goes before one that is later than it.
	 */
	if (!binding || !(enq_flags & PVS_SCX(scx_enq_flags, SCX_ENQ_WAKEUP)))
		return;
	cpu = least_urgent(p, urgency, pvs_vtime_deadline(&taskc->fair));
	if (cpu < 0)
		return;
	count(&cpuc->counts.preempted);
	scx_bpf_kick_cpu(cpu, PVS_SCX(scx_kick_flags, SCX_KICK_PREEMPT));
}

/* What prev, a vCPU that could go on, is granted now; 0: it is none. */
static __always_inline __u64 judge_prev(struct task_struct *prev,
					struct pvs_task_ctx *taskc)
{
	struct pvs_vcpu_binding *binding = vcpu_of(prev, taskc);

	if (!binding)
		return 0;
	/* Only the tick ends a boost, only a preemption begins a critical one. */
	return judge(prev, binding,
		     urgency_of(granted(binding)) > PVSCHED_URGENCY_RT ? PVS_TICK :
								 PVS_PREEMPT);
}

SEC("struct_ops/pvs_dispatch")
void BPF_PROG(pvs_dispatch, __s32 cpu, struct task_struct *prev)
{
	struct pvs_cpu_ctx *cpuc = cpu_of(cpu);
	struct pvs_task_ctx *taskc = NULL;
	__u64 now = 0, order, grant = 0;
	__u32 urgency, in, least;
	__s32 yields_to;
	bool is_critical, others_first;

	if (!cpuc)
		return;
	if (prev && cpuc->urgent_since)
		look_at_spared(prev);
	/* It sleeps, or is gone. */
	if (prev && !is_queued(prev))
		prev = NULL;
	if (prev) {
		taskc = task_of(prev);
		grant = judge_prev(prev, taskc);
	}
	/* Most hosts have nobody who asks. */
	if (cpuc->urgent_since || pvs_limited || PVS_LOAD(pvs_parks))
		now = bpf_ktime_get_ns();
	urgency = urgency_of(grant);
	is_critical = pvsched_word_flags(grant) & PVSCHED_GRANT_CRITICAL;
	yields_to = cpuc->yields_to;
	cpuc->yields_to = 0;
	if (cpuc->to_pull) {
		in = __sync_lock_test_and_set(&cpuc->to_pull, 0);
		least = urgency > PVSCHED_URGENCY_RT ? urgency : PVSCHED_URGENCY_RT;
		if (in && (pull(cpu, PVS_CPU_DSQ(cpu), least) ||
			   pull(cpu, PVS_NODE_DSQ(in - 1), least))) {
			count(&cpuc->counts.pulled);
			return;
		}
		/* It may be prev's turn for now, but is not for long. */
		if (in && least > PVSCHED_URGENCY_RT)
			__sync_val_compare_and_swap(&cpuc->to_pull, 0, in);
	}
	if (is_starved(cpuc, cpu, now) && take_starved(cpuc, cpu, now)) {
		/* If the last of the urgent: the next one's turn is as far away. */
		begin_urgent(cpuc, now);
		/* Else the vCPU that has just made room would take it again. */
		cpuc->spared_until = now + PVS_SPARED_NS;
		count(&cpuc->counts.starved);
		return;
	}
	if (pvs_binds && pvs_head(PVS_URGENT_DSQ, &order)) {
		others_first = is_critical ?
				       urgency_in_order(order) > urgency :
				       urgency_in_order(order) >= urgency;
		if (others_first && take_urgent(cpuc, cpu))
			return;
	}
	/* If prev goes on: whoever claimed this CPU has found another. */
	cpuc->urgency = urgency;
	if (prev && urgency > PVSCHED_URGENCY_RT && !yields_to && !is_parked(taskc, now)) {
		count(is_critical ? &cpuc->counts.critical_kept :
				    &cpuc->counts.kept);
		pvs_set_slice(prev, is_critical ? PVS_CRITICAL_SLICE_NS :
						  PVS_URGENT_SLICE_NS);
		return;
	}
	if (prev && is_parked(taskc, now))
		prev = NULL;
	if (take_parked(cpu, now))
		return;
	if (yields_to && ((yields_to > 0 && take_yielded(cpu, yields_to)) ||
			  take_ordinary(cpu, NULL)))
		return;
	if (take_ordinary(cpu, prev))
		return;
	if (prev) {
		pvs_set_slice(prev, pvs_slice_for(pvs_nr_queued_avg_round(cpuc->nr_queued_avg)));
		return;
	}
	/* Nobody waits: it goes idle. */
	cpuc->urgent_since = 0;
	/* Those come when this has returned. */
	if (send_on(0))
		scx_bpf_kick_cpu(cpu, 0);
}

SEC("struct_ops/pvs_tick")
void BPF_PROG(pvs_tick, struct task_struct *p)
{
	__s32 cpu = task_cpu(p);
	struct pvs_cpu_ctx *cpuc = cpu_of(cpu);
	struct pvs_task_ctx *taskc = task_of(p);
	struct pvs_vcpu_binding *binding = vcpu_of(p, taskc);
	__u64 now = bpf_ktime_get_ns(), had = 0;
	__u32 urgency = 0;

	if (!cpuc)
		return;
	cpuc->nr_queued_avg = pvs_nr_queued_avg_add(cpuc->nr_queued_avg, waiting_at(cpu));
	/* On a busy host, most often, two looks at queues less. */
	if (some_idle()) {
		kick_idle_for(PVS_URGENT_DSQ);
		kick_idle_for(PVS_NODE_DSQ(node_of(cpu)));
	}
	send_on(PVS_STAYS_NS);
	if (binding) {
		had = granted(binding);
		urgency = urgency_of(judge(p, binding, PVS_TICK));
		cpuc->urgency = urgency;
	}
	if (pvs_limited && charge(p, taskc, binding, had)) {
		pvs_set_slice(p, 0);
		return;
	}
	if (urgency > PVSCHED_URGENCY_RT) {
		/* It may be so only since now. */
		if (!cpuc->urgent_since)
			begin_urgent(cpuc, now);
		if (is_starved(cpuc, cpu, now))
			pvs_set_slice(p, 0);
		return;
	}
	if (now < cpuc->spared_until)
		return;
	/* Its boost has ended; or a vCPU waits that is more urgent, or may. */
	if (urgency_of(had) > PVSCHED_URGENCY_RT || cpuc->to_pull ||
	    (pvs_binds && scx_bpf_dsq_nr_queued(PVS_URGENT_DSQ)))
		pvs_set_slice(p, 0);
}

SEC("struct_ops/pvs_running")
void BPF_PROG(pvs_running, struct task_struct *p)
{
	__s32 cpu = task_cpu(p);
	struct pvs_task_ctx *taskc = task_of(p);
	struct pvs_vcpu_binding *binding = vcpu_of(p, taskc);
	struct pvs_cpu_ctx *cpuc = cpu_of(cpu);
	__u64 *vtime_now = clock_of(p, cpu);
	__u32 urgency = urgency_of(0);
	struct pvs_slot *slot;

	if (!taskc || !cpuc || !vtime_now)
		return;
	taskc->ran_at = p->se.sum_exec_runtime;
	/* The kernel tells the end of a task whose parameters change as a sleep's. */
	taskc->is_awake = 1;
	if (binding) {
		slot = slot_of(binding);
		if (slot && slot->vcpu.injected)
			pvs_enter(&slot->vcpu, bpf_ktime_get_ns());
		taskc->urgent_ns = urgent_ns(binding);
		urgency = urgency_of(granted(binding));
		count_wakeup(binding);
		on_switch(binding, 0);
		together_begin(taskc, binding);
	}
	/* It may come from where time goes faster. */
	if (urgency <= PVSCHED_URGENCY_RT)
		pvs_vtime_clamp(&taskc->fair, *vtime_now, 0);
	cpuc->urgency = urgency;
	cpuc->deadline = pvs_vtime_deadline(&taskc->fair);
	cpuc->is_taken = 0;
	if (cpuc->left_at)
		goes_on(cpuc, cpu, urgency);
	/* While it waited others of its group may have used up the quota. */
	taskc->parked_until = parked_until(p);
	if (taskc->parked_until)
		scx_bpf_kick_cpu(cpu, PVS_SCX(scx_kick_flags, SCX_KICK_PREEMPT));
	if (urgency > PVSCHED_URGENCY_RT) {
		if (!cpuc->urgent_since)
			begin_urgent(cpuc, bpf_ktime_get_ns());
		return;
	}
	if (pvs_before(*vtime_now, taskc->fair.vruntime))
		*vtime_now = taskc->fair.vruntime;
}

/*
 * Its turn is for others: of sched_yield(), and, with `to`, of a vCPU that spins for
 * one that does not run, as KVM sees by its pauses or is told by its guest.
 */
SEC("struct_ops/pvs_yield")
bool BPF_PROG(pvs_yield, struct task_struct *from, struct task_struct *to)
{
	struct pvs_cpu_ctx *cpuc = cpu_of(task_cpu(from));

	if (!cpuc)
		return false;
	if (!to) {
		cpuc->yields_to = -1;
	} else {
		if (!is_queued(to) || scx_bpf_task_running(to))
			return false;
		cpuc->yields_to = to->pid;
	}
	pvs_set_slice(from, 0);
	return true;
}

/*
 * It leaves its CPU. A vCPU that sleeps halts, or waits for its VMM: what wakes
 * it then is an interrupt or an answer, that is, news for the guest.
 */
SEC("struct_ops/pvs_stopping")
void BPF_PROG(pvs_stopping, struct task_struct *p, bool runnable)
{
	struct pvs_task_ctx *taskc = task_of(p);
	struct pvs_vcpu_binding *binding = vcpu_of(p, taskc);
	__u64 had = 0;

	if (!taskc)
		return;
	if (binding) {
		had = granted(binding);
		judge(p, binding, runnable ? PVS_PREEMPT : PVS_HALT);
		on_switch(binding, runnable ? PVSCHED_GRANT_PREEMPTED :
					     PVSCHED_GRANT_HALTED);
	}
	charge(p, taskc, binding, had);
	together_end(taskc);
	if (runnable)
		return;
	taskc->is_awake = 0;
	pvs_vtime_sleep(&taskc->fair, bpf_ktime_get_ns());
}

/*
 * A vCPU's thread kicks itself, as for its timer: it runs, and need not be looked for.
 * Often the interrupt has been told of, and this is its way into the guest.
 */
static __always_inline int on_own_kick(struct task_struct *p)
{
	struct pvsched_record *record;
	struct pvs_vcpu_binding *binding;
	struct pvs_slot *slot;

	binding = bpf_task_storage_get(&vcpu_bindings, p, 0, 0);
	if (!binding)
		return 0;
	slot = slot_of(binding);
	record = binding->record;
	if (!slot || !record)
		return 0;
	/* No event may have come since the guest has taken the last one. */
	if (!slot->vcpu.injected || PVS_LOAD(record->irq_ack) == slot->vcpu.irq_ticket)
		on_event(p, binding, PVS_INJECT);
	return 0;
}

/*
 * An interrupt for a vCPU, in the context of whoever raises it: the one event
 * of a vCPU that is preempted, and so the only way to hear of its interrupt
 * before it runs again. Two names because the function moved in 7.3.
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
		/* No later event tells the scheduler of it. */
		on_event(p, binding, PVS_INJECT);
		kick(p, binding);
	}
	bpf_task_release(p);
	return 0;
}

SEC("?fentry/kvm_vcpu_kick")
int BPF_PROG(pvs_kvm_vcpu_kick, struct kvm_vcpu *vcpu)
{
	return on_kick(vcpu);
}

SEC("?fentry/__kvm_vcpu_kick")
int BPF_PROG(pvs_kvm_vcpu_kick_73, struct kvm_vcpu *vcpu)
{
	return on_kick(vcpu);
}

SEC(".struct_ops.link")
struct sched_ext_ops pvs_scx_ops = {
	.select_cpu = (void *)pvs_select_cpu,
	.enqueue = (void *)pvs_enqueue,
	.dispatch = (void *)pvs_dispatch,
	.tick = (void *)pvs_tick,
	.running = (void *)pvs_running,
	.stopping = (void *)pvs_stopping,
	.yield = (void *)pvs_yield,
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
	/*
	 * So that one whose quota is used up stops though its CPU has no other; and
	 * so that those which exit, as a killed VMM's threads, pass nobody.
	 */
	.flags = PVS_SCX_OPS_ENQ_LAST | PVS_SCX_OPS_ENQ_EXITING,
	.timeout_ms = 10000,
	.name = "pvsched",
};
